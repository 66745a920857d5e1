"""Each client against a scripted server: what is sent, what comes back, and every way to break."""

import asyncio
import gc
import gzip
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from anthropic_proxy.errors import BreakKind, UpstreamBroke
from anthropic_proxy.upstream.base import Timeouts, Upstream
from anthropic_proxy.upstream.http import HttpUpstream
from anthropic_proxy.upstream.limits import LARGE_BODY
from anthropic_proxy.upstream.outbound import proxy_for
from tests.scripted import (
    LAST_CHUNK,
    Close,
    Deaf,
    Pause,
    Request,
    Reset,
    ScriptedServer,
    Send,
    Stall,
    Step,
    chunk,
    head,
    reply,
    stream,
    stream_head,
)
from tests.upstream.clients import Client

OK = [Send(reply(b"{}"))]


async def post(upstream: Upstream, body: bytes = b"{}", **headers: str) -> bytes:
    """The whole reply's body."""
    async with upstream.post("/chat/completions", body, headers) as answer:
        return await answer.body(2**20)


async def whole(upstream: Upstream) -> list[bytes]:
    """All chunks of a stream."""
    async with upstream.post("/chat/completions", b"{}", {}) as answer:
        return [data async for data in answer.chunks()]


# What is sent

TARGETS = {
    "a path goes below the base URL's": ("/v1", "/chat/completions", "/v1/chat/completions"),
    "slashes between them count once": ("/v1/", "chat/completions", "/v1/chat/completions"),
    "a base URL may have no path": ("", "/models", "/models"),
    "the base URL's query is kept": (
        "/openai/deployments/d?api-version=2024-10-21",
        "/chat/completions",
        "/openai/deployments/d/chat/completions?api-version=2024-10-21",
    ),
    "both queries are kept": ("/v1?a=1", "/models?limit=2", "/v1/models?a=1&limit=2"),
    "what is escaped stays escaped": ("/v1/a%2Fb", "/models/c%2Fd", "/v1/a%2Fb/models/c%2Fd"),
    "what cannot stand in a URL is escaped": ("/v1", "/models/é|d e", "/v1/models/%C3%A9%7Cd%20e"),
}


@pytest.mark.parametrize(("base", "path", "target"), TARGETS.values(), ids=TARGETS.keys())
async def test_target(base: str, path: str, target: str, client: Client) -> None:
    async with ScriptedServer(OK) as server:
        upstream = client(server.url + base)
        async with upstream.get(path) as answer:
            assert await answer.body(100) == b"{}"
        await upstream.close()
    assert [(request.method, request.target) for request in server.requests] == [("GET", target)]
    assert upstream.base_url == server.url + base


async def test_a_request_carries_constant_headers_and_its_own_which_win(client: Client) -> None:
    async with ScriptedServer(OK) as server:
        upstream = client(server.url, headers={"Authorization": "Bearer k", "Editor-Version": "1"})
        assert await post(upstream, b'{"a":1}', **{"editor-version": "2", "X-Initiator": "agent"}) == b"{}"
        await upstream.close()
    request = server.requests[0]
    expected = {
        "authorization": "Bearer k",
        "editor-version": "2",
        "x-initiator": "agent",
        "content-type": "application/json",
        "content-length": "7",
        "accept-encoding": "identity",
    }
    assert {name: request.headers.get(name) for name in expected} == expected
    assert (request.method, request.body) == ("POST", b'{"a":1}')


async def test_a_fetch_carries_headers_of_its_own_too(client: Client) -> None:
    async with ScriptedServer(OK) as server:
        upstream = client(server.url, headers={"editor-version": "1"})
        async with upstream.get("/models", {"Authorization": "Bearer k"}) as answer:
            assert await answer.body(100) == b"{}"
        await upstream.close()
    sent = server.requests[0].headers
    assert (sent["authorization"], sent["editor-version"]) == ("Bearer k", "1")


async def test_a_name_and_password_in_the_base_url_become_a_header_and_leave_the_url(client: Client) -> None:
    async with ScriptedServer(OK) as server:
        upstream = client(server.url.replace("//", "//me:p%40ss@"))
        assert await post(upstream) == b"{}"
        await upstream.close()
    assert server.requests[0].headers["authorization"] == "Basic bWU6cEBzcw=="
    assert upstream.base_url == server.url


@pytest.mark.parametrize("text", ["a\r\nb: c", "a\n", "a\0"])
async def test_a_header_cannot_smuggle_another(text: str, client: Client) -> None:
    async with ScriptedServer(OK) as server:
        upstream = client(server.url)
        with pytest.raises(ValueError, match=r"line break|control character"):
            await post(upstream, b"{}", **{"x-name": text})
        await upstream.close()
    assert server.requests == []


