"""The short way to the main endpoint and the way through FastAPI answer alike."""

import re
from typing import Any

import pytest
from fastapi import FastAPI

from anthropic_proxy.config import Settings
from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.server.app import create_app
from anthropic_proxy.server.direct import Direct
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.server.asgi import Exchange

SETTINGS = Settings.from_env({"OPENAI_API_BASE": "http://127.0.0.1:9/v1", "BACKEND": "plain"})
ASKED: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
WHOLE = Recorded(
    b'{"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}',
    headers={"content-type": "application/json"},
)
STREAM = Recorded(b'data: {"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')

CASES: dict[str, tuple[str, str, object, Recorded | UpstreamBroke]] = {
    "a whole reply": ("POST", "/v1/messages", ASKED, WHOLE),
    "a stream": ("POST", "/v1/messages?beta=true", {**ASKED, "stream": True}, STREAM),
    "a slash at the end": ("POST", "/v1/messages/", ASKED, WHOLE),
    "no JSON": ("POST", "/v1/messages", b"{", WHOLE),
    "a field of the wrong type": ("POST", "/v1/messages", {**ASKED, "max_tokens": "9"}, WHOLE),
    "a backend that cannot be reached": ("POST", "/v1/messages", ASKED, UpstreamBroke("gone", kind="refused")),
    "another method": ("GET", "/v1/messages", b"", WHOLE),
    "another path": ("POST", "/v1/message", ASKED, WHOLE),
}


def _app(reply: Recorded | UpstreamBroke, direct: bool) -> FastAPI:
    app = create_app(SETTINGS, Replay(reply))
    if not direct:
        app.user_middleware = [layer for layer in app.user_middleware if str(layer.cls) != str(Direct)]
    return app


@pytest.mark.parametrize(("method", "path", "body", "reply"), CASES.values(), ids=CASES.keys())
async def test_both_ways_answer_alike(method: str, path: str, body: object, reply: Recorded | UpstreamBroke) -> None:
    answers = [await Exchange(_app(reply, direct), method, path, body).run() for direct in (True, False)]
    seen = [
        (answer.status, sorted(answer.headers.keys()), re.sub(r"(msg|req)_\w+", "", b"".join(answer.writes).decode()))
        for answer in answers
    ]
    assert seen[0] == seen[1]
