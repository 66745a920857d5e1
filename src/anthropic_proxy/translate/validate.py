"""The door of the core: a parsed body becomes a MessagesRequest, or an error that names the place.

Behind it nothing is checked again. Only what the translator reads is looked at, so a field from the
future passes. Shorthands are written out: a string is a list of one text block, `thinking: true` an
object. Anthropic's wording is kept where clients know it.
"""

import math
from collections.abc import Callable
from functools import partial
from types import NoneType
from typing import Any, cast

from anthropic_proxy.errors import InvalidRequest
from anthropic_proxy.translate.checks import TYPES, Wrong, each, require, typed, within
from anthropic_proxy.translate.fields import refuse_unsupported
from anthropic_proxy.translate.usual import are_usual
from anthropic_proxy.wire.anthropic import MessageParam, MessagesRequest

FIELDS: dict[str, type] = {
    "model": str,
    "max_tokens": int,
    "messages": list,
    "tools": list,
    "tool_choice": dict,
    "stop_sequences": list,
    "stream": bool,
    "output_config": dict,
    "output_format": dict,
    "temperature": float,
    "top_p": float,
    "top_k": int,
    "metadata": dict,
    "service_tier": str,
    "speed": str,
    "cache_control": dict,
    "context_management": dict,
}
"""Top-level fields with one JSON type; null counts as absent. `system` and `thinking` have several."""

BLOCK_FIELDS: dict[str, dict[str, type]] = {
    "text": {"text": str},
    "image": {"source": dict},
    "document": {"source": dict},
    "search_result": {"source": str, "title": str, "content": list},
    "tool_use": {"id": str, "name": str},
    "server_tool_use": {"id": str, "name": str},
    "mcp_tool_use": {"id": str, "name": str},
    "tool_result": {"tool_use_id": str},
    "tool_reference": {"tool_name": str},
}
"""What a block must hold. A type that is not here is judged by the table that translates it."""

COMMON_BLOCK_FIELDS: dict[str, type] = {"cache_control": dict, "tool_use_id": str, "toolset_name": str}
"""What the translator reads of a block of any type, if it is there."""

OPTIONAL_BLOCK_FIELDS: dict[str, dict[str, type]] = {
    "document": {"title": str, "context": str},
    "thinking": {"thinking": str, "signature": str},
    "redacted_thinking": {"data": str},
    "compaction": {"content": str},
}
"""What else it reads of some."""

TOOL_FIELDS: dict[str, type] = {
    "type": str,
    "name": str,
    "description": str,
    "input_schema": dict,
    "cache_control": dict,
    "user_location": dict,
}

_FILE: dict[str, type] = {"file_id": str}
_BASE64: dict[str, type] = {"data": str, "media_type": str}

SOURCES: dict[str, dict[str, dict[str, type]]] = {
    "image": {"base64": _BASE64, "url": {"url": str}, "file": _FILE},
    "document": {"base64": _BASE64, "text": {"data": str}, "content": {}, "url": {"url": str}, "file": _FILE},
}
"""The kinds of `source` an image and a document may have, and what each must hold."""

ROLES = ("user", "assistant", "system")
SYSTEM_BLOCKS = ("text", "tool_addition", "tool_removal")
"""What a system message in mid-conversation may hold."""
TOOL_CHOICES = ("auto", "any", "tool", "none")
THINKING_TYPES = ("enabled", "adaptive", "disabled", "between_tools")


_FIELDS_BY_KIND: dict[str, dict[str, type]] = {
    kind: COMMON_BLOCK_FIELDS | OPTIONAL_BLOCK_FIELDS.get(kind, {}) | BLOCK_FIELDS.get(kind, {})
    for kind in BLOCK_FIELDS.keys() | OPTIONAL_BLOCK_FIELDS.keys()
}
"""The three tables above in one, by the type of the block."""


def messages_request(body: object, default_model: str | None = None, count: bool = False) -> MessagesRequest:
    """The request in `body`, with its shorthands written out in place.

    `default_model` stands in for a missing `model`. `count` is for count_tokens, which needs no
    `max_tokens`. Raises InvalidRequest, its message beginning with the path.
    """
    if not isinstance(body, dict):
        raise InvalidRequest("body: Input should be an object")
    try:
        return _checked(body, default_model, count)
    except Wrong as wrong:
        raise InvalidRequest(str(wrong)) from None
    except RecursionError:
        raise InvalidRequest("body: JSON is nested too deeply") from None


