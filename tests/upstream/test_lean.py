"""LeanUpstream where it decides for itself: its connections, its clock, and what it keeps of a reply that is not read.

What it shares with the other client is in test_http.py and test_alike.py.
"""

import asyncio
import random
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.upstream.base import Timeouts
from anthropic_proxy.upstream.breaks import Peer
from anthropic_proxy.upstream.choice import ClientName, connect
from anthropic_proxy.upstream.http import HttpUpstream
from anthropic_proxy.upstream.lean import LeanUpstream
from anthropic_proxy.upstream.lean_connection import Connection, Request
from anthropic_proxy.upstream.limits import KEEP_ALIVE, LARGE_BODY, LARGEST_PIECE
from anthropic_proxy.upstream.site import Site
from tests.hurried import hurried
from tests.scripted import (
    LAST_CHUNK,
    Close,
    Deaf,
    Pause,
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


async def get(upstream: LeanUpstream) -> bytes:
    async with upstream.get("/models") as answer:
        return await answer.body(2**20)


# How much is held


@pytest.mark.parametrize("size", [LARGE_BODY, 3 * LARGE_BODY])
async def test_a_request_is_not_held_once_it_is_answered(size: int) -> None:
    """Neither by its reply, which may be long, nor by its connection, which stays for the next one."""
    async with ScriptedServer([Send(reply(b"{}"))]) as server:
        upstream = LeanUpstream(server.url)
        body = random.randbytes(size)
        nobody = sys.getrefcount(body)
        async with upstream.post("/chat/completions", body, {}) as answer:
            assert sys.getrefcount(body) == nobody
            await answer.body(100)
        assert sys.getrefcount(body) == nobody
        await upstream.close()


PART = chunk(b"x" * 2**16)
MANY = 512
"""Parts of a body that no buffers of the system can hold: 32 MiB."""


async def test_a_reader_that_is_busy_holds_the_server_back(client: Client) -> None:
    sent = 0
    ended = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(stream_head())
        for _ in range(MANY):
            writer.write(PART)
            await writer.drain()
            sent += 1
        writer.write(LAST_CHUNK)
        await reader.read()
        writer.transport.abort()
        ended.set()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    upstream = client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with upstream.get("/") as answer:
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.1)
        assert sent < MANY / 2
        first = await anext(answer.chunks())
        assert len(first) <= LARGEST_PIECE
        assert len(first) + sum([len(data) async for data in answer.chunks()]) == MANY * 2**16
    assert sent == MANY
    await upstream.close()
    await ended.wait()
    server.close()
    await asyncio.sleep(0)


async def test_what_arrives_before_it_is_read_is_one_item() -> None:
    async with ScriptedServer(stream(b"ab", b"cd", b"ef")) as server:
        upstream = LeanUpstream(server.url)
        async with upstream.get("/") as answer:
            await asyncio.sleep(0.1)
            assert [data async for data in answer.chunks()] == [b"abcdef"]
        await upstream.close()


@pytest.mark.parametrize("client", [HttpUpstream, LeanUpstream])
async def test_a_large_read_is_handed_on_in_pieces(client: type[HttpUpstream | LeanUpstream]) -> None:
    body = bytes(range(256)) * 1000
    async with ScriptedServer(stream(b"a", body, *[b"bc"] * 50)) as server:
        upstream = client(server.url)
        async with upstream.get("/") as answer:
            pieces = [data async for data in answer.chunks()]
        await upstream.close()
    assert b"".join(pieces) == b"a" + body + b"bc" * 50
    assert max(map(len, pieces)) <= LARGEST_PIECE


@pytest.mark.parametrize("client", [HttpUpstream, LeanUpstream])
async def test_all_that_came_before_a_break_is_handed_on(client: type[HttpUpstream | LeanUpstream]) -> None:
    body = bytes(range(256)) * 400
    async with ScriptedServer([Send(stream_head() + chunk(body)), Close()]) as server:
        upstream = client(server.url)
        pieces: list[bytes] = []
        async with upstream.get("/") as answer:
            await asyncio.sleep(0.1)
            chunks = answer.chunks()
            while sum(map(len, pieces)) < len(body):
                pieces.append(await anext(chunks))
            with pytest.raises(UpstreamBroke):
                await anext(chunks)
        await upstream.close()
    assert b"".join(pieces) == body
    assert max(map(len, pieces)) <= LARGEST_PIECE


# Which connections are used again