async def test_a_large_body_arrives_whole(client: Client) -> None:
    body = b"x" * (LARGE_BODY + 12_345)
    async with ScriptedServer(OK, [Reset()], OK) as server:
        upstream = client(server.url)
        assert await post(upstream, body) == b"{}"
        assert await post(upstream, body) == b"{}"
        await upstream.close()
    assert [request.body == body for request in server.requests] == [True, True, True]


async def test_cookies_are_not_kept(client: Client) -> None:
    async with ScriptedServer([Send(reply(b"{}", headers={"set-cookie": "a=b"}))]) as server:
        upstream = client(f"http://localhost:{server.port}")
        await post(upstream)
        await post(upstream)
        await upstream.close()
    assert ["cookie" in request.headers for request in server.requests] == [False, False]


# What comes back

STATUSES = {
    "an error status is a reply": "429 Too Many Requests",
    "a redirect is a reply and not followed": "307 Temporary Redirect",
}


@pytest.mark.parametrize("status", STATUSES.values(), ids=STATUSES.keys())
async def test_status(status: str, client: Client) -> None:
    async with ScriptedServer([Send(reply(b"x", status, {"Retry-After": "7", "Location": "/y"}))]) as server:
        upstream = client(server.url)
        async with upstream.post("/", b"{}", {}) as answer:
            assert answer.status == int(status[:3])
            assert answer.headers["retry-after"] == "7"
            assert await answer.body(1) == b"x"
        await upstream.close()
    assert len(server.requests) == 1


BODIES: dict[str, tuple[Sequence[Step], bytes]] = {
    "a body with its length": (OK, b"{}"),
    "a chunked body": (stream(b"ab", b"cd"), b"abcd"),
    "a body that ends with the connection": ([Send(head("200 OK", {}) + b"abcd"), Close()], b"abcd"),
    "no body": ([Send(head("204 No Content", {}))], b""),
    "an empty body": ([Send(reply(b""))], b""),
    "a compressed body, though nobody asked for one": (
        [Send(reply(gzip.compress(b"abcd"), headers={"content-encoding": "gzip"}))],
        b"abcd",
    ),
    "a reply after an interim one": ([Send(b"HTTP/1.1 100 Continue\r\n\r\n" + reply(b"{}"))], b"{}"),
    "very long headers": ([Send(reply(b"{}", headers={"x": "y" * 40_000}))], b"{}"),
    "headers byte by byte": ([Send(bytes([byte])) for byte in reply(b"{}")], b"{}"),
}


@pytest.mark.parametrize(("script", "body"), BODIES.values(), ids=BODIES.keys())
async def test_body(script: Sequence[Step], body: bytes, client: Client) -> None:
    async with ScriptedServer(script) as server:
        upstream = client(server.url)
        assert await post(upstream) == body
        assert b"".join(await whole(upstream)) == body
        await upstream.close()


async def test_a_chunk_is_given_as_soon_as_it_comes(client: Client) -> None:
    async with ScriptedServer([Send(stream_head()), Send(chunk(b"ab")), Stall()]) as server:
        upstream = client(server.url)
        async with upstream.post("/", b"{}", {}) as answer:
            assert await anext(answer.chunks()) == b"ab"
        await upstream.close()


async def test_a_read_that_was_given_up_can_be_taken_up_again(client: Client) -> None:
    async with ScriptedServer([Send(stream_head()), Pause(0.15), Send(chunk(b"ab") + LAST_CHUNK)]) as server:
        upstream = client(server.url)
        async with upstream.post("/", b"{}", {}) as answer:
            chunks = answer.chunks()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(chunks), 0.02)
            assert [data async for data in chunks] == [b"ab"]
            assert [data async for data in chunks] == []
        await upstream.close()


async def test_characters_may_be_cut_anywhere(client: Client) -> None:
    text = "data: é 日本語 😀\n\n".encode()
    async with ScriptedServer(stream(*(bytes([byte]) for byte in text))) as server:
        upstream = client(server.url)
        assert b"".join(await whole(upstream)) == text
        await upstream.close()


async def test_a_hundred_streams_at_once_each_get_their_own_text(client: Client) -> None:
    def echo(request: Request) -> list[Step]:
        pauses = [step for part in range(5) for step in (Send(chunk(request.body + b"-%d " % part)), Pause(0.01))]
        return [Send(stream_head()), *pauses, Send(LAST_CHUNK)]

    async with ScriptedServer(echo) as server:
        upstream = client(server.url)
        texts = await asyncio.gather(*(post(upstream, b"%d" % number) for number in range(100)))
        await upstream.close()
    assert texts == [b"".join(b"%d-%d " % (number, part) for part in range(5)) for number in range(100)]


