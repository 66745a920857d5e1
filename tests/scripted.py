"""A small HTTP server on a raw socket that does what a script says, also what no real server should.

    async with ScriptedServer([Send(reply(b"{}"))], [Send(stream_head()), Send(chunk(b"data: ")), Reset()]) as server:
        ...
        server.requests[0].headers["authorization"]

Each request is answered by the next script; the last one repeats. After a script the connection stays
open for the next request, unless the script closed it.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Self, TypeAlias


class Send(NamedTuple):
    """Send these bytes, in one write."""

    data: bytes


class Pause(NamedTuple):
    """Wait, in seconds."""

    seconds: float


class Deaf(NamedTuple):
    """Wait without reading anything, in seconds."""

    seconds: float


class Stall(NamedTuple):
    """Do nothing more until the client goes."""


class Await(NamedTuple):
    """Do nothing more until this happens."""

    event: asyncio.Event


class Close(NamedTuple):
    """Close the connection in good manner."""


class Reset(NamedTuple):
    """Close the connection so that the client gets a reset."""


Step: TypeAlias = Send | Pause | Deaf | Stall | Await | Close | Reset


class Request(NamedTuple):
    """What the server was asked."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    connection: int
    """Number of the connection it came on, from 0."""


Script: TypeAlias = Sequence[Step] | Callable[[Request], Sequence[Step]]


def reply(body: bytes, status: str = "200 OK", headers: Mapping[str, str] | None = None) -> bytes:
    """A whole reply with its length."""
    return (
        head(status, {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}) + body
    )


def stream_head(status: str = "200 OK", headers: Mapping[str, str] | None = None) -> bytes:
    """What begins a chunked event stream; `chunk` and LAST_CHUNK follow."""
    return head(status, {"content-type": "text/event-stream", "transfer-encoding": "chunked", **(headers or {})})


def head(status: str, headers: Mapping[str, str]) -> bytes:
    """Status line and headers, exactly these."""
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


def stream(*parts: bytes) -> list[Step]:
    """A script: a chunked event stream of these parts, each in a write of its own."""
    return [Send(stream_head()), *(Send(chunk(part)) for part in parts), Send(LAST_CHUNK)]


class ScriptedServer:
    """Plays scripts on 127.0.0.1 or another `host`, at `port` or one of the system's choice. Use it with `async with`.

    `greeting` is played when a connection opens, before any request. `tls` makes it speak TLS.
    """

    def __init__(
        self,
        *scripts: Script,
        greeting: Sequence[Step] = (),
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        """Connections that were opened."""
        self.gone: list[int] = []
        """Numbers of the connections that the client closed, in that order."""
        self._scripts = scripts
        self._greeting = greeting
        self._tls = tls
        self._host = host
        self.port = port
        self._news = asyncio.Condition()
        self._talks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:port`, without a path."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    async def until(self, condition: Callable[[Self], bool], seconds: float = 5) -> None:
        """Wait until the condition holds. Raises TimeoutError."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: condition(self))

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self._host, self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.create_task(self._talk(reader, writer))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self.connections
        self.connections += 1
        try:
            await self._tell()
            open_still = await self._play(self._greeting, reader, writer)
            while open_still:
                request = await _read_request(reader, number)
                self.requests.append(request)
                await self._tell()
                open_still = await self._play(self._script(request), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.gone.append(number)
            await self._tell()
        finally:
            writer.transport.abort()

    def _script(self, request: Request) -> Sequence[Step]:
        script = self._scripts[min(len(self.requests), len(self._scripts)) - 1]
        return script(request) if callable(script) else script

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _play(self, steps: Sequence[Step], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection is still open after it. Raises IncompleteReadError if the client went."""
        for step in steps:
            match step:
                case Send(data):
                    writer.write(data)
                    await writer.drain()
                case Pause(seconds):
                    await _wait(reader, seconds)
                case Deaf(seconds):
                    await asyncio.sleep(seconds)
                case Await(event):
                    await event.wait()
                case Stall():
                    await _wait(reader, None)
                case Close():
                    writer.close()
                    await writer.wait_closed()
                    return False
                case Reset():
                    # A socket that lingers for no time at all is closed with a reset.
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    writer.transport.abort()
                    return False
        return True


async def _wait(reader: asyncio.StreamReader, seconds: float | None) -> None:
    """Wait for so long. A client that goes meanwhile raises; what it sends meanwhile is thrown away."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                await reader.readexactly(1)
    except TimeoutError:
        return


async def _read_request(reader: asyncio.StreamReader, connection: int) -> Request:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, target, headers, body, connection)
