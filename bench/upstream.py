"""The upstream of every proxy under test: a Chat Completions backend that does what the model's name says.

`bench-whole-1` is a whole reply with one mark, `bench-check-0` one that tells how many TOKENs of the request
arrived, `bench-burst-20` twenty bursts of 200 chunks, `bench-quick-3` three chunks at once, `bench-paced-20` a
chunk every 20 ms until `finish` is called, `bench-groups-5` five at once every 20 ms.

It runs in the event loop of the load generator, so that both read one clock and need one core. All that can be
is prepared beforehand; a reply is one or a few writes.
"""

import asyncio
import re
from collections.abc import Callable
from functools import cache
from typing import cast

import httptools

from bench.bodies import TOKEN
from bench.marks import end, mark, now

BURST = 200
"""Chunks that are sent at once."""

BURST_EVERY = 0.004
"""Seconds between bursts."""

GROUP_EVERY = 20
"""Milliseconds between groups of chunks."""

TICK = 1
"""Milliseconds. Paced streams are spread evenly over ticks of this length."""

_SCRIPT = re.compile(rb"bench-([a-z]+)-(\d+)")

_CHUNK_HEAD = (
    b'data: {"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1764000000,'
    b'"model":"bench","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":'
)
_CHUNK_TAIL = b',"logprobs":null,"finish_reason":null}]}\n\n'
_USAGE = b'"usage":{"prompt_tokens":1000,"completion_tokens":200,"total_tokens":1200}'


def whole_body(text: bytes) -> bytes:
    """A Chat Completions reply that says `text`."""
    return (
        b'{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion","created":1764000000,'
        b'"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":"%b","refusal":null},'
        b'"logprobs":null,"finish_reason":"stop"}],%b,"system_fingerprint":"fp_44709d6fcb"}'
    ) % (text, _USAGE)


