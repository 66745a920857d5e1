"""Context management: whose thinking goes, and which edits are not made."""

from typing import Any

import pytest

from anthropic_proxy.dialects import PLAIN
from anthropic_proxy.translate.chat.context import cleared_turns, dropped_edits
from anthropic_proxy.translate.chat.turns import turns
from anthropic_proxy.translate.validate import messages_request

THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": ""}
HIDDEN = {"type": "redacted_thinking", "data": "x"}
SAID = {"type": "text", "text": "a"}
MESSAGES = [
    {"role": "user", "content": "1"},
    {"role": "assistant", "content": [THOUGHT, SAID]},
    {"role": "user", "content": "2"},
    {"role": "assistant", "content": [SAID]},
    {"role": "user", "content": "3"},
    {"role": "assistant", "content": [HIDDEN, SAID]},
    {"role": "user", "content": "4"},
    {"role": "assistant", "content": [THOUGHT, SAID]},
    {"role": "user", "content": "5"},
]
"""Thinking stands in the turns 1, 5 and 7."""


def clearing(**fields: Any) -> dict[str, Any]:
    return {"edits": [{"type": "clear_thinking_20251015", **fields}]}


def turns_kept(value: object) -> dict[str, Any]:
    return clearing(keep={"type": "thinking_turns", "value": value})


CLEARED: dict[str, tuple[dict[str, Any] | None, set[int]]] = {
    "no edit": (None, set()),
    "no edits": ({"edits": []}, set()),
    "another edit": ({"edits": [{"type": "compact_20260112"}]}, set()),
    "all are kept": (clearing(keep="all"), set()),
    "in so many words": (clearing(keep={"type": "all"}), set()),
    "one is kept unless more are named": (clearing(), {1, 5}),
    "two are": (turns_kept(2), {1}),
    "more than there are": (turns_kept(9), set()),
    "none cannot be kept": (turns_kept(0), {1, 5}),
    "a number that is none": (turns_kept("x"), {1, 5}),
    "the first such edit counts": (
        {"edits": [{"type": "compact_20260112"}, *turns_kept(2)["edits"], *turns_kept(1)["edits"]]},
        {1},
    ),
}


@pytest.mark.parametrize(("management", "expected"), CLEARED.values(), ids=CLEARED.keys())
def test_whose_thinking_goes(management: dict[str, Any] | None, expected: set[int]) -> None:
    request = messages_request({"model": "m", "max_tokens": 1, "messages": MESSAGES, "context_management": management})
    assert cleared_turns(request, turns(request, PLAIN, [])) == expected


def test_edits_that_are_not_made_are_named() -> None:
    edits = [{"type": "clear_thinking_20251015"}, {"type": "clear_tool_uses_20250919"}, {"type": "compact_20260112"}]
    body = {"model": "m", "max_tokens": 1, "messages": MESSAGES, "context_management": {"edits": edits}}
    assert dropped_edits(messages_request(body)) == [
        "context_management.edits.2: compact_20260112 is not carried out here",
    ]