def _checked(body: dict[str, Any], default_model: str | None, count: bool) -> MessagesRequest:
    request = {field: value for field, value in body.items() if value is not None}
    request.setdefault("model", default_model)
    if count:
        request.setdefault("max_tokens", 1)
    require(request, ("model", "max_tokens", "messages"))
    typed(request, FIELDS)
    refuse_unsupported(request)
    for field, value in request.items():
        check = _CHECKS.get(field)
        if check is not None:
            request[field] = within(field, check, value)
    if "output_format" in request:
        _one_output_format(request)
    return cast("MessagesRequest", request)


def _model(model: str) -> str:
    if not model.strip():
        raise Wrong("Input should not be empty")
    return model


def _amount(value: float) -> float:
    if not 0 <= value < math.inf:
        raise Wrong("Input should be greater than or equal to 0, and finite")
    return value


def _messages(messages: list[Any]) -> list[MessageParam]:
    if len(messages) > 1 and are_usual(messages):  # One alone is looked at sooner than handed over.
        for message in messages:
            if isinstance(message["content"], str):
                message["content"] = [{"type": "text", "text": message["content"]}]
        return messages
    return checked_messages(messages)


def checked_messages(messages: list[Any]) -> list[MessageParam]:
    """Messages of any kind, looked at one by one. Raises Wrong."""
    each(_message, messages)
    if all(message["role"] == "system" for message in messages):
        raise Wrong("at least one message is required")
    return messages


def _message(message: Any) -> None:
    if not isinstance(message, dict):
        raise Wrong("Input should be an object")
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        raise Wrong("Input should be 'user', 'assistant' or 'system'", "role")
    if content is None and role == "system":
        content = []  # it may be there for its `output_config` alone
    if content is None:
        raise Wrong("Field required", "content")
    if "output_config" in message:
        typed(message, {"output_config": dict})
    message["content"] = blocks = within("content", _content, content)
    if role == "system":
        within("content", partial(_only, SYSTEM_BLOCKS), blocks)


def _only(kinds: tuple[str, ...], blocks: list[dict[str, Any]]) -> None:
    """Raises Wrong for a block of another type."""
    for number, block in enumerate(blocks):
        if block["type"] not in kinds:
            raise Wrong(f"Input should be {' or '.join(map(repr, kinds))}", "type", str(number))


