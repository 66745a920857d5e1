"""Limits on a request: how deep, how many, how many at once. Each refusal names its setting."""

import asyncio
import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import ProxyError
from anthropic_proxy.server.limits import has_more_values, is_deeper
from anthropic_proxy.server.running import Callers
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.sdk_types import json_values
from tests.server.asgi import STREAMED, Answer, Exchange, call, question

SETTINGS = Settings(
    openai_api_base="http://replay.invalid/v1",
    openai_api_key=SecretStr("k"),
    model="m",
    backend="plain",
    max_json_depth=8,
    max_messages=3,
    max_tools=2,
)


def nested(levels: int) -> Any:
    """Lists inside each other."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}] * 2
TOOL = {"name": "t", "input_schema": {"type": "object"}}
TOOLS = [{**TOOL, "name": f"t{number}"} for number in range(3)]


def with_schema(levels: int) -> dict[str, Any]:
    """A tool whose schema holds lists so deep that the body has so many levels."""
    return question(tools=[{**TOOL, "input_schema": {"type": "object", "x-odd": nested(levels - 4)}}])


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "too many messages": (question(messages=TURNS), "messages: 4, where 3 are allowed (setting MAX_MESSAGES)"),
    "too many tools": (question(tools=TOOLS), "tools: 3, where 2 are allowed (setting MAX_TOOLS)"),
    "one level too many": (with_schema(9), "body: JSON is nested deeper than 8 levels (setting MAX_JSON_DEPTH)"),
    "depth in a field that nobody reads": (
        question(what_is_this=nested(20)),
        "body: JSON is nested deeper than 8 levels (setting MAX_JSON_DEPTH)",
    ),
}


async def asked(body: object, settings: Settings = SETTINGS, **headers: str) -> Answer:
    return await call(create_app(settings, Replay(Recorded(STREAMED))), "POST", "/v1/messages", body, headers or None)


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED.keys())
async def test_too_much(body: dict[str, Any], message: str) -> None:
    assert (await asked(body)).error == (400, "invalid_request_error", message)


ALLOWED = {
    "as many messages as are allowed": question(messages=TURNS[:3]),
    "as many tools": question(tools=TOOLS[:2]),
    "as many levels": with_schema(8),
}


@pytest.mark.parametrize("body", ALLOWED.values(), ids=ALLOWED.keys())
async def test_just_not_too_much(body: dict[str, Any]) -> None:
    assert (await asked(body)).status == 200


VALUES = {
    "one": (b'"x"', 1),
    "nothing inside": (b'{"a": [], "b": {}}', 3),
    "numbers": (b"[1, 2, 3]", 4),
    "keys are none": (b'{"a": 1, "b": {"c": "d"}}', 4),
    "commas and brackets in strings are none": (rb'{"a,[{": "\\", "b": "\",,,[[{{\\\"[", "c": 1}', 4),
}


@pytest.mark.parametrize(("text", "values"), VALUES.values(), ids=VALUES.keys())
def test_values(text: bytes, values: int) -> None:
    assert not has_more_values(text, values)
    assert has_more_values(text, values - 1) or values == 1


def count_of(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(count_of, inside))


@given(json_values, st.booleans())
def test_values_are_counted_as_they_are_parsed(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert not has_more_values(text, count_of(value))
    assert has_more_values(text, count_of(value) - 1) or count_of(value) == 1


NO_JSON = {
    "a string without an end": b'{"a": "' + b'\\",' * 1_000_000,
    "strings side by side": b",,," + b'""' * 1_000_000,
    "escapes outside of strings": b',,,"a"' + b"\\" * 1_000_000 + b'"',
}


@pytest.mark.parametrize("text", NO_JSON.values(), ids=NO_JSON.keys())
def test_looking_for_values_in_what_is_no_json_comes_to_an_end(text: bytes) -> None:
    """Looked at again from every quote, these would take hours."""
    has_more_values(text, 3)


async def test_too_many_values() -> None:
    settings = SETTINGS.model_copy(update={"max_json_values": 30})
    told = "body: JSON of more than 30 values (setting MAX_JSON_VALUES)"
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        app = create_app(settings, Replay(Recorded(STREAMED)))
        answer = await call(app, "POST", path, question(what_is_this=[0] * 40))
        assert answer.error == (400, "invalid_request_error", told)
        assert (await call(app, "POST", path, question(system=",[{" * 100))).status == 200
    unlimited = SETTINGS.model_copy(update={"max_json_values": 0})
    assert (await asked(question(what_is_this=[0] * 40), unlimited)).status == 200


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED.keys())
async def test_too_much_to_count(body: dict[str, Any], message: str) -> None:
    app = create_app(SETTINGS, Replay(Recorded(STREAMED)))
    answer = await call(app, "POST", "/v1/messages/count_tokens", body)
    assert answer.error == (400, "invalid_request_error", message)


DEPTHS: dict[str, tuple[dict[str, Any], int]] = {
    "nothing in it": ({}, 1),
    "texts alone": ({"a": "[[[[["}, 1),
    "a list": ({"a": []}, 2),
    "the deepest of several": ({"a": [[]], "b": {"c": {"d": {}}}}, 4),
}


@pytest.mark.parametrize(("value", "depth"), DEPTHS.values(), ids=DEPTHS.keys())
def test_depth(value: dict[str, Any], depth: int) -> None:
    assert not is_deeper(value, depth)
    assert is_deeper(value, depth - 1) or depth == 1


PLACES: dict[str, Any] = {
    "a schema": lambda value: question(tools=[{**TOOL, "input_schema": {"type": "object", "properties": value}}]),
    "a tool's input": lambda value: question(
        messages=[
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "t", "input": {"a": value}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "ok"}]},
        ],
    ),
    "a format": lambda value: question(output_config={"format": {"type": "json_schema", "schema": {"anyOf": [value]}}}),
    "an unknown field": lambda value: question(unknown=value),
    "a block": lambda value: question(messages=[{"role": "user", "content": value}]),
}


@pytest.mark.parametrize("backend", ["plain", "openai", "gemini", "mistral"])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
async def test_any_depth_is_served_or_refused_where_no_limit_is_set(place: Any, backend: str) -> None:
    settings = SETTINGS.model_copy(update={"max_json_depth": 0, "backend": backend})
    for levels in (50, 200, 300, 400, 600, 800, 950, 1100, 5000):
        for opening, closing in ((b"[", b"]"), (b'{"properties":{"a":', b"}}"), (b'{"items":', b"}")):
            deep = opening * levels + b"1" + closing * levels
            answer = await asked(json.dumps(place("DEEP")).encode().replace(b'"DEEP"', deep), settings)
            assert answer.status in (200, 400), (levels, opening)
            assert answer.status == 200 or answer.error[1] == "invalid_request_error"


def bomb() -> bytes:
    """128 MiB of nothing in 128 KiB."""
    return gzip.compress(b"\x00" * 2**27, 9)


async def test_a_compressed_body_cannot_blow_up() -> None:
    settings = SETTINGS.model_copy(update={"max_body_mb": 1})
    answer = await asked(bomb(), settings, **{"content-type": "application/json", "content-encoding": "gzip"})
    assert answer.error[:2] == (413, "request_too_large")
    assert "MAX_BODY_MB" in answer.error[2]


async def test_a_body_made_of_many_compressed_files_costs_no_time() -> None:
    """Empty files of 20 bytes each: looking through all that follow, for each of them, would take hours."""
    many = gzip.compress(b"", mtime=0) * 500_000
    answer = await asked(many, SETTINGS, **{"content-type": "application/json", "content-encoding": "gzip"})
    assert answer.error[:2] == (400, "invalid_request_error")
    assert "more than 100 files" in answer.error[2]


# At once


class Waiting:
    """Requests to an app whose backend does not answer until it may."""

    def __init__(self, **limits: object) -> None:
        settings = SETTINGS.model_copy(update=limits)
        self.app = create_app(settings, Replay(Recorded(STREAMED, stall=True)))
        self.exchanges: list[Exchange] = []
        self.tasks: list[asyncio.Task[Answer]] = []

    def ask(self, key: str = "") -> None:
        exchange = Exchange(self.app, "POST", "/v1/messages", question(stream=True), {"x-api-key": key})
        self.exchanges.append(exchange)
        self.tasks.append(asyncio.create_task(exchange.run()))


async def test_no_more_than_so_many_at_once() -> None:
    waiting = Waiting(max_concurrent=2)
    for number in range(2):
        waiting.ask()
        await waiting.exchanges[number].until_sent(b"message_start")
    answer = await call(waiting.app, "POST", "/v1/messages", question())
    assert answer.error[:2] == (529, "overloaded_error")
    assert "MAX_CONCURRENT" in answer.error[2]
    assert answer.headers["retry-after"] == "1"
    assert waiting.app.state.running.now == 2

    waiting.exchanges[0].gone.set()
    await waiting.tasks[0]
    waiting.ask()
    await waiting.exchanges[2].until_sent(b"message_start")
    for exchange in waiting.exchanges:
        exchange.gone.set()
    await asyncio.gather(*waiting.tasks)
    assert waiting.app.state.running.now == 0


async def test_no_more_than_so_many_at_once_for_each_key() -> None:
    waiting = Waiting(key_concurrency=2, proxy_api_key=SecretStr("ann,bob"))
    for number, key in enumerate(("ann", "ann", "bob")):
        waiting.ask(key)
        await waiting.exchanges[number].until_sent(b"message_start")
    answer = await call(waiting.app, "POST", "/v1/messages", question(), {"x-api-key": "ann"})
    told = "this proxy answers 2 requests of each client at once (setting KEY_CONCURRENCY)"
    assert answer.error == (429, "rate_limit_error", told)
    assert answer.headers["retry-after"] == "1"

    waiting.exchanges[0].gone.set()
    await waiting.tasks[0]
    waiting.ask("ann")
    await waiting.exchanges[3].until_sent(b"message_start")
    for exchange in waiting.exchanges:
        exchange.gone.set()
    await asyncio.gather(*waiting.tasks)


async def test_without_keys_a_client_is_its_address() -> None:
    waiting = Waiting(key_concurrency=1)
    waiting.ask("one")
    await waiting.exchanges[0].until_sent(b"message_start")
    assert (await call(waiting.app, "POST", "/v1/messages", question(), {"x-api-key": "two"})).error[0] == 429
    waiting.exchanges[0].gone.set()
    await waiting.tasks[0]


async def test_who_has_too_many_at_once_is_not_counted_as_asking_too_often() -> None:
    waiting = Waiting(key_concurrency=1, rate_limit="2/day")
    waiting.ask()
    await waiting.exchanges[0].until_sent(b"message_start")
    for _ in range(5):
        answer = await call(waiting.app, "POST", "/v1/messages", question())
        assert "KEY_CONCURRENCY" in answer.error[2]
    waiting.exchanges[0].gone.set()
    await waiting.tasks[0]
    waiting.ask()
    await waiting.exchanges[1].until_sent(b"message_start")
    waiting.exchanges[1].gone.set()
    await waiting.tasks[1]
    assert "RATE_LIMIT" in (await call(waiting.app, "POST", "/v1/messages", question())).error[2]


async def test_clients_that_have_nothing_running_are_forgotten() -> None:
    callers = Callers(1)
    for number in range(3):
        with callers.place(str(number)):
            pass
    with pytest.raises(ZeroDivisionError), callers.place("a"):
        raise ZeroDivisionError
    with callers.place("a"), pytest.raises(ProxyError), callers.place("a"):
        pass
    assert callers.running == {}


async def test_requests_that_fail_give_their_place_back() -> None:
    app = create_app(SETTINGS.model_copy(update={"max_concurrent": 1}), Replay(Recorded(b"", 500)))
    for body in (b"no JSON", {}, question()):
        assert (await call(app, "POST", "/v1/messages", body)).status in (400, 500)
    assert app.state.running.now == 0


async def test_who_comes_after_the_signal_to_stop_is_sent_away() -> None:
    app = create_app(SETTINGS, Replay(Recorded(STREAMED)))
    app.state.running.draining = True
    answer = await call(app, "POST", "/v1/messages", question())
    assert answer.error == (529, "overloaded_error", "the proxy is shutting down")
