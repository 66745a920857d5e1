"""What a backend refuses is asked for in another way at once, and the next request does not try again.

Content is never changed that way, except that pictures in results turn into words.
"""

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.claude_code.files import png
from tests.proxying import ask
from tests.server.asgi import question
from tests.servers import Reply, refused
from tests.talking import BOTH, Answering, Body, assistant, result, said, talking, tool, user
from tests.test_golden import GOLDEN, parsed

HISTORY = [
    user("Go."),
    assistant({"type": "tool_use", "id": "toolu_1", "name": "a", "input": {}}),
    user(result("toolu_1")),
]
IMAGE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(png()).decode()},
}


def unless(wrong: Callable[[Body], str | None]) -> Answering:
    """A backend that refuses what is wrong, in these words."""

    def answering(body: Body) -> Reply:
        words = wrong(body)
        return refused(400, words) if words else said(body, {"content": "Fine."})

    return answering


def old_cap(body: Body) -> str | None:
    if "max_tokens" in body:
        return (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
    return None


def large_cap(body: Body) -> str | None:
    if body["max_tokens"] > 16384:
        return f"max_tokens is too large: {body['max_tokens']}. This model supports at most 16384 completion tokens."
    return None


def field(name: str) -> Callable[[Body], str | None]:
    return lambda body: f"Unsupported parameter: '{name}' is not supported with this model." if name in body else None


def empty_text(body: Body) -> str | None:
    odd = [message for message in body["messages"] if message["content"] == ""]
    return "messages.1.content: text content blocks must be non-empty" if odd else None


def null_text(body: Body) -> str | None:
    odd = [message for message in body["messages"] if message["content"] is None]
    return "invalid message content type: <nil>: content must not be null" if odd else None


def picture_of_a_tool(body: Body) -> str | None:
    return "This model does not support image input." if "image_url" in json.dumps(body) else None


PICTURES = [*HISTORY[:2], user(result("toolu_1", [{"type": "text", "text": "A"}, IMAGE]))]

LEARNED: dict[str, tuple[Callable[[Body], str | None], dict[str, Any], dict[str, str]]] = {
    "another name for the cap": (old_cap, {"max_tokens": 64000}, {}),
    "a lower cap": (large_cap, {"max_tokens": 64000}, {}),
    "no temperature": (field("temperature"), {"temperature": 0.5}, {}),
    "no top_p": (field("top_p"), {"top_p": 0.5}, {}),
    "no effort": (field("reasoning_effort"), {"output_config": {"effort": "high"}}, {"DIALECT": "reasoning=effort"}),
    "no flag for parallel calls": (
        field("parallel_tool_calls"),
        {"tools": [tool("a")], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        {},
    ),
    "no empty text": (empty_text, {"messages": HISTORY}, {"DIALECT": "null_content=false"}),
    "no null for a text": (null_text, {"messages": HISTORY}, {}),
    "no pictures": (picture_of_a_tool, {"messages": PICTURES}, {}),
}
"""What is wrong for the backend, what is asked, and the settings."""


@BOTH
@pytest.mark.parametrize(("wrong", "fields", "environ"), LEARNED.values(), ids=LEARNED.keys())
async def test_refused_once(
    wrong: Callable[[Body], str | None], fields: dict[str, Any], environ: dict[str, str], stream: bool
) -> None:
    asked: dict[str, Any] = {"tools": [tool("a")], **fields}
    async with talking(unless(wrong), **environ) as talk:
        for _ in range(2):
            message = await talk.ask(stream, **asked)
            assert message["content"] == [{"type": "text", "text": "Fine."}]
    assert [wrong(body) is not None for body in talk.asked] == [True, False, False]


async def test_a_cap_that_is_refused_under_both_names_is_an_error() -> None:
    def neither(body: Body) -> Reply:
        name = "max_tokens" if "max_tokens" in body else "max_completion_tokens"
        return refused(400, f"Unsupported parameter: '{name}' is not supported with this model.")

    async with talking(neither) as talk:
        answer = await ask(talk.url, question())
    assert answer.outcome == "400 invalid_request_error"
    assert "'max_" in answer.message
    assert len(talk.asked) <= 3


@BOTH
async def test_a_picture_of_the_users_is_not_taken_away(stream: bool) -> None:
    """Claude Code puts words in its place when it hears this, and goes on."""
    async with talking(unless(picture_of_a_tool)) as talk:
        answer = await ask(talk.url, question(messages=[user(IMAGE)], stream=stream))
    assert answer.outcome == "400 invalid_request_error"
    assert "messages.0.content.0.image: Could not process image" in answer.message


# Structured output

SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string", "description": "in three words"}},
    "required": ["title"],
    "additionalProperties": False,
}


def only(*kinds: str) -> Callable[[Body], str | None]:
    """Knows these kinds of `response_format`."""

    def wrong(body: Body) -> str | None:
        kind = body.get("response_format", {}).get("type", "")
        if not kind or kind in kinds:
            return None
        return f"Invalid parameter: 'response_format' of type '{kind}' is not supported with this model."

    return wrong


@BOTH
@pytest.mark.parametrize(
    "kinds", [("json_schema", "json_object"), ("json_object",), ()], ids=["all", "objects", "none"]
)
async def test_a_structured_answer_whatever_the_backend_knows(kinds: tuple[str, ...], stream: bool) -> None:
    def answering(body: Body) -> Reply:
        words = only(*kinds)(body)
        return refused(400, words) if words else said(body, {"content": '{"title": "A b c"}'})

    wish: dict[str, Any] = {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}
    async with talking(answering) as talk:
        for _ in range(2):
            message = await talk.ask(stream, **wish)
            assert json.loads(message["content"][0]["text"]) == {"title": "A b c"}
    assert all("in three words" in json.dumps(body) for body in talk.asked)
    assert [only(*kinds)(body) is None for body in talk.asked][-2:] == [True, True]
    assert len(talk.asked) == 2 + 2 - len(kinds)


# Schemas of tools

NASTY = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": r"^\p{L}+$", "format": "uri"},
        "count": {"type": "integer", "exclusiveMinimum": 0},
        "any": {},
        "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "map": {"type": "object", "propertyNames": {"pattern": "^a"}, "additionalProperties": {"type": "string"}},
        "node": {"$ref": "#/$defs/node"},
    },
    "$defs": {"node": {"type": "object", "properties": {"value": {"const": 5}}}},
    "additionalProperties": False,
}
CLAUDE_CODES = parsed(GOLDEN / "requests" / "claude_code_first_request" / "anthropic.json")["tools"]
ALL_TOOLS: list[Body] = [
    *(one for one in CLAUDE_CODES if not one.get("defer_loading")),
    {"name": "mcp__odd__tool", "description": "An odd one.", "input_schema": NASTY},
    {"name": "mcp__odd__bare", "input_schema": {"type": "object"}},
]

