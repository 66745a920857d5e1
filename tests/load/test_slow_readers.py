"""A client that reads slowly, or not at all, holds its backend back and costs next to nothing."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.load.clients import Client, request
from tests.load.process import LINUX_ONLY, MIB, serving
from tests.proxying import THOROUGH
from tests.scripted import LAST_CHUNK, chunk, stream_head
from tests.server.asgi import USAGE, chunks, delta

WORD = "word " * 20
BLOCK = chunk((b"data: " + json.dumps(delta(content=WORD)).encode() + b"\n\n") * 250)

BLOCKS = 4000 if THOROUGH else 600
"""Of 47 KB each: more than all buffers of both connections hold."""

SECONDS = 30 if THOROUGH else 2

READERS = 8
"""At once, so that what the process grows by for reasons of its own is no reader's."""

MOST = 1 * MIB
"""For each of them."""


class Firehose:
    """A backend that streams as fast as it can be read."""

    def __init__(self) -> None:
        self.sent = 0
        """Blocks, on all connections."""
        self.gone = asyncio.Event()
        """The proxy has closed the connection."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def held_back(self) -> None:
        """Waits until nobody has taken anything for a while."""
        before = -1
        while self.sent != before:
            before = self.sent
            await asyncio.sleep(0.3)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(stream_head())
            for _ in range(BLOCKS):
                writer.write(BLOCK)
                await writer.drain()
                self.sent += 1
            writer.write(chunk(chunks(delta("stop"), USAGE)) + LAST_CHUNK)
            await writer.drain()
            await reader.read()
        except ConnectionError:
            pass
        finally:
            self.gone.set()
            writer.close()


async def read_slowly(client: Client, seconds: float) -> bytes:
    """10 KB a second."""
    data = b""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data += await client.reader.read(1000)
        await asyncio.sleep(0.1)
    return data


@LINUX_ONLY
@pytest.mark.parametrize("client", ["lean", "aiohttp"])
async def test_a_slow_reader_costs_little_and_misses_nothing(client: str, tmp_path: Path) -> None:
    hose = Firehose()
    async with hose.running() as url:
        with serving(url, tmp_path, upstream_client=client) as proxy:
            async with Client(proxy.port) as reader:  # The first one, for what every process allocates once.
                await reader.send(request({"model": "m", "stream": True}))
                await hose.held_back()
            before, hose.sent = proxy.memory, 0
            async with AsyncExitStack() as others, Client(proxy.port) as reader:
                for _ in range(READERS - 1):
                    other = await others.enter_async_context(Client(proxy.port))
                    await other.send(request({"model": "m", "stream": True}))
                await reader.send(request({"model": "m", "stream": True}, connection="close"))
                data = await read_slowly(reader, SECONDS)
                held_back_at, memory = hose.sent, proxy.memory
                data += await read_slowly(reader, 0.5)
                assert hose.sent <= held_back_at + READERS, "the backend goes on, though nobody reads"
                assert hose.sent < BLOCKS / 2 * READERS
                await others.aclose()
                data += await reader.reader.read()
    each = (memory - before) / READERS
    print(f"a slow reader: {each / MIB:.2f} MiB ({client})")
    assert each <= MOST
    assert data.count(WORD.encode()) == BLOCKS * 250
    assert data.rstrip().endswith(b"0")
    assert b"event: message_stop" in data[-500:]


async def test_a_client_that_never_reads_is_given_up(tmp_path: Path) -> None:
    hose = Firehose()
    async with hose.running() as url:
        with serving(url, tmp_path, write_timeout="0.5") as proxy:
            async with Client(proxy.port) as client:
                await client.send(request({"model": "m", "stream": True}))
                await asyncio.wait_for(hose.gone.wait(), 20)
    assert hose.sent < BLOCKS
