"""Real servers for tests: any ASGI application on a free port of this machine, and a scripted backend."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

STARTED_WITHIN = 20
"""Seconds. Only a broken application takes so long."""


@contextmanager
def serving(app: ASGIApp, http: Any = "auto") -> Iterator[str]:
    """Serves `app` in a thread, and gives its base URL. `http` is uvicorn's own protocol, or another class."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        config = uvicorn.Config(
            app, http=http, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([bound],), daemon=True)
        thread.start()
        try:
            wait_until(lambda: server.started or not thread.is_alive())
            assert server.started, "the application did not start"
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(STARTED_WITHIN)


def wait_until(holds: Callable[[], bool], seconds: float = STARTED_WITHIN) -> None:
    """Returns once `holds()`, or when `seconds` are over."""
    give_up = time.monotonic() + seconds
    while not holds() and time.monotonic() < give_up:
        time.sleep(0.02)


class Reply(NamedTuple):
    """What a scripted backend answers: each of `parts` is a write of its own."""

    parts: list[bytes]
    content_type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = {}


def whole(message: Mapping[str, Any], finish_reason: str = "stop") -> Reply:
    """A whole Chat Completions reply with this message."""
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], "usage": USAGE}
    return Reply([json.dumps(body).encode()])


def streamed(*deltas: Mapping[str, Any], finish_reason: str = "stop") -> Reply:
    """A streamed reply: a chunk for each delta, then the finish, the usage and `[DONE]`."""
    choices: list[list[dict[str, Any]]] = [
        [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}],
        *([{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas),
        [{"index": 0, "delta": {}, "finish_reason": finish_reason}],
    ]
    chunks: list[dict[str, Any]] = [
        {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": choice} for choice in choices
    ]
    chunks.append({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": USAGE})
    lines = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    return Reply([*lines, b"data: [DONE]\n\n"], "text/event-stream")


def refused(status: int, message: str, headers: Mapping[str, str] = {}, **error: Any) -> Reply:
    """An error in OpenAI's shape."""
    return Reply([json.dumps({"error": {"message": message, **error}}).encode()], status=status, headers=headers)


USAGE = {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19}


class ScriptedBackend:
    """A Chat Completions backend: `script` says what to answer to each request's body."""

    def __init__(self, script: Callable[[dict[str, Any]], Reply]) -> None:
        self.script = script
        self.requests: list[dict[str, Any]] = []
        """Bodies that arrived, oldest first."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await _lifespan(receive, send)
        body = await _read(receive)
        reply = refused(404, f"no {scope['method']} {scope['path']} here")
        if (scope["method"], scope["path"]) == ("POST", "/v1/chat/completions"):
            request = json.loads(body)
            self.requests.append(request)
            reply = self.script(request)
        return await _answer(reply, send)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


async def _read(receive: Receive) -> bytes:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _answer(reply: Reply, send: Send) -> None:
    headers = {"content-type": reply.content_type, **reply.headers}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    for part in reply.parts:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