REFUSED_BY_GEMINI = {"$schema", "$ref", "$defs", "additionalProperties", "propertyNames", "exclusiveMinimum", "const"}


def words(schema: Any) -> set[str]:
    """All keywords of a schema; names of properties are none."""
    if isinstance(schema, list):
        return set().union(*map(words, schema))
    if not isinstance(schema, dict):
        return set()
    inner = [value for key, value in schema.items() if key not in ("properties", "$defs", "enum", "required")]
    inner += [one for key in ("properties", "$defs") for one in schema.get(key, {}).values()]
    return set(schema).union(*map(words, inner))


def gemini_rules(body: Body) -> str | None:
    for number, entry in enumerate(body["tools"]):
        function = entry["function"]
        odd = sorted(words(function["parameters"]) & REFUSED_BY_GEMINI)
        if odd:
            return (
                f'Invalid JSON payload received. Unknown name "{odd[0]}" at \'tools[0].function_declarations[{number}]'
            )
    return None


def openai_rules(body: Body) -> str | None:
    for entry in body["tools"]:
        function = entry["function"]
        name, schema = function["name"], function["parameters"]
        where = f"Invalid schema for function '{name}': In context=('properties', 'name'), "
        if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
            return f"Invalid schema for function '{name}': object schema missing properties."
        if re.search(r'"pattern": "[^"]*\\\\p\{', json.dumps(schema)):
            return where + r"'^\p{L}+$' is not a 'regex'."
        if function.get("strict"):
            return where + "'additionalProperties' is required to be supplied and to be false."
    return None


RULES = {"gemini": (gemini_rules, 1), "openai": (openai_rules, 2)}
"""Dialects, their rules, and the requests that the first question takes."""


@BOTH
@pytest.mark.parametrize(("dialect", "rules", "attempts"), [(k, *v) for k, v in RULES.items()], ids=RULES.keys())
async def test_claude_codes_tools_and_an_odd_one(
    dialect: str, rules: Callable[[Body], str | None], attempts: int, stream: bool
) -> None:
    async with talking(unless(rules), BACKEND=dialect, MODEL="gpt-4o") as talk:
        for _ in range(2):
            message = await talk.ask(stream, tools=ALL_TOOLS)
            assert message["content"] == [{"type": "text", "text": "Fine."}]
    assert len(talk.asked) == attempts + 1
    assert len(talk.asked[-1]["tools"]) == len(ALL_TOOLS)
    assert talk.asked[-1]["tools"] == talk.asked[-2]["tools"]


async def test_a_lenient_backend_gets_schemas_as_they_are() -> None:
    async with talking(lambda body: said(body, {"content": "Fine."})) as talk:
        await talk.ask(tools=ALL_TOOLS[:-1])
    assert [entry["function"]["parameters"] for entry in talk.asked[0]["tools"]] == [
        entry["input_schema"] for entry in ALL_TOOLS[:-1]
    ]
