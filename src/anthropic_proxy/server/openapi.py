"""The description of the API, /openapi.json. What a request may hold comes from the tables that check it."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from fastapi import FastAPI

from anthropic_proxy.config import Settings
from anthropic_proxy.errors import STATUS
from anthropic_proxy.routing import default_model
from anthropic_proxy.server.elsewhere import NOT_HERE
from anthropic_proxy.server.guard import METRICS_PATH
from anthropic_proxy.translate import validate
from anthropic_proxy.translate.model_list import LARGEST_PAGE, USUAL_PAGE

Schema: TypeAlias = dict[str, Any]

_TYPES = {str: "string", dict: "object", list: "array", bool: "boolean", int: "integer", float: "number"}


def describe(app: FastAPI, settings: Settings) -> Schema:
    """The whole document, OpenAPI 3.1."""
    paths = {
        "/v1/messages": {"post": _messages()},
        "/v1/messages/count_tokens": {"post": _count_tokens()},
        "/v1/models": {"get": _models()},
        "/v1/models/{model_id}": {"get": _model()},
        "/health": {"get": _health("Whether the proxy is up")},
        "/ready": {"get": _ready()},
        "/": {"get": _health("The same")},
        "/api/hello": {"get": _health("The same, where Claude Code asks")},
        "/api/event_logging/{rest}": {"post": _telemetry()},
        **_not_here(),
    }
    if any(getattr(route, "path", "") == METRICS_PATH for route in app.routes):
        paths[METRICS_PATH] = {"get": _metrics()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": app.title,
            "version": app.version,
            "description": "Anthropic's Messages API, served by a Chat Completions backend. Requests may hold fields "
            "beyond those described here; docs/mapping.md says what becomes of each.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "security": [{"x-api-key": []}, {"bearer": []}, *([] if _asks_for_a_key(settings) else [{}])],
        "paths": paths,
        "components": {
            "schemas": _schemas(settings),
            "responses": {"Error": _response("An error, in Anthropic's shape", "ErrorBody")},
            "headers": {"request-id": {"description": "The id of this request, as in the log", "schema": _STRING}},
            "securitySchemes": {
                "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _asks_for_a_key(settings: Settings) -> bool:
    return bool(settings.proxy_api_key or settings.proxy_api_key_file)


# Endpoints


def _messages() -> Schema:
    whole = _response("The reply, whole", "Message")
    whole["content"]["text/event-stream"] = {
        "schema": _ref("StreamEvent"),
        "examples": {"a stream": {"value": 'event: message_start\ndata: {"type": "message_start", "message": …}\n\n'}},
    }
    whole["description"] = "The reply: whole, or with `stream` as server-sent events, each a StreamEvent"
    whole["headers"] |= {
        "x-upstream-model": _header("The model that answered"),
        "x-proxy-dropped": _header("Places in the request that the backend could not be sent"),
        "x-upstream-id": _header("The backend's own id of the reply"),
    }
    return {
        "summary": "Ask the model",
        "operationId": "create_message",
        "requestBody": _body("MessagesRequest"),
        "responses": {"200": whole, **_errors(*sorted({*STATUS.values(), 408, 415, 502} - {501}))},
    }


def _count_tokens() -> Schema:
    counted = _response("The estimate", "TokenCount")
    counted["headers"]["x-token-count"] = {
        "description": "How it came about",
        "schema": {"type": "string", "enum": ["estimate"]},
    }
    return {
        "summary": "Estimate the tokens of a request, without asking the backend",
        "operationId": "count_tokens",
        "requestBody": _body("CountTokensRequest"),
        "responses": {"200": counted, **_errors(400, 401, 403, 413, 415, 500)},
    }


def _models() -> Schema:
    limit = {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": USUAL_PAGE}
    return {
        "summary": "List the models",
        "operationId": "list_models",
        "parameters": [
            _query("limit", "Models on a page", limit),
            _query("after_id", "Begin behind this model", _STRING),
            _query("before_id", "End before this model", _STRING),
            _query("lifecycle[]", "Only those in one of these states", {"type": "array", "items": _STRING}),
        ],
        "responses": {"200": _response("A page of models", "ModelPage"), **_errors(400, 401, 403, 500)},
    }


def _model() -> Schema:
    return {
        "summary": "Describe one model",
        "operationId": "retrieve_model",
        "parameters": [_in_path("model_id", "The model's id, which may hold slashes, as they are or as %2F")],
        "responses": {"200": _response("The model", "ModelInfo"), **_errors(401, 403, 404, 500)},
    }


def _health(summary: str) -> Schema:
    return {"summary": summary, "security": [{}], "responses": {"200": _response("It is", "Health"), **_errors(403)}}


def _ready() -> Schema:
    return {
        "summary": "Whether the proxy can serve: the backend answers, and no shutdown has begun",
        "security": [{}],
        "responses": {"200": _response("It can", "Ready"), **_errors(403, 503)},
    }


def _telemetry() -> Schema:
    return {
        "summary": "Takes a client's statistics and forgets them",
        "security": [{}],
        "parameters": [_in_path("rest", "Anything")],
        "responses": {"204": {"description": "Taken", "headers": _ID}, **_errors(403, 415)},
    }


def _metrics() -> Schema:
    text = {"text/plain": {"schema": _STRING}}
    return {
        "summary": "Figures for Prometheus",
        "responses": {"200": {"description": "The figures", "content": text, "headers": _ID}, **_errors(401, 403)},
    }


def _not_here() -> Schema:
    """Paths of Anthropic's that are refused, so that nobody looks for them in vain."""
    return {
        path: {
            "get": {
                "summary": f"Not offered: {name}",
                "deprecated": True,
                "responses": _errors(401, 403, STATUS["not_supported"]),
            }
        }
        for path, name in NOT_HERE.items()
    }


