"""Drives an ASGI application in this process, write by write, as a server would."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Message

from tests.grammar import Event, parse_stream


@dataclass
class Answer:
    """What the application sent."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    writes: list[bytes] = field(default_factory=list)
    """Bodies, in the writes they came in; empty ones are left out."""
    ended: bool = False

    @property
    def json(self) -> Any:
        return json.loads(b"".join(self.writes))

    @property
    def events(self) -> list[Event]:
        return parse_stream(b"".join(self.writes))

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, type and message, once the rest of the error is found right."""
        body = self.json
        assert (body["type"], body["request_id"]) == ("error", self.headers["request-id"])
        assert self.headers["content-type"] == "application/json"
        return self.status, body["error"]["type"], body["error"]["message"]


class Exchange:
    """One request to `app` and its answer. `gone` set: the client closed its connection.

    It says that it sends JSON, unless `headers` say otherwise.
    """

    def __init__(
        self, app: ASGIApp, method: str, path: str, body: object = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        self.answer = Answer()
        self.gone = asyncio.Event()
        self.asked = 0
        """Times that the application asked for more."""
        self.news = asyncio.Condition()
        self._app = app
        self._body = body if isinstance(body, bytes) else json.dumps(body).encode()
        path, _, query = path.partition("?")
        headers = {"content-type": "application/json", **(headers or {})}
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }

    async def run(self) -> Answer:
        """The whole exchange."""
        await self._app(self._scope, self._receive, self._send)
        return self.answer

    async def until_sent(self, text: bytes, times: int = 1) -> None:
        """Wait until the answer holds `text` so many times. Raises TimeoutError."""
        async with asyncio.timeout(10), self.news:
            await self.news.wait_for(lambda: b"".join(self.answer.writes).count(text) >= times)

    async def _receive(self) -> Message:
        self.asked += 1
        if self.asked == 1:
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        answer = self.answer
        if message["type"] == "http.response.start":
            assert answer.status == 0, "a second status"
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            assert answer.status, "a body before the status"
            assert not answer.ended, "a body after the end"
            if message.get("body"):
                answer.writes.append(message["body"])
            if not message.get("more_body", False):
                # Servers do the same: an answered client is as good as gone.
                answer.ended = True
                self.gone.set()
        async with self.news:
            self.news.notify_all()


@asynccontextmanager
async def alive(app: FastAPI) -> AsyncIterator[FastAPI]:
    """`app` with its lifespan round it, which closes its connections at the end."""
    async with app.router.lifespan_context(app):
        yield app


async def call(
    app: ASGIApp, method: str, path: str, body: object = b"", headers: Mapping[str, str] | None = None
) -> Answer:
    """The answer of `app` to one request. What is not bytes is sent as JSON."""
    return await Exchange(app, method, path, body, headers).run()


def question(**fields: object) -> dict[str, object]:
    """A request that is fine, with these fields beside or in place of its own."""
    return {
        "model": "claude-test",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "a private question"}],
        **fields,
    }


def chunks(*chunks: Mapping[str, object]) -> bytes:
    """What a backend streams."""
    lines = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    return b"".join(lines) + b"data: [DONE]\n\n"


def delta(finish_reason: str | None = None, **fields: object) -> dict[str, object]:
    """One chunk of a backend's stream."""
    return {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 3}}

ROLE = delta(role="assistant", content="")
"""How streams begin. Says nothing yet."""

STREAMED = chunks(ROLE, delta(content="Hello"), delta(content=" there"), delta("stop"), USAGE)

WHOLE = json.dumps(
    {
        "id": "chatcmpl-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello there"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3},
    }
).encode()
