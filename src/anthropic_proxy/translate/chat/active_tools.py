"""Which of a request's tools the model is offered now.

A deferred tool is offered once a `tool_reference` or a `tool_addition` names it, and until a
`tool_removal` does. Tools already sent keep their places, so that the cached prompt prefix survives.
"""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from anthropic_proxy.errors import InvalidRequest
from anthropic_proxy.translate.chat.client_tools import family_of
from anthropic_proxy.wire.anthropic import Block, MessageParam, MessagesRequest, Tool

SEARCHERS = frozenset({"tool_search_tool_regex", "tool_search_tool_bm25"})
"""Anthropic's own search for deferred tools. Nothing is searched here: all tools are offered."""

NO_MCP = "MCP toolsets are not available through this proxy; connect the MCP server in the client"


class Offered(Struct):
    """One entry of `tools`, or a definition from a message, and its place in the request."""

    path: str
    tool: Tool


def mentions_tools(request: MessagesRequest) -> bool:
    """May there be any, in `tools` or in what was said?"""
    if request.get("tools") or request.get("tool_choice"):
        return True
    for message in request["messages"]:
        for block in message["content"]:
            if block["type"] != "text":
                return True
    return False


def offered_tools(request: MessagesRequest) -> tuple[list[Offered], list[str]]:
    """The tools offered, in the order to send; and `path: reason` for changes that came to nothing.

    A tool that `tool_choice` names is offered although deferred. Raises InvalidRequest where two
    tools have one name, or the one that is named is not there.
    """
    tools = request.get("tools") or []
    declared = _declared(tools)
    if any("defer_loading" in tool for tool in tools) and not any(map(_is_searcher, tools)):
        loaded = {key: entry for key, entry in declared.items() if not _is_deferred(entry.tool)}
    else:
        loaded = dict(declared)
    removed: set[str] = set()
    dropped: list[str] = []
    for change in _changes(request["messages"]):
        name = change.name
        if change.definition is not None:
            name = _key(change.definition)
            declared[name] = loaded[name] = Offered(change.path, change.definition)
        if name is None:
            dropped.append(f"{change.path}: {NO_MCP}")
        elif name not in declared:
            dropped.append(f"{change.path}: the tool that it names is not in tools")
        elif change.adds:
            loaded.setdefault(name, declared[name])
            removed.discard(name)
        else:
            removed.add(name)
    dropped += _choose(request.get("tool_choice") or {}, declared, loaded, removed)
    return [entry for key, entry in loaded.items() if key not in removed], dropped


def called_tools(messages: list[MessageParam]) -> list[tuple[str, str]]:
    """Names and toolsets of the tools that earlier turns called, each once, in order."""
    called: dict[tuple[str, str], None] = {}
    for message in messages:
        for block in message["content"]:
            if block["type"] in ("tool_use", "server_tool_use", "mcp_tool_use"):
                called[block["name"], block.get("toolset_name") or ""] = None
    return list(called)


def _declared(tools: list[Tool]) -> dict[str, Offered]:
    declared: dict[str, Offered] = {}
    for number, tool in enumerate(tools):
        key = tool.get("name") or _key(tool)
        if key in declared:
            raise InvalidRequest("tools: Tool names must be unique.")
        declared[key] = Offered(f"tools.{number}", tool)
    return declared


def _key(tool: Tool) -> str:
    """What tells two tools apart: the name, or of toolsets, which have none, the type and the server."""
    return tool.get("name") or f"{tool.get('type')} {tool.get('mcp_server_name', '')}"


def _is_searcher(tool: Tool) -> bool:
    """Is it Anthropic's own search for deferred tools?"""
    return family_of(tool.get("type") or "custom")[0] in SEARCHERS


def _is_deferred(tool: Tool) -> bool:
    """Toolsets can defer their members in `configs`; that only saves room, and they are offered at once."""
    return tool.get("defer_loading") is True


