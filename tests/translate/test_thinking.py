"""Thinking: asked for in each dialect's words, and given back as each wants it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.dialects import PLAIN, Dialect, dialect_named
from anthropic_proxy.translate.carriers import Carrier, pack
from anthropic_proxy.translate.chat.thinking import (
    LEVELS,
    Reasoning,
    carrier_for,
    effort_of,
    nearest_effort,
    reasoning_back,
    thinking_fields,
    thinking_off,
    thinking_on,
)
from anthropic_proxy.translate.validate import messages_request
from anthropic_proxy.wire.anthropic import MessagesRequest

EFFORT = replace(PLAIN, reasoning="effort")
OBJECT = replace(PLAIN, reasoning="reasoning_object", efforts=("low", "medium", "high", "xhigh", "max"))
SWITCH = replace(PLAIN, reasoning="thinking_object", thinking_extra=(("keep", "all"),))
SWITCH_AND_EFFORT = replace(PLAIN, reasoning="thinking_object", thinking_effort=True, efforts=("low", "high", "max"))
FLAG = replace(PLAIN, reasoning="enable_thinking")
TEMPLATE = replace(PLAIN, reasoning="template")
BUDGETED = replace(TEMPLATE, thinking_budget=True)
NONE = replace(PLAIN, reasoning="none")
DIALECTS = {
    "effort": EFFORT,
    "object": OBJECT,
    "switch": SWITCH,
    "both": SWITCH_AND_EFFORT,
    "flag": FLAG,
    "template": TEMPLATE,
    "budgeted": BUDGETED,
    "none": NONE,
    "auto": PLAIN,
}

ON = {"thinking": {"type": "enabled", "keep": "all"}}
ON_ALONE = {"thinking": {"type": "enabled"}}
TEMPLATE_ON = {"chat_template_kwargs": {"enable_thinking": True}}
TEMPLATE_OFF = {"chat_template_kwargs": {"enable_thinking": False}}
OFF: dict[str, dict[str, Any]] = {
    "effort": {"reasoning_effort": "none"},
    "object": {"reasoning": {"effort": "none"}},
    "switch": {"thinking": {"type": "disabled"}},
    "both": {"thinking": {"type": "disabled"}},
    "flag": {"enable_thinking": False},
    "template": TEMPLATE_OFF,
    "budgeted": TEMPLATE_OFF,
}
WITHOUT_LEVEL: dict[str, dict[str, Any]] = {
    "object": {"reasoning": {"enabled": True}},
    "switch": ON,
    "both": ON_ALONE,
    "flag": {"enable_thinking": True},
    "template": TEMPLATE_ON,
    "budgeted": TEMPLATE_ON,
}


def enabled(budget: int) -> dict[str, Any]:
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def effort(level: str) -> dict[str, Any]:
    return {"output_config": {"effort": level}}


FORMS: dict[str, tuple[dict[str, Any], dict[str, dict[str, Any]]]] = {
    "nothing said": ({}, {}),
    "null": ({"thinking": None}, {}),
    "true": ({"thinking": True}, WITHOUT_LEVEL),
    "adaptive": ({"thinking": {"type": "adaptive"}}, WITHOUT_LEVEL),
    "enabled without a budget": ({"thinking": {"type": "enabled"}}, WITHOUT_LEVEL),
    "a small budget": (
        enabled(4096),
        {
            "effort": {"reasoning_effort": "low"},
            "object": {"reasoning": {"max_tokens": 4096}},
            "switch": ON,
            "both": {**ON_ALONE, "reasoning_effort": "low"},
            "flag": {"enable_thinking": True, "thinking_budget": 4096},
            "template": TEMPLATE_ON,
            "budgeted": {**TEMPLATE_ON, "thinking_token_budget": 4096},
        },
    ),
    "a middling budget": (
        enabled(16384),
        {
            "effort": {"reasoning_effort": "medium"},
            "object": {"reasoning": {"max_tokens": 16384}},
            "switch": ON,
            "both": {**ON_ALONE, "reasoning_effort": "high"},
            "flag": {"enable_thinking": True, "thinking_budget": 16384},
            "template": TEMPLATE_ON,
            "budgeted": {**TEMPLATE_ON, "thinking_token_budget": 16384},
        },
    ),
    "a budget above the cap": (
        enabled(31999),
        {
            "effort": {"reasoning_effort": "high"},
            "object": {"reasoning": {"max_tokens": 19999}},
            "switch": ON,
            "both": {**ON_ALONE, "reasoning_effort": "high"},
            "flag": {"enable_thinking": True, "thinking_budget": 19999},
            "template": TEMPLATE_ON,
            "budgeted": {**TEMPLATE_ON, "thinking_token_budget": 19999},
        },
    ),
    "a budget below the least": (
        enabled(5),
        {
            "effort": {"reasoning_effort": "low"},
            "object": {"reasoning": {"max_tokens": 1024}},
            "switch": ON,
            "both": {**ON_ALONE, "reasoning_effort": "low"},
            "flag": {"enable_thinking": True, "thinking_budget": 1024},
            "template": TEMPLATE_ON,
            "budgeted": {**TEMPLATE_ON, "thinking_token_budget": 1024},
        },
    ),
    "an effort": (
        {"thinking": {"type": "adaptive"}, **effort("medium")},
        {
            "effort": {"reasoning_effort": "medium"},
            "object": {"reasoning": {"effort": "medium"}},
            "switch": ON,
            "both": {**ON_ALONE, "reasoning_effort": "high"},
            "flag": {"enable_thinking": True},
            "template": TEMPLATE_ON,
            "budgeted": TEMPLATE_ON,
        },
    ),
    "the greatest effort": (
        {"thinking": True, **effort("max")},
        {
            "effort": {"reasoning_effort": "high"},
            "object": {"reasoning": {"effort": "max"}},
            "switch": ON,
            "both": {**ON_ALONE, "reasoning_effort": "max"},
            "flag": {"enable_thinking": True},
            "template": TEMPLATE_ON,
            "budgeted": TEMPLATE_ON,
        },
    ),
    "an effort beside a budget is the stronger word": (
        {**enabled(2000), **effort("high")},
        {
            "effort": {"reasoning_effort": "high"},
            "object": {"reasoning": {"effort": "high"}},
            "switch": ON,
            "both": {**ON_ALONE, "reasoning_effort": "high"},
            "flag": {"enable_thinking": True, "thinking_budget": 2000},
            "template": TEMPLATE_ON,
            "budgeted": {**TEMPLATE_ON, "thinking_token_budget": 2000},
        },
    ),
    "an effort alone switches nothing": (
        effort("low"),
        {
            "effort": {"reasoning_effort": "low"},
            "object": {"reasoning": {"effort": "low"}},
            "both": {"reasoning_effort": "low"},
        },
    ),
    "an effort nobody knows is none": ({"thinking": True, **effort("huge")}, WITHOUT_LEVEL),
    "disabled": ({"thinking": {"type": "disabled"}}, OFF),
    "false": ({"thinking": False}, OFF),
    "between tools, which is off": ({"thinking": {"type": "between_tools"}}, OFF),
    "off in spite of an effort": ({"thinking": False, **effort("high")}, OFF),
}


def request(**fields: Any) -> MessagesRequest:
    return messages_request(
        {"model": "m", "max_tokens": 20_000, "messages": [{"role": "user", "content": "?"}], **fields}
    )


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("fields", "expected"), FORMS.values(), ids=FORMS.keys())
def test_how_thinking_is_asked_for(fields: dict[str, Any], expected: dict[str, dict[str, Any]], dialect: str) -> None:
    assert thinking_fields(request(**fields), DIALECTS[dialect]) == expected.get(dialect, {})


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS.keys())
def test_a_model_that_cannot_stop_is_not_told_to(dialect: Dialect) -> None:
    assert thinking_fields(request(thinking=False), replace(dialect, effort_off="")) == {}


def test_off_may_be_the_least() -> None:
    assert thinking_fields(request(thinking=False), replace(EFFORT, effort_off="minimal")) == {
        "reasoning_effort": "minimal"
    }


def test_a_forced_call_is_the_stronger_wish() -> None:
    assert thinking_fields(request(thinking=True), SWITCH, forced_off=True) == {"thinking": {"type": "disabled"}}


def test_a_budget_stays_below_the_cap_that_is_sent() -> None:
    assert thinking_fields(request(**enabled(31999)), replace(FLAG, max_output_tokens=8192)) == {
        "enable_thinking": True,
        "thinking_budget": 8191,
    }
    assert thinking_fields(request(**enabled(2000), max_tokens=1), FLAG)["thinking_budget"] == 1


def test_the_last_effort_that_was_said_counts() -> None:
    messages = [
        {"role": "user", "content": "?"},
        {"role": "system", "content": "a", "output_config": {"effort": "low"}},
        {"role": "system", "content": "b", "output_config": {"effort": None}},
        {"role": "system", "content": "c", "output_config": None},
    ]
    asked = request(thinking=True, **effort("high"), messages=messages)
    assert thinking_fields(asked, EFFORT) == {"reasoning_effort": "low"}


def test_off_is_not_the_same_as_unsaid() -> None:
    assert [thinking_on(request(thinking=value)) for value in (True, False, None)] == [True, False, False]
    assert [thinking_off(request(thinking=value)) for value in (True, False, None)] == [False, True, False]


NEAREST = {
    ("medium", ("low", "high", "max")): "high",
    ("xhigh", ("low", "high", "max")): "max",
    ("max", ("low", "medium", "high")): "high",
    ("low", ("high",)): "high",
    ("low", ("minimal", "medium")): "medium",
    ("high", ("none", "low")): "low",
    ("high", ("none",)): None,
    ("high", ()): None,
}


@pytest.mark.parametrize(("wish", "expected"), NEAREST.items(), ids=str)
def test_an_effort_moves_to_the_nearest_and_rather_up(wish: tuple[str, tuple[str, ...]], expected: str | None) -> None:
    assert nearest_effort(*wish) == expected


@given(st.integers(0, 200_000), st.sampled_from(LEVELS))
def test_every_wish_has_a_level(budget: int, level: str) -> None:
    assert effort_of(budget) in LEVELS
    assert nearest_effort(level, LEVELS) == level


# The way back

DEEPSEEK = dialect_named("deepseek")
KIMI = dialect_named("kimi")
GLM = dialect_named("glm")
OPENROUTER = dialect_named("openrouter")
GEMINI = dialect_named("gemini")
COPILOT = dialect_named("copilot")
CLAUDE = replace(PLAIN, reasoning_back_field="thinking_blocks")
MAGISTRAL = replace(PLAIN, reasoning_back_field="parts")
NEVER = replace(DEEPSEEK, reasoning_back="none")

DETAILS = [{"type": "reasoning.text", "text": "I look."}]
MORE_DETAILS = [{"type": "reasoning.encrypted", "data": "x"}]
BLOCKS = [{"type": "thinking", "thinking": "I look.", "signature": "s"}]
PARTS = [{"type": "thinking", "thinking": [{"type": "text", "text": "I look."}]}]


def thought(shown: str = "I look.", signature: str = "px1.") -> dict[str, Any]:
    return {"type": "thinking", "thinking": shown, "signature": signature}


def hidden(data: str) -> dict[str, Any]:
    return {"type": "redacted_thinking", "data": data}


def state(field: str, value: object, call_id: str = "", text: str = "", model: str = "m") -> str:
    return pack(Carrier(field, model, value, call_id, text))


def google(signature: object) -> dict[str, Any]:
    return {"extra_content": {"google": {"thought_signature": signature}}}


SKIP = "skip_thought_signature_validator"

CALLS = ["t1", "t2"]
Back = tuple[Dialect, list[dict[str, Any]], list[str], Reasoning]


def message(**fields: Any) -> Reasoning:
    return Reasoning(fields, {}, [])


def calls(**fields: Any) -> Reasoning:
    return Reasoning({}, fields, [])


NOTHING = message()

BACK: dict[str, Back] = {
    "nothing where nobody wants it": (PLAIN, [thought()], CALLS, NOTHING),
    "nothing where it was refused": (NEVER, [thought()], CALLS, NOTHING),
    "its text on a turn with calls": (DEEPSEEK, [thought()], CALLS, message(reasoning_content="I look.")),
    "not on others": (DEEPSEEK, [thought()], [], NOTHING),
    "on all turns where it is preserved": (GLM, [thought()], [], message(reasoning_content="I look.")),
    "texts are paragraphs": (
        DEEPSEEK,
        [thought("a"), thought(""), thought("b")],
        CALLS,
        message(reasoning_content="a\n\nb"),
    ),
    "a text that was not shown": (
        DEEPSEEK,
        [thought("", state("reasoning_content", None, text="I look."))],
        CALLS,
        message(reasoning_content="I look."),
    ),
    "a text of another server's": (DEEPSEEK, [thought("I look.", "EqQB")], CALLS, message(reasoning_content="I look.")),
    "a text of another backend's": (
        DEEPSEEK,
        [thought("I look.", state("reasoning_details", DETAILS))],
        CALLS,
        message(reasoning_content="I look."),
    ),
    "a placeholder where it is demanded and lost": (DEEPSEEK, [], CALLS, message(reasoning_content="")),
    "which may not be empty": (KIMI, [hidden("EqQB")], CALLS, message(reasoning_content=" ")),
    "it is not demanded without calls": (KIMI, [], [], NOTHING),
    "nor from everybody": (GLM, [], CALLS, NOTHING),
    "details whole and in their order": (
        OPENROUTER,
        [thought("I look.", state("reasoning_details", DETAILS)), hidden(state("reasoning_details", MORE_DETAILS))],
        CALLS,
        message(reasoning_details=[*DETAILS, *MORE_DETAILS]),
    ),
    "not those of another model": (
        OPENROUTER,
        [thought("I look.", state("reasoning_details", DETAILS, model="other"))],
        CALLS,
        NOTHING,
    ),
    "nor what is no list": (OPENROUTER, [thought("", state("reasoning_details", "x"))], CALLS, NOTHING),
    "nor a foreign signature": (OPENROUTER, [thought("I look.", "EqQB")], CALLS, NOTHING),
    "Claude's own blocks": (
        CLAUDE,
        [thought("I look.", state("thinking_blocks", BLOCKS))],
        CALLS,
        message(thinking_blocks=BLOCKS),
    ),
    "also those that another server signed": (
        CLAUDE,
        [thought("I look.", "EqQB"), hidden("EmwK")],
        CALLS,
        message(thinking_blocks=[thought("I look.", "EqQB"), hidden("EmwK")]),
    ),
    "not those that nobody signed": (CLAUDE, [thought("I look.", ""), thought("I look.")], CALLS, NOTHING),
    "parts before the text": (
        MAGISTRAL,
        [thought("I look.", state("mistral_parts", PARTS))],
        CALLS,
        Reasoning({}, {}, PARTS),
    ),
    "opaque state with its text": (
        COPILOT,
        [thought("I look.", state("reasoning_opaque", "o"))],
        CALLS,
        message(reasoning_opaque="o", reasoning_text="I look."),
    ),
    "or without": (
        COPILOT,
        [hidden(state("reasoning_opaque", "o")), hidden(state("reasoning_opaque", "p"))],
        CALLS,
        message(reasoning_opaque="p"),
    ),
    "but no text without its state": (COPILOT, [thought()], CALLS, NOTHING),
    "signatures on their calls": (
        GEMINI,
        [hidden(state("thought_signature", "a", "t1")), hidden(state("thought_signature", "b", "t2"))],
        CALLS,
        calls(t1=google("a"), t2=google("b")),
    ),
    "one without a call on the first": (
        GEMINI,
        [thought("I look.", state("thought_signature", "a"))],
        CALLS,
        calls(t1=google("a")),
    ),
    "the first call must have one": (
        GEMINI,
        [hidden(state("thought_signature", "b", "t2"))],
        CALLS,
        calls(t1=google(SKIP), t2=google("b")),
    ),
    "without calls there is nowhere to put it": (
        replace(GEMINI, reasoning_back="all"),
        [thought("I look.", state("thought_signature", "a"))],
        [],
        NOTHING,
    ),
    "nor a placeholder where none is known": (
        replace(GEMINI, reasoning_placeholder=None),
        [],
        CALLS,
        NOTHING,
    ),
    "a damaged carrier is as good as none": (OPENROUTER, [thought("I look.", "px1.$$$")], CALLS, NOTHING),
}


@pytest.mark.parametrize(("dialect", "blocks", "call_ids", "expected"), BACK.values(), ids=BACK.keys())
def test_what_goes_back(
    dialect: Dialect, blocks: list[dict[str, Any]], call_ids: list[str], expected: Reasoning
) -> None:
    assert reasoning_back(blocks, dialect, "m", call_ids) == expected


def test_a_carrier_holds_what_will_be_wanted() -> None:
    assert carrier_for("reasoning_content", "m", None, True, "x", DEEPSEEK) is None
    assert carrier_for("reasoning_content", "m", None, False, "x", PLAIN) is None
    assert carrier_for("reasoning_content", "m", None, False, "x", DEEPSEEK) == Carrier(
        "reasoning_content", "m", None, "", "x"
    )
    assert carrier_for("reasoning_details", "m", DETAILS, True, "x", OPENROUTER) == Carrier(
        "reasoning_details", "m", DETAILS
    )
