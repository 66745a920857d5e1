"""Nothing a client sends gives a 500: a rich request with any one value replaced by any other, and random ones."""

import copy
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.server.asgi import STREAMED, Answer, call, question

SETTINGS = Settings(
    openai_api_base="http://replay.invalid/v1",
    openai_api_key=SecretStr("k"),
    model="upstream-model",
    prefill="emulate",
    forward_user_id="hash",
)

PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
CACHED = {"type": "ephemeral", "ttl": "1h"}

RICH: dict[str, Any] = {
    "model": "claude-test",
    "max_tokens": 2000,
    "stream": True,
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 4,
    "stop_sequences": ["END", "\n\nHuman"],
    "metadata": {"user_id": "someone"},
    "service_tier": "auto",
    "speed": "fast",
    "cache_control": CACHED,
    "thinking": {"type": "enabled", "budget_tokens": 1500, "display": "summarized"},
    "output_config": {
        "effort": "high",
        "format": {
            "type": "json_schema",
            "schema": {
                "type": "object",
                "properties": {"a": {"type": "string", "format": "date"}, "b": {"$ref": "#/$defs/x"}},
                "required": ["a"],
                "additionalProperties": False,
                "$defs": {"x": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "array", "items": {}}]}},
            },
        },
    },
    "context_management": {
        "edits": [
            {"type": "clear_thinking_20251015", "keep": {"type": "thinking_turns", "value": 1}},
            {"type": "clear_tool_uses_20250919", "trigger": {"type": "input_tokens", "value": 10}},
        ]
    },
    "inference_geo": "global",
    "mcp_servers": [],
    "container": "container_1",
    "tool_choice": {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
    "system": [{"type": "text", "text": "Be good.", "cache_control": CACHED}],
    "tools": [
        {
            "name": "get_weather",
            "description": "The weather",
            "input_schema": {
                "type": "object",
                "properties": {"city": {"type": ["string", "null"], "enum": ["a", None]}, "n": {"const": 3}},
                "required": ["city"],
            },
            "strict": True,
            "input_examples": [{"city": "a"}],
            "defer_loading": True,
            "cache_control": CACHED,
        },
        {"type": "bash_20250124", "name": "bash"},
        {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool", "max_characters": 100},
        {"type": "memory_20250818", "name": "memory"},
        {"type": "computer_20250124", "name": "computer", "display_width_px": 100, "display_height_px": 100},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 2, "allowed_domains": ["a.example"]},
        {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"},
    ],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Hi", "cache_control": CACHED},
                {"type": "image", "source": PNG},
                {"type": "image", "source": {"type": "url", "url": "https://images.example/a.png"}},
                {
                    "type": "document",
                    "source": {"type": "text", "media_type": "text/plain", "data": "d"},
                    "title": "t",
                    "context": "c",
                    "citations": {"enabled": True},
                },
                {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "z"}]}},
                {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "r"}]},
            ],
        },
        {
            "role": "system",
            "content": [{"type": "text", "text": "mid"}],
            "clear_at": "next_user_message",
            "output_config": {"effort": "low"},
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t", "signature": "sig"},
                {"type": "redacted_thinking", "data": "d"},
                {"type": "text", "text": "ok", "citations": [{"type": "char_location", "cited_text": "x"}]},
                {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "a"}},
                {"type": "tool_use", "id": "toolu_2", "name": "bash", "input": {"command": "ls"}},
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
                {
                    "type": "web_search_tool_result",
                    "tool_use_id": "srvtoolu_1",
                    "content": [{"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": "e"}],
                },
                {"type": "text", "text": "after"},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "content": [
                        {"type": "text", "text": "r"},
                        {"type": "image", "source": PNG},
                        {"type": "tool_reference", "tool_name": "get_weather"},
                        {"type": "search_result", "source": "s", "title": "t", "content": []},
                        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
                    ],
                    "is_error": True,
                },
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "str"},
                {"type": "tool_result", "tool_use_id": "orphan"},
                {"type": "text", "text": "go on"},
            ],
        },
        {"role": "assistant", "content": "It is"},
    ],
}
"""A bit of everything."""

ODD: list[Any] = [
    *(None, True, 0, -1, 1.5, 10**30, "", "x", "\ud800", [], [1], [[]], ["s"], {}, {"type": "x"}, {"type": ["y"]}),
    *([{}], [{"type": "text", "text": "t"}], {"a": None}),
]
"""Values that stand where others are expected."""

BACKENDS = ("plain", "openai", "gemini", "mistral", "openrouter", "deepseek", "litellm", "vllm")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside `value`."""
    if path:
        yield path
    for step, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from places(inner, (*path, step))


def replaced(request: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """`request` with `value` at `path`."""
    changed = copy.deepcopy(request)
    holder: Any = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return changed


async def asked(body: object, backend: str = "plain") -> Answer:
    settings = SETTINGS.model_copy(update={"backend": backend})
    return await call(create_app(settings, Replay(Recorded(STREAMED))), "POST", "/v1/messages", body)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_the_rich_request_is_fine(backend: str) -> None:
    assert (await asked(RICH, backend)).status == 200


@pytest.mark.parametrize("value", ODD, ids=[f"{number}: {value!a}" for number, value in enumerate(ODD)])
async def test_one_odd_value_in_a_rich_request(value: Any) -> None:
    apps = [
        create_app(SETTINGS.model_copy(update={"backend": backend}), Replay(Recorded(STREAMED))) for backend in BACKENDS
    ]
    logging.disable()
    try:
        broken = [
            path
            for number, path in enumerate(places(RICH))
            for answer in [await call(apps[number % len(apps)], "POST", "/v1/messages", replaced(RICH, path, value))]
            if answer.status not in (200, 400)
        ]
    finally:
        logging.disable(logging.NOTSET)
    assert broken == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
BLOCKS = ("text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking", "search_result")
blocks = st.fixed_dictionaries(
    {"type": st.sampled_from(BLOCKS) | st.text(max_size=5)},
    optional=dict.fromkeys(("text", "source", "id", "name", "input", "content", "tool_use_id"), json_values),
)
turns = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system"]), "content": st.lists(blocks, max_size=3) | json_values}
)


@given(st.dictionaries(st.sampled_from(list(RICH)), json_values, max_size=3), st.none() | st.lists(turns, max_size=3))
async def test_any_values_in_any_fields(fields: dict[str, Any], messages: list[Any] | None) -> None:
    body = question(**fields) if messages is None else question(**{**fields, "messages": messages})
    assert (await asked(body)).status in (200, 400)
