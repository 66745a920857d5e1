"""Streamed replies: when the status is decided, what fills a silence, how a stream ends."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr
from starlette.types import ASGIApp

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.upstream.base import Connections, Reply, Upstream
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.grammar import violations
from tests.server.asgi import ROLE, STREAMED, USAGE, Answer, Exchange, call, chunks, delta, question

SETTINGS = Settings(openai_api_base="http://replay.invalid/v1", openai_api_key=SecretStr("k"), model="upstream-model")
HASTY = SETTINGS.model_copy(update={"commit_after": 0.02, "ping_every": 0.02})
"""Waits for nothing."""

PATIENT = SETTINGS.model_copy(update={"commit_after": 3600.0, "ping_every": 3600.0})
"""Never loses patience within a test."""


class Fed:
    """An upstream whose one reply comes as the test feeds it. None ends it, an exception breaks it."""

    base_url = "http://replay.invalid/v1"

    def __init__(self) -> None:
        self.feed: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.status = 200
        self.headers = {"content-type": "text/event-stream", "x-request-id": "up-1"}
        self.left = False

    @asynccontextmanager
    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> AsyncIterator[Reply]:
        try:
            yield self
        finally:
            self.left = True

    @asynccontextmanager
    async def get(self, path: str, headers: Mapping[str, str] = {}) -> AsyncIterator[Reply]:
        raise UpstreamBroke("nothing to get")
        yield self

    def connections(self) -> Connections:
        return Connections()

    async def close(self) -> None: ...

    async def chunks(self) -> AsyncIterator[bytes]:
        while (data := await self.feed.get()) is not None:
            if isinstance(data, Exception):
                raise data
            yield data

    async def body(self, limit: int) -> bytes:
        return b"".join([data async for data in self.chunks()])


def streaming(upstream: Upstream, settings: Settings = PATIENT) -> Exchange:
    return Exchange(create_app(settings, upstream), "POST", "/v1/messages", question(stream=True))


def data(chunk: Mapping[str, object]) -> bytes:
    """One chunk as one read."""
    return chunks(chunk).removesuffix(b"data: [DONE]\n\n")


async def turns(count: int = 20) -> None:
    """Lets everything run that can."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("read_size", [1, 7, None])
async def test_a_stream(read_size: int | None) -> None:
    answer = await streaming(Replay(Recorded(STREAMED, read_size=read_size))).run()
    assert (answer.status, answer.ended, violations(answer.events)) == (200, True, [])
    text = "".join(event["delta"]["text"] for event in answer.events if event["type"] == "content_block_delta")
    assert text == "Hello there"
    assert answer.events[0]["message"]["model"] == "claude-test"


async def test_headers_of_a_stream() -> None:
    answer = await streaming(Replay(Recorded(STREAMED))).run()
    expected = {
        "content-type": "text/event-stream",
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
        "x-upstream-model": "upstream-model",
    }
    assert {name: answer.headers[name] for name in expected} == expected


async def test_one_read_is_one_write() -> None:
    upstream = Fed()
    exchange = streaming(upstream)
    running = asyncio.create_task(exchange.run())
    for chunk in (ROLE, delta(content="a"), delta(content="b"), delta(content="c")):
        upstream.feed.put_nowait(data(chunk))
        await turns()
    assert len(exchange.answer.writes) == 3
    upstream.feed.put_nowait(data(delta(content="d")) + data(delta(content="e")))
    await turns()
    assert len(exchange.answer.writes) == 4
    upstream.feed.put_nowait(chunks(delta("stop"), USAGE))
    upstream.feed.put_nowait(None)
    answer = await running
    assert len(answer.writes) <= 6
    assert violations(answer.events) == []


async def test_nothing_is_sent_before_something_is_said() -> None:
    upstream = Fed()
    exchange = streaming(upstream)
    running = asyncio.create_task(exchange.run())
    upstream.feed.put_nowait(b": a comment\n\n" + data(ROLE))
    await turns()
    assert exchange.answer.status == 0
    upstream.feed.put_nowait(data(delta(content="Hello")))
    await exchange.until_sent(b"Hello")
    assert exchange.answer.status == 200
    upstream.feed.put_nowait(chunks(delta("stop"), USAGE))
    upstream.feed.put_nowait(None)
    assert violations((await running).events) == []


async def test_an_error_that_comes_first_is_a_status() -> None:
    upstream = Fed()
    upstream.feed.put_nowait(data(ROLE) + data({"error": {"message": "overloaded", "code": 529}}))
    upstream.feed.put_nowait(None)
    status, type, message = (await streaming(upstream).run()).error
    assert (status, type) == (529, "overloaded_error")
    assert "overloaded" in message


