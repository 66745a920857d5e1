"""POST /v1/messages/count_tokens: an answer at once, from here alone, that gets better with use."""

import asyncio
import json
from typing import Any

import anthropic
import pytest
from anthropic.types.beta import BetaClearToolUses20250919EditResponse
from fastapi import FastAPI
from pydantic import SecretStr

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.server.asgi import ROLE, STREAMED, WHOLE, Answer, call, chunks, delta, question
from tests.servers import ScriptedBackend, refused, serving, whole

PATH = "/v1/messages/count_tokens"
SETTINGS = Settings(openai_api_base="http://127.0.0.1:9/v1", model="upstream-model")
JSON = {"content-type": "application/json"}

SENTENCE = "The quick brown fox jumps over the lazy dog, and the dog does not mind. "
"""17 tokens, by o200k_base."""


def app_over(upstream: Replay, **settings: object) -> FastAPI:
    return create_app(SETTINGS.model_copy(update=settings), upstream)


def unreachable() -> Replay:
    """A backend on this machine, so one that would be asked who it is before a message."""
    return Replay(UpstreamBroke("nobody should be asked", kind="refused"), base_url="http://127.0.0.1:8000/v1")


def asking(content: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "claude-test", "messages": [{"role": "user", "content": content}], **fields}


async def count(body: object, app: FastAPI | None = None, path: str = PATH) -> Answer:
    return await call(app or app_over(unreachable()), "POST", path, body)


async def tokens(body: object, app: FastAPI | None = None) -> int:
    answer = await count(body, app)
    assert answer.status == 200, answer.error
    counted: int = answer.json["input_tokens"]
    return counted


async def test_an_estimate_is_labelled() -> None:
    answer = await count(asking(SENTENCE * 10))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["x-token-count"] == "estimate"
    assert answer.json.keys() == {"input_tokens"}
    assert answer.json["input_tokens"] == pytest.approx(177, rel=0.15)


@pytest.mark.parametrize("path", [PATH, f"{PATH}/", f"{PATH}?beta=true"])
async def test_paths_of_the_endpoint(path: str) -> None:
    assert (await count(asking("Hello"), path=path)).status == 200


async def test_the_backend_is_never_asked() -> None:
    upstream = unreachable()
    app = app_over(upstream)
    await asyncio.gather(*(tokens(asking(SENTENCE, tools=[]), app) for _ in range(24)))
    assert upstream.requests == []


# What is counted

TOOL = {
    "name": "read_file",
    "description": SENTENCE * 10,
    "input_schema": {"type": "object", "properties": {"path": {"type": "string", "description": SENTENCE * 10}}},
}
IMAGE = {
    "type": "image",
    # A PNG of 1500 by 1000 pixels.
    "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgoAAAANSUhEUgAABdwAAAPoAAAA" * 50},
}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x" * 100}}
TEXT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": SENTENCE * 10}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "read_file", "input": {"path": SENTENCE * 10}}

ADDED: dict[str, tuple[dict[str, Any], int]] = {
    "a system prompt": (asking("Hello", system=SENTENCE * 10), 174),
    "tools": (asking("Hello", tools=[TOOL]), 360),
    "more of a message": (asking([{"type": "text", "text": "Hello"}, {"type": "text", "text": SENTENCE * 10}]), 170),
    "a document of text": (asking([{"type": "text", "text": "Hello"}, TEXT]), 180),
    "an image, by its pixels": (asking([{"type": "text", "text": "Hello"}, IMAGE]), 1600),
    "a PDF, by its pages": (asking([{"type": "text", "text": "Hello"}, PDF]), 1800),
    "calls and results": (
        {
            **asking("Hello"),
            "messages": [
                {"role": "user", "content": "Hello"},
                {"role": "assistant", "content": [CALL]},
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": SENTENCE * 10}],
                },
            ],
        },
        370,
    ),
    "what the assistant said last": (
        {**asking("Hello"), "messages": [*asking("Hello")["messages"], {"role": "assistant", "content": SENTENCE * 9}]},
        160,
    ),
}


@pytest.mark.parametrize(("body", "more"), ADDED.values(), ids=ADDED.keys())
async def test_what_counts(body: dict[str, Any], more: int) -> None:
    assert await tokens(body) - await tokens(asking("Hello")) == pytest.approx(more, rel=0.2)


