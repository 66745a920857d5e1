"""Requests that a backend refuses, and its words for it."""

from dataclasses import replace
from typing import Any

from anthropic_proxy.dialects import PLAIN, Dialect
from anthropic_proxy.translate.chat.repairs import repair
from anthropic_proxy.wire.json import dumps

HELLO = {"role": "user", "content": "Hello"}
CALL = {"id": "call_0123456789_0123456789_0123456789_0123456789", "type": "function"}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": CALL["id"], "content": "21 °C"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}

SENT: dict[str, Any] = {"model": "gpt-9", "messages": [HELLO], "max_tokens": 32000, "stream": True}


def sending(**body: Any) -> dict[str, Any]:
    return SENT | body


def saying(*messages: Any) -> dict[str, Any]:
    return SENT | {"messages": list(messages)}


def tool(name: str, **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}, **function}}


def says(message: str, **more: Any) -> bytes:
    return dumps({"error": {"message": message, **more}})


def extra(*location: Any) -> bytes:
    return dumps(
        {"detail": [{"type": "extra_forbidden", "loc": ["body", *location], "msg": "Extra inputs are not permitted"}]}
    )


def changes(body: bytes, sent: dict[str, Any], dialect: Dialect = PLAIN, status: int = 400) -> dict[str, object] | None:
    found = repair(status, body, sent, dialect)
    return found.changes if found else None


def dropped(*names: str) -> dict[str, object]:
    return {"dropped": frozenset(names)}


TOOLS = [tool("Read"), tool("Bash"), tool("Find", description="x" * 2000, strict=True)]
WITH_TOOLS = sending(tools=TOOLS)
FORCED = sending(tools=TOOLS, tool_choice={"type": "function", "function": {"name": "Read"}})

Case = tuple[bytes, dict[str, Any], Dialect, dict[str, object] | None]
"""The refusal, the request it is about, the dialect it was written in, and the changes to that."""


def rounds(body: bytes, sent: dict[str, Any], dialect: Dialect) -> list[Dialect]:
    """The dialects that follow from one another where the backend never changes its mind; six at most."""
    seen = [dialect]
    while len(seen) <= 6 and (found := repair(400, body, sent, seen[-1])) is not None:
        seen.append(replace(seen[-1], **found.changes))  # type: ignore[arg-type]
    return seen
