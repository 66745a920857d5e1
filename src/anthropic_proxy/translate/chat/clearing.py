"""Clearing of old tool results, as `context_management` asks for it (`clear_tool_uses_20250919`).

The client keeps its history whole and sends it whole; what is cleared here is cleared for this request alone. Fields
and defaults are those of Anthropic's reference and of the types in anthropic (Python) 2.14, read 2026-11-22.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from anthropic_proxy.translate.chat.context import CLEAR_TOOL_USES
from anthropic_proxy.wire.anthropic import Block, MessageParam, MessagesRequest

CLEARED = "[Old tool result cleared]"
"""What the model reads in place of a result."""


class Clearing(Struct, frozen=True):
    """The edit, what it does not say filled in."""

    by_tokens: bool = True
    """Is `trigger` a number of the prompt's tokens? Else it is one of tool uses."""
    trigger: int = 100_000
    keep: int = 3
    """Tool uses, the latest ones, that stay as they are."""
    at_least: int = 0
    """Tokens. Where fewer would be saved nothing is cleared, for each clearing costs the cached prefix."""
    excluded: frozenset[str] = frozenset()
    """Names of tools whose uses stay as they are."""
    inputs: frozenset[str] | bool = False
    """Whose arguments are cleared too: all tools', none's, or those of these names."""

    def clears_input(self, name: str) -> bool:
        """Are the arguments of that tool's calls to be cleared with their results?"""
        return self.inputs if isinstance(self.inputs, bool) else name in self.inputs


def clearing_in(request: MessagesRequest) -> Clearing | None:
    """The edit that the request asks for, the first if there are several."""
    edits: list[dict[str, Any]] = request.get("context_management", {}).get("edits", [])
    edit = next((edit for edit in edits if edit["type"] == CLEAR_TOOL_USES), None)
    if edit is None:
        return None
    trigger, plain = edit.get("trigger"), Clearing()
    by_tokens = not (isinstance(trigger, dict) and trigger.get("type") == "tool_uses")
    inputs = edit.get("clear_tool_inputs")
    return Clearing(
        by_tokens=by_tokens,
        trigger=_value(trigger, plain.trigger),
        keep=_value(edit.get("keep"), plain.keep),
        at_least=_value(edit.get("clear_at_least"), plain.at_least),
        excluded=_names(edit.get("exclude_tools")),
        inputs=_names(inputs) if isinstance(inputs, list) else inputs is True,
    )


def without_old_results(request: MessagesRequest, edit: Clearing, tokens: int) -> tuple[MessagesRequest, int]:
    """The request with its old tool results cleared, and how many. The same request where there are none to clear.

    `tokens` is what the prompt holds as it is. The latest uses are kept whichever their tools; a result that loads
    tools stays, for without it they would be gone.
    """
    calls = [block for block in _blocks(request) if block["type"] == "tool_use"]
    if (tokens if edit.by_tokens else len(calls)) <= edit.trigger:
        return request, 0
    old = calls[: max(len(calls) - edit.keep, 0)]
    wanted = {call["id"] for call in old if call["name"] not in edit.excluded}
    results = {
        block["tool_use_id"]
        for block in _blocks(request)
        if block["type"] == "tool_result" and block["tool_use_id"] in wanted and not _is_short_or_loads(block)
    }
    if not results:
        return request, 0
    messages: list[MessageParam] = [
        {**message, "content": [_cleared(block, results, edit) for block in message["content"]]}
        for message in request["messages"]
    ]
    return {**request, "messages": messages}, len(results)


def _blocks(request: MessagesRequest) -> Iterator[Block]:
    for message in request["messages"]:
        yield from message["content"]


def _is_short_or_loads(block: Block) -> bool:
    content = block["content"]
    if isinstance(content, str):
        return len(content) <= len(CLEARED)
    return not content or any(inner["type"] == "tool_reference" for inner in content)


def _cleared(block: Block, results: set[str], edit: Clearing) -> Block:
    if block["type"] == "tool_result" and block["tool_use_id"] in results:
        return {**block, "content": CLEARED, "is_error": False}
    if block["type"] == "tool_use" and block["id"] in results and edit.clears_input(block["name"]):
        return {**block, "input": {}}
    return block


def _value(field: object, default: int) -> int:
    """The number in `{"type": …, "value": …}`; the default where there is none."""
    value = field.get("value") if isinstance(field, dict) else None
    return value if type(value) is int and value >= 0 else default


def _names(field: object) -> frozenset[str]:
    return frozenset(name for name in field if isinstance(name, str)) if isinstance(field, list) else frozenset()