NOT_REUSED: dict[str, Sequence[Step]] = {
    "a reply that asks for that": [Send(reply(b"{}", headers={"connection": "close"})), Stall()],
    "a second reply that nobody asked for": [Send(reply(b"{}") + reply(b"{}")), Stall()],
    "a byte too many": [Send(reply(b"{}") + b"x"), Stall()],
    "a byte too many, later": [Send(reply(b"{}")), Pause(0.02), Send(b"x"), Stall()],
    "a word before the server closes": [Send(reply(b"{}")), Pause(0.02), Send(reply(b"", "408 Too late")), Close()],
    "a body where there may be none": [Send(head("204 No Content", {"content-length": "2"}) + b"{}"), Stall()],
    "another protocol": [Send(head("101 Switching", {"connection": "upgrade", "upgrade": "x"}) + b"?"), Stall()],
    "an older version of HTTP": [Send(reply(b"{}").replace(b"HTTP/1.1", b"HTTP/1.0")), Stall()],
}


@pytest.mark.parametrize("script", NOT_REUSED.values(), ids=NOT_REUSED.keys())
async def test_after_this_a_connection_is_not_used_again(script: Sequence[Step]) -> None:
    async with ScriptedServer(script, OK) as server:
        upstream = LeanUpstream(server.url)
        assert await get(upstream) in (b"{}", b"")
        await asyncio.sleep(0.1)
        assert await get(upstream) == b"{}"
        await upstream.close()
    assert [request.connection for request in server.requests] == [0, 1]


async def test_a_reply_before_the_request_is_sent_ends_its_connection() -> None:
    async with ScriptedServer(OK, greeting=[*OK, Deaf(60)]) as server:
        upstream = LeanUpstream(server.url)
        for _ in range(2):
            async with upstream.post("/", b"x" * 32 * LARGE_BODY, {}) as answer:
                assert await answer.body(2) == b"{}"
        await upstream.close()
        assert server.connections == 2


async def test_a_reply_that_comes_before_the_request_counts() -> None:
    """Some servers that are too busy answer, and close, as soon as somebody connects."""
    async with ScriptedServer(OK, greeting=[Send(reply(b"no", "503 Too busy")), Pause(0.1), Close()]) as server:
        upstream = LeanUpstream(server.url)
        async with upstream.get("/") as answer:
            assert (answer.status, await answer.body(2)) == (503, b"no")
        await upstream.close()


async def test_a_reply_that_was_left_reads_as_broken() -> None:
    async with ScriptedServer([Send(stream_head()), Stall()]) as server:
        upstream = LeanUpstream(server.url)
        async with upstream.get("/") as answer:
            pass
        with pytest.raises(UpstreamBroke, match="closed the stream early"):
            await anext(answer.chunks())
        await upstream.close()


async def test_a_reset_that_comes_with_the_connection_is_told() -> None:
    async with ScriptedServer(OK, greeting=[Close()]) as server:
        upstream = LeanUpstream(server.url)
        with pytest.raises(UpstreamBroke, match="closed the connection without an answer"):
            await get(upstream)
        await upstream.close()


async def test_many_connections_at_once_share_a_look_up() -> None:
    async with ScriptedServer(OK) as server:
        upstream = LeanUpstream(f"http://localhost:{server.port}")
        assert await asyncio.gather(*(get(upstream) for _ in range(50))) == [b"{}"] * 50
        await upstream.close()


