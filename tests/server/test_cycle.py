"""Our way of answering beside uvicorn's own: the same applications say the same on the wire, byte for byte."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from anthropic_proxy.config import Settings
from anthropic_proxy.server.cycle import cycle_of
from anthropic_proxy.server.protocol import protocol_for
from tests.load.clients import Client

OURS = protocol_for(Settings(openai_api_base="http://replay.invalid/v1"))
DATE = (b"date", b"Thu, 26 Nov 2026 06:00:00 GMT")


async def said(protocol: type[HttpToolsProtocol], app: ASGIApp, *writes: bytes) -> bytes:
    """All that a server says of `app` to these writes of a client, until it closes."""
    state = ServerState()
    state.default_headers = [DATE]
    config = uvicorn.Config(app, http=protocol, log_config=None, access_log=False, ws="none")
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: protocol(config, state, {}), "127.0.0.1", 0)
    async with server, asyncio.timeout(20), Client(server.sockets[0].getsockname()[1]) as client:
        for write in writes:
            await client.send(write)
            await asyncio.sleep(0.005)
        return await client.reader.read()


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes = b"", more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


PAUSE: Message = {"type": "pause"}
"""Not sent: the application waits, for several turns of the loop."""


def saying(*messages: Message) -> ASGIApp:
    """An application that reads the request and sends these."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            pass
        for message in messages:
            await (asyncio.sleep(0.01) if message is PAUSE else send(message))

    return app


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Says what it was asked."""
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(bytes(message["body"]))
        more = message["more_body"]
    told = sorted((key, value) for key, value in scope.items() if key not in ("client", "server"))
    data = repr((told, b"".join(parts))).encode()
    await send(start(200, (b"content-length", b"%d" % len(data))))
    await send(body(data))


async def early(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers before it has read the request."""
    await send(start(413, (b"content-length", b"2")))
    await send(body(b"no"))


def get(target: str = "/", method: str = "GET", version: str = "1.1", *headers: str) -> bytes:
    lines = [f"{method} {target} HTTP/{version}", "host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode()


LAST = get("/", "GET", "1.1", "connection: close")
POST = get("/a%20b?c=d%20e", "POST", "1.1", "connection: close", "content-length: 6", "X-Odd: \xe9")
PARTS = get("/", "POST", "1.1", "connection: close", "transfer-encoding: chunked")
EXPECTS = get("/", "POST", "1.1", "connection: close", "content-length: 2", "expect: 100-continue")
LENGTH = (b"content-length", b"5")

CASES: dict[str, tuple[ASGIApp, list[bytes]]] = {
    "a whole answer": (saying(start(200, LENGTH), body(b"hello")), [LAST]),
    "an answer in parts": (saying(start(), body(b"he", more=True), body(b"llo")), [LAST]),
    "a head that has to wait for its body": (saying(start(), PAUSE, body(b"hello")), [LAST]),
    "parts that come later": (saying(start(), body(b"he", more=True), PAUSE, body(b"llo", more=True), body()), [LAST]),
    "a known length in parts": (saying(start(200, LENGTH), body(b"he", more=True), PAUSE, body(b"llo")), [LAST]),
    "no body": (saying(start(), body()), [LAST]),
    "a status without a body": (saying(start(204), body()), [LAST]),
    "names in capitals": (saying(start(200, (b"Content-Length", b"5"), (b"X-Id", b"A")), body(b"hello")), [LAST]),
    "the application closes": (saying(start(200, LENGTH, (b"connection", b"close")), body(b"hello")), [get()]),
    "a head alone": (saying(start(200, LENGTH), body(b"hello")), [get("/", "HEAD", "1.1", "connection: close")]),
    "an old client": (saying(start(), body(b"hello")), [get("/", "GET", "1.0")]),
    "several requests of one connection": (echo, [get("/1"), get("/2"), LAST]),
    "several requests at once": (echo, [get("/1") + get("/2") + LAST]),
    "a request with a body": (echo, [POST + b"123456"]),
    "a body in parts": (echo, [POST, b"123", b"456"]),
    "a body in chunks": (echo, [PARTS, b"3\r\n123\r\n", b"1\r\n4\r\n", b"0\r\n\r\n"]),
    "a large body": (echo, [POST.replace(b": 6", b": 300000"), *[b"x" * 30000] * 10]),
    "an answer before the body's end": (early, [POST + b"123", b"456"]),
    "a client that asks first": (echo, [EXPECTS, b"hi"]),
    "a length that is not kept": (saying(start(200, LENGTH), body(b"hell")), [get()]),
    "a length that is passed": (saying(start(200, LENGTH), body(b"hello, you")), [get()]),
    "no answer": (saying(), [get()]),
    "half an answer": (saying(start(), body(b"he", more=True)), [get()]),
    "a body before the head": (saying(body(b"hello")), [get()]),
    "a header with a line break": (saying(start(200, (b"x", b"a\r\nb: c")), body(b"hello")), [get()]),
}


@pytest.mark.parametrize(("app", "writes"), CASES.values(), ids=CASES.keys())
async def test_it_answers_as_uvicorn_does(app: ASGIApp, writes: list[bytes]) -> None:
    assert await said(OURS, app, *writes) == await said(HttpToolsProtocol, app, *writes)


@given(st.lists(st.binary(max_size=9), max_size=5), st.booleans(), st.lists(st.booleans(), min_size=6, max_size=6))
def test_parts_of_any_size_are_sent_as_uvicorn_sends_them(parts: list[bytes], sized: bool, pauses: list[bool]) -> None:
    headers = [(b"content-length", b"%d" % sum(map(len, parts)))] if sized else []
    messages: list[Message] = [start(200, *headers)]
    for part, pause in zip(parts, pauses, strict=False):
        messages += [*([PAUSE] if pause else []), body(part, more=True)]
    app = saying(*messages, body())

    async def both() -> tuple[bytes, bytes]:
        return await said(OURS, app, LAST), await said(HttpToolsProtocol, app, LAST)

    ours, plain = asyncio.run(both())
    assert ours == plain


async def test_head_and_body_are_one_write() -> None:
    """Else a small answer is two segments."""
    reads: list[bytes] = []

    class Noting(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            reads.append(data)

    state = ServerState()
    config = uvicorn.Config(saying(start(200, LENGTH), body(b"hello")), http=OURS, log_config=None, ws="none")
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: OURS(config, state, {}), "127.0.0.1", 0)
    async with server:
        transport, _ = await loop.create_connection(Noting, "127.0.0.1", server.sockets[0].getsockname()[1])
        transport.write(get())
        for _ in range(1000):
            await asyncio.sleep(0.001)
            if reads:
                break
        transport.abort()
    assert len(reads) == 1
    assert reads[0].endswith(b"\r\n\r\nhello")


async def test_only_our_own_server_tells_more() -> None:
    found: list[bool] = []

    def asking(wrap: Callable[[Receive], Receive]) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            found.append(cycle_of(wrap(receive)) is not None)
            await send(start(204))
            await send(body())

        return app

    def layered(receive: Receive) -> Receive:
        async def receive_in_a_layer() -> Message:
            return await receive()

        return receive_in_a_layer

    def bare(receive: Receive) -> Any:
        return receive

    tried: list[Awaitable[bytes]] = [
        said(OURS, asking(bare), LAST),
        said(OURS, asking(layered), LAST),
        said(HttpToolsProtocol, asking(bare), LAST),
    ]
    for one in tried:
        await one
    assert found == [True, False, False]
