"""Context management: the edits that the client asks to be made to its history."""

from anthropic_proxy.translate.chat.blocks import THINKING
from anthropic_proxy.translate.chat.turns import Turn
from anthropic_proxy.wire.anthropic import MessagesRequest

CLEAR_THINKING = "clear_thinking_20251015"
CLEAR_TOOL_USES = "clear_tool_uses_20250919"
"""The edits that are made: this one in `clearing`."""


def cleared_turns(request: MessagesRequest, conversation: list[Turn]) -> frozenset[int]:
    """Assistant turns, by position, whose thinking does not go upstream again, as the client asks."""
    edit = next((edit for edit in _edits(request) if edit["type"] == CLEAR_THINKING), None)
    if edit is None:
        return frozenset()
    keep = edit.get("keep") or {"type": "thinking_turns"}
    if not isinstance(keep, dict) or keep.get("type") != "thinking_turns":
        return frozenset()
    value = keep.get("value")
    kept = value if isinstance(value, int) and value > 0 else 1
    thinking = [position for position, turn in enumerate(conversation) if any(map(turn.has, THINKING))]
    return frozenset(thinking[:-kept])


def dropped_edits(request: MessagesRequest) -> list[str]:
    """`path: reason` for each edit that is not made."""
    return [
        f"context_management.edits.{number}: {edit['type']} is not carried out here"
        for number, edit in enumerate(_edits(request))
        if edit["type"] not in (CLEAR_THINKING, CLEAR_TOOL_USES)
    ]


def _edits(request: MessagesRequest) -> list[dict[str, object]]:
    edits: list[dict[str, object]] = request.get("context_management", {}).get("edits", [])
    return edits
