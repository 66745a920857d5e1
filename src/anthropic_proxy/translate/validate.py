"""The door of the core: a parsed body becomes a MessagesRequest, or an error that names the place.

Behind it nothing is checked again. Only what the translator reads is looked at, so a field from the
future passes. Shorthands are written out: a string is a list of one text block, `thinking: true` an
object. Anthropic's wording is kept where clients know it.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

from anthropic_proxy.errors import InvalidRequest
from anthropic_proxy.translate.fields import refuse_unsupported
from anthropic_proxy.wire.anthropic import MessageParam, MessagesRequest

_TYPES: dict[type, str] = {
    str: "Input should be a valid string",
    dict: "Input should be an object",
    list: "Input should be a valid list",
    bool: "Input should be a valid boolean",
    int: "Input should be a valid integer",
    float: "Input should be a valid number",
}

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


def messages_request(body: object, default_model: str | None = None, count: bool = False) -> MessagesRequest:
    """The request in `body`, with its shorthands written out.

    `default_model` stands in for a missing `model`. `count` is for count_tokens, which needs no
    `max_tokens`. Raises InvalidRequest, its message beginning with the path.
    """
    if not isinstance(body, dict):
        raise InvalidRequest("body: Input should be an object")
    try:
        return _checked(body, default_model, count)
    except RecursionError:
        raise InvalidRequest("body: JSON is nested too deeply") from None


def _checked(body: dict[str, Any], default_model: str | None, count: bool) -> MessagesRequest:
    request = {field: value for field, value in body.items() if value is not None}
    request.setdefault("model", default_model)
    if count:
        request.setdefault("max_tokens", 1)
    for field in ("model", "max_tokens", "messages"):
        if request.get(field) is None:
            raise InvalidRequest(f"{field}: Field required")
    _fields(request, FIELDS, "")
    refuse_unsupported(request)
    for field, check in _CHECKS.items():
        if field in request:
            request[field] = check(request[field])
    _one_output_format(request)
    return cast("MessagesRequest", request)


def _fields(value: dict[str, Any], fields: Mapping[str, type], path: str, required: bool = False) -> None:
    """Raises InvalidRequest for a field of the wrong type, or with `required` for a missing one."""
    for field, kind in fields.items():
        found = value.get(field)
        if found is None:
            if required:
                raise InvalidRequest(f"{path}{field}: Field required")
            continue
        if type(found) is kind or (kind is float and type(found) is int):
            continue
        if kind is int and isinstance(found, float) and found.is_integer():
            value[field] = int(found)
            continue
        raise InvalidRequest(f"{path}{field}: {_TYPES[kind]}")


def _model(model: str) -> str:
    if not model.strip():
        raise InvalidRequest("model: Input should not be empty")
    return model


def _amount(field: str) -> Callable[[float], float]:
    def check(value: float) -> float:
        if not 0 <= value < math.inf:
            raise InvalidRequest(f"{field}: Input should be greater than or equal to 0, and finite")
        return value

    return check


def _messages(messages: list[Any]) -> list[MessageParam]:
    checked = [_message(message, f"messages.{number}") for number, message in enumerate(messages)]
    if all(message["role"] == "system" for message in checked):
        raise InvalidRequest("messages: at least one message is required")
    return checked


def _message(message: object, path: str) -> MessageParam:
    if not isinstance(message, dict):
        raise InvalidRequest(f"{path}: Input should be an object")
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        raise InvalidRequest(f"{path}.role: Input should be 'user', 'assistant' or 'system'")
    if content is None and role == "system":
        content = []  # it may be there for its `output_config` alone
    if content is None:
        raise InvalidRequest(f"{path}.content: Field required")
    _fields(message, {"output_config": dict}, f"{path}.")
    blocks = _content(content, f"{path}.content")
    if role == "system":
        _only(SYSTEM_BLOCKS, blocks, f"{path}.content")
    return cast("MessageParam", {**message, "content": blocks})


def _only(kinds: tuple[str, ...], blocks: list[dict[str, Any]], path: str) -> None:
    for number, block in enumerate(blocks):
        if block["type"] not in kinds:
            raise InvalidRequest(f"{path}.{number}.type: Input should be {' or '.join(map(repr, kinds))}")


def _content(content: object, path: str) -> list[dict[str, Any]]:
    """Blocks, from blocks or a string. The blocks stay the very objects they are."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise InvalidRequest(f"{path}: Input should be a valid string or a list of blocks")
    for number, block in enumerate(content):
        _block(block, path, number)
    return content


def _block(block: object, path: str, number: int) -> None:
    if not isinstance(block, dict):
        raise InvalidRequest(f"{path}.{number}: Input should be an object")
    kind = block.get("type")
    if not isinstance(kind, str):
        raise InvalidRequest(f"{path}.{number}.type: Field required")
    if kind == "text" and type(block.get("text")) is str and len(block) == 2:
        return  # Nearly all blocks are such.
    place = f"{path}.{number}."
    _fields(block, BLOCK_FIELDS.get(kind, {}), place, required=True)
    _fields(block, OPTIONAL_BLOCK_FIELDS.get(kind, {}), place)
    _fields(block, COMMON_BLOCK_FIELDS, place)
    inner = _INNER.get(kind)
    if inner is not None:
        inner(block, place)


