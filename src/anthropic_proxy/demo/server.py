"""The demo backend as a server, and beside the proxy in one process."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from anthropic_proxy.demo.errors import Refusal, refusal
from anthropic_proxy.demo.model import Chunk, answer, model_list, whole_reply
from anthropic_proxy.wire.json import InvalidJson, dumps, loads

PAUSE = 0.03
"""Seconds between two chunks, of a few words each: a brisk model's pace."""


def demo_backend(pause: float = PAUSE) -> Starlette:
    """The demo backend as an ASGI application. `pause` is in seconds, before each chunk."""

    async def complete(request: Request) -> Response:
        try:
            body = loads(await request.body())
        except InvalidJson as error:
            return _json(refusal(400, f"The body is not JSON: {error}"))
        reply = answer(body)
        if isinstance(reply, Refusal):
            return _json(reply)
        created = int(time.time())
        if body.get("stream"):
            return StreamingResponse(_stream(reply, created, pause), media_type="text/event-stream")
        await asyncio.sleep(pause)
        whole = whole_reply(reply)
        return _json(whole) if isinstance(whole, Refusal) else _json(Refusal(200, {**whole, "created": created}))

    async def models(request: Request) -> Response:
        return _json(Refusal(200, model_list()))

    return Starlette(
        routes=[
            Route("/v1/chat/completions", complete, methods=["POST"]),
            Route("/v1/models", models, methods=["GET"]),
        ]
    )


async def _stream(chunks: list[Chunk], created: int, pause: float) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await asyncio.sleep(pause)
        yield b"data: " + dumps(chunk if "error" in chunk else {**chunk, "created": created}) + b"\n\n"
    if "error" not in chunks[-1]:
        yield b"data: [DONE]\n\n"


def _json(reply: Refusal) -> Response:
    return Response(dumps(reply.body), reply.status, dict(reply.headers), "application/json")


class _Guest(uvicorn.Server):
    """A server in a process that handles its signals itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serve_demo(port: int = 0, *, pause: float = PAUSE, bound: socket.socket | None = None) -> AsyncIterator[str]:
    """Serves the demo backend on loopback, in the running loop, and gives its base URL.

    `bound` is a socket that listens already, in place of `port`. Raises OSError where the port is taken.
    """
    with bound or socket.create_server(("127.0.0.1", port)) as listener:
        config = uvicorn.Config(
            demo_backend(pause),
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        server = _Guest(config)
        serving = asyncio.create_task(server.serve([listener]))
        try:
            # The socket listens already: who comes too early waits in its queue.
            yield base_url(listener)
        finally:
            server.should_exit = True
            await serving


def base_url(listener: socket.socket) -> str:
    """The base URL of a demo backend on that socket."""
    return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
