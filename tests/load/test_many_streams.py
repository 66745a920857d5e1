"""A thousand streams at once: each client gets its own text, and all of it."""

import asyncio
import json
from pathlib import Path

import aiohttp

from tests.load.process import LINUX_ONLY, MIB, allow_files, serving
from tests.proxying import THOROUGH, Answer, ask_in
from tests.scripted import LAST_CHUNK, Await, Pause, Request, ScriptedServer, Send, Step, chunk, stream_head
from tests.server.asgi import USAGE, chunks, delta

WANTED = 1000 if THOROUGH else 300
"""Streams. Each takes two files here, and two of the proxy's."""

PIECES = 40


def text_of(number: int) -> list[str]:
    """No two streams have a word in common."""
    return [f"{number}.{piece} " for piece in range(PIECES)]


@LINUX_ONLY
async def test_many_streams_at_once(tmp_path: Path) -> None:
    streams = min(WANTED, allow_files(2 * WANTED + 200) // 2 - 100)
    all_here = asyncio.Event()

    def script(request: Request) -> list[Step]:
        """The first word; when everybody has asked, the others, all streams in step."""
        number = int(json.loads(request.body)["model"])
        first, *words = [
            chunk(b"data: " + json.dumps(delta(content=word)).encode() + b"\n\n") for word in text_of(number)
        ]
        if len(backend.requests) == streams:
            all_here.set()
        steps: list[Step] = [Send(stream_head()), Send(first), Await(all_here)]
        for word in words:
            steps += [Send(word), Pause(0.01)]
        return [*steps, Send(chunk(chunks(delta("stop"), USAGE)) + LAST_CHUNK)]

    async def client(session: aiohttp.ClientSession, number: int) -> Answer:
        body = {"model": str(number), "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
        return await ask_in(session, proxy.url, body)

    async with ScriptedServer(script) as backend:
        with serving(backend.url, tmp_path, max_concurrent=str(streams)) as proxy:
            before = proxy.memory
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
                answers = await asyncio.gather(*(client(session, number) for number in range(streams)))
            print(f"{streams} streams: {(proxy.memory - before) / MIB:.1f} MiB more")
    assert [answer.outcome for answer in answers] == ["complete"] * streams
    assert [answer.texts for answer in answers] == [["".join(text_of(number))] for number in range(streams)]
