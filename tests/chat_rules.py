"""What a strict backend demands of a chat request: `faults` finds where one breaks the rules.

The rules are the strictest that some backend or chat template has: calls answered at once and in full,
roles that alternate, no empty text, no field nobody knows.
"""

import json
from collections.abc import Iterator
from typing import Any

ROLES = {
    "system": {"role", "content"},
    "developer": {"role", "content"},
    "user": {"role", "content"},
    "tool": {"role", "content", "tool_call_id", "name"},
    "assistant": {"role", "content", "tool_calls", "prefix", "partial"}
    | {"reasoning_content", "reasoning", "reasoning_text", "reasoning_details", "reasoning_opaque", "thinking_blocks"},
}
"""The keys a message may have, by its role. Copilot's cache mark may be on any."""

PARTS = {"text": {"type", "text", "cache_control"}, "image_url": {"type", "image_url"}, "file": {"type", "file"}}
"""The keys a content part may have, by its type."""

FIELDS = frozenset(
    {"model", "messages", "tools", "tool_choice", "parallel_tool_calls", "tool_stream", "response_format", "stop"}
    | {"max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "service_tier", "user"}
    | {"safety_identifier", "prompt_cache_key", "session_id", "stream", "stream_options", "extra_headers"}
    | {"reasoning_effort", "reasoning", "thinking", "enable_thinking", "thinking_budget", "thinking_token_budget"}
    | {"chat_template_kwargs", "reasoning_split", "plugins", "web_search_options"}
    | {"continue_final_message", "add_generation_prompt"}
)
"""All that is ever sent at the top of a body."""


def faults(body: dict[str, Any], *, mid_system: bool = False) -> list[str]:
    """What is wrong with a request, in words. `mid_system`: the backend takes system messages at any place."""
    return [
        *_unknown(body.keys(), FIELDS, "the body"),
        *_order(body["messages"], mid_system),
        *_shapes(body["messages"]),
    ]


def _unknown(keys: Any, known: Any, where: str) -> Iterator[str]:
    yield from (f"{where} has an unknown field {key}" for key in sorted(set(keys) - set(known)))


def _order(messages: list[dict[str, Any]], mid_system: bool) -> Iterator[str]:
    due: list[str] = []
    before = ""
    for number, message in enumerate(messages):
        role = message["role"]
        if role == "tool":
            if not due or due.pop(0) != message["tool_call_id"]:
                yield f"{number}: a result that answers no call, or out of turn"
        elif due:
            yield f"{number}: {role} before the calls {due} are answered"
            due = []
        if role in ("system", "developer") and number and not mid_system:
            yield f"{number}: a system message that is not the first"
        if role == before and role in ("user", "assistant"):
            yield f"{number}: two messages of {role} in a row"
        due = due or [call["id"] for call in message.get("tool_calls", [])]
        if len(set(due)) < len(due):
            yield f"{number}: one id for two calls"
        before = role
    if due:
        yield f"the calls {due} are never answered"


def _shapes(messages: list[dict[str, Any]]) -> Iterator[str]:
    for number, message in enumerate(messages):
        yield from _unknown(message, ROLES[message["role"]] | {"copilot_cache_control"}, str(number))
        content = message["content"]
        if content in (None, "") and not message.get("tool_calls"):
            yield f"{number}: {message['role']} says nothing"
        if isinstance(content, list):
            yield from (f"{number}: {fault}" for part in content for fault in _part(part))
            if not content:
                yield f"{number}: an empty list"
        for call in message.get("tool_calls", []):
            yield from _unknown(call, {"id", "type", "function", "extra_content"}, str(number))
            if not isinstance(json.loads(call["function"]["arguments"]), dict):
                yield f"{number}: arguments that are no object"
            if not call["function"]["name"] or not call["id"]:
                yield f"{number}: a call without name or id"


def _part(part: dict[str, Any]) -> Iterator[str]:
    if part["type"] == "thinking":
        return  # Mistral's, as it came
    yield from _unknown(part, PARTS[part["type"]], "a part")
    if part["type"] == "text" and not part["text"].strip():
        yield "a part without text"
