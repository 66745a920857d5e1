"""The application from outside: paths, shapes, ids, keys, and the log."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from io import StringIO
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.server.logs import configure
from anthropic_proxy.upstream.base import Connections, Reply
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.server.asgi import STREAMED, WHOLE, Answer, Exchange, call, question

SETTINGS = Settings(
    openai_api_base="http://replay.invalid/v1", openai_api_key=SecretStr("sk-upstream-secret"), model="upstream-model"
)
JSON = {"content-type": "application/json"}


def whole_app(**settings: object) -> FastAPI:
    return create_app(SETTINGS.model_copy(update=settings), Replay(Recorded(WHOLE, headers=JSON)))


async def ask(app: FastAPI, body: object, headers: Mapping[str, str] | None = None) -> Answer:
    return await call(app, "POST", "/v1/messages", body, headers)


async def test_a_whole_reply() -> None:
    answer = await ask(whole_app(), question())
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(b"".join(answer.writes)))
    assert answer.headers["x-upstream-model"] == "upstream-model"
    message = answer.json
    assert message["id"].startswith("msg_")
    assert (message["model"], message["stop_reason"]) == ("claude-test", "end_turn")
    assert message["content"] == [{"type": "text", "text": "Hello there", "citations": None}] or message["content"] == [
        {"type": "text", "text": "Hello there"}
    ]
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (12, 3)


async def test_a_model_need_not_be_named_where_there_is_but_one() -> None:
    answer = await ask(whole_app(), {name: value for name, value in question().items() if name != "model"})
    assert (answer.status, answer.json["model"]) == (200, "upstream-model")


async def test_a_whole_reply_from_a_backend_that_streams_all_the_same() -> None:
    answer = await ask(create_app(SETTINGS, Replay(Recorded(STREAMED))), question())
    assert (answer.status, answer.json["content"][0]["text"]) == (200, "Hello there")


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/", "/v1/messages?beta=true", "/v1/messages?a=/x&b"])
async def test_paths_of_the_endpoint(path: str) -> None:
    assert (await call(whole_app(), "POST", path, question())).status == 200


async def test_what_could_not_be_sent_is_named_in_a_header() -> None:
    answer = await ask(whole_app(), question(top_k=5))
    assert answer.headers["x-proxy-dropped"] == "top_k"


async def test_what_a_backend_calls_a_request_cannot_make_a_header_of_its_own() -> None:
    odd_id = "up-1\r\nset-cookie: é"
    body = STREAMED.replace(b'"chatcmpl-1"', json.dumps(odd_id).encode())
    replay = Replay(Recorded(body, headers={**JSON, "x-request-id": odd_id}))
    answer = await ask(create_app(SETTINGS, replay), question(stream=True))
    assert answer.headers["x-upstream-id"] == "up-1??set-cookie: ?"


LIMITS = {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "retry-after": "3"}


@pytest.mark.parametrize("status", [200, 429])
@pytest.mark.parametrize("stream", [False, True])
async def test_the_backends_limits_are_passed_on_unless_they_are_hidden(status: int, stream: bool) -> None:
    replay = Replay(Recorded(WHOLE, status, {**JSON, **LIMITS}))
    shown = await ask(create_app(SETTINGS, replay), question(stream=stream))
    assert (shown.status, shown.headers["anthropic-ratelimit-requests-remaining"]) == (status, "59")
    hiding = SETTINGS.model_copy(update={"rate_limit_headers": "hide"})
    hidden = await ask(create_app(hiding, replay), question(stream=stream))
    assert [name for name in hidden.headers if "ratelimit" in name] == []
    assert hidden.headers.get("retry-after") == (None if status == 200 else "3")


REFUSED: dict[str, tuple[str, str, tuple[int, str, str]]] = {
    "a path nobody knows": ("GET", "/nowhere", (404, "not_found_error", "/nowhere: not found")),
    "a doubled v1": (
        "POST",
        "/v1/v1/messages",
        (
            400,
            "invalid_request_error",
            "/v1/v1/messages: drop /v1 from the end of the base URL; clients add it themselves",
        ),
    ),
    "a wrong method": (
        "GET",
        "/v1/messages",
        (405, "invalid_request_error", "/v1/messages: GET is not allowed here"),
    ),
    "a wrong method elsewhere": (
        "DELETE",
        "/health",
        (405, "invalid_request_error", "/health: DELETE is not allowed here"),
    ),
    "the framework's documentation": ("GET", "/docs", (404, "not_found_error", "/docs: not found")),
}


@pytest.mark.parametrize(("method", "path", "error"), REFUSED.values(), ids=REFUSED.keys())
async def test_refused_addresses(method: str, path: str, error: tuple[int, str, str]) -> None:
    assert (await call(whole_app(), method, path)).error == error


async def test_a_wrong_method_is_told_the_right_one() -> None:
    assert (await call(whole_app(), "GET", "/v1/messages")).headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/", "/health", "/api/hello"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_signs_of_life(method: str, path: str) -> None:
    answer = await call(whole_app(), method, path)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")


async def test_the_description_of_the_api_is_kept() -> None:
    answer = await call(whole_app(), "GET", "/openapi.json")
    assert (answer.status, answer.json["info"]["title"]) == (200, "anthropic-proxy")


async def test_every_response_has_an_id_of_its_own() -> None:
    app = whole_app()
    answers = [
        await ask(app, question()),
        await ask(app, b"{"),
        await ask(app, question(stream=True)),
        await call(app, "GET", "/health"),
        await call(app, "HEAD", "/"),
        await call(app, "GET", "/nowhere"),
        await call(app, "PUT", "/v1/messages"),
    ]
    ids = [answer.headers["request-id"] for answer in answers]
    assert len(set(ids)) == len(ids)
    assert all(id.startswith("req_") and len(id) == 28 for id in ids)


NO_REQUEST: dict[str, tuple[object, str]] = {
    "not JSON": (b"{'model'}", "body: "),
    "nothing": (b"", "body: empty"),
    "not an object": ([1], ""),
    "no model": ({"max_tokens": 1, "messages": []}, "model: Field required"),
    "no limit": ({"model": "m", "messages": []}, "max_tokens: Field required"),
    "a block nobody knows": (
        question(messages=[{"role": "user", "content": [{"type": "hologram"}]}]),
        "messages.0.content.0",
    ),
}


@pytest.mark.parametrize(("body", "words"), NO_REQUEST.values(), ids=NO_REQUEST.keys())
@pytest.mark.parametrize("stream", [False, True])
async def test_a_bad_request_is_refused_before_the_backend_is_asked(body: object, words: str, stream: bool) -> None:
    replay = Replay(Recorded(WHOLE, headers=JSON))
    if isinstance(body, dict):
        body = {**body, "stream": stream}
    settings = SETTINGS.model_copy(update={"model": None})
    status, type, message = (await ask(create_app(settings, replay), body)).error
    assert (status, type) == (400, "invalid_request_error")
    assert message.startswith(words)
    assert replay.requests == []


async def test_a_door_with_a_key() -> None:
    app = whole_app(proxy_api_key=SecretStr("right"))
    assert (await ask(app, question(), {"authorization": "Bearer right"})).status == 200
    assert (await ask(app, question(), {"x-api-key": "wrong"})).error[:2] == (401, "authentication_error")
    assert (await call(app, "GET", "/health")).status == 200


async def test_a_body_over_the_limit() -> None:
    exchange = Exchange(whole_app(max_body_mb=0.001), "POST", "/v1/messages", b" " * 2000)
    running = asyncio.create_task(exchange.run())
    await exchange.until_sent(b"MAX_BODY_MB")
    assert exchange.answer.error[:2] == (413, "request_too_large")
    assert exchange.answer.headers["connection"] == "close"
    exchange.gone.set()
    assert (await running).ended


async def test_a_body_that_is_announced_too_large_is_refused_unread() -> None:
    exchange = Exchange(whole_app(), "POST", "/v1/messages", b"", {"content-length": "99999999999"})
    running = asyncio.create_task(exchange.run())
    await exchange.until_sent(b"MAX_BODY_MB")
    assert exchange.answer.error[0] == 413
    await running
    assert exchange.asked == 1


async def test_a_finer_code_where_anthropic_has_one() -> None:
    answer = await ask(whole_app(), b"x", {"content-encoding": "br"})
    assert answer.error[0] == 400
    assert answer.json["error"]["details"] == {"error_code": "request_body_encoding_unsupported"}


class Buggy:
    """An upstream with a bug in it, which quotes a key."""

    base_url = "http://replay.invalid/v1"

    @asynccontextmanager
    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> AsyncIterator[Reply]:
        raise LookupError("no luck with Bearer sk-live-0123456789abcdef and sk-upstream-secret")
        yield

    @asynccontextmanager
    async def get(self, path: str, headers: Mapping[str, str] = {}) -> AsyncIterator[Reply]:
        raise LookupError
        yield

    def connections(self) -> Connections:
        return Connections()

    async def close(self) -> None: ...


def logged(settings: Settings) -> StringIO:
    """Where the log goes from now on."""
    stream = StringIO()
    configure(settings, stream)
    return stream


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Any:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_bug_of_ours_is_told_to_the_log_and_not_to_the_client(log_format: str, stream: bool) -> None:
    settings = SETTINGS.model_copy(update={"log_format": log_format})
    log = logged(settings)
    answer = await ask(create_app(settings, Buggy()), question(stream=stream))
    status, type, message = answer.error
    assert (status, type) == (500, "api_error")
    assert message == f"internal error; the proxy's log has the details under {answer.headers['request-id']}"
    assert "LookupError" in log.getvalue()
    assert answer.headers["request-id"] in log.getvalue()
    for secret in ("sk-live", "sk-upstream", "a private question"):
        assert secret not in log.getvalue()


async def test_the_log_has_a_line_for_each_request() -> None:
    settings = SETTINGS.model_copy(update={"log_format": "json"})
    log = logged(settings)
    app = create_app(settings, Replay(Recorded(STREAMED)))
    answer = await ask(app, question(stream=True, top_k=4), {"x-api-key": "sk-client-secret"})
    await ask(app, b"{")
    await call(app, "GET", "/health")
    first, second = [json.loads(line) for line in log.getvalue().splitlines() if '"request_id"' in line]
    assert first["first_event_ms"] <= first["duration_ms"]
    expected = {
        "request_id": answer.headers["request-id"],
        "method": "POST",
        "path": "/v1/messages",
        "status": 200,
        "model": "claude-test",
        "upstream_model": "upstream-model",
        "input_tokens": 12,
        "output_tokens": 3,
        "cached_tokens": 0,
        "stop_reason": "end_turn",
    }
    assert {name: first[name] for name in expected} == expected
    assert first["dropped"][0].startswith("top_k")
    assert (second["status"], second["error"]) == (400, "invalid_request_error")
    assert "secret" not in log.getvalue()
    assert "a private question" not in log.getvalue()


async def test_a_line_as_text() -> None:
    settings = SETTINGS.model_copy(update={"log_format": "text", "model": None})
    log = logged(settings)
    await ask(create_app(settings, Replay(Recorded(STREAMED))), question(model="two words\nand two lines"))
    (line,) = log.getvalue().splitlines()
    assert " INFO request request_id=req_" in line
    assert r" model='two words\nand two lines' " in line


async def test_what_is_dropped_is_explained_once() -> None:
    log = logged(SETTINGS.model_copy(update={"log_format": "text"}))
    app = whole_app()
    for top_k in (1, 2):
        await ask(app, question(top_k=top_k))
    explained = [line for line in log.getvalue().splitlines() if "not sent to the backend" in line]
    assert len(explained) == 1
    assert ": top_k: " in explained[0]


async def test_a_tool_that_models_are_not_trained_for_is_warned_of_once() -> None:
    log = logged(SETTINGS.model_copy(update={"log_format": "text", "strict": True}))
    app = whole_app()
    screen = {"type": "computer_20250124", "name": "computer", "display_width_px": 1024, "display_height_px": 768}
    for _ in range(2):
        assert (await ask(app, question(tools=[screen]))).status == 200
    warned = [line for line in log.getvalue().splitlines() if "WARNING" in line]
    assert len(warned) == 1
    assert ": tools.0.computer: goes out as an ordinary function" in warned[0]


async def test_a_quiet_log() -> None:
    log = logged(SETTINGS.model_copy(update={"log_level": "warning"}))
    await ask(whole_app(), question())
    assert log.getvalue() == ""
