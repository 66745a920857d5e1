"""Results of tools that another server ran, as text a model can read."""

from collections.abc import Callable
from typing import Any

from anthropic_proxy.wire.anthropic import Block
from anthropic_proxy.wire.json import dumps

NO_OUTPUT = "(no output)"
"""What stands for an empty result, which several backends refuse."""


def rendered_server_result(block: Block) -> str:
    """The result of a tool that another server ran.

    Web search: a line a page, since the pages themselves are encrypted. An error: its code.
    """
    rendered = _rendered(block.get("content")).strip() or NO_OUTPUT
    return f"Error: {rendered}" if block.get("is_error") else rendered


def _rendered(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(line for item in content if isinstance(item, dict) and (line := _line(item)))
    if not isinstance(content, dict):
        return ""
    if "error_code" in content:
        return f"Error: {content['error_code']}"
    render = _RENDERERS.get(str(content.get("type")))
    return render(content) if render else dumps(content).decode()


def _line(item: dict[str, Any]) -> str:
    if "url" in item:
        return f"{item.get('title') or ''} — {item['url']}"
    return str(item.get("text") or "")


def _fetched(content: dict[str, Any]) -> str:
    document = content.get("content")
    source = document.get("source") if isinstance(document, dict) else None
    data = source.get("data") if isinstance(source, dict) and source.get("type") == "text" else ""
    return f"{content.get('url', '')}\n{data}"


def _executed(content: dict[str, Any]) -> str:
    lines = [str(content[name]).strip("\n") for name in ("stdout", "stderr") if content.get(name)]
    return "\n".join([*lines, f"exit code {content.get('return_code', 0)}"])


def _searched_tools(content: dict[str, Any]) -> str:
    references = content.get("tool_references")
    found = references if isinstance(references, list) else []
    return "\n".join(loaded_tool(item.get("tool_name")) for item in found if isinstance(item, dict))


def _viewed(content: dict[str, Any]) -> str:
    return str(content.get("content") or "")


def loaded_tool(name: object) -> str:
    """What stands for a `tool_reference`: the definition itself is among the request's tools."""
    return f"Tool loaded: {name}"


_RENDERERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "web_fetch_result": _fetched,
    "code_execution_result": _executed,
    "encrypted_code_execution_result": _executed,
    "bash_code_execution_result": _executed,
    "text_editor_code_execution_view_result": _viewed,
    "tool_search_tool_search_result": _searched_tools,
}
"""By the type of a result's content. Any other is written as JSON."""
