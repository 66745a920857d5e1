"""The load generator: connections that send requests, read the replies to their end, and check them.

Lean enough that one core carries both it and the upstream well beyond what a proxy on the other core can do.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

import httptools

from bench.marks import LONGEST, MARK, flaw, now

PATIENCE = 8.0
"""Seconds to wait for what is still due when a measurement is over."""


@dataclass(slots=True)
class Tally:
    """What came of the requests of one measurement."""

    done: int = 0
    """Replies that were whole and right."""
    marks: int = 0
    """Marks that arrived, in streams that are still open, too."""
    flaws: dict[str, int] = field(default_factory=dict)
    """Replies that were not: what was wrong, and how often."""
    late: dict[str, int] = field(default_factory=dict)
    """Replies that were not waited for any longer: for what, and how often."""
    delays: list[int] = field(default_factory=list)
    """Of each mark, from the upstream's write to its arrival here, in microseconds. Where `Connection.timed` is set."""
    firsts: list[int] = field(default_factory=list)
    """Of each stream, from the request to its first mark, in microseconds. Likewise."""

    def blame(self, what: str) -> None:
        self.flaws[what] = self.flaws.get(what, 0) + 1

    def give_up(self, what: str, times: int = 1) -> None:
        self.late[what] = self.late.get(what, 0) + times


class Connection(asyncio.Protocol):
    """A client's connection, kept alive. One request at a time: `send`, then wait for `reply`."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.timed = False
        self.open = False
        self.started = False
        """Has the first mark of the reply arrived?"""
        self.reply: asyncio.Future[bool] | None = None
        """Whether it was whole and right."""
        self.body = b""
        """Of the last whole reply."""
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._numbers: list[bytes] = []
        self._rest = b""
        self._sent = 0

    @property
    def busy(self) -> bool:
        return self.reply is not None and not self.reply.done()

    def send(self, request: bytes) -> "asyncio.Future[bool]":
        self.reply = asyncio.get_running_loop().create_future()
        self.started = False
        self._parts.clear()
        self._numbers.clear()
        self._rest = b""
        self._sent = now()
        if self.open:
            self._transport.write(request)
        else:
            self._end("the connection was closed")
        return self.reply

    def abort(self) -> None:
        """Goes away at once, whatever is under way."""
        if self.open:
            self.open = False
            self._transport.abort()
        if self.busy and self.reply is not None:
            self.reply.set_result(False)

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self.open = True

    def connection_lost(self, error: Exception | None) -> None:
        if self.open:
            self.open = False
            self._end("the connection was closed")

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._end("not HTTP")
            self.abort()

    # What the parser calls

    def on_body(self, body: bytes) -> None:
        if self.timed:
            self._time_marks(body)
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status == 100:
            return
        if status != 200:
            self._end(f"status {status}")
        elif self.timed:
            self._end(flaw(self._rest, self._numbers))
        else:
            self.body = b"".join(self._parts)
            numbers = [number for number, _ in MARK.findall(self.body)]
            self.tally.marks += len(numbers)
            self._end(flaw(self.body, numbers))

    def _time_marks(self, body: bytes) -> None:
        """Notes when marks arrive. A mark that a read cuts in two is whole with the next one."""
        data = self._rest + body
        found = MARK.findall(data)
        if found:
            arrived = now()
            tally = self.tally
            tally.marks += len(found)
            if not self.started:
                self.started = True
                tally.firsts.append(arrived - self._sent)
            for number, sent in found:
                self._numbers.append(number)
                tally.delays.append(arrived - int(sent))
        # The last tilde begins what the next read may complete, or the end mark, or a mark that was found above.
        last = data.rfind(b"~")
        rest = data[last : last + LONGEST] if last >= 0 else b""
        self._rest = rest if len(rest) < LONGEST or rest.startswith(b"~end") else b""

    def _end(self, what: str) -> None:
        if self.reply is None or self.reply.done():
            return
        if what:
            self.tally.blame(what)
        else:
            self.tally.done += 1
        self.reply.set_result(not what)


class Target:
    """Where requests go: a proxy, or the upstream itself."""

    def __init__(self, port: int, path: str, headers: Iterable[str] = ()) -> None:
        self.port = port
        self._head = "".join(
            f"{line}\r\n"
            for line in (
                f"POST {path} HTTP/1.1",
                f"host: 127.0.0.1:{port}",
                "content-type: application/json",
                "anthropic-version: 2023-06-01",
                "user-agent: bench",
                *headers,
            )
        ).encode()

    def request(self, body: bytes) -> bytes:
        return b"%bcontent-length: %d\r\n\r\n%b" % (self._head, len(body), body)

    async def connect(self, tally: Tally) -> Connection:
        """Raises OSError."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(tally), "127.0.0.1", self.port)
        return connection


async def repeat(target: Target, connections: list[Connection], request: bytes, seconds: float, tally: Tally) -> None:
    """Sends `request` over every connection, again and again for `seconds`; then waits for the last replies."""
    until = now() + int(seconds * 1e6)

    async def one(position: int) -> None:
        while now() < until:
            connection = connections[position]
            if not connection.open:
                connection = connections[position] = await target.connect(tally)
            connection.tally = tally
            await connection.send(request)

    tasks = [asyncio.create_task(one(position)) for position in range(len(connections))]
    await asyncio.wait(tasks, timeout=seconds + PATIENCE)
    give_up(connections, "no answer in time")
    await asyncio.gather(*tasks)


def give_up(connections: Iterable[Connection], what: str) -> None:
    """Leaves the connections that still wait for something."""
    for connection in connections:
        if connection.busy:
            connection.tally.give_up(what)
            connection.abort()
