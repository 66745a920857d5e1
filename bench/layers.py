"""What the proxy stands on, without the proxy: its HTTP server and client, which pass on bytes, or JSON.

`python -m bench --layers` measures both beside the proxy, and so tells what of a cost is the price of a hop in Python,
what reading and writing JSON adds, and what is left for everything else.
"""

import sys
from collections.abc import Callable

import uvicorn
from starlette.types import Receive, Scope, Send

from anthropic_proxy.config import Settings
from anthropic_proxy.server.process import allow_files, calm_collector, config_for, listen
from anthropic_proxy.upstream.base import Reply
from anthropic_proxy.upstream.lean import LeanUpstream
from anthropic_proxy.wire.json import dumps, loads
from anthropic_proxy.wire.sse import DONE, SSEDecoder

LARGEST = 2**26
"""Bytes of a whole reply."""


class Layer:
    """An ASGI application that asks the upstream what it was asked, and answers what it was answered."""

    def __init__(self, upstream_url: str, reads_json: bool) -> None:
        self._upstream = LeanUpstream(upstream_url)
        self._changed: Callable[[bytes], bytes] = _again if reads_json else bytes
        self._reads_json = reads_json

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _whole(receive)
        async with self._upstream.post("/v1/messages", self._changed(body), {}) as reply:
            content_type = reply.headers["content-type"].encode()
            if content_type.startswith(b"text/event-stream"):
                await send(_start(reply, (b"content-type", content_type)))
                decoder = SSEDecoder()
                async for data in reply.chunks():
                    if self._reads_json:
                        data = b"".join([_event(payload) for payload in decoder.feed(data)])
                    await send({"type": "http.response.body", "body": data, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                answer = self._changed(await reply.body(LARGEST))
                length = (b"content-length", b"%d" % len(answer))
                await send(_start(reply, (b"content-type", content_type), length))
                await send({"type": "http.response.body", "body": answer, "more_body": False})

    async def close(self) -> None:
        """Gives up the connections to the upstream."""
        await self._upstream.close()


def _again(body: bytes) -> bytes:
    return dumps(loads(body))


def _event(payload: bytes) -> bytes:
    return b"data: %b\n\n" % (payload if payload == DONE else _again(payload))


async def _whole(receive: Receive) -> bytes:
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message["body"])
        more = message["more_body"]
    return b"".join(parts)


def _start(reply: Reply, *headers: tuple[bytes, bytes]) -> dict[str, object]:
    return {"type": "http.response.start", "status": reply.status, "headers": headers}


def main(layer: str, port: int, upstream: int) -> None:
    """Serves until a signal says stop."""
    url = f"http://127.0.0.1:{upstream}"
    settings = Settings(openai_api_base=url)
    allow_files(settings)
    calm_collector()
    config = config_for(settings, Layer(url, layer == "json"))
    config.lifespan = "off"
    uvicorn.Server(config).run(listen("127.0.0.1", port))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