async def test_a_body_up_to_the_limit_is_given(client: Client) -> None:
    async with ScriptedServer(stream(b"abc", b"def")) as server:
        upstream = client(server.url)
        async with upstream.get("/") as answer:
            assert await answer.body(6) == b"abcdef"
        async with upstream.get("/") as answer:
            with pytest.raises(UpstreamBroke, match="longer than 5 bytes") as caught:
                await answer.body(5)
        await upstream.close()
    assert caught.value.kind == "too_large"


# Connections

REUSED: dict[str, Sequence[Step]] = {
    "after a whole reply": OK,
    "after a whole stream": stream(b"ab", b"cd"),
    "after an error": [Send(reply(b"{}", "500 Internal Server Error"))],
}


@pytest.mark.parametrize("script", REUSED.values(), ids=REUSED.keys())
async def test_a_connection_is_used_again(script: Sequence[Step], client: Client) -> None:
    async with ScriptedServer(script) as server:
        upstream = client(server.url)
        for _ in range(3):
            await whole(upstream)
        await upstream.close()
    assert [request.connection for request in server.requests] == [0, 0, 0]


async def test_an_unread_whole_reply_leaves_the_connection_usable(client: Client) -> None:
    async with ScriptedServer(OK) as server:
        upstream = client(server.url)
        for _ in range(2):
            async with upstream.post("/", b"{}", {}) as answer:
                assert answer.status == 200
        await upstream.close()
    assert [request.connection for request in server.requests] == [0, 0]


DEAD: dict[str, Sequence[Step]] = {"closed": [Close()], "reset": [Reset()]}


@pytest.mark.parametrize("script", DEAD.values(), ids=DEAD.keys())
async def test_a_request_on_a_dead_pooled_connection_is_repeated_once(script: Sequence[Step], client: Client) -> None:
    async with ScriptedServer(OK, script, OK, OK, script, OK) as server:
        upstream = client(server.url)
        for body in (b"1", b"2", b"3", b"4"):
            assert await post(upstream, body) == b"{}"
        await upstream.close()
    assert [request.body for request in server.requests] == [b"1", b"2", b"2", b"3", b"4", b"4"]
    connections = [request.connection for request in server.requests]
    assert (connections[0], connections[3]) == (connections[1], connections[4])
    assert connections[2] not in connections[:2]
    assert connections[5] not in connections[:5]


@pytest.mark.parametrize("script", DEAD.values(), ids=DEAD.keys())
async def test_the_repeated_request_takes_a_new_connection_even_if_others_are_pooled(
    script: Sequence[Step], client: Client
) -> None:
    def meeting(request: Request) -> Sequence[Step]:
        return [Pause(0.1), *OK] if len(server.requests) <= 3 else script if len(server.requests) == 4 else OK

    async with ScriptedServer(meeting) as server:
        upstream = client(server.url)
        await asyncio.gather(*(post(upstream) for _ in range(3)))
        assert await post(upstream) == b"{}"
        await upstream.close()
    assert [request.connection for request in server.requests][-1] == 3


@pytest.mark.parametrize("script", DEAD.values(), ids=DEAD.keys())
async def test_a_request_is_not_repeated_twice(script: Sequence[Step], client: Client) -> None:
    async with ScriptedServer(OK, script) as server:
        upstream = client(server.url)
        await post(upstream)
        with pytest.raises(UpstreamBroke) as caught:
            await post(upstream)
        await upstream.close()
    assert (caught.value.kind, caught.value.status, caught.value.headers) == ("reset", 502, {})
    assert len(server.requests) == 3


NOT_REPEATED: dict[str, tuple[Sequence[Step], BreakKind]] = {
    "once the reply has begun": ([Send(b"HTTP/1.1 200 OK\r\nx: y"), Close()], "reset"),
    "once the body has begun": ([Send(stream_head() + chunk(b"ab")), Close()], "closed_early"),
    "when the answer is late": ([Stall()], "first_byte_timeout"),
}