async def test_a_look_up_goes_on_when_the_one_who_began_it_has_gone() -> None:
    async with ScriptedServer(OK) as server:
        upstream = LeanUpstream(f"http://localhost:{server.port}")
        first, second = (asyncio.create_task(get(upstream)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == b"{}"
        await upstream.close()
    assert first.cancelled()


# The clock, which runs fast here


def test_an_idle_connection_is_closed_in_time() -> None:
    async def idling() -> float:
        async with ScriptedServer(OK) as server:
            upstream = LeanUpstream(server.url)
            await get(upstream)
            await asyncio.sleep(3)
            await get(upstream)
            began = asyncio.get_running_loop().time()
            await server.until(lambda server: len(server.gone) == server.connections, seconds=100 * KEEP_ALIVE)
            seconds = asyncio.get_running_loop().time() - began
            await upstream.close()
        return seconds

    assert KEEP_ALIVE - 1 <= hurried(idling()) < 20 * KEEP_ALIVE


LATE: dict[str, tuple[Sequence[Step], str]] = {
    "the first byte": ([Stall()], "did not begin its answer in 50 s"),
    "the rest of the body": ([Send(stream_head()), Send(chunk(b"ab")), Stall()], "fell silent in mid-reply for 50 s"),
}


@pytest.mark.parametrize(("script", "message"), LATE.values(), ids=LATE.keys())
def test_a_long_wait_ends_in_time(script: Sequence[Step], message: str) -> None:
    """A connection looks at its clock every 15 s, whatever the limit."""

    async def waiting() -> float:
        async with ScriptedServer(OK, script) as server:
            upstream = LeanUpstream(server.url, timeouts=Timeouts(first_byte=50, silence=50))
            await get(upstream)
            await asyncio.sleep(KEEP_ALIVE - 5)
            began = asyncio.get_running_loop().time()
            with pytest.raises(UpstreamBroke, match=message):
                await get(upstream)
            seconds = asyncio.get_running_loop().time() - began
            await upstream.close()
        return seconds

    assert 49 <= hurried(waiting()) < 500


# Any bytes at all


class Ear(asyncio.Transport):
    """A transport that only knows whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def writelines(self, parts: object) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


async def understood(parts: Sequence[bytes]) -> tuple[object, ...]:
    """What a connection makes of these reads."""
    request = Request(b"", b"", asyncio.get_running_loop().time())
    connection = Connection(Peer("peer:1", Timeouts()), request, lambda _: None)
    ear = Ear()
    connection.connection_made(ear)
    inbox = connection.inbox
    assert inbox is not None
    for part in parts:
        if not ear.closed:
            connection.data_received(part)
    connection.connection_lost(None)
    broke = inbox.broke and inbox.broke.message
    return inbox.status, inbox.headers, b"".join(inbox.parts), broke


GOOD = (
    head("100 Continue", {}) + stream_head() + chunk(b"abcdef") + chunk(b"gh") + LAST_CHUNK,
    reply(b"abcdefgh", "404 Not Found", {"x-name": "y"}),
    head("200 OK", {"x-name": "y"}) + b"abcdefgh",
)


@given(st.sampled_from(GOOD), st.binary(max_size=3), st.randoms(use_true_random=False))
def test_a_spoilt_reply_is_understood_alike_however_it_is_cut(
    good: bytes, spoiling: bytes, chance: random.Random
) -> None:
    at = chance.randrange(len(good))
    data = good[:at] + spoiling + good[at + chance.randrange(3) :]
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(5)))
    parts = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert asyncio.run(understood(parts)) == asyncio.run(understood([data]))


# What it leaves to the other client


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment, free of what it says of proxies."""
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


CHOICES: dict[str, tuple[ClientName, str, str, type]] = {
    "the lean one where it can be": ("auto", "http://api.example/v1", "", LeanUpstream),
    "the other one through a proxy": ("auto", "http://api.example/v1", "http://proxy.example", HttpUpstream),
    "the lean one past a proxy": ("auto", "http://127.0.0.1/v1", "http://proxy.example", LeanUpstream),
    "the other one for a name in other letters": ("auto", "http://bücher.example/v1", "", HttpUpstream),
    "the one that is asked for": ("aiohttp", "http://api.example/v1", "", HttpUpstream),
}


@pytest.mark.parametrize(("name", "url", "proxy", "client"), CHOICES.values(), ids=CHOICES.keys())
def test_the_client_is(name: ClientName, url: str, proxy: str, client: type, environment: pytest.MonkeyPatch) -> None:
    if proxy:
        environment.setenv("HTTP_PROXY", proxy)
    assert type(connect(url, name, Timeouts(), None)) is client


def test_the_lean_one_is_refused_where_a_proxy_must_be_passed(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTPS_PROXY", "http://me:SECRET@proxy.example")
    with pytest.raises(ValueError, match=r"^UPSTREAM_CLIENT: lean knows no proxies.*; set it to auto$"):
        connect("https://api.example/v1", "lean", Timeouts(), None)


AUTHORITIES = {
    "http://api.example/v1": "api.example",
    "http://api.example:80/v1": "api.example",
    "http://API.example:8080/v1": "api.example:8080",
    "https://api.example./v1": "api.example",
    "https://api.example:80/v1": "api.example:80",
    "https://[::1]/v1": "[::1]",
    "https://[::1]:8443/v1": "[::1]:8443",
}


@pytest.mark.parametrize(("url", "authority"), AUTHORITIES.items(), ids=AUTHORITIES.keys())
def test_the_host_header(url: str, authority: str) -> None:
    assert Site(url, {}).authority == authority
