"""Cache marks: the client's `cache_control`, put where a backend that knows it looks for it."""

from typing import Any

from msgspec import Struct

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.wire.anthropic import Block
from anthropic_proxy.wire.chat import ChatMessage

MOST_MARKS = 4
"""Anthropic's own limit. The last ones win: they cover the longest prefixes."""


class Mark(Struct):
    """A place to mark: a text part or a tool, for Copilot a message; and the client's `cache_control`."""

    target: dict[str, Any]
    control: dict[str, Any]


def part_marks(parts: list[dict[str, Any]], control: dict[str, Any] | None, dialect: Dialect) -> list[Mark]:
    """The mark for the last text among `parts`; none where there is no text, or the dialect marks no parts."""
    if not control or dialect.cache != "anthropic":
        return []
    text = next((part for part in reversed(parts) if part["type"] == "text"), None)
    return [] if text is None else [Mark(text, control)]


def message_marks(message: ChatMessage, control: dict[str, Any] | None, dialect: Dialect) -> list[Mark]:
    """The mark for a whole message. For a mark on its text, a content that is a string becomes a part."""
    if not control or dialect.cache == "implicit":
        return []
    if dialect.cache == "copilot":
        return [Mark(message, control)]
    content = message["content"]
    if isinstance(content, str) and content:
        content = message["content"] = [{"type": "text", "text": content}]
    return part_marks(content or [], control, dialect)


def last_control(blocks: list[Block]) -> dict[str, Any] | None:
    """The last `cache_control` among `blocks` and what tool results hold."""
    for block in reversed(blocks):
        control = block_control(block)
        if control:
            return control
    return None


def block_control(block: Block) -> dict[str, Any] | None:
    """The `cache_control` of a block, or the last one in the tool result that it is."""
    control: dict[str, Any] | None = block.get("cache_control")
    if control or block["type"] != "tool_result" or isinstance(block["content"], str):
        return control
    return last_control(block["content"])


def write_marks(marks: list[Mark], dialect: Dialect) -> None:
    """Writes the last of `marks`, as the dialect wants them: without what only Anthropic's own API knows."""
    last_on_each = {id(mark.target): mark for mark in marks}
    for mark in list(last_on_each.values())[-MOST_MARKS:]:
        if dialect.cache == "copilot":
            mark.target["copilot_cache_control"] = {"type": "ephemeral"}
        else:
            ttl = mark.control.get("ttl")
            mark.target["cache_control"] = {"type": "ephemeral", **({"ttl": ttl} if isinstance(ttl, str) else {})}