@pytest.mark.parametrize(("script", "kind"), NOT_REPEATED.values(), ids=NOT_REPEATED.keys())
async def test_a_request_on_a_pooled_connection_is_not_repeated(
    script: Sequence[Step], kind: BreakKind, client: Client
) -> None:
    async with ScriptedServer(OK, script, OK) as server:
        upstream = client(server.url, timeouts=SHORT.get(kind, Timeouts()))
        await post(upstream)
        with pytest.raises(UpstreamBroke) as caught:
            await post(upstream)
        await upstream.close()
    assert caught.value.kind == kind
    assert len(server.requests) == 2


async def test_an_idle_connection_that_was_reset_is_replaced_and_nothing_is_logged(client: Client) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with ScriptedServer([*OK, Pause(0.02), Reset()]) as server:
        upstream = client(server.url)
        await post(upstream)
        await asyncio.sleep(0.1)
        await post(upstream)
        await upstream.close()
    gc.collect()
    assert [request.connection for request in server.requests] == [0, 1]
    assert complaints == []


# Leaving early

LEFT: dict[str, Sequence[Step]] = {
    "in mid-stream": [Send(stream_head()), Send(chunk(b"ab")), Stall()],
    "before the body": [Send(stream_head()), Stall()],
}


@pytest.mark.parametrize("script", LEFT.values(), ids=LEFT.keys())
async def test_leaving_a_reply_closes_its_connection(script: Sequence[Step], client: Client) -> None:
    async with ScriptedServer(script) as server:
        upstream = client(server.url)
        async with upstream.post("/", b"{}", {}) as answer:
            assert answer.status == 200
        await server.until(lambda server: server.gone == [0])
        await upstream.close()


CANCELLED: dict[str, Sequence[Step]] = {**LEFT, "before the headers": [Stall()]}


@pytest.mark.parametrize("script", CANCELLED.values(), ids=CANCELLED.keys())
async def test_cancelling_closes_the_connection(script: Sequence[Step], client: Client) -> None:
    async with ScriptedServer(script) as server:
        upstream = client(server.url)
        task = asyncio.create_task(whole(upstream))
        await server.until(lambda server: len(server.requests) == 1)
        await asyncio.sleep(0.05)
        task.cancel()
        await server.until(lambda server: server.gone == [0])
        with pytest.raises(asyncio.CancelledError):
            await task
        await upstream.close()


async def test_a_cancelled_request_is_not_sent_to_its_end(client: Client) -> None:
    async with ScriptedServer(OK, greeting=[Deaf(0.2)]) as server:
        upstream = client(server.url)
        task = asyncio.create_task(post(upstream, b"x" * 2**25))
        await server.until(lambda server: server.connections == 1)
        await asyncio.sleep(0.05)
        task.cancel()
        await server.until(lambda server: server.gone == [0])
        await upstream.close()
    assert server.requests == []


async def test_closing_the_upstream_ends_what_is_open(client: Client) -> None:
    async with ScriptedServer([Send(stream_head()), Stall()]) as server:
        upstream = client(server.url)
        async with upstream.post("/", b"{}", {}) as answer:
            await upstream.close()
            with pytest.raises(UpstreamBroke, match="closed the stream early"):
                await anext(answer.chunks())
        await server.until(lambda server: server.gone == [0])


# Breaks before the reply

SHORT: dict[str, Timeouts] = {
    "connect_timeout": Timeouts(connect=0.15),
    "first_byte_timeout": Timeouts(first_byte=0.2),
    "silence_timeout": Timeouts(silence=0.2),
}
"""By kind of break. Only the limit that is to fire is short, since the machine may be busy."""

STARTS: dict[str, tuple[Sequence[Step], BreakKind, str]] = {
    "reset on a new connection": ([Reset()], "reset", "127.0.0.1:PORT closed the connection without an answer"),
    "closed on a new connection": ([Close()], "reset", "127.0.0.1:PORT closed the connection without an answer"),
    "closed in the headers": (
        [Send(b"HTTP/1.1 200 OK\r\nx"), Close()],
        "reset",
        "127.0.0.1:PORT closed the connection without an answer",
    ),
    "not HTTP": ([Send(b"hello\r\n\r\n"), Stall()], "protocol", "127.0.0.1:PORT sent what is not proper HTTP: Bad"),
    "endless headers": (
        [Send(head("200 OK", {"x": "y" * 70_000})), Stall()],
        "protocol",
        "127.0.0.1:PORT sent what is not proper HTTP: Got more than 65536 bytes",
    ),
    "no answer": (
        [Stall()],
        "first_byte_timeout",
        "127.0.0.1:PORT did not begin its answer in 0.2 s (setting FIRST_BYTE_TIMEOUT)",
    ),
    "an answer that begins and stops in its headers": (
        [Send(b"HTTP/1.1 200 OK\r\n"), Stall()],
        "first_byte_timeout",
        "127.0.0.1:PORT did not begin its answer in 0.2 s (setting FIRST_BYTE_TIMEOUT)",
    ),
}