def _content(content: object) -> list[dict[str, Any]]:
    """Blocks, from blocks or a string. The blocks stay the very objects they are."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise Wrong("Input should be a valid string or a list of blocks")
    for number, block in enumerate(content):
        if type(block) is dict and block.get("type") == "text" and type(block.get("text")) is str and len(block) == 2:
            continue  # Most blocks are such, and to call `_block` for each would take twice as long.
        try:
            _block(block)
        except Wrong as wrong:
            wrong.path.append(str(number))
            raise
    return content


def _block(block: Any) -> None:
    if not isinstance(block, dict):
        raise Wrong("Input should be an object")
    kind = block.get("type")
    if not isinstance(kind, str):
        raise Wrong("Field required", "type")
    require(block, BLOCK_FIELDS.get(kind, ()))
    typed(block, _FIELDS_BY_KIND.get(kind, COMMON_BLOCK_FIELDS))
    inner = _INNER.get(kind)
    if inner is not None:
        inner(block)


def _media(block: dict[str, Any]) -> None:
    within("source", partial(_source, block["type"]), block["source"])


def _source(holder: str, source: dict[str, Any]) -> None:
    """`holder` is the type of the block that it stands in."""
    sources = SOURCES[holder]
    kind = source.get("type")
    if not isinstance(kind, str) or kind not in sources:
        raise Wrong(f"Input should be {' or '.join(map(repr, sources))}", "type")
    require(source, sources[kind])
    typed(source, sources[kind])
    if kind == "content":
        source["content"] = within("content", _content, source.get("content"))
    if kind == "base64" and holder == "document" and source["media_type"] != "application/pdf":
        raise Wrong("Input should be 'application/pdf'", "media_type")


def _tool_result(block: dict[str, Any]) -> None:
    content = block.get("content")
    if content is None:
        block["content"] = []
    elif not isinstance(content, str):
        within("content", _content, content)


def _search_result(block: dict[str, Any]) -> None:
    within("content", _texts, block["content"])


_INPUTS = (dict, str, NoneType)


def _tool_use(block: dict[str, Any]) -> None:
    """Claude Code sends a string as `input` where the model had encoded its arguments twice."""
    if type(block.get("input")) not in _INPUTS:
        raise Wrong("Input should be an object", "input")


_INNER: dict[str, Callable[[dict[str, Any]], None]] = {
    "image": _media,
    "document": _media,
    "tool_result": _tool_result,
    "search_result": _search_result,
    "tool_use": _tool_use,
}


def _texts(content: object) -> list[dict[str, Any]]:
    """Blocks that may be texts alone."""
    blocks = _content(content)
    _only(("text",), blocks)
    return blocks


def _tools(tools: list[Any]) -> list[dict[str, Any]]:
    each(_tool, tools)
    return tools


def _tool(tool: Any) -> None:
    if not isinstance(tool, dict):
        raise Wrong("Input should be an object")
    typed(tool, TOOL_FIELDS)
    if (tool.get("type") or "custom") == "custom":
        within("custom", _custom_tool, tool)
    if tool.get("name") == "":
        raise Wrong("Input should not be empty", "name")


def _custom_tool(tool: dict[str, Any]) -> None:
    require(tool, ("name", "input_schema"))


def _tool_choice(choice: dict[str, Any]) -> dict[str, Any]:
    if choice.get("type") not in TOOL_CHOICES:
        raise Wrong("Input should be 'auto', 'any', 'tool' or 'none'", "type")
    if choice["type"] == "tool":
        require(choice, ("name",))
        typed(choice, {"name": str})
    return choice


def _stop_sequences(sequences: list[Any]) -> list[str]:
    for number, sequence in enumerate(sequences):
        if not isinstance(sequence, str):
            raise Wrong("Input should be a valid string", str(number))
        if not sequence.strip():
            raise Wrong("each stop sequence must contain non-whitespace")
    return sequences


def _thinking(thinking: object) -> dict[str, Any]:
    """`true` and `false` are this proxy's own shorthand for on and off."""
    if isinstance(thinking, bool):
        return {"type": "adaptive" if thinking else "disabled"}
    if not isinstance(thinking, dict):
        raise Wrong("Input should be an object or a boolean")
    if thinking.get("type") not in THINKING_TYPES:
        raise Wrong(f"Input should be one of {', '.join(THINKING_TYPES)}", "type")
    thinking = dict(thinking)
    typed(thinking, {"budget_tokens": int, "display": str})
    return thinking


def _output_config(config: dict[str, Any]) -> dict[str, Any]:
    config = dict(config)
    typed(config, {"effort": str, "format": dict})
    if config.get("format") is not None:
        within("format", _output_format, config["format"])
    return config


def _output_format(output: dict[str, Any]) -> dict[str, Any]:
    if output.get("type") != "json_schema":
        raise Wrong("Input should be 'json_schema'", "type")
    require(output, ("schema",))
    typed(output, {"schema": dict})
    return output


def _context_management(management: dict[str, Any]) -> dict[str, Any]:
    edits = management.get("edits")
    if edits is None:
        edits = []
    if not isinstance(edits, list):
        raise Wrong(TYPES[list], "edits")
    within("edits", _edits, edits)
    return {**management, "edits": edits}


def _edits(edits: list[Any]) -> None:
    for number, edit in enumerate(edits):
        if not isinstance(edit, dict) or not isinstance(edit.get("type"), str):
            raise Wrong("Input should be an object with a type", str(number))


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "model": _model,
    "max_tokens": _amount,
    "messages": _messages,
    "system": _texts,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "stop_sequences": _stop_sequences,
    "thinking": _thinking,
    "output_config": _output_config,
    "output_format": _output_format,
    "temperature": _amount,
    "top_p": _amount,
    "top_k": _amount,
    "context_management": _context_management,
}


def _one_output_format(request: dict[str, Any]) -> None:
    """Moves the older `output_format` to `output_config.format`."""
    older = request.pop("output_format")
    config = request.setdefault("output_config", {})
    config["format"] = config.get("format") or older
    if config["format"] != older:
        raise InvalidRequest("output_format: differs from output_config.format; send one of the two")