def _choose(
    choice: dict[str, Any], declared: dict[str, Offered], loaded: dict[str, Offered], removed: set[str]
) -> list[str]:
    """Offers the tool that `tool_choice` names."""
    if choice.get("type") not in ("any", "tool"):
        return []
    if not declared:
        return ["tool_choice: there are no tools to choose from"]
    if choice["type"] == "tool":
        name = choice["name"]
        if name not in declared or name in removed:
            raise InvalidRequest(f"tool_choice.name: tool '{name}' not found in tools")
        loaded.setdefault(name, declared[name])
    return []


# --- Changes along the conversation


class _Change(Struct):
    """From here on a tool is offered, or no longer. `name` is None for tools of an MCP server."""

    path: str
    name: str | None
    adds: bool
    definition: Tool | None = None


def _changes(messages: list[MessageParam]) -> Iterator[_Change]:
    for number, message in enumerate(messages):
        for place, block in enumerate(message["content"]):
            kind = block["type"]
            if kind in _CHANGES and (kind != "tool_result" or _has_reference(block["content"])):
                yield from _CHANGES[kind](f"messages.{number}.content.{place}", block)


def _has_reference(content: str | list[Block]) -> bool:
    """Do the contents of a tool's result, of which there are hundreds in a request, hold what few hold?"""
    return not isinstance(content, str) and "tool_reference" in [block["type"] for block in content]


def _tool_result(path: str, block: Block) -> Iterator[_Change]:
    yield from _references(f"{path}.content", block["content"])


def _tool_search_result(path: str, block: Block) -> Iterator[_Change]:
    content = block.get("content")
    found = content.get("tool_references") if isinstance(content, dict) else None
    if isinstance(found, list):
        yield from _references(f"{path}.content.tool_references", found)


def _references(path: str, blocks: list[Any]) -> Iterator[_Change]:
    for place, block in enumerate(blocks):
        if isinstance(block, dict) and block.get("type") == "tool_reference":
            yield _Change(f"{path}.{place}", str(block.get("tool_name")), True)


def _tool_change(path: str, block: Block) -> Iterator[_Change]:
    tool = block.get("tool")
    if not isinstance(tool, dict):
        raise InvalidRequest(f"{path}.tool: Input should be an object")
    adds = block["type"] == "tool_addition"
    if tool.get("type") == "tool_reference":
        yield _Change(path, str(tool.get("name")), adds)
    elif tool.get("type") == "tool_definition" and adds:
        where = f"{path}.tool.definition"
        yield _Change(where, None, adds, _checked(tool.get("definition"), where))
    else:
        yield _Change(path, None, adds)


def _compaction(path: str, block: Block) -> Iterator[_Change]:
    """A summary carries the changes of the turns it stands for."""
    changes = block.get("tool_changes")
    for place, change in enumerate(changes if isinstance(changes, list) else []):
        if isinstance(change, dict) and change.get("type") in ("tool_addition", "tool_removal"):
            yield from _tool_change(f"{path}.tool_changes.{place}", change)


_CHANGES: dict[str, Callable[[str, Block], Iterator[_Change]]] = {
    "tool_result": _tool_result,
    "tool_search_tool_result": _tool_search_result,
    "tool_addition": _tool_change,
    "tool_removal": _tool_change,
    "compaction": _compaction,
}
"""Blocks that change the set of tools."""

_FIELDS: dict[str, tuple[type, str]] = {
    "type": (str, "Input should be a valid string"),
    "name": (str, "Input should be a valid string"),
    "description": (str, "Input should be a valid string"),
    "input_schema": (dict, "Input should be an object"),
}


def _checked(definition: object, path: str) -> Tool:
    """A definition from a message, which the door does not look into. Raises InvalidRequest."""
    if not isinstance(definition, dict):
        raise InvalidRequest(f"{path}: Input should be an object")
    for field, (kind, message) in _FIELDS.items():
        value = definition.get(field)
        if value is not None and not isinstance(value, kind):
            raise InvalidRequest(f"{path}.{field}: {message}")
    if (definition.get("type") or "custom") == "custom":
        for field in ("name", "input_schema"):
            if definition.get(field) is None:
                raise InvalidRequest(f"{path}.{field}: Field required")
    return definition