@pytest.mark.parametrize(("script", "kind", "message"), STARTS.values(), ids=STARTS.keys())
async def test_no_reply(script: Sequence[Step], kind: BreakKind, message: str, client: Client) -> None:
    async with ScriptedServer(script) as server:
        url = f"{server.url}/v1?key=SECRET"
        upstream = client(url, headers={"x-key": "SECRET"}, timeouts=SHORT.get(kind, Timeouts()))
        with pytest.raises(UpstreamBroke) as caught:
            await post(upstream, b"SECRET")
        if kind == "first_byte_timeout":
            await server.until(lambda server: server.gone == [0])
        await upstream.close()
    assert caught.value.kind == kind
    assert caught.value.message.startswith(message.replace("PORT", str(server.port)))
    assert "SECRET" not in caught.value.message
    assert len(server.requests) == 1


async def test_a_server_that_is_not_there_is_refused(client: Client) -> None:
    async with ScriptedServer(OK) as server:
        pass
    upstream = client(server.url)
    with pytest.raises(UpstreamBroke) as caught:
        await post(upstream)
    await upstream.close()
    assert caught.value.kind == "refused"
    assert caught.value.message == f"cannot connect to 127.0.0.1:{server.port}: Connection refused"


async def test_a_name_nobody_knows(client: Client) -> None:
    upstream = client("http://nowhere.invalid/v1")
    with pytest.raises(UpstreamBroke) as caught:
        await post(upstream)
    await upstream.close()
    assert caught.value.kind == "dns"
    assert caught.value.message.startswith("cannot find nowhere.invalid:80: ")


async def test_a_server_that_never_completes_tls_is_a_connect_timeout(client: Client) -> None:
    async with ScriptedServer(OK, greeting=[Stall()]) as server:
        upstream = client(server.url.replace("http:", "https:"), timeouts=SHORT["connect_timeout"])
        with pytest.raises(UpstreamBroke) as caught:
            await post(upstream)
        await server.until(lambda server: server.gone == [0])
        await upstream.close()
    assert caught.value.kind == "connect_timeout"
    assert caught.value.message == f"no connection to 127.0.0.1:{server.port} within 0.15 s (setting CONNECT_TIMEOUT)"


KINDS: dict[BreakKind, tuple[str, int, dict[str, str]]] = {
    "refused": ("api_error", 502, {"x-should-retry": "false"}),
    "dns": ("api_error", 502, {"x-should-retry": "false"}),
    "tls": ("api_error", 502, {"x-should-retry": "false"}),
    "connect_timeout": ("timeout_error", 504, {}),
    "first_byte_timeout": ("timeout_error", 504, {}),
    "silence_timeout": ("timeout_error", 504, {}),
    "reset": ("api_error", 502, {}),
    "closed_early": ("api_error", 502, {}),
    "protocol": ("api_error", 502, {}),
    "too_large": ("api_error", 502, {}),
}


@pytest.mark.parametrize(("kind", "expected"), KINDS.items(), ids=KINDS.keys())
def test_what_the_client_is_told_of_each_kind(kind: BreakKind, expected: tuple[str, int, dict[str, str]]) -> None:
    error = UpstreamBroke("m", kind=kind)
    assert (error.type, error.status, error.headers) == expected


# Breaks in the body

EARLY = "the upstream closed the stream early (127.0.0.1:PORT)"
MALFORMED = "127.0.0.1:PORT sent what is not proper HTTP: the body is malformed"
ENDS: dict[str, tuple[Sequence[Step], BreakKind, str]] = {
    "closed in a chunked body": ([Send(stream_head() + chunk(b"ab")), Close()], "closed_early", EARLY),
    "closed in a chunk": ([Send(stream_head() + chunk(b"abcd")[:-4]), Close()], "closed_early", EARLY),
    "reset in a chunked body": ([Send(stream_head() + chunk(b"ab")), Pause(0.05), Reset()], "closed_early", EARLY),
    "closed before the length it named": (
        [Send(head("200 OK", {"content-length": "5"}) + b"ab"), Close()],
        "closed_early",
        EARLY,
    ),
    "reset where the end of the connection would be the end": (
        [Send(head("200 OK", {}) + b"ab"), Pause(0.05), Reset()],
        "closed_early",
        EARLY,
    ),
    "a malformed chunk": (
        [Send(stream_head() + chunk(b"ab")), Pause(0.05), Send(b"zz\r\nxx"), Stall()],
        "protocol",
        MALFORMED,
    ),
    "silence": (
        [Send(stream_head() + chunk(b"ab")), Stall()],
        "silence_timeout",
        "127.0.0.1:PORT fell silent in mid-reply for 0.2 s (setting SILENCE_TIMEOUT)",
    ),
}