NOT_READ: dict[str, dict[str, Any]] = {
    "limits and settings": asking("Hello", max_tokens=5, temperature=0.5, stream=True, stop_sequences=["the end"]),
    "a user's id": asking("Hello", metadata={"user_id": "user_" + "0123456789abcdef" * 8}),
    "the line that Claude Code's requests begin with": asking(
        "Hello",
        system=[{"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.330.a1b; cc_entrypoint=cli;"}],
    ),
    "a tool whose use is not loaded yet": asking(
        "Hello",
        tools=[{**TOOL, "defer_loading": True}, {"name": "ToolSearch", "input_schema": {"type": "object"}}],
    ),
}


@pytest.mark.parametrize("body", NOT_READ.values(), ids=NOT_READ.keys())
async def test_what_the_model_never_reads(body: dict[str, Any]) -> None:
    assert await tokens(body) <= await tokens(asking("Hello")) + 40


async def test_what_this_backend_cannot_be_sent_is_counted_all_the_same() -> None:
    app = app_over(unreachable(), dialect="vision=false")
    body = asking([IMAGE, {"type": "text", "text": "What is this?"}])
    assert await tokens(body, app) == pytest.approx(1610, rel=0.1)


def long_history() -> dict[str, Any]:
    """Eight calls with long results, of which all but the usual three are to be cleared."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Read them all."}]
    for number in range(8):
        call_id = f"toolu_{number}"
        messages += [
            {"role": "assistant", "content": [{**CALL, "id": call_id, "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call_id, "content": SENTENCE * 100}]},
        ]
    edits = [{"type": "clear_tool_uses_20250919", "trigger": {"type": "tool_uses", "value": 1}}]
    return {"messages": messages, "context_management": {"edits": edits}}


LONG_HISTORY = long_history()


async def test_what_context_management_clears_is_told() -> None:
    body = {**asking(""), **LONG_HISTORY}
    answer = (await count(body)).json
    original = answer["context_management"]["original_input_tokens"]
    assert original == await tokens({**body, "context_management": None})
    assert answer["input_tokens"] < original / 2


# What is refused

WRONG: dict[str, tuple[object, str]] = {
    "no JSON": (b"{", "body: "),
    "no messages": ({"model": "m"}, "messages: Field required"),
    "a wrong role": (asking("x") | {"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role: "),
    "a block nobody knows": (asking([{"type": "hologram"}]), "messages.0.content.0"),
    "a text that is none": (asking([{"type": "text", "text": 5}]), "messages.0.content.0.text: "),
    "tools that are none": (asking("x", tools=[{"name": "t"}]), "tools.0.custom.input_schema: Field required"),
    "nesting without end": (b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "body: "),
}


@pytest.mark.parametrize(("body", "words"), WRONG.values(), ids=WRONG.keys())
async def test_a_wrong_request_is_refused_as_a_message_would_be(body: object, words: str) -> None:
    status, type, message = (await count(body)).error
    assert (status, type) == (400, "invalid_request_error")
    assert message.startswith(words)


async def test_a_model_must_be_named_where_the_settings_name_none() -> None:
    body = {"messages": [{"role": "user", "content": "Hello"}]}
    assert (await count(body)).status == 200
    answer = await count(body, app_over(unreachable(), model=None))
    assert answer.error == (400, "invalid_request_error", "model: Field required")


async def test_counting_is_behind_the_door() -> None:
    app = app_over(unreachable(), proxy_api_key=SecretStr("right"))
    assert (await count(asking("Hello"), app)).error[:2] == (401, "authentication_error")
    assert (await call(app, "POST", PATH, asking("Hello"), {"x-api-key": "right"})).status == 200


async def test_a_wrong_method_is_told_the_right_one() -> None:
    answer = await call(app_over(unreachable()), "GET", PATH)
    assert (answer.error[0], answer.headers["allow"]) == (405, "POST")


# Calibration


def counting(prompt_tokens: int, base: bytes = WHOLE) -> bytes:
    """A reply that counts so many tokens in the prompt."""
    return base.replace(b'"prompt_tokens": 12', f'"prompt_tokens": {prompt_tokens}'.encode())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("ratio", [0.85, 1.5])
async def test_after_five_replies_the_count_is_as_the_backend_counts(ratio: float, stream: bool) -> None:
    sizes = (20, 50, 30, 80, 60)
    counts = [round(ratio * (17 * size + 8)) for size in sizes]
    replies = [Recorded(counting(n, STREAMED if stream else WHOLE)) for n in counts]
    app = app_over(Replay(*replies))
    for size in sizes:
        body = question(messages=asking(SENTENCE * size)["messages"], stream=stream)
        assert (await call(app, "POST", "/v1/messages", body)).status == 200
    assert await tokens(asking(SENTENCE * 40), app) == pytest.approx(ratio * (17 * 40 + 8), rel=0.08)


async def test_the_start_of_a_stream_says_what_the_count_does() -> None:
    app = app_over(Replay(Recorded(counting(3000)), Recorded(chunks(ROLE, delta(content="Hello"), delta("stop")))))
    messages = asking(SENTENCE * 100)["messages"]
    await call(app, "POST", "/v1/messages", question(messages=messages))
    answer = await call(app, "POST", "/v1/messages", question(messages=messages, stream=True))
    started = answer.events[0]["message"]["usage"]["input_tokens"]
    assert started == await tokens(asking(SENTENCE * 100), app)
    assert started > 2500


async def test_a_prompt_that_was_cut_in_silence_teaches_nothing() -> None:
    app = app_over(Replay(Recorded(counting(2048))))
    before = await tokens(asking(SENTENCE * 500), app)
    await call(app, "POST", "/v1/messages", question(messages=asking(SENTENCE * 500)["messages"]))
    assert await tokens(asking(SENTENCE * 500), app) == before


async def test_a_reply_that_counts_nothing_teaches_nothing() -> None:
    silent = json.dumps({**json.loads(WHOLE), "usage": None}).encode()
    app = app_over(Replay(Recorded(silent)))
    before = await tokens(asking(SENTENCE), app)
    await call(app, "POST", "/v1/messages", question())
    assert await tokens(asking(SENTENCE), app) == before


# The SDK is the judge


def test_the_sdk_counts() -> None:
    def script(request: dict[str, Any]) -> Any:
        return whole({"content": "fine"}) if request["messages"] else refused(400, "no")

    backend = ScriptedBackend(script)
    with serving(backend) as upstream:
        settings = Settings(openai_api_base=f"{upstream}/v1", model="upstream-model")
        with serving(create_app(settings)) as proxy, anthropic.Anthropic(base_url=proxy, api_key="any") as client:
            asked: Any = asking(SENTENCE * 10, system="Be brief.", tools=[TOOL])
            counted = client.messages.count_tokens(**asked)
            assert counted.input_tokens == pytest.approx(550, rel=0.15)
            beta = client.beta.messages.count_tokens(
                **asked, context_management={"edits": [{"type": "clear_tool_uses_20250919"}]}
            )
            assert beta.context_management is not None
            assert beta.context_management.original_input_tokens == counted.input_tokens
    assert backend.requests == []


def test_the_sdk_reads_what_was_cleared() -> None:
    backend = ScriptedBackend(lambda request: whole({"content": "fine"}))
    with serving(backend) as upstream:
        settings = Settings(openai_api_base=f"{upstream}/v1", model="upstream-model")
        with serving(create_app(settings)) as proxy, anthropic.Anthropic(base_url=proxy, api_key="any") as client:
            asked: Any = {**LONG_HISTORY, "max_tokens": 9, "model": "m"}
            for message in (client.beta.messages.create(**asked), streamed_message(client, asked)):
                assert message.context_management is not None
                (edit,) = message.context_management.applied_edits
                assert isinstance(edit, BetaClearToolUses20250919EditResponse)
                assert edit.cleared_tool_uses == 5
                assert edit.cleared_input_tokens > 1000
    assert "[Old tool result cleared]" in json.dumps(backend.requests)


def streamed_message(client: anthropic.Anthropic, asked: Any) -> Any:
    with client.beta.messages.stream(**asked) as stream:
        return stream.get_final_message()
