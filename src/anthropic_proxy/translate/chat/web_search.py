"""Web search by the backend: the client's `web_search` tool in the backend's words."""

from collections.abc import Callable
from typing import Any

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.wire.anthropic import Tool
from anthropic_proxy.wire.chat import ChatRequest

_WHERE = ("city", "region", "country", "timezone")
"""What a `user_location` tells; the same names on both sides."""


def search_fields(tool: Tool, dialect: Dialect) -> ChatRequest:
    """The body fields that ask for the search. The dialect must know one."""
    return _WRITERS[dialect.web_search](tool)


def unsearched(tool: Tool, dialect: Dialect) -> list[str]:
    """Fields of the tool that have a value and that the backend's search has no word for."""
    return [field for field in _UNKNOWN[dialect.web_search] if tool.get(field)]


def _for_openrouter(tool: Tool) -> ChatRequest:
    """The `web` plugin. Its fields, WebSearchPlugin in openrouter.ai/docs, read 2026-11-26."""
    plugin: dict[str, Any] = {"id": "web"}
    for field, name in (("allowed_domains", "include_domains"), ("blocked_domains", "exclude_domains")):
        domains = _strings(tool.get(field))
        if domains:
            plugin[name] = domains
    uses = tool.get("max_uses")
    if type(uses) is int and uses > 0:
        plugin["max_uses"] = uses
    location = _location(tool)
    if location:
        plugin["user_location"] = {"type": "approximate", **location}
    return {"plugins": [plugin]}


def _for_openai(tool: Tool) -> ChatRequest:
    """The options of a search model: openai (Python) 3.54. It searches once, whatever `max_uses` says."""
    location = _location(tool)
    where = {"user_location": {"type": "approximate", "approximate": location}} if location else {}
    return {"web_search_options": where}


def _location(tool: Tool) -> dict[str, Any]:
    asked = tool.get("user_location") or {}
    return {name: asked[name] for name in _WHERE if asked.get(name)}


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


_WRITERS: dict[str, Callable[[Tool], ChatRequest]] = {"openrouter": _for_openrouter, "openai": _for_openai}
_UNKNOWN: dict[str, tuple[str, ...]] = {"openrouter": (), "openai": ("allowed_domains", "blocked_domains")}
"""By `Dialect.web_search`."""