@pytest.mark.parametrize("slow", [False, True], ids=["a quick reader", "a slow reader"])
@pytest.mark.parametrize(("script", "kind", "message"), ENDS.values(), ids=ENDS.keys())
async def test_a_body_breaks(script: Sequence[Step], kind: BreakKind, message: str, slow: bool, client: Client) -> None:
    """What came before the break is given, even where the reader was still busy when it broke."""
    async with ScriptedServer(script) as server:
        upstream = client(server.url, timeouts=SHORT.get(kind, Timeouts()))
        async with upstream.post("/", b"{}", {}) as answer:
            await asyncio.sleep(0.15 if slow else 0)
            chunks = answer.chunks()
            assert await anext(chunks) == b"ab"
            with pytest.raises(UpstreamBroke) as caught:
                await asyncio.wait_for(anext(chunks), 5)
        if kind == "silence_timeout":
            await server.until(lambda server: server.gone == [0])
        await upstream.close()
    assert (caught.value.kind, caught.value.message) == (kind, message.replace("PORT", str(server.port)))


async def test_a_broken_body_stays_broken(client: Client) -> None:
    async with ScriptedServer([Send(stream_head() + chunk(b"ab")), Close()]) as server:
        upstream = client(server.url)
        async with upstream.post("/", b"{}", {}) as answer:
            assert await anext(answer.chunks()) == b"ab"
            for _ in range(2):
                with pytest.raises(UpstreamBroke, match="closed the stream early"):
                    await anext(answer.chunks())
        await upstream.close()


async def test_a_body_that_cannot_be_decompressed(client: Client) -> None:
    async with ScriptedServer([Send(reply(b"no gzip", headers={"content-encoding": "gzip"}))]) as server:
        upstream = client(server.url)
        with pytest.raises(UpstreamBroke, match="cannot be decompressed") as caught:
            await post(upstream)
        await upstream.close()
    assert caught.value.kind == "protocol"


async def test_a_stream_may_last_longer_than_the_silence_limit_while_it_flows(client: Client) -> None:
    trickle = [step for _ in range(6) for step in (Send(chunk(b"x")), Pause(0.1))]
    async with ScriptedServer([Send(stream_head()), *trickle, Send(LAST_CHUNK)]) as server:
        upstream = client(server.url, timeouts=Timeouts(silence=0.45))
        assert b"".join(await whole(upstream)) == b"xxxxxx"
        await upstream.close()


async def test_a_slow_reader_is_not_taken_for_a_silent_server(client: Client) -> None:
    async with ScriptedServer([Send(stream_head() + chunk(b"ab")), Pause(0.35), Send(LAST_CHUNK)]) as server:
        upstream = client(server.url, timeouts=Timeouts(silence=0.25))
        async with upstream.post("/", b"{}", {}) as answer:
            assert await anext(answer.chunks()) == b"ab"
            await asyncio.sleep(0.3)
            assert [data async for data in answer.chunks()] == []
        await upstream.close()


async def test_a_limit_of_zero_is_none(client: Client) -> None:
    async with ScriptedServer([Pause(0.1), Send(stream_head()), Pause(0.1), Send(LAST_CHUNK)]) as server:
        upstream = client(server.url, timeouts=Timeouts(0, 0, 0))
        assert await whole(upstream) == []
        await upstream.close()


# TLS

