"""SIGTERM: no new clients, and those that are being served get their answer, or are told in time that they will not."""

import asyncio
import json
import time
from pathlib import Path

from tests.load.process import serving
from tests.proxying import ask
from tests.scripted import LAST_CHUNK, Await, Request, ScriptedServer, Send, Stall, Step, chunk, reply, stream_head
from tests.server.asgi import STREAMED, chunks, delta, question

BEGUN = chunks(delta(content="Hello")).removesuffix(b"data: [DONE]\n\n")


async def test_a_graceful_shutdown(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    def script(request: Request) -> list[Step]:
        """One stream that will end, others that never do."""
        steps: list[Step] = [Send(stream_head()), Send(chunk(BEGUN))]
        rest = STREAMED.partition(b"Hello")[2].partition(b"\n\n")[2]
        match json.loads(request.body)["model"]:
            case "ends":
                return [*steps, Await(go_on), Send(chunk(rest) + LAST_CHUNK)]
            case "never ends":
                return [*steps, Stall()]
        return [Stall()]

    async with ScriptedServer(script) as backend:
        with serving(backend.url, tmp_path, shutdown_grace="2") as proxy:
            begun = [asyncio.Event(), asyncio.Event()]
            streams = [
                asyncio.create_task(ask(proxy.url, question(model=model, stream=True), event))
                for model, event in zip(("ends", "never ends"), begun, strict=True)
            ]
            whole = asyncio.create_task(ask(proxy.url, question(model="whole")))
            await backend.until(lambda backend: len(backend.requests) == 3, 20)
            for event in begun:
                await event.wait()
            asked_to_stop = time.monotonic()
            proxy.terminate()
            await until_refused(proxy.port)
            go_on.set()
            ended, unended = await asyncio.gather(*streams)
            unanswered = await whole
            proxy.process.wait(20)
            took = time.monotonic() - asked_to_stop
    assert (ended.outcome, ended.texts) == ("complete", ["Hello there"])
    assert (unended.outcome, unended.message) == ("event overloaded_error", "the proxy is shutting down")
    assert (unanswered.outcome, unanswered.message) == ("529 overloaded_error", "the proxy is shutting down")
    assert took >= 2
    assert "Traceback" not in proxy.log


async def until_refused(port: int) -> None:
    """Waits until nobody listens there any more."""
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return
            writer.close()
            await asyncio.sleep(0.02)


async def test_with_nothing_to_do_it_stops_at_once(tmp_path: Path) -> None:
    async with ScriptedServer([Send(reply(b"{}"))]) as backend:
        with serving(backend.url, tmp_path, shutdown_grace="60") as proxy:
            _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            proxy.terminate()
            proxy.process.wait(20)
            writer.close()
    await until_refused(proxy.port)
