"""Recording: a backend whose every request and reply is noted, as it went over the network."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, Self

from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.upstream.base import Connections, Reply, Upstream


@dataclass(slots=True)
class Call:
    """One request to the backend, and what came of it."""

    method: Literal["GET", "POST"]
    path: str
    sent_headers: Mapping[str, str]
    sent: bytes
    status: int = 0
    """0: no reply began."""
    headers: Mapping[str, str] = field(default_factory=dict)
    reads: list[bytes] = field(default_factory=list)
    """The body as it came, one item a read."""
    times: list[float] = field(default_factory=list)
    """When each read was there, by `time.monotonic()`."""
    ended: bool = False
    """Whether the body was read to its end."""
    broke: UpstreamBroke | None = None
    """How the connection failed, if it did."""

    def note(self, data: bytes) -> None:
        self.reads.append(data)
        self.times.append(time.monotonic())


CALLS: ContextVar[list[Call] | None] = ContextVar("calls", default=None)
"""Where the calls made in this context are noted; None: nowhere."""


class Recording:
    """An upstream that notes in CALLS what goes to `upstream` and comes from it."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    @property
    def base_url(self) -> str:
        return self._upstream.base_url

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Reply]:
        return _noted(Call("POST", path, headers, body), self._upstream.post(path, body, headers))

    def get(self, path: str, headers: Mapping[str, str] = {}) -> AbstractAsyncContextManager[Reply]:
        return _noted(Call("GET", path, headers, b""), self._upstream.get(path, headers))

    def connections(self) -> Connections:
        """What connections there are now."""
        return self._upstream.connections()

    async def close(self) -> None:
        await self._upstream.close()


@asynccontextmanager
async def _noted(call: Call, replying: AbstractAsyncContextManager[Reply]) -> AsyncIterator[Reply]:
    calls = CALLS.get()
    if calls is not None:
        calls.append(call)
    try:
        async with replying as reply:
            call.status, call.headers = reply.status, dict(reply.headers)
            yield _NotedReply(reply, call)
    except UpstreamBroke as error:
        call.broke = call.broke or (error if not call.status else None)
        raise


class _NotedReply:
    """A reply whose reads are noted. It iterates over its body."""

    def __init__(self, reply: Reply, call: Call) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self._reply = reply
        self._chunks = reply.chunks()
        self._call = call

    def chunks(self) -> AsyncIterator[bytes]:
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await anext(self._chunks)
        except StopAsyncIteration:
            self._call.ended = True
            raise
        except UpstreamBroke as error:
            self._call.broke = error
            raise
        self._call.note(data)
        return data

    async def body(self, limit: int) -> bytes:
        try:
            data = await self._reply.body(limit)
        except UpstreamBroke as error:
            self._call.broke = error
            raise
        self._call.note(data)
        self._call.ended = True
        return data
