"""Cache marks: the client's `cache_control`, put where a backend that knows it looks for it."""

from typing import Any

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.wire.chat import ChatMessage, ChatTool

MOST_MARKS = 4
"""Anthropic's own limit. The last ones win: they cover the longest prefixes."""

Mark = tuple[dict[str, Any], dict[str, Any]]
"""A message or tool, and its `cache_control`."""


def cache_mark(control: dict[str, Any]) -> dict[str, Any]:
    """`control` without what only Anthropic's own API knows, such as `scope`."""
    return {"type": "ephemeral", **({"ttl": control["ttl"]} if control.get("ttl") else {})}


def set_marks(marks: list[Mark], tools: list[ChatTool], dialect: Dialect) -> None:
    """Writes the last of `marks` into their messages and tools, as the dialect wants them."""
    if dialect.cache == "implicit":
        return
    for target, control in marks[-MOST_MARKS:]:
        if any(target is tool for tool in tools):
            if dialect.cache == "anthropic":
                target["cache_control"] = cache_mark(control)
        elif dialect.cache == "copilot":
            target["copilot_cache_control"] = {"type": "ephemeral"}
        else:
            _mark_last_text(target, cache_mark(control))


def _mark_last_text(message: ChatMessage, mark: dict[str, Any]) -> None:
    content = message.get("content")
    if isinstance(content, str) and content:
        message["content"] = [{"type": "text", "text": content, "cache_control": mark}]
    elif isinstance(content, list):
        text = next((part for part in reversed(content) if part["type"] == "text"), None)
        if text is not None:
            text["cache_control"] = mark
