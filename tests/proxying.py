"""The proxy as it is served: the real application and the real server, on a free port of this machine."""

import asyncio
import io
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.model_map import NO_MAP, ModelMap
from anthropic_proxy.server.process import listen, server_for
from anthropic_proxy.upstream.base import Upstream
from tests.grammar import Event, parse_stream, violations


@asynccontextmanager
async def proxying(
    settings: Settings, upstream: Upstream | None = None, models: ModelMap = NO_MAP
) -> AsyncIterator[str]:
    """Serves the proxy in this event loop, and gives its base URL."""
    sockets = listen("127.0.0.1", 0)
    server = server_for(settings, create_app(settings, upstream, models=models))
    serving = asyncio.create_task(server.serve(sockets))
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 (it tells nobody)
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


THOROUGH = bool(os.environ.get("THOROUGH"))
"""Set by `make soak`: the long forms, where a line has 80 MB, a flood 100,000 chunks, and there are 10,000 clients."""

JSON = {"content-type": "application/json"}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


class Answer(NamedTuple):
    """What a client got."""

    status: int
    headers: Mapping[str, str]
    body: Any
    """Of a whole reply or an error: its JSON."""
    events: list[Event]
    """Of a stream. It is a legal one, `pings` left out."""

    @property
    def texts(self) -> list[str]:
        """The blocks of a whole reply, or of a stream put together: of a tool call its arguments."""
        if not self.events:
            return [block.get("text") or _json(block["input"]) for block in self.body["content"]]
        blocks: dict[int, str] = {}
        for event in self.events:
            if event["type"] == "content_block_delta":
                delta = event["delta"]
                blocks.setdefault(event["index"], "")
                blocks[event["index"]] += delta.get("text", "") + delta.get("partial_json", "")
        return list(blocks.values())

    @property
    def outcome(self) -> str:
        """`complete`, `status type` of an error, or `event type` of one in a stream."""
        if self.status != 200:
            return f"{self.status} {self.body['error']['type']}"
        if self.events and self.events[-1]["type"] == "error":
            return f"event {self.events[-1]['error']['type']}"
        return "complete"

    @property
    def message(self) -> str:
        """What the error says."""
        error: str = (self.events[-1] if self.events else self.body)["error"]["message"]
        return error


async def ask(url: str, body: Mapping[str, object], begun: asyncio.Event | None = None) -> Answer:
    """Asks for a message, on a connection of its own."""
    async with aiohttp.ClientSession() as session:
        return await ask_in(session, url, body, begun)


async def ask_in(
    session: aiohttp.ClientSession, url: str, body: Mapping[str, object], begun: asyncio.Event | None = None
) -> Answer:
    """Asks for a message; `begun` is set when the first of it has come.

    Raises aiohttp.ClientError where the answer breaks off, AssertionError for an illegal one.
    """
    data = io.BytesIO(json.dumps(body).encode())
    async with session.post(f"{url}/v1/messages", data=data, headers=JSON) as response:
        received = await response.content.readany()
        if begun is not None:
            begun.set()
        received += await response.read()
        if not response.headers["content-type"].startswith("text/event-stream"):
            return Answer(response.status, response.headers, json.loads(received), [])
    events = parse_stream(received)
    assert violations(events) == []
    return Answer(response.status, response.headers, None, [event for event in events if event["type"] != "ping"])
