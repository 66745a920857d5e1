"""A request leaves nothing behind that only the garbage collector would find, for it looks seldom (`YOUNG`).

What is in a circle keeps what it refers to: a request's body, of up to 64 MiB.
"""

import asyncio
import gc
import json

import pytest
import uvloop

from tests.faults.trying import SETTINGS
from tests.load.clients import Client, request
from tests.proxying import proxying
from tests.scripted import Request, Reset, ScriptedServer, Send, Stall, Step, chunk, reply, stream, stream_head
from tests.server.asgi import STREAMED, WHOLE, chunks, delta

TIMES = 50

BEGUN = chunks(delta(content="Hello")).removesuffix(b"data: [DONE]\n\n")
REFUSAL = b'{"error": {"message": "no", "code": "rate_limit_exceeded"}}'

SCRIPTS: dict[str, list[Step]] = {
    "answers": [Send(reply(WHOLE))],
    "streams": stream(STREAMED),
    "stalls": [Send(stream_head()), Send(chunk(BEGUN)), Stall()],
    "refuses": [Send(reply(REFUSAL, "429 Too Many Requests"))],
    "breaks off": [Send(stream_head()), Send(chunk(BEGUN)), Reset()],
    "resets": [Reset()],
}
"""What the backend does, by the name of the model."""

LAST = {
    "answers": b'"stop_reason"',
    "streams": b"message_stop",
    "stalls": b"Hello",
    "refuses": b"rate_limit_error",
    "breaks off": b"event: error",
    "resets": b"api_error",
    "is refused": b"invalid_request_error",
    "is no JSON": b"invalid_request_error",
    "has no path": b"not_found_error",
}
"""What the client waits for before it goes, by the name of the model."""


def script(request: Request) -> list[Step]:
    return SCRIPTS[json.loads(request.body)["model"]]


async def ask(port: int, name: str) -> None:
    async with Client(port) as client:
        body = request({"model": name, "stream": name not in ("answers", "refuses")})
        body = body.replace(b'"Hi"', b"7777") if name == "is refused" else body
        body = body.replace(b'"Hi"', b"oops") if name == "is no JSON" else body
        body = body.replace(b"/v1/messages", b"/v9/messages") if name == "has no path" else body
        await client.send(body)
        async with asyncio.timeout(20):
            await client.until(LAST[name])


async def garbage(name: str) -> list[str]:
    """Types of what is found in circles after TIMES requests."""
    async with ScriptedServer(script) as backend:
        settings = SETTINGS.model_copy(update={"openai_api_base": f"{backend.url}/v1", "upstream_client": "lean"})
        async with proxying(settings) as url:
            port = int(url.rpartition(":")[2])
            await ask(port, name)
            await asyncio.sleep(0.05)
            gc.collect()
            gc.disable()
            try:
                for _ in range(TIMES):
                    await ask(port, name)
                await asyncio.sleep(0.05)
                gc.set_debug(gc.DEBUG_SAVEALL)
                gc.collect()
                return [type(found).__name__ for found in gc.garbage]
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
                gc.enable()


@pytest.mark.parametrize("name", LAST)
def test_no_garbage(name: str) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(garbage(name))
    assert len(found) < TIMES, sorted(set(found))
