"""Earlier reasoning, given back as each dialect wants it."""

from dataclasses import replace
from typing import Any

import pytest

from anthropic_proxy.dialects import PLAIN, Dialect, dialect_named
from anthropic_proxy.translate.carriers import Carrier, pack
from anthropic_proxy.translate.chat.thinking import Reasoning, carrier_for, reasoning_back

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
