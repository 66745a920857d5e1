"""Replay: an upstream without a network, which plays what was recorded."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, NamedTuple

from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.upstream.base import Connections, Reply
from anthropic_proxy.wire.json import loads


@dataclass(frozen=True, slots=True)
class Recorded:
    """A reply to play."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})
    """Names in lower case."""
    read_size: int | None = None
    """Bytes a read; None gives all at once."""
    reads: tuple[int, ...] = ()
    """Bytes of each read, if they differ; `read_size` then does not count."""
    pause: float = 0
    """Seconds before each read."""
    broken_at: int | None = None
    """The connection breaks after this many bytes."""
    broke: UpstreamBroke | None = None
    """How it breaks; at the body's end, if `broken_at` does not say where."""
    stall: bool = False
    """Nothing comes after the body, not even its end."""


class Sent(NamedTuple):
    """What a Replay was asked."""

    path: str
    body: Any
    """The parsed JSON; None for a GET."""
    headers: Mapping[str, str]


class Replay:
    """Plays replies in order, then the last one again and again. An error in their place is raised."""

    def __init__(self, *replies: Recorded | UpstreamBroke, base_url: str = "http://replay.invalid/v1") -> None:
        if not replies:
            raise ValueError("a Replay needs at least one reply")
        self.base_url = base_url
        self.requests: list[Sent] = []
        self.closed = 0
        """Replies that were left before their end."""
        self._replies = replies

    @asynccontextmanager
    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> AsyncIterator[Reply]:
        """The next reply. Raises InvalidJson if the body is no JSON."""
        async with self._play(Sent(path, loads(body), dict(headers))) as reply:
            yield reply

    @asynccontextmanager
    async def get(self, path: str, headers: Mapping[str, str] = {}) -> AsyncIterator[Reply]:
        """The next reply."""
        async with self._play(Sent(path, None, dict(headers))) as reply:
            yield reply

    def connections(self) -> Connections:
        """There are none."""
        return Connections()

    async def close(self) -> None:
        """Nothing is open."""

    @asynccontextmanager
    async def _play(self, sent: Sent) -> AsyncIterator["_Playing"]:
        self.requests.append(sent)
        recorded = self._replies[min(len(self.requests), len(self._replies)) - 1]
        if isinstance(recorded, UpstreamBroke):
            raise recorded
        playing = _Playing(recorded)
        try:
            yield playing
        finally:
            self.closed += not playing.ended
            await playing.close()


class _Playing:
    """A reply while it is played."""

    def __init__(self, recorded: Recorded) -> None:
        self.status = recorded.status
        self.headers = recorded.headers
        self.ended = False
        self._recorded = recorded
        self._chunks = self._play()

    def chunks(self) -> AsyncIterator[bytes]:
        return self._chunks

    async def close(self) -> None:
        await self._chunks.aclose()

    async def body(self, limit: int) -> bytes:
        whole = b"".join([data async for data in self._chunks])
        if len(whole) > limit:
            raise UpstreamBroke(f"the reply is larger than {limit} bytes", kind="too_large")
        return whole

    async def _play(self) -> AsyncGenerator[bytes, None]:
        recorded = self._recorded
        for data in _portions(recorded):
            await asyncio.sleep(recorded.pause)
            yield data
        if recorded.broken_at is not None or recorded.broke is not None:
            self.ended = True
            raise recorded.broke or UpstreamBroke("the upstream closed the stream early", kind="closed_early")
        if recorded.stall:
            await asyncio.Event().wait()
        self.ended = True


def _portions(recorded: Recorded) -> Iterator[bytes]:
    """The body, one item a read."""
    body = recorded.body[: recorded.broken_at]
    size = recorded.read_size or max(len(body), 1)
    start = 0
    for end in accumulate(recorded.reads) if recorded.reads else range(size, len(body), size):
        yield body[start:end]
        start = end
    if body[start:]:
        yield body[start:]
