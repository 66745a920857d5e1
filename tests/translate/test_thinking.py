"""Thinking: asked for in each dialect's words. How it goes back is in `test_reasoning_back`."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.dialects import PLAIN, Dialect
from anthropic_proxy.translate.asked import thinking_off, thinking_on
from anthropic_proxy.translate.chat.thinking import LEVELS, effort_of, nearest_effort, thinking_fields
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
