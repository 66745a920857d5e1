"""HttpUpstream: a backend over HTTP, with or without a proxy between. The one import of aiohttp."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Self, cast
from weakref import WeakSet

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError

from anthropic_proxy.errors import BreakKind, UpstreamBroke
from anthropic_proxy.upstream.base import Connections, Reply, Timeouts
from anthropic_proxy.upstream.breaks import MALFORMED_BODY, UNREADABLE_BODY, Peer
from anthropic_proxy.upstream.limits import KEEP_ALIVE, LARGE_BODY, LARGEST_PIECE, LONGEST_HEADER, MOST_HEADERS
from anthropic_proxy.upstream.outbound import address_of, os_reason, proxy_for, trusting
from anthropic_proxy.upstream.site import Site, lower

_DEFAULT_TIMEOUTS = Timeouts()

PORTION = 2**16
"""Bytes of a large request that are written at once."""

START_BREAKS: tuple[tuple[type[Exception], BreakKind], ...] = (
    (aiohttp.ConnectionTimeoutError, "connect_timeout"),
    (TimeoutError, "first_byte_timeout"),
    (aiohttp.ClientConnectorDNSError, "dns"),
    (aiohttp.ClientSSLError, "tls"),
    (aiohttp.ClientConnectorError, "refused"),
    (aiohttp.ClientHttpProxyError, "refused"),
    (aiohttp.ClientConnectionError, "reset"),
    (aiohttp.ClientError, "protocol"),
)
"""What an exception means before the reply's headers are there. The first that fits counts."""


