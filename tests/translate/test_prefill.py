"""Prefill: continued in the backend's way, refused, or asked for in words."""

from dataclasses import replace
from typing import Any

import pytest

from anthropic_proxy.dialects import PLAIN, Dialect
from anthropic_proxy.errors import InvalidRequest
from anthropic_proxy.translate.chat.prefill import CONTINUE, Prefill, prefill

QUESTION = {"role": "user", "content": "A colour?"}
BEGUN = {"role": "assistant", "content": "It is"}
TOOL = {"role": "tool", "tool_call_id": "t", "content": "ok"}
ASKED_ON = {"role": "user", "content": CONTINUE}
FLAGS = {"continue_final_message": True, "add_generation_prompt": False}


def continuing(way: str) -> Dialect:
    return replace(PLAIN, prefill=way)  # type: ignore[arg-type]


CASES: dict[str, tuple[list[dict[str, Any]], Dialect, bool, list[dict[str, Any]], Prefill]] = {
    "a question is no prefill": ([QUESTION], PLAIN, False, [QUESTION], Prefill({}, "")),
    "nor is a result": ([QUESTION, TOOL], PLAIN, True, [QUESTION, TOOL], Prefill({}, "")),
    "some continue it as it is": ([QUESTION, BEGUN], continuing("native"), True, [QUESTION, BEGUN], Prefill({}, "")),
    "some want a flag": (
        [QUESTION, BEGUN],
        continuing("prefix"),
        False,
        [QUESTION, {**BEGUN, "prefix": True}],
        Prefill({}, ""),
    ),
    "or another": (
        [QUESTION, BEGUN],
        continuing("partial"),
        False,
        [QUESTION, {**BEGUN, "partial": True}],
        Prefill({}, ""),
    ),
    "some want two of them in the body": (
        [QUESTION, BEGUN],
        continuing("template"),
        False,
        [QUESTION, BEGUN],
        Prefill(FLAGS, ""),
    ),
    "the others are asked in words": (
        [QUESTION, BEGUN],
        PLAIN,
        True,
        [QUESTION, BEGUN, ASKED_ON],
        Prefill({}, "It is"),
    ),
    "about parts too": (
        [{"role": "assistant", "content": [{"type": "text", "text": "It"}, {"type": "text", "text": "is"}]}],
        PLAIN,
        True,
        [{"role": "assistant", "content": [{"type": "text", "text": "It"}, {"type": "text", "text": "is"}]}, ASKED_ON],
        Prefill({}, "It\n\nis"),
    ),
}


@pytest.mark.parametrize(("messages", "dialect", "emulate", "sent", "expected"), CASES.values(), ids=CASES.keys())
def test_prefill(
    messages: list[dict[str, Any]], dialect: Dialect, emulate: bool, sent: list[dict[str, Any]], expected: Prefill
) -> None:
    found = [dict(message) for message in messages]
    assert prefill(found, dialect, emulate) == expected
    assert found == sent


def test_where_nothing_is_known_to_continue_it_it_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="does not support assistant message prefill"):
        prefill([QUESTION, BEGUN], PLAIN, False)
