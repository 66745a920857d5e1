"""Structured output: in the backend's words, and how a reply is judged."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.dialects import PLAIN, Dialect
from anthropic_proxy.translate.chat.output import INSTRUCTION, Output, misfit, structured_output
from anthropic_proxy.translate.validate import messages_request
from tests.translate.conversations import json_values

OBJECT = replace(PLAIN, json="object")
NONE = replace(PLAIN, json="none")
NOT_STRICT = replace(PLAIN, strict_flag=False)

CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
OPEN = {"type": "object", "properties": {"a": {"type": "string"}}}
TOLD = INSTRUCTION.format('{"type":"object","properties":{"a":{"type":"string"}}}')


def bound(schema: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "output", "schema": schema, **more}}


ASKED: dict[str, tuple[dict[str, Any], Dialect, Output]] = {
    "a schema that can be enforced": (CLOSED, PLAIN, Output(bound(CLOSED, strict=True), None, None)),
    "one that cannot": (OPEN, PLAIN, Output(bound(OPEN, strict=False), None, None)),
    "where `strict` is unknown": (CLOSED, NOT_STRICT, Output(bound(CLOSED), None, None)),
    "any object, and the schema in words": (OPEN, OBJECT, Output({"type": "json_object"}, TOLD, OPEN)),
    "words alone": (OPEN, NONE, Output(None, TOLD, OPEN)),
}


@pytest.mark.parametrize(("schema", "dialect", "expected"), ASKED.values(), ids=ASKED.keys())
def test_what_is_asked_for(schema: dict[str, Any], dialect: Dialect, expected: Output) -> None:
    body = {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
    assert asked(body, dialect) == expected


@pytest.mark.parametrize("body", [{}, {"output_config": {"effort": "low"}}, {"output_config": {"format": None}}])
def test_nothing_asked_is_nothing(body: dict[str, Any]) -> None:
    assert asked(body, PLAIN) == Output(None, None, None)


def asked(body: dict[str, Any], dialect: Dialect) -> Output:
    whole = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "?"}], **body}
    return structured_output(messages_request(whole), dialect)


JUDGED = {
    "what fits": ('{"a": "x"}', CLOSED, ""),
    "what is no JSON": ("a: x", CLOSED, "the reply is not JSON"),
    "what lacks something": ("{}", CLOSED, "the reply does not fit the schema at its top"),
    "what is wrong inside": ('{"a": 5}', CLOSED, "the reply does not fit the schema at a"),
    "a schema that is none": ("{}", {"type": 5}, ""),
    "a schema from elsewhere": ("{}", {"$ref": "https://e.test/schema.json"}, ""),
    "a schema that refers to itself": ("{}", {"$ref": "#"}, ""),
    "a pattern that would take for ever": (
        '"' + "a" * 5000 + '!"',
        {"pattern": "^(a+)+$"},
        "the reply does not fit the schema at its top",
    ),
    "half a surrogate pair": ('"\ud83d"', {"type": "string"}, ""),
}


@pytest.mark.parametrize(("answer", "schema", "expected"), JUDGED.values(), ids=JUDGED.keys())
def test_a_reply_is_judged(answer: str, schema: dict[str, Any], expected: str) -> None:
    assert misfit(answer, schema) == expected


@given(st.text(max_size=20), st.dictionaries(st.sampled_from(["type", "properties", "enum", "$ref", "x"]), json_values))
def test_no_schema_does_harm(answer: str, schema: dict[str, Any]) -> None:
    assert misfit(answer, schema) in ("", "the reply is not JSON") or "does not fit" in misfit(answer, schema)