class HttpUpstream:
    """A backend over HTTP/1.1, with a pool of connections that is opened by the first request.

    `base_url` is what paths go below; its query (Azure's `?api-version=…`) is kept, a name and a
    password in it become an `Authorization`. `headers` go with every request, unless the request
    has its own of that name. The system's certificate authorities are trusted, and those in
    `ssl_cert_file` and in the file that the environment's SSL_CERT_FILE names. The proxies that the
    environment names are used, except for this machine itself.

    Raises ValueError if the base URL, a proxy's URL or the certificate file cannot be used.
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
        self.base_url = site.base_url
        self._peer = Peer(site.address, timeouts)
        self._tls = trusting(ssl_cert_file) if site.secure else True
        self._proxy = proxy_for(site.url)
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._known: WeakSet[ResponseHandler] = WeakSet()
        """Connections that were opened, and may be still."""
        self._leases: set[_Lease] = set()
        """Of the requests that are on their way."""

    @asynccontextmanager
    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> AsyncIterator[Reply]:
        """Send JSON."""
        reply = await self._send("POST", path, self._site.post_headers(headers), body)
        try:
            yield reply
        finally:
            self._leave(reply)

    @asynccontextmanager
    async def get(self, path: str, headers: Mapping[str, str] = {}) -> AsyncIterator[Reply]:
        """Fetch what is at the path."""
        reply = await self._send("GET", path, self._site.get_headers(headers), None)
        try:
            yield reply
        finally:
            self._leave(reply)

    def connections(self) -> Connections:
        """What connections there are now."""
        leased = [lease.protocol for lease in self._leases]
        busy = {protocol for protocol in leased if protocol is not None and protocol.connected}
        idle = {protocol for protocol in self._known if protocol.connected} - busy
        return Connections(len(busy), len(idle), leased.count(None))

    async def close(self) -> None:
        """Give up all connections, those in use too."""
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, fresh: bool = False
    ) -> "_HttpReply":
        """The reply, as soon as its headers are there.

        A pooled connection may have died unnoticed. Where it did so without a word, the request is
        repeated once, on a `fresh` one. On a new connection that would be no accident, so it is not.
        """
        lease = _Lease()
        _LEASE.set(lease)
        self._leases.add(lease)
        response = None
        try:
            async with asyncio.timeout(self._peer.timeouts.first_byte or None):
                response = await self._session(fresh).request(
                    method,
                    self._site.origin + self._site.target(path),
                    headers=headers,
                    data=_InPortions(body) if body is not None and len(body) > LARGE_BODY else body,
                    allow_redirects=False,
                )
            return _HttpReply(response, lease, self._peer)
        except (aiohttp.ClientError, TimeoutError) as error:
            if fresh or not lease.reused or not _died_without_a_word(error):
                raise _did_not_answer(self._peer, error) from error
        finally:
            if response is None:
                self._leases.discard(lease)
                lease.abort()
        return await self._send(method, path, headers, body, fresh=True)

    def _leave(self, reply: "_HttpReply") -> None:
        self._leases.discard(reply.lease)
        reply.close()

    def _session(self, fresh: bool) -> aiohttp.ClientSession:
        """The pool, or a session that has none and opens a connection for every request."""
        if fresh not in self._sessions:
            lifetime: dict[str, Any] = {"force_close": True} if fresh else {"keepalive_timeout": KEEP_ALIVE}
            self._sessions[fresh] = aiohttp.ClientSession(
                connector=_Connector(self._known, limit=0, ssl=self._tls, **lifetime),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, connect=self._peer.timeouts.connect or None),
                proxy=self._proxy,
                read_bufsize=LARGEST_PIECE,
                max_line_size=LONGEST_HEADER,
                max_field_size=LONGEST_HEADER,
                max_headers=MOST_HEADERS,
            )
        return self._sessions[fresh]


class _HttpReply:
    """A reply whose headers are there. It iterates over its body, an item or more for each read."""

    def __init__(self, response: aiohttp.ClientResponse, lease: "_Lease", peer: Peer) -> None:
        self.status = response.status
        self.headers = lower(response.headers)
        self._response = response
        self._content = response.content
        self.lease = lease
        self._peer = peer
        self._ends_by_close = not {"content-length", "transfer-encoding"} & self.headers.keys()
        self._was_reset = False
        if lease.closed is not None:
            lease.closed.add_done_callback(self._on_lost)
        self._loop = asyncio.get_running_loop()
        self._waiting_since: float | None = None
        self._alarm: asyncio.TimerHandle | None = None
        if peer.timeouts.silence:
            self._alarm = self._loop.call_later(peer.timeouts.silence, self._on_alarm)

    def chunks(self) -> AsyncIterator[bytes]:
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self._waiting_since = self._loop.time()
        try:
            data = await self._content.read(LARGEST_PIECE)
        except Exception as error:
            data = self._after_break(error)
        finally:
            self._waiting_since = None
        if data:
            return data
        if self._was_reset:
            raise self._peer.broke("closed_early")
        raise StopAsyncIteration

    async def body(self, limit: int) -> bytes:
        parts = []
        size = 0
        async for data in self:
            parts.append(data)
            size += len(data)
            if size > limit:
                raise self._peer.broke("too_large", str(limit))
        return b"".join(parts)

    def close(self) -> None:
        """Give the connection back to the pool if the whole body has come in, else cut it off."""
        if self._alarm is not None:
            self._alarm.cancel()
        if self.lease.closed is not None:
            self.lease.closed.remove_done_callback(self._on_lost)
        if not self._response.closed:
            self.lease.abort()
        self._response.close()

    def _after_break(self, error: Exception) -> bytes:
        """What came in before the break and was not read yet; the client would drop it. Else raises UpstreamBroke."""
        broke = error if isinstance(error, UpstreamBroke) else self._broke_off(error)
        self._content.set_exception(cast("Exception", None))
        rest = self._content.read_nowait(LARGEST_PIECE)
        self._content.set_exception(broke)
        if rest:
            return rest
        raise broke from error

    def _broke_off(self, error: Exception) -> UpstreamBroke:
        if isinstance(error.__cause__, ContentEncodingError):
            return self._peer.broke("protocol", UNREADABLE_BODY)
        return self._peer.broke("closed_early")

    def _on_alarm(self) -> None:
        """Silence is looked for once in a while, which costs less than a timer for every read."""
        silence = self._peer.timeouts.silence
        waited = 0.0 if self._waiting_since is None else self._loop.time() - self._waiting_since
        if waited < silence:
            self._alarm = self._loop.call_later(silence - waited, self._on_alarm)
        else:
            self._content.set_exception(self._peer.broke("silence_timeout"))

    def _on_lost(self, closed: "asyncio.Future[None]") -> None:
        """The connection is gone. Two things aiohttp 3.14 keeps from a reader of the body.

        A body without a length ends with the connection, and with a reset too, which is no end. And
        after a malformed chunk it closes the connection and leaves the reader waiting.
        """
        self._was_reset = self._ends_by_close and closed.exception() is not None
        if not self._content.is_eof() and self._content.exception() is None:
            malformed = isinstance(self.lease.failure(), HttpProcessingError)
            broke = self._peer.broke("protocol", MALFORMED_BODY) if malformed else self._peer.broke("closed_early")
            self._content.set_exception(broke)


class _InPortions(aiohttp.Payload):
    """A long body. As a file it would be copied first, in one piece it would wait in the transport (aiohttp 3.14)."""

    _autoclose = True

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._size = len(body)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return str(self._value, encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        body = memoryview(self._value)
        for start in range(0, len(body), PORTION):
            await writer.write(body[start : start + PORTION])


@dataclass(slots=True, eq=False)
class _Lease:
    """The connection that one request was given, as told by the connector."""

    protocol: ResponseHandler | None = None
    transport: asyncio.Transport | None = None
    """The protocol forgets it when it closes."""
    closed: "asyncio.Future[None] | None" = None
    """Done when the connection is gone, with an exception if it was reset."""
    reused: bool = False

    def failure(self) -> BaseException | None:
        """What the client found wrong with the connection."""
        return self.protocol.exception() if self.protocol is not None else None

    def abort(self) -> None:
        """Close at once, without sending what is still to be sent. The backend shall stop working."""
        if self.transport is not None:
            self.transport.abort()


_LEASE: ContextVar[_Lease] = ContextVar("lease")
"""The lease of the request that is being sent in this task."""


class _Connector(aiohttp.TCPConnector):
    """Tells each request's lease which connection it got. The client itself says neither that nor if it is new."""

    def __init__(self, known: WeakSet[ResponseHandler], **options: Any) -> None:
        """Connections that it opens go into `known`."""
        super().__init__(**options)
        self._known = known

    async def connect(self, *args: Any, **options: Any) -> Any:
        connection, protocol = await self._clean(*args, **options)
        lease = _LEASE.get()
        lease.protocol = protocol
        lease.transport = connection.transport
        lease.closed = protocol.closed
        lease.reused = protocol in self._known
        if not lease.reused:
            self._known.add(protocol)
            if lease.closed is not None:
                lease.closed.add_done_callback(_look_at)
        return connection

    async def _clean(self, *args: Any, **options: Any) -> tuple[Connection, ResponseHandler]:
        """A connection on which nothing has come unasked.

        aiohttp 3.14 would take what came after the end of one reply for the next one, which is another client's.
        """
        while True:
            connection = await super().connect(*args, **options)
            protocol = connection.protocol
            assert protocol is not None
            if protocol not in self._known or not protocol.should_close:
                return connection, protocol
            connection.close()


