"""Where a reply gathers between the network, which brings it, and the one who reads it."""

import asyncio

from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.upstream.limits import LARGEST_PIECE

MOST_HELD = 2**16
"""Bytes of a body that wait to be taken before we stop reading. The read that exceeds it is at most 256 KiB."""


class Inbox:
    """What has come in of one reply: the head, then as much of the body as nobody has taken."""

    __slots__ = (
        "_loop",
        "_transport",
        "_waiter",
        "_waiting_since",
        "begun",
        "broke",
        "headers",
        "over",
        "parts",
        "paused",
        "size",
        "status",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self.begun = False
        """Has a single byte come?"""
        self.status = 0
        """0 until all headers are there."""
        self.headers: dict[str, str] = {}
        self.parts: list[bytes] = []
        self.size = 0
        """Bytes in `parts`."""
        self.over = False
        """Nothing more will come in."""
        self.broke: UpstreamBroke | None = None
        """Why that is not the reply's end."""
        self.paused = False
        self._loop = loop
        self._transport = transport
        self._waiter: asyncio.Future[None] | None = None
        self._waiting_since = 0.0

    def wait(self) -> "asyncio.Future[None]":
        """Done when there is news: the head, more of the body, or the end. One can wait at a time."""
        self._waiting_since = self._loop.time()
        self._waiter = waiter = self._loop.create_future()
        return waiter

    def take(self) -> bytes:
        """What has come in of the body since the last time, which must be something; of much, the first LARGEST_PIECE
        or a little less."""
        parts = self.parts
        if self.size <= LARGEST_PIECE:
            data = parts[0] if len(parts) == 1 else b"".join(parts)
            parts.clear()
            self.size = 0
        else:
            data = self._take_piece()
            self.size -= len(data)
        if self.paused and self.size <= MOST_HELD:
            self.paused = False
            self._transport.resume_reading()
        return data

    @property
    def died_without_a_word(self) -> bool:
        """Was the connection closed before any of the reply came?"""
        return not self.begun and self.broke is not None and self.broke.kind == "reset"

    def failure(self) -> UpstreamBroke:
        """`broke`, to raise. A new one each time: a raised one knows who had this inbox in hand, which would be a
        circle, and keep all of the request until the collector of cycles comes by."""
        broke = self.broke
        assert broke is not None
        return UpstreamBroke(broke.message, kind=broke.kind)

    def silent_since(self, now: float) -> float:
        """When the reader began to wait; `now` if it does not."""
        return now if self._waiter is None or self._waiter.done() else self._waiting_since

    def begin(self, status: int, headers: dict[str, str]) -> None:
        self.status = status
        self.headers = headers
        self._wake()

    def put(self, data: bytes) -> None:
        if len(data) <= LARGEST_PIECE:
            self.parts.append(data)
        else:
            self.parts += (data[start : start + LARGEST_PIECE] for start in range(0, len(data), LARGEST_PIECE))
        self.size += len(data)
        if self.size > MOST_HELD and not self.paused:
            self.paused = True
            self._transport.pause_reading()
        self._wake()

    def end(self, broke: UpstreamBroke | None = None) -> None:
        """Nothing more will come in, and that is the reply's end, unless it `broke`. Only the first end counts."""
        if not self.over:
            self.over = True
            self.broke = broke
            self._wake()

    def _take_piece(self) -> bytes:
        """As many of the first parts as fit into a piece."""
        size = count = 0
        for part in self.parts:
            size += len(part)
            if size > LARGEST_PIECE:
                break
            count += 1
        data = b"".join(self.parts[:count])
        del self.parts[:count]
        return data

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
