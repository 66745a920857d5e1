"""Structured output: `output_config.format` in the words the backend understands."""

from typing import Any

import jsonschema_rs
from msgspec import Struct

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.translate.chat.schema import fits_strict
from anthropic_proxy.wire.anthropic import MessagesRequest
from anthropic_proxy.wire.json import InvalidJson, dumps, loads

INSTRUCTION = (
    "Answer with one JSON value that fits this JSON Schema. Write the JSON alone, without a code fence or "
    "any other text.\n{}"
)
"""For backends that cannot be bound to a schema."""


class Output(Struct, frozen=True):
    """What a request for structured output adds."""

    response_format: dict[str, Any] | None
    instruction: str | None
    schema: dict[str, Any] | None
    """Set where the backend does not hold the model to the schema, so that the reply is checked here."""


def structured_output(request: MessagesRequest, dialect: Dialect) -> Output:
    """The `response_format` and the instruction for the request's schema."""
    wanted = request.get("output_config", {}).get("format")
    if not wanted:
        return Output(None, None, None)
    schema = wanted["schema"]
    if dialect.json == "schema":
        named = {"name": "output", "schema": schema}
        if dialect.strict_flag:
            named["strict"] = fits_strict(schema)
        return Output({"type": "json_schema", "json_schema": named}, None, None)
    instruction = INSTRUCTION.format(dumps(schema).decode())
    return Output({"type": "json_object"} if dialect.json == "object" else None, instruction, schema)


def misfit(answer: str, schema: dict[str, Any]) -> str:
    """Why `answer` does not fit `schema`; empty if it does, or if the schema itself cannot be used."""
    try:
        value = loads(answer.encode("utf-8", "replace"))
    except InvalidJson:
        return "the reply is not JSON"
    try:
        validator = jsonschema_rs.validator_for(schema, offline=True, pattern_options=_LINEAR)
    except ValueError:
        return ""
    fault = next(validator.iter_errors(value), None)
    if fault is None:
        return ""
    return f"the reply does not fit the schema at {'.'.join(map(str, fault.instance_path)) or 'its top'}"


_LINEAR = jsonschema_rs.RegexOptions()
"""The regular expressions of a schema are run by an engine that takes linear time, whatever they say."""