def _media(block: dict[str, Any], path: str) -> None:
    source, sources = block["source"], SOURCES[block["type"]]
    kind = source.get("type")
    if not isinstance(kind, str) or kind not in sources:
        raise InvalidRequest(f"{path}source.type: Input should be {' or '.join(map(repr, sources))}")
    _fields(source, sources[kind], f"{path}source.", required=True)
    if kind == "content":
        source["content"] = _content(source.get("content"), f"{path}source.content")
    if kind == "base64" and block["type"] == "document" and source["media_type"] != "application/pdf":
        raise InvalidRequest(f"{path}source.media_type: Input should be 'application/pdf'")


def _tool_result(block: dict[str, Any], path: str) -> None:
    if block.get("content") is None:
        block["content"] = []
    elif not isinstance(block["content"], str):
        _content(block["content"], f"{path}content")


def _search_result(block: dict[str, Any], path: str) -> None:
    _only(("text",), _content(block["content"], f"{path}content"), f"{path}content")


def _tool_use(block: dict[str, Any], path: str) -> None:
    """Claude Code sends a string as `input` where the model had encoded its arguments twice."""
    if not isinstance(block.get("input"), dict | str | None):
        raise InvalidRequest(f"{path}input: Input should be an object")


_INNER: dict[str, Callable[[dict[str, Any], str], None]] = {
    "image": _media,
    "document": _media,
    "tool_result": _tool_result,
    "search_result": _search_result,
    "tool_use": _tool_use,
}


def _system(system: object) -> list[dict[str, Any]]:
    blocks = _content(system, "system")
    _only(("text",), blocks, "system")
    return blocks


def _tools(tools: list[Any]) -> list[dict[str, Any]]:
    for number, tool in enumerate(tools):
        path = f"tools.{number}"
        if not isinstance(tool, dict):
            raise InvalidRequest(f"{path}: Input should be an object")
        _fields(tool, TOOL_FIELDS, f"{path}.")
        kind = tool.get("type") or "custom"
        if kind == "custom":
            _fields(tool, {"name": str, "input_schema": dict}, f"{path}.custom.", required=True)
        if tool.get("name") == "":
            raise InvalidRequest(f"{path}.name: Input should not be empty")
    return tools


def _tool_choice(choice: dict[str, Any]) -> dict[str, Any]:
    if choice.get("type") not in TOOL_CHOICES:
        raise InvalidRequest("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'")
    if choice["type"] == "tool":
        _fields(choice, {"name": str}, "tool_choice.", required=True)
    return choice


def _stop_sequences(sequences: list[Any]) -> list[str]:
    for number, sequence in enumerate(sequences):
        if not isinstance(sequence, str):
            raise InvalidRequest(f"stop_sequences.{number}: Input should be a valid string")
        if not sequence.strip():
            raise InvalidRequest("stop_sequences: each stop sequence must contain non-whitespace")
    return sequences


def _thinking(thinking: object) -> dict[str, Any]:
    """`true` and `false` are this proxy's own shorthand for on and off."""
    if isinstance(thinking, bool):
        return {"type": "adaptive" if thinking else "disabled"}
    if not isinstance(thinking, dict):
        raise InvalidRequest("thinking: Input should be an object or a boolean")
    if thinking.get("type") not in THINKING_TYPES:
        raise InvalidRequest(f"thinking.type: Input should be one of {', '.join(THINKING_TYPES)}")
    thinking = dict(thinking)
    _fields(thinking, {"budget_tokens": int, "display": str}, "thinking.")
    return thinking


def _output_config(config: dict[str, Any]) -> dict[str, Any]:
    config = dict(config)
    _fields(config, {"effort": str, "format": dict}, "output_config.")
    if config.get("format") is not None:
        _output_format(config["format"], "output_config.format")
    return config


def _output_format(output: dict[str, Any], path: str = "output_format") -> dict[str, Any]:
    if output.get("type") != "json_schema":
        raise InvalidRequest(f"{path}.type: Input should be 'json_schema'")
    _fields(output, {"schema": dict}, f"{path}.", required=True)
    return output


def _context_management(management: dict[str, Any]) -> dict[str, Any]:
    edits = management.get("edits")
    if edits is None:
        edits = []
    if not isinstance(edits, list):
        raise InvalidRequest(f"context_management.edits: {_TYPES[list]}")
    for number, edit in enumerate(edits):
        if not isinstance(edit, dict) or not isinstance(edit.get("type"), str):
            raise InvalidRequest(f"context_management.edits.{number}: Input should be an object with a type")
    return {**management, "edits": edits}


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "model": _model,
    "max_tokens": _amount("max_tokens"),
    "messages": _messages,
    "system": _system,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "stop_sequences": _stop_sequences,
    "thinking": _thinking,
    "output_config": _output_config,
    "output_format": _output_format,
    "temperature": _amount("temperature"),
    "top_p": _amount("top_p"),
    "top_k": _amount("top_k"),
    "context_management": _context_management,
}


def _one_output_format(request: dict[str, Any]) -> None:
    """Moves the older `output_format` to `output_config.format`."""
    older = request.pop("output_format", None)
    if older is None:
        return
    config = request.setdefault("output_config", {})
    config["format"] = config.get("format") or older
    if config["format"] != older:
        raise InvalidRequest("output_format: differs from output_config.format; send one of the two")
