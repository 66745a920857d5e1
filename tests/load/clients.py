"""Clients on raw sockets, which do what no library would: stall, trickle, vanish."""

import asyncio
import json
from typing import Any, NamedTuple, Self


def request(body: dict[str, Any], **headers: str) -> bytes:
    """A POST of a Messages request."""
    data = json.dumps({"max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}], **body}).encode()
    return head(len(data), **headers) + data


def head(length: int, **headers: str) -> bytes:
    """All of a POST but its body."""
    named = {"host": "127.0.0.1", "content-type": "application/json", "content-length": str(length), **headers}
    lines = ["POST /v1/messages HTTP/1.1", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    return "\r\n".join(lines).encode()


class Raw(NamedTuple):
    """An answer as it came, until the server closed."""

    status: int
    body: bytes

    @property
    def error(self) -> tuple[str, str]:
        """Type and message."""
        error = json.loads(self.body)["error"]
        return error["type"], error["message"]


class Client:
    """A connection. Use it with `async with`, at whose end it is cut."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)  # in which it is closed

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def trickle(self, data: bytes, pause: float) -> None:
        """A byte at a time, until the server has had enough."""
        try:
            for number in range(len(data)):
                await self.send(data[number : number + 1])
                await asyncio.sleep(pause)
        except ConnectionError:
            return

    async def until(self, text: bytes) -> bytes:
        """What comes up to this."""
        return await self.reader.readuntil(text)

    async def answer(self) -> Raw:
        """All that comes until the server closes. Status 0: nothing."""
        data = await self.reader.read()
        before, _, body = data.partition(b"\r\n\r\n")
        return Raw(int(before.split()[1]) if before else 0, body)