def _look_at(closed: "asyncio.Future[None]") -> None:
    """A reset of an idle connection is no news; unless looked at, the event loop logs it as an error."""
    closed.exception()


def _did_not_answer(peer: Peer, error: Exception) -> UpstreamBroke:
    """The error for what the client raised before the reply's headers."""
    kind = next(kind for type_, kind in START_BREAKS if isinstance(error, type_))
    return peer.broke(kind, *_reason(error))


def _died_without_a_word(error: Exception) -> bool:
    """Whether a pooled connection was dead before any of the reply came.

    A reset in the middle of the headers cannot be told from one before them.
    """
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)  # else it is what came of the headers
    return isinstance(error, aiohttp.ClientConnectionError) and not isinstance(error, TimeoutError)


def _reason(error: Exception) -> tuple[str, str]:
    """What the client's exception says that may be shown; and who it is about, if known, as `host:port`."""
    if isinstance(error, aiohttp.ClientConnectorError):
        address = address_of(error.host, error.port)
        about = f"the proxy {address}" if isinstance(error, aiohttp.ClientProxyConnectionError) else address
        return os_reason(error.os_error), about
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status} {error.message}", ""
    if isinstance(error, aiohttp.ClientResponseError):
        return error.message.partition("\n")[0].rstrip(":"), ""
    return type(error).__name__, ""