async def test_when_patience_ends_the_stream_begins_with_nothing_to_say() -> None:
    upstream = Fed()
    exchange = streaming(upstream, HASTY)
    running = asyncio.create_task(exchange.run())
    await exchange.until_sent(b"event: ping", times=3)
    assert exchange.answer.status == 200
    assert exchange.answer.kinds[:4] == ["message_start", "ping", "ping", "ping"]
    assert exchange.answer.headers["x-upstream-model"] == "upstream-model"
    upstream.feed.put_nowait(chunks(delta(content="At last"), delta("stop"), USAGE))
    upstream.feed.put_nowait(None)
    answer = await running
    assert violations(answer.events) == []
    assert answer.kinds.count("message_start") == 1
    assert answer.kinds[-1] == "message_stop"


LATE_FAILURES = {
    "an error from the backend": (data({"error": {"message": "out of memory"}}), "out of memory"),
    "a connection that breaks": (UpstreamBroke("the upstream closed the stream early"), "closed the stream early"),
}


@pytest.mark.parametrize(("failure", "words"), LATE_FAILURES.values(), ids=LATE_FAILURES.keys())
async def test_once_begun_a_failure_is_an_event(failure: bytes | Exception, words: str) -> None:
    upstream = Fed()
    exchange = streaming(upstream, HASTY)
    running = asyncio.create_task(exchange.run())
    await exchange.until_sent(b"event: ping")
    upstream.feed.put_nowait(failure)
    upstream.feed.put_nowait(None)
    answer = await running
    assert answer.ended
    assert answer.kinds[-1] == "error"
    assert words in answer.events[-1]["error"]["message"]
    assert violations(answer.events) == []


async def test_pings_fill_a_silence_in_the_middle_and_only_there() -> None:
    upstream = Fed()
    exchange = streaming(upstream, PATIENT.model_copy(update={"ping_every": 0.02}))
    running = asyncio.create_task(exchange.run())
    upstream.feed.put_nowait(data(delta(content="Hello")))
    await exchange.until_sent(b"event: ping", times=2)
    upstream.feed.put_nowait(chunks(delta(content=" there"), delta("stop"), USAGE))
    upstream.feed.put_nowait(None)
    answer = await running
    assert violations(answer.events) == []
    assert answer.kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


async def test_no_ping_while_a_client_is_slow_to_read() -> None:
    app = create_app(HASTY, Replay(Recorded(STREAMED)))
    read = asyncio.Event()
    sent: list[bytes] = []

    def reluctant(app: ASGIApp) -> ASGIApp:
        async def wrapped(scope, receive, send):  # type: ignore[no-untyped-def]
            async def slow_send(message):  # type: ignore[no-untyped-def]
                sent.append(message.get("body", b""))
                await send(message)
                await read.wait()

            await app(scope, receive, slow_send)

        return wrapped

    running = asyncio.create_task(call(reluctant(app), "POST", "/v1/messages", question(stream=True)))
    await asyncio.sleep(0.1)
    stuck = len(sent)
    read.set()
    answer = await running
    assert stuck == 1
    assert violations(answer.events) == []


async def test_a_bug_in_the_middle_ends_in_an_error_event(caplog: pytest.LogCaptureFixture) -> None:
    upstream = Fed()
    exchange = streaming(upstream)
    running = asyncio.create_task(exchange.run())
    upstream.feed.put_nowait(data(delta(content="Hello")))
    await exchange.until_sent(b"Hello")
    upstream.feed.put_nowait(LookupError("a bug"))
    answer = await running
    assert answer.ended
    assert answer.kinds[-1] == "error"
    error = answer.events[-1]
    assert error["request_id"] == answer.headers["request-id"]
    assert (error["error"]["type"], error["error"]["message"].split(";")[0]) == ("api_error", "internal error")
    assert "a bug" in caplog.text


async def test_a_shutdown_before_the_start_asks_the_client_to_try_again() -> None:
    exchange = streaming(Fed())
    await cancelled(exchange)
    assert exchange.answer.error == (529, "overloaded_error", "the proxy is shutting down")


async def test_a_shutdown_in_the_middle_is_an_error_event() -> None:
    upstream = Fed()
    upstream.feed.put_nowait(data(delta(content="Hello")))
    exchange = streaming(upstream)
    await cancelled(exchange)
    assert exchange.answer.events[-1]["error"]["type"] == "overloaded_error"
    assert violations(exchange.answer.events) == []
    assert upstream.left


async def cancelled(exchange: Exchange) -> Answer:
    running = asyncio.create_task(exchange.run())
    await turns()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    return exchange.answer


async def test_timers_end_with_their_stream(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    answer = await streaming(Replay(Recorded(STREAMED)), HASTY).run()
    count = len(answer.writes)
    await asyncio.sleep(0.06)
    assert len(answer.writes) == count
    assert caplog.records == []