def whole_reply(text: bytes) -> bytes:
    """The same with its HTTP head."""
    body = whole_body(text)
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def framed(data: bytes) -> bytes:
    """`data` as one portion of a body with chunked transfer encoding. Real backends make one of every event."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunk_event(text: bytes) -> bytes:
    """One event of a stream."""
    return _CHUNK_HEAD + b'{"content":"%b"}' % text + _CHUNK_TAIL


def text_chunk(text: bytes) -> bytes:
    """The same, framed."""
    return framed(chunk_event(text))


_FIRST = _CHUNK_HEAD + b'{"role":"assistant","content":"","refusal":null}' + _CHUNK_TAIL

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n" + framed(_FIRST)
)

_PACED_HEAD, _PACED_TAIL = text_chunk(mark(0)).split(mark(0))


_LAST = (
    _CHUNK_HEAD + b'{},"logprobs":null,"finish_reason":"stop"}]}\n\n',
    _CHUNK_HEAD.partition(b'"choices"')[0] + b'"choices":[],%b}\n\n' % _USAGE,
    b"data: [DONE]\n\n",
)
"""The finish, usage and the end."""


def stream_end(marks: int) -> bytes:
    """All that follows the last mark: the end mark, what ends every stream, and the end of the body."""
    return text_chunk(end(marks)) + b"".join(map(framed, _LAST)) + b"0\r\n\r\n"


def stream_events(marks: int) -> bytes:
    """A whole stream, unframed."""
    return b"".join([_FIRST, *(chunk_event(mark(number)) for number in range(marks)), chunk_event(end(marks)), *_LAST])


@cache
def burst(first: int) -> bytes:
    return b"".join(text_chunk(mark(number)) for number in range(first, first + BURST))


NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


class Upstream:
    """The listening side. `finish` ends all paced streams."""

    def __init__(self) -> None:
        self.port = 0
        self.requests = 0
        self.sent = 0
        """Marks of paced streams."""
        self.lateness: list[int] = []
        """By how much each tick came too late, in microseconds: what the machine, not a proxy, adds to delays."""
        self.paths: set[str] = set()
        self._wheels: dict[int, _Wheel] = {}
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listens on a free port of this machine."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def pace(self, connection: "_Connection", every: int) -> None:
        if every not in self._wheels:
            self._wheels[every] = _Wheel(self, every)
        self._wheels[every].add(connection)

    @property
    def open(self) -> int:
        """Paced streams that run."""
        return sum(wheel.size for wheel in self._wheels.values())

    def finish(self) -> None:
        """Ends all paced streams as a model does that has nothing more to say."""
        for wheel in self._wheels.values():
            wheel.finish()


class _Wheel:
    """The paced streams of one interval, in `every` slots of a millisecond, one slot a tick."""

    def __init__(self, upstream: Upstream, every: int) -> None:
        self._upstream = upstream
        self._slots: list[set[_Connection]] = [set() for _ in range(every // TICK)]
        self._loop = asyncio.get_running_loop()
        self._next = 0.0
        self._position = 0
        self._turning = False

    @property
    def size(self) -> int:
        return sum(map(len, self._slots))

    def add(self, connection: "_Connection") -> None:
        min(self._slots, key=len).add(connection)
        if not self._turning:
            self._turning = True
            self._next = self._loop.time()
            self._tick()

    def finish(self) -> None:
        for slot in self._slots:
            for connection in slot:
                connection.finish()
            slot.clear()

    def _tick(self) -> None:
        late = self._loop.time() - self._next
        self._upstream.lateness.append(int(late * 1e6))
        slot = self._slots[self._position]
        gone = [connection for connection in slot if not connection.send_marks()]
        slot.difference_update(gone)
        self._upstream.sent += len(slot)
        self._position = (self._position + 1) % len(self._slots)
        self._next += TICK / 1000
        self._turning = self.size > 0
        if self._turning:
            self._loop.call_at(self._next, self._tick)


class _Connection(asyncio.Protocol):
    """One connection of a proxy's pool."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._parser = httptools.HttpRequestParser(self)
        self._parts: list[bytes] = []
        self._path = b""
        self._marks = 0
        self._at_once = 1
        """Marks that are sent when it is a paced stream's turn."""
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._open = True

    def connection_lost(self, error: Exception | None) -> None:
        self._open = False

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    # What the parser calls

    def on_url(self, url: bytes) -> None:
        self._path = url

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self._parts)
        self._parts.clear()
        script = _SCRIPT.search(body)
        if script is None:
            self._transport.write(NOT_FOUND)
            return
        self._upstream.requests += 1
        self._upstream.paths.add(self._path.decode("latin-1"))
        self._marks = 0
        self._at_once = 1
        _SCRIPTS[script[1]](self, int(script[2]), body)

    # Scripts

    def whole(self, marks: int, body: bytes) -> None:
        self._transport.write(_whole(marks))

    def check(self, _: int, body: bytes) -> None:
        self._transport.write(whole_reply(b"tokens=%d;" % body.count(TOKEN) + end(0)))

    def quick(self, marks: int, body: bytes) -> None:
        self._transport.write(
            STREAM_HEAD + b"".join(text_chunk(mark(number, now())) for number in range(marks)) + stream_end(marks)
        )

    def burst(self, bursts: int, body: bytes) -> None:
        self._transport.write(STREAM_HEAD)
        self._burst(bursts * BURST)

    def _burst(self, until: int) -> None:
        if not self._open:
            return
        if self._marks < until:
            self._transport.write(burst(self._marks))
            self._marks += BURST
            asyncio.get_running_loop().call_later(BURST_EVERY, self._burst, until)
        else:
            self._transport.write(stream_end(self._marks))

    def paced(self, every: int, body: bytes) -> None:
        self._transport.write(STREAM_HEAD)
        self._upstream.pace(self, every)

    def groups(self, at_once: int, body: bytes) -> None:
        self._at_once = at_once
        self.paced(GROUP_EVERY, body)

    def send_marks(self) -> bool:
        """Sends the next of a paced stream; False if nobody is there any more."""
        if self._open:
            until = self._marks + self._at_once
            numbers = range(self._marks, until)
            self._transport.write(b"".join([_PACED_HEAD + mark(number, now()) + _PACED_TAIL for number in numbers]))
            self._marks = until
        return self._open

    def finish(self) -> None:
        if self._open:
            self._transport.write(stream_end(self._marks))


@cache
def _whole(marks: int) -> bytes:
    return whole_reply(b" ".join([*(mark(number) for number in range(marks)), end(marks)]))


_SCRIPTS: dict[bytes, Callable[[_Connection, int, bytes], None]] = {
    b"whole": _Connection.whole,
    b"check": _Connection.check,
    b"quick": _Connection.quick,
    b"burst": _Connection.burst,
    b"paced": _Connection.paced,
    b"groups": _Connection.groups,
}
"""What to do, by the first word of the model's name. The number in it is handed over."""
