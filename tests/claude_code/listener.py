"""Listens at the proxy's door: what a client sends, before the proxy makes anything of it."""

import json
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Heard(NamedTuple):
    """One request of a client's."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: dict[str, Any]


class Listener:
    """An ASGI application that keeps what it passes on to another one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.heard: list[Heard] = []
        """Whole requests, oldest first."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = b""

        async def listen() -> Message:
            nonlocal body
            message = await receive()
            if message["type"] == "http.request":
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    self.heard.append(Heard(scope["path"], headers, json.loads(body or b"{}")))
            return message

        return await self.app(scope, listen, send)