# Their parts


def _body(name: str) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": _ref(name)}}}


def _response(description: str, name: str) -> Schema:
    return {
        "description": description,
        "content": {"application/json": {"schema": _ref(name)}},
        "headers": dict(_ID),
    }


def _errors(*statuses: int) -> Schema:
    return {str(status): {"$ref": "#/components/responses/Error"} for status in statuses}


def _header(description: str) -> Schema:
    return {"description": description, "schema": _STRING}


def _query(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _in_path(name: str, description: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": _STRING}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_ID = {"request-id": {"$ref": "#/components/headers/request-id"}}
_STRING: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}


# Schemas


def _schemas(settings: Settings) -> Schema:
    required = ["messages"] if default_model(settings) else ["model", "messages"]
    asked = _request_fields()
    return {
        "MessagesRequest": _object(asked, [*required, "max_tokens"]),
        "CountTokensRequest": _object(asked, required),
        "MessageParam": _object(
            {
                "role": {"type": "string", "enum": list(validate.ROLES)},
                "content": _text_or("ContentBlock"),
                "output_config": _may_be_null({"type": "object"}),
            },
            ["role"],
        ),
        "ContentBlock": _block(),
        "TextBlock": _object({"type": {"const": "text"}, "text": _STRING}, ["type", "text"]),
        "Tool": _object({name: _may_be_null(_of(kind)) for name, kind in validate.TOOL_FIELDS.items()}, []),
        **_REPLIES,
        "ErrorBody": _object(
            {
                "type": {"const": "error"},
                "error": _object({"type": {"type": "string", "enum": list(STATUS)}, "message": _STRING}),
                "request_id": _STRING,
            }
        ),
    }


def _request_fields() -> Schema:
    """The fields that are read. Null counts as absent, and what is not here is let through."""
    narrower: dict[str, Schema] = {
        "model": {"minLength": 1},
        "max_tokens": {"minimum": 0},
        "temperature": {"minimum": 0},
        "top_p": {"minimum": 0},
        "top_k": {"minimum": 0},
        "messages": {"items": _ref("MessageParam"), "minItems": 1},
        "tools": {"items": _ref("Tool")},
        "tool_choice": _object({"type": {"type": "string", "enum": list(validate.TOOL_CHOICES)}, "name": _STRING}),
        "stop_sequences": {"items": {"type": "string", "pattern": r"\S"}},
        "output_config": {"properties": {"effort": _may_be_null(_STRING), "format": _may_be_null(_FORMAT)}},
        "output_format": _FORMAT,
    }
    fields = {name: _of(kind) | narrower.get(name, {}) for name, kind in validate.FIELDS.items()}
    thinking = _object({"type": {"type": "string", "enum": list(validate.THINKING_TYPES)}}, ["type"])
    fields["thinking"] = {"anyOf": [thinking, {"type": "boolean"}]}
    fields["system"] = _text_or("TextBlock")
    needed = {"model", "messages", "max_tokens"}
    return {name: field if name in needed else _may_be_null(field) for name, field in fields.items()}


def _block() -> Schema:
    known = [
        _object(
            {"type": {"const": kind}, **{name: _of(type) for name, type in fields.items()}},
            ["type", *fields],
        )
        for kind, fields in validate.BLOCK_FIELDS.items()
    ]
    other = {"type": "string", "not": {"enum": list(validate.BLOCK_FIELDS)}}
    return {"oneOf": [*known, _object({"type": other}, ["type"])]}


def _object(properties: Mapping[str, Schema], required: list[str] | None = None) -> Schema:
    """An object, all of whose properties are required unless some are named."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties) if required is None else required,
    }


def _of(kind: type) -> Schema:
    return {"type": _TYPES[kind]}


def _may_be_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _text_or(block: str) -> Schema:
    return {"anyOf": [_STRING, {"type": "array", "items": _ref(block)}]}


_FORMAT = _object({"type": {"const": "json_schema"}, "schema": {"type": "object"}})

_COUNTS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")

_MODEL_INFO = _object(
    {
        "type": {"const": "model"},
        "id": _STRING,
        "display_name": _STRING,
        "created_at": {"type": "string", "format": "date-time"},
        "lifecycle": {"type": "string", "enum": ["active"]},
        "max_input_tokens": {"type": ["integer", "null"]},
        **{name: {"type": "null"} for name in ("line", "max_tokens", "capabilities", "deprecated_at", "retires_at")},
    }
)

_REPLIES: Schema = {
    "Message": _object(
        {
            "id": {"type": "string", "pattern": "^msg_"},
            "type": {"const": "message"},
            "role": {"const": "assistant"},
            "model": _STRING,
            "content": {"type": "array", "items": _object({"type": _STRING})},
            "stop_reason": _STRING,
            "stop_sequence": {"type": ["string", "null"]},
            "usage": _ref("Usage"),
            "context_management": _object({"applied_edits": {"type": "array", "items": {"type": "object"}}}),
        },
        ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"],
    ),
    "Usage": _object(dict.fromkeys(_COUNTS, _COUNT)),
    "StreamEvent": _object(
        {
            "type": {
                "type": "string",
                "enum": [
                    "message_start",
                    "content_block_start",
                    "content_block_delta",
                    "content_block_stop",
                    "message_delta",
                    "message_stop",
                    "ping",
                    "error",
                ],
            }
        }
    ),
    "TokenCount": _object(
        {"input_tokens": _COUNT, "context_management": _object({"original_input_tokens": _COUNT})}, ["input_tokens"]
    ),
    "ModelInfo": _MODEL_INFO,
    "ModelPage": _object(
        {
            "data": {"type": "array", "items": _ref("ModelInfo")},
            "has_more": {"type": "boolean"},
            "first_id": {"type": ["string", "null"]},
            "last_id": {"type": ["string", "null"]},
        }
    ),
    "Health": _object({"status": {"const": "ok"}, "version": _STRING}),
    "Ready": _object({"status": {"const": "ready"}}),
}
