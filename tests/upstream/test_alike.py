"""Both clients read any reply alike, wherever the network cut it and wherever it broke off."""

import asyncio
import gzip
import zlib
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.upstream.base import Timeouts
from tests.scripted import LAST_CHUNK, Close, Pause, Reset, ScriptedServer, Send, Step, chunk, head
from tests.upstream.clients import CLIENTS, Client


def bare(data: bytes) -> bytes:
    """Deflate without its header, as some servers send it."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "GZIP": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": bare,
    "unheard-of": bytes,
}

STATUSES = ("200 OK", "200", "204 No Content", "304 Not Modified", "404 Not Found", "500 Oh no")
BODILESS = ("204 No Content", "304 Not Modified")
ENDS: list[Step] = [Close(), Reset()]
INTERIM = (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")


class Sent(NamedTuple):
    """What a server sends."""

    whole: bytes
    cuts: list[int]
    """Where it pauses."""
    end: Step

    @property
    def script(self) -> Sequence[Step]:
        bounds = sorted({0, *self.cuts, len(self.whole)})
        parts = [step for start, end in pairwise(bounds) for step in (Send(self.whole[start:end]), Pause(0))]
        return [*parts, Pause(0.002), self.end]


@st.composite
def sent(draw: st.DrawFn) -> Sent:
    status = draw(st.sampled_from(STATUSES))
    coding = draw(st.sampled_from([*CODINGS]))
    body = b"" if status in BODILESS else CODINGS[coding](draw(st.binary(max_size=300)))
    headers = {"x-name": draw(st.sampled_from(["", "y", " y ", "é"]))}
    if coding:
        headers["Content-Encoding"] = coding
    if draw(st.booleans()):
        headers["Connection"] = draw(st.sampled_from(["close", "keep-alive", "upgrade"]))
        headers["Upgrade"] = "h2c"
    framing = draw(st.sampled_from([*FRAMINGS] if status not in BODILESS else ["the end"]))
    fields, framed = FRAMINGS[framing](draw, body)
    interim = b"".join(draw(st.lists(st.sampled_from(INTERIM), max_size=2)))
    whole = interim + head(status, {**headers, **fields}) + framed
    if coding.lower() in ("gzip", "deflate"):
        # One that breaks off both in its compression and in its framing may be told as either.
        kept = len(whole)
    else:
        kept = draw(st.just(len(whole)) | st.integers(0, len(whole)))
    cuts = draw(st.lists(st.integers(0, kept), max_size=4))
    return Sent(whole[:kept], cuts, draw(st.sampled_from(ENDS)))


def by_length(draw: st.DrawFn, body: bytes) -> tuple[dict[str, str], bytes]:
    return {"Content-Length": str(len(body))}, body


def by_chunks(draw: st.DrawFn, body: bytes) -> tuple[dict[str, str], bytes]:
    bounds = sorted({0, *draw(st.lists(st.integers(0, len(body)), max_size=3)), len(body)})
    parts = [chunk(body[start:end]) for start, end in pairwise(bounds)]
    last = draw(st.sampled_from([LAST_CHUNK, b"0\r\nx-name: a trailer\r\n\r\n", b"0;note=1\r\n\r\n"]))
    return {"Transfer-Encoding": draw(st.sampled_from(["chunked", "Chunked"]))}, b"".join(parts) + last


def by_the_end(draw: st.DrawFn, body: bytes) -> tuple[dict[str, str], bytes]:
    return {}, body


FRAMINGS: dict[str, Callable[[st.DrawFn, bytes], tuple[dict[str, str], bytes]]] = {
    "length": by_length,
    "chunks": by_chunks,
    "the end": by_the_end,
}


class Read(NamedTuple):
    """What a client made of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    broke: str


async def read(client: Client, url: str) -> Read:
    upstream = client(url, timeouts=Timeouts(first_byte=5, silence=5))
    status, headers, body, broke = 0, dict[str, str](), b"", ""
    try:
        async with upstream.post("/", b"{}", {}) as answer:
            status, headers = answer.status, dict(answer.headers)
            async for data in answer.chunks():
                body += data
    except UpstreamBroke as error:
        broke = f"{error.kind}: {error.message}"
    await upstream.close()
    return Read(status, headers, body, broke)


async def read_by_all(script: Sequence[Step]) -> dict[str, Read]:
    async with ScriptedServer(script) as server:
        return {name: await read(client, server.url) for name, client in CLIENTS.items()}


@settings(max_examples=150)
@given(sent())
def test_any_reply_is_read_alike(sent: Sent) -> None:
    found = asyncio.run(read_by_all(sent.script))
    assert found["lean"] == found["aiohttp"]


NOT_HTTP = {
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "no version": b"HTTP/x.1 200 OK\r\n\r\n",
    "half a version": b"HTTP/1 200 OK\r\n\r\n",
    "a strange minor version": b"HTTP/1.x 200 OK\r\n\r\n",
    "no space": b"HTTP/1.1200 OK\r\n\r\n",
    "no number for a status": b"HTTP/1.1 OK\r\n\r\n",
    "a status of two figures": b"HTTP/1.1 20 OK\r\n\r\n",
    "a status of four figures": b"HTTP/1.1 2000 OK\r\n\r\n",
    "a header without a colon": b"HTTP/1.1 200 OK\r\nname\r\n\r\n",
    "a length that is no number": b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: y\r\n" % number for number in range(129)) + b"\r\n",
}


@pytest.mark.parametrize("data", NOT_HTTP.values(), ids=NOT_HTTP.keys())
def test_what_is_not_http_is_told_alike(data: bytes) -> None:
    found = asyncio.run(read_by_all([Send(data), Pause(0.01), Close()]))
    assert found["lean"].broke.startswith("protocol: ")
    assert found["lean"] == found["aiohttp"]
