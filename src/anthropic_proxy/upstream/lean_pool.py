"""The lean client's connections: how they are opened, and kept for the next request."""

import asyncio
import math
import socket
import ssl
from ipaddress import ip_address
from typing import cast

from aiohappyeyeballs import AddrInfoType, start_connection

from anthropic_proxy.errors import BreakKind
from anthropic_proxy.upstream.base import Connections
from anthropic_proxy.upstream.breaks import Peer
from anthropic_proxy.upstream.lean_connection import Connection, Request
from anthropic_proxy.upstream.outbound import os_reason
from anthropic_proxy.upstream.site import Site

HEAD_START = 0.25
"""Seconds that one address gets before the next is tried as well. Source: RFC 8305, section 5."""

ADDRESSES_KEPT = 10.0
"""Seconds for which a name's addresses are remembered. A burst of connections then asks once."""

CLOSING_ROUNDS = 100
"""Turns of the event loop that `close` gives its connections to be gone. They need three or four."""

DIAL_BREAKS: tuple[tuple[type[Exception], BreakKind], ...] = (
    (socket.gaierror, "dns"),
    (UnicodeError, "dns"),
    (ssl.SSLError, "tls"),
    (OSError, "refused"),
)
"""What an exception means before there is a connection. The first that fits counts."""


class Pool:
    """All connections to one site. `take` an idle one or `open` a new one; `give_back` what may be used again."""

    def __init__(self, site: Site, peer: Peer, tls: ssl.SSLContext | None) -> None:
        self._peer = peer
        self._host = site.host
        self._tls = tls
        self._addresses = _Addresses(site.host, site.port)
        self._idle: list[Connection] = []
        """The last used is at the end, and is used first, so that a quiet hour closes the others."""
        self._open: set[Connection] = set()
        self._opening = 0

    def connections(self) -> Connections:
        idle = sum(connection.is_open for connection in self._idle)
        return Connections(sum(connection.is_open for connection in self._open) - idle, idle, self._opening)

    def take(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    def give_back(self, connection: Connection) -> None:
        self._idle.append(connection)

    async def open(self, first: Request) -> Connection:
        """A new connection, which has sent this request. Raises UpstreamBroke."""
        timeouts = self._peer.timeouts
        limits: list[tuple[float, BreakKind]] = [
            (timeouts.connect or math.inf, "connect_timeout"),
            (timeouts.first_byte or math.inf, "first_byte_timeout"),
        ]
        limit, kind = min(limits)
        self._opening += 1
        try:
            async with asyncio.timeout_at(None if limit == math.inf else first.began + limit):
                connection = await self._dial(first)
        except (OSError, UnicodeError) as error:
            # The system has a time-out of its own, which has a number.
            if not isinstance(error, TimeoutError) or error.errno is not None:
                kind = next(kind for type_, kind in DIAL_BREAKS if isinstance(error, type_))
            reason = os_reason(error) if isinstance(error, OSError) else "no such name can be"
            raise self._peer.broke(kind, reason) from error
        finally:
            self._opening -= 1
        if connection.is_open:
            self._open.add(connection)
        return connection

    async def close(self) -> None:
        """Close all connections, those in use too, and wait until they are gone."""
        self._addresses.close()
        for connection in list(self._open):
            connection.abort()
        for _ in range(CLOSING_ROUNDS):
            if not self._open:
                break
            await asyncio.sleep(0)

    def _forget(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    async def _dial(self, first: Request) -> Connection:
        loop = asyncio.get_running_loop()
        addresses = await self._addresses.get()
        try:
            bare = await start_connection(addresses, happy_eyeballs_delay=HEAD_START, interleave=1)
        except OSError:
            self._addresses.forget()
            raise
        connection = Connection(self._peer, first, self._forget)
        try:
            bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.create_connection(
                lambda: connection,
                sock=bare,
                ssl=self._tls,
                server_hostname=self._host.rstrip(".") if self._tls else None,
            )
        except BaseException:
            if connection.inbox is not None:
                connection.abort()
            bare.close()
            raise
        return connection


class _Addresses:
    """The addresses of a host. Those who ask at one time share one look-up, which outlives whoever began it."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._known = _literal(host, port)
        self._until = math.inf if self._known else 0.0
        self._asking: asyncio.Task[list[AddrInfoType]] | None = None

    async def get(self) -> list[AddrInfoType]:
        """Raises OSError if there are none, and UnicodeError if there cannot be any."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._until:
            return self._known
        if self._asking is None:
            self._asking = loop.create_task(self._ask())
            self._asking.add_done_callback(self._asked)
        return await asyncio.shield(self._asking)

    def forget(self) -> None:
        """They were of no use. An address that is given as such stays."""
        if self._until < math.inf:
            self._until = 0.0

    def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(self) -> list[AddrInfoType]:
        infos = await asyncio.get_running_loop().getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_ADDRCONFIG
        )
        return cast("list[AddrInfoType]", infos)

    def _asked(self, task: "asyncio.Task[list[AddrInfoType]]") -> None:
        self._asking = None
        if not task.cancelled() and task.exception() is None:
            self._known = task.result()
            self._until = task.get_loop().time() + ADDRESSES_KEPT


def _literal(host: str, port: int) -> list[AddrInfoType]:
    """The address that the host is, if it is one. One with a zone has to be looked up."""
    try:
        version = ip_address(host).version
    except ValueError:
        return []
    if "%" in host:
        return []
    if version == 4:
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]
    return [(socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0))]
