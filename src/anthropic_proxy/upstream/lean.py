"""LeanUpstream: a backend over HTTP/1.1 without a client library, at a quarter to a half of its price.

It knows no HTTP proxies. Everything else is as with HttpUpstream: the same tests hold both.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from typing import Self
from urllib.parse import quote

from anthropic_proxy.upstream.base import Connections, Timeouts
from anthropic_proxy.upstream.breaks import UNREADABLE_BODY, Peer
from anthropic_proxy.upstream.inflate import WINDOW_BITS, Inflated
from anthropic_proxy.upstream.lean_connection import Connection, Request
from anthropic_proxy.upstream.lean_inbox import Inbox
from anthropic_proxy.upstream.lean_pool import Pool
from anthropic_proxy.upstream.outbound import proxy_for, trusting
from anthropic_proxy.upstream.site import Site

_DEFAULT_TIMEOUTS = Timeouts()

UNKNOWN_ENCODINGS = ("br", "zstd")
"""Compressions that nobody asked for and that need a library. What has another name is handed on as it is."""

URL_CHARACTERS = "!$%&'()*+,/:;=?@[]~"
"""What may stand in a target beside letters, digits and `_.-`. What is escaped there stays escaped."""


def fits(base_url: str) -> bool:
    """Can a LeanUpstream reach it? Raises ValueError if a proxy's URL cannot be used."""
    return base_url.isascii() and proxy_for(Site(base_url, {}).url) is None


class LeanUpstream:
    """A backend over HTTP/1.1, with a pool of connections that is opened by the first request.

    The arguments mean what they mean to HttpUpstream. Raises ValueError if the base URL or the
    certificate file cannot be used, and for a URL that does not fit.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] = {},
        timeouts: Timeouts = _DEFAULT_TIMEOUTS,
        ssl_cert_file: str | None = None,
    ) -> None:
        self._site = site = Site(base_url, headers)
        if not fits(base_url):
            raise ValueError("UPSTREAM_CLIENT: lean knows no proxies, and no URLs beyond ASCII; set it to auto")
        self.base_url = site.base_url
        self._peer = Peer(site.address, timeouts)
        self._pool = Pool(site, self._peer, trusting(ssl_cert_file) if site.secure else None)
        self._target = lru_cache(64)(lambda path: quote(site.target(path), URL_CHARACTERS))
        self._post_start = lru_cache(64)(self._new_post_start)

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> "LeanReply":
        """Send JSON."""
        start = self._post_start(path, tuple(headers.items()))
        return LeanReply(self._pool, self._peer, b"%bcontent-length: %d\r\n\r\n" % (start, len(body)), body)

    def _new_post_start(self, path: str, headers: tuple[tuple[str, str], ...]) -> bytes:
        """The head of a request without its length. The next one's is the same, as a rule: it is kept, and takes a
        fourth of the time."""
        return self._head("POST", path, self._site.post_headers(dict(headers))).removesuffix(b"\r\n")

    def get(self, path: str, headers: Mapping[str, str] = {}) -> "LeanReply":
        """Fetch what is at the path."""
        return LeanReply(self._pool, self._peer, self._head("GET", path, self._site.get_headers(headers)), b"")

    def connections(self) -> Connections:
        """What connections there are now."""
        return self._pool.connections()

    async def close(self) -> None:
        """Give up all connections, those in use too."""
        await self._pool.close()

    def _head(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        """Request line and headers. Raises ValueError if one of them is more than a line."""
        lines = [f"{method} {self._target(path)} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in {"host": self._site.authority, **headers}.items()]
        head = "\r\n".join(lines)
        if head.count("\r") + head.count("\n") != 2 * len(lines) - 2 or "\0" in head:
            raise ValueError("a header with a line break or a null byte in it cannot be sent")
        return f"{head}\r\n\r\n".encode()


class LeanReply:
    """A request, and its reply once it is entered. It iterates over the reply's body, an item or more for each read."""

    __slots__ = ("_body", "_connection", "_head", "_inbox", "_peer", "_plain", "_pool", "headers", "status")

    _connection: Connection
    _inbox: Inbox
    headers: Mapping[str, str]
    status: int

    def __init__(self, pool: Pool, peer: Peer, head: bytes, body: bytes) -> None:
        self._pool = pool
        self._peer = peer
        self._head = head
        self._body = body
        self._plain: AsyncIterator[bytes] | None = None
        """The body unpacked, if it is packed. Never the reply itself: that would be for the collector to free."""

    async def __aenter__(self) -> Self:
        """Raises UpstreamBroke if no reply begins."""
        connection = self._pool.take()
        if connection is None:
            inbox = await self._answer(await self._pool.open(self._request()))
        else:
            connection.ask(self._request())
            inbox = await self._answer(connection)
            if inbox.died_without_a_word:
                # A pooled connection may have died unnoticed. Then the request is repeated once, on a new
                # one, where dying would be no accident.
                inbox = await self._answer(await self._pool.open(self._request()))
        if not inbox.status:
            raise inbox.failure()
        self.status = inbox.status
        self.headers = inbox.headers
        self._body = b""  # It may be large, and the reply long.
        if "content-encoding" in inbox.headers:
            self._decode(inbox.headers["content-encoding"].lower())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Give the connection back to the pool if the whole body has come in, else cut it off."""
        if self._connection.finish():
            self._pool.give_back(self._connection)

    def chunks(self) -> AsyncIterator[bytes]:
        return self._plain or self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        inbox = self._inbox
        while not inbox.parts:
            if inbox.over:
                if inbox.broke is not None:
                    raise inbox.failure()
                raise StopAsyncIteration
            await inbox.wait()
        return inbox.take()

    async def body(self, limit: int) -> bytes:
        parts = []
        size = 0
        async for data in self.chunks():
            parts.append(data)
            size += len(data)
            if size > limit:
                raise self._peer.broke("too_large", str(limit))
        return b"".join(parts)

    def _request(self) -> Request:
        return Request(self._head, self._body, asyncio.get_running_loop().time())

    async def _answer(self, connection: Connection) -> Inbox:
        """Waits for the reply's headers, or for how it comes to none."""
        inbox = connection.inbox
        assert inbox is not None
        self._connection, self._inbox = connection, inbox
        try:
            while not inbox.status and not inbox.over:
                await inbox.wait()
        except BaseException:
            connection.abort()
            raise
        return inbox

    def _decode(self, encoding: str) -> None:
        """Raises UpstreamBroke for a compression that we cannot undo."""
        if encoding in UNKNOWN_ENCODINGS:
            self._connection.abort()
            raise self._peer.broke("protocol", f"Can not decode content-encoding: {encoding}")
        if encoding in WINDOW_BITS:
            self._plain = Inflated(self, encoding, lambda: self._peer.broke("protocol", UNREADABLE_BODY))
