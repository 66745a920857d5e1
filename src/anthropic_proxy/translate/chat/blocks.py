"""Blocks that no message is made of: refused, dropped or silent, by the role whose message holds them.

What is made of all others, the tables of `parts` and `messages` say: USER_PARTS, ASSISTANT_BLOCKS and
RESULT_PARTS. A user block that stands in none of these tables is refused, for a user's words must not
be lost. An assistant block that does is dropped: it is debris of another server.
"""

from anthropic_proxy.wire.anthropic import Block

DROPPED: dict[str, str] = {
    "advisor_tool_result": "says nothing to another model",
    "fallback": "names a model of another server",
    "mcp_tool_listing": "lists tools of another server",
}
"""Blocks that are left out of messages of either role, and why."""

UNKNOWN = "not known to this proxy"
"""Why an assistant block of any other type is left out."""

USER_SILENT: dict[str, str] = {
    "tool_reference": "offers a tool",
    "tool_addition": "offers a tool",
    "tool_removal": "takes a tool away",
}
"""User blocks that have their effect elsewhere: leaving them out loses nothing."""

ASSISTANT_SILENT: dict[str, str] = {**USER_SILENT, "container_upload": "names a file in another server's container"}
"""Assistant blocks that nobody misses."""

USER_REFUSED: dict[str, str] = {
    "container_upload": "files cannot be uploaded to a container through this proxy",
    "thinking": "thinking belongs into assistant messages",
    "redacted_thinking": "thinking belongs into assistant messages",
    "tool_use": "tool calls belong into assistant messages",
    "server_tool_use": "tool calls belong into assistant messages",
    "mcp_tool_use": "tool calls belong into assistant messages",
}
"""User blocks that are refused, and why."""

ASSISTANT_REFUSED: dict[str, str] = {
    "image": "images belong into user messages",
    "search_result": "search results belong into user messages",
    "tool_result": "tool results belong into user messages",
}
"""Assistant blocks that are refused, and why."""

THINKING = ("thinking", "redacted_thinking")

SERVER_CALLS = ("server_tool_use", "mcp_tool_use")
"""Calls of tools that another server ran. Their results stand in the same turn."""


def is_server_result(block: Block) -> bool:
    """Is it the result of a tool that another server ran, known by name or not?"""
    kind: str = block["type"]
    return kind.endswith("_tool_result") and kind not in DROPPED


def is_blank(text: str | None) -> bool:
    """Is there nothing to read? Several backends refuse white space alone."""
    return not text or text.isspace()
