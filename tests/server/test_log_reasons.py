"""Why a request failed, as far as the log may say it."""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import InvalidRequest, ProxyError, UpstreamBroke, UpstreamRefused
from anthropic_proxy.server.logs import configure, reason
from anthropic_proxy.upstream.base import Upstream
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.server.asgi import STREAMED, call, question

REASONS: dict[str, tuple[ProxyError | None, str]] = {
    "no error": (None, ""),
    "of a refused request the place": (
        InvalidRequest("messages.0.role: not 'what the client wrote'"),
        "messages.0.role",
    ),
    "of the backend's words nothing": (UpstreamRefused("what the client wrote is too long"), ""),
    "of a lost connection all": (UpstreamBroke("cannot connect to x:1"), "cannot connect to x:1"),
    "of our own refusals all": (ProxyError("x-api-key: missing", type="authentication_error"), "x-api-key: missing"),
}


@pytest.mark.parametrize(("error", "told"), REASONS.values(), ids=REASONS.keys())
def test_reason(error: ProxyError | None, told: str) -> None:
    assert reason(error) == told


SETTINGS = Settings(openai_api_base="http://replay.invalid/v1", log_format="json")
JSON = {"content-type": "application/json"}
BROKEN = Replay(Recorded(STREAMED, broken_at=350))
TAUGHT = Recorded(
    b'{"error": {"code": "unsupported_parameter", "param": "temperature", "message": "Unsupported parameter"}}',
    400,
    JSON,
)

LINES: dict[str, tuple[Upstream, object, dict[str, Any]]] = {
    "a refused request": (
        BROKEN,
        question(max_tokens="many"),
        {"error": "invalid_request_error", "reason": "max_tokens"},
    ),
    "a stream that broke": (
        BROKEN,
        question(stream=True),
        {"status": 200, "error": "api_error", "reason": "the upstream closed the stream early"},
    ),
    "a whole reply that broke": (
        BROKEN,
        question(),
        {"status": 502, "error": "api_error", "reason": "the upstream closed the stream early"},
    ),
    "a reply at the second try": (Replay(TAUGHT, Recorded(STREAMED)), question(temperature=1), {"upstream_calls": 2}),
    "a reply": (Replay(Recorded(STREAMED)), question(), {"status": 200}),
}


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(("upstream", "body", "expected"), LINES.values(), ids=LINES.keys())
async def test_line(upstream: Upstream, body: object, expected: dict[str, Any]) -> None:
    stream = StringIO()
    configure(SETTINGS, stream)
    await call(create_app(SETTINGS, upstream), "POST", "/v1/messages", body)
    (line,) = [entry for entry in map(json.loads, stream.getvalue().splitlines()) if entry["message"] == "request"]
    told = {name: line[name] for name in ("error", "reason", "upstream_calls", "status") if name in line}
    assert expected.items() <= told.items()
    assert told.keys() - {"status"} == expected.keys() - {"status"}