# A certificate for 127.0.0.1 that signs itself, valid from 2020 to 2120, made for these tests alone.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBgjCCASigAwIBAgIBATAKBggqhkjOPQQDAjAfMR0wGwYDVQQDDBRhbnRocm9w
aWMtcHJveHkgdGVzdDAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFow
HzEdMBsGA1UEAwwUYW50aHJvcGljLXByb3h5IHRlc3QwWTATBgcqhkjOPQIBBggq
hkjOPQMBBwNCAAQqBN3lMQqcRgx9oz1FAsrXqpMXe6zeBgfPW3n7BBgJjb5kloRB
WgnSMVltDBmmRHRjtfrT6qkuUAOcTjYt0BJno1MwUTAPBgNVHRMBAf8EBTADAQH/
MA4GA1UdDwEB/wQEAwIChDAPBgNVHREECDAGhwR/AAABMB0GA1UdDgQWBBR2+3QO
MFEaYSSzA6Y7xAPjVWp0fjAKBggqhkjOPQQDAgNIADBFAiEAr+Cle23C0Vaxhgws
685eXHvGTTKPNN/k3RqIUvIqU+gCID6WidDCw8jm9OHw1H3XwVONKw09GJX3DG+V
2NANQhe7
-----END CERTIFICATE-----
"""
KEY = """\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIMSfTe+fMb9Qji/lH7fHlILW3D830win6gdRBdFvYKm3oAoGCCqGSM49
AwEHoUQDQgAEKgTd5TEKnEYMfaM9RQLK16qTF3us3gYHz1t5+wQYCY2+ZJaEQVoJ
0jFZbQwZpkR0Y7X60+qpLlADnE42LdASZw==
-----END EC PRIVATE KEY-----
"""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file that holds the certificate alone."""
    path = tmp_path / "certificate.pem"
    path.write_text(CERTIFICATE)
    return path


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """What a server with that certificate needs."""
    path = tmp_path / "server.pem"
    path.write_text(CERTIFICATE + KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_a_certificate_in_the_given_file_is_trusted(
    tls: ssl.SSLContext, certificate: Path, client: Client
) -> None:
    async with ScriptedServer([Send(stream_head() + chunk(b"ab")), Stall()], tls=tls) as server:
        upstream = client(server.url, ssl_cert_file=str(certificate))
        async with upstream.post("/", b"{}", {}) as answer:
            assert await anext(answer.chunks()) == b"ab"
        await server.until(lambda server: server.gone == [0])
        await upstream.close()


async def test_a_large_body_arrives_whole_over_tls(tls: ssl.SSLContext, certificate: Path, client: Client) -> None:
    body = bytes(range(256)) * (4 * LARGE_BODY // 256)
    async with ScriptedServer(OK, tls=tls) as server:
        upstream = client(server.url, ssl_cert_file=str(certificate))
        for _ in range(2):
            assert await post(upstream, body) == b"{}"
        await upstream.close()
    assert [(request.body == body, request.connection) for request in server.requests] == [(True, 0), (True, 0)]


async def test_leaving_a_reply_does_not_wait_for_the_servers_goodbye(
    tls: ssl.SSLContext, certificate: Path, client: Client
) -> None:
    """TLS asks both sides to say goodbye before the connection closes. A server that is stuck does not."""

    def serve_and_never_say_goodbye(listener: socket.socket) -> bytes:
        raw, _ = listener.accept()
        with raw.dup() as underneath, tls.wrap_socket(raw, server_side=True) as talk:
            talk.recv(2**16)
            talk.sendall(stream_head() + chunk(b"ab"))
            while talk.recv(2**16):
                pass
            underneath.settimeout(5)
            return underneath.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        served = asyncio.create_task(asyncio.to_thread(serve_and_never_say_goodbye, listener))
        upstream = client(f"https://127.0.0.1:{listener.getsockname()[1]}", ssl_cert_file=str(certificate))
        async with upstream.post("/", b"{}", {}) as answer:
            assert await anext(answer.chunks()) == b"ab"
        assert await served == b""
        await upstream.close()


async def test_a_certificate_in_the_environments_file_is_trusted(
    tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with ScriptedServer(OK, tls=tls) as server:
        upstream = client(server.url)
        assert await post(upstream) == b"{}"
        await upstream.close()


async def test_an_unknown_certificate_is_not_trusted(tls: ssl.SSLContext, client: Client) -> None:
    async with ScriptedServer(OK, tls=tls) as server:
        upstream = client(server.url)
        with pytest.raises(UpstreamBroke, match=r"self-signed certificate.*SSL_CERT_FILE") as caught:
            await post(upstream)
        await upstream.close()
    assert caught.value.kind == "tls"
    assert caught.value.message.startswith(f"no secure connection to 127.0.0.1:{server.port}: ")


async def test_a_server_without_tls_is_told_apart(client: Client) -> None:
    async with ScriptedServer(OK, greeting=[Send(reply(b"no TLS here", "400 Bad Request")), Stall()]) as server:
        upstream = client(server.url.replace("http:", "https:"))
        with pytest.raises(UpstreamBroke, match="wrong version number") as caught:
            await post(upstream)
        await upstream.close()
    assert caught.value.kind == "tls"


# Proxies


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment, free of what it says of proxies."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


async def test_an_outside_host_is_reached_through_the_proxy(environment: pytest.MonkeyPatch) -> None:
    async with ScriptedServer(OK) as server:
        environment.setenv("HTTP_PROXY", f"http://me:pass@127.0.0.1:{server.port}")
        upstream = HttpUpstream("http://backend.invalid/v1")
        assert await post(upstream) == b"{}"
        await upstream.close()
    assert server.requests[0].target == "http://backend.invalid/v1/chat/completions"
    assert server.requests[0].headers["proxy-authorization"] == "Basic bWU6cGFzcw=="


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_this_machine_is_never_reached_through_a_proxy(
    host: str, environment: pytest.MonkeyPatch, client: Client
) -> None:
    environment.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with ScriptedServer(OK) as server:
        upstream = client(f"http://{host}:{server.port}")
        assert await post(upstream) == b"{}"
        await upstream.close()


PROXIED = {
    "127.0.0.1": False,
    "127.8.8.8": False,
    "[::1]:4000": False,
    "0.0.0.0": False,
    "LOCALHOST:80": False,
    "app.localhost": False,
    "10.0.0.1": True,
    "[fe80::1]": True,
    "localhost.example.test": True,
    "inside.example.test": False,
    "outside.test:81": True,
    "outside.test:80": False,
}


@pytest.mark.parametrize(("netloc", "proxied"), PROXIED.items(), ids=PROXIED.keys())
def test_which_hosts_are_reached_through_the_proxy(netloc: str, proxied: bool, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTP_PROXY", "proxy.test:3128")
    environment.setenv("NO_PROXY", "inside.example.test, outside.test:80")
    assert proxy_for(urlsplit(f"http://me:pass@{netloc}/v1")) == ("http://proxy.test:3128" if proxied else None)


async def test_a_host_in_no_proxy_is_not_reached_through_the_proxy(
    environment: pytest.MonkeyPatch, client: Client
) -> None:
    async with ScriptedServer(OK) as server:
        environment.setenv("HTTP_PROXY", server.url)
        environment.setenv("NO_PROXY", "example.test,.invalid")
        upstream = client("http://backend.invalid/v1")
        with pytest.raises(UpstreamBroke, match="cannot find"):
            await post(upstream)
        await upstream.close()
    assert server.requests == []


async def test_a_proxy_that_is_not_there_is_named(environment: pytest.MonkeyPatch) -> None:
    async with ScriptedServer(OK) as server:
        pass
    environment.setenv("HTTP_PROXY", f"127.0.0.1:{server.port}")
    upstream = HttpUpstream("http://backend.invalid/v1")
    with pytest.raises(UpstreamBroke) as caught:
        await post(upstream)
    await upstream.close()
    assert caught.value.kind == "refused"
    assert caught.value.message == f"cannot connect to the proxy 127.0.0.1:{server.port}: Connection refused"


async def test_a_proxy_that_refuses_is_told(environment: pytest.MonkeyPatch) -> None:
    async with ScriptedServer([Send(reply(b"", "407 Proxy Authentication Required"))]) as server:
        environment.setenv("HTTPS_PROXY", server.url)
        upstream = HttpUpstream("https://backend.invalid/v1")
        with pytest.raises(UpstreamBroke) as caught:
            await post(upstream)
        await upstream.close()
    assert server.requests[0].target == "backend.invalid:443"
    assert caught.value.message == (
        "cannot connect to backend.invalid:443: the proxy answered 407 Proxy Authentication Required"
    )


# What cannot be used


@pytest.mark.parametrize("url", ["", "localhost:4000/v1", "ftp://host/v1", "http://", "http://host:port/v1"])
def test_a_base_url_that_leads_nowhere_is_refused(url: str, client: Client) -> None:
    with pytest.raises(ValueError, match=r"base URL|[Pp]ort"):
        client(url)


def test_a_certificate_file_that_is_missing_is_refused(tmp_path: Path, client: Client) -> None:
    with pytest.raises(ValueError, match=r"SSL_CERT_FILE: cannot read .*none\.pem: No such file"):
        client("https://backend.invalid", ssl_cert_file=str(tmp_path / "none.pem"))


def test_a_certificate_file_without_a_certificate_is_refused(tmp_path: Path, client: Client) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(ValueError, match=r"SSL_CERT_FILE: cannot read .*empty\.pem: no certificate"):
        client("https://backend.invalid", ssl_cert_file=str(tmp_path / "empty.pem"))


def test_a_proxy_of_another_kind_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTPS_PROXY", "socks5://me:SECRET@127.0.0.1:1080")
    with pytest.raises(ValueError, match=r"HTTPS_PROXY: expected http://host:port, found socks5$"):
        HttpUpstream("https://backend.invalid")
