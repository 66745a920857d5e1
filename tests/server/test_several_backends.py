"""The model map over real connections: each name at its backend, and the next backend where one fails too early."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from anthropic_proxy.config import Settings
from anthropic_proxy.model_map import read
from tests.proxying import JSON, Answer, ask, proxying
from tests.scripted import Request, Reset, ScriptedServer, Send, Stall, Step, chunk, reply, stream_head
from tests.server.asgi import STREAMED, chunks, delta, question
from tests.servers import Reply, refused
from tests.talking import BOTH, Answering, Body, fine, steps

BEGUN = chunks(delta(content="Hel")).removesuffix(b"data: [DONE]\n\n")


class Backends:
    """Backends of the map, by the order of their scripts, and the proxy before them."""

    def __init__(self, url: str, servers: Sequence[ScriptedServer]) -> None:
        self.url = url
        self.servers = servers

    async def ask(self, stream: bool = False, **fields: Any) -> Answer:
        return await ask(self.url, question(stream=stream, **fields))

    @property
    def asked(self) -> list[list[str]]:
        """The models that each was asked for."""
        return [[json.loads(request.body)["model"] for request in server.requests] for server in self.servers]

    def bodies(self, number: int) -> list[Body]:
        return [json.loads(request.body) for request in self.servers[number].requests]


@asynccontextmanager
async def backends(
    models: str, *scripts: Answering | list[Step], environ: dict[str, str] | None = None
) -> AsyncIterator[Backends]:
    """The map calls them b0, b1 and so on. A script says what its backend answers, or does."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(ScriptedServer(played(script))) for script in scripts]
        text = mapping([server.url for server in servers]) + models
        main = {"OPENAI_API_BASE": f"{servers[0].url}/v1", "BACKEND": "plain", "LOG_LEVEL": "error"}
        settings = Settings.from_env({**main, **(environ or {})})
        found = read(text, "models.yaml", KEYS).models
        url = await stack.enter_async_context(proxying(settings, models=found))
        yield Backends(url, servers)


KEYS = {"KEY_0": "sk-zero", "KEY_1": "sk-one", "KEY_2": "sk-two"}


def mapping(urls: Sequence[str]) -> str:
    """The part of a map that names these backends."""
    lines = (
        f"  b{number}: {{base_url: {url}/v1, key_variable: KEY_{number}, dialect: {{name: plain}}}}"
        for number, url in enumerate(urls)
    )
    return "\n".join(["backends:", *lines, ""])


def played(script: Answering | list[Step]) -> Any:
    if isinstance(script, list):
        return script

    def answering(request: Request) -> list[Step]:
        return steps(script(json.loads(request.body)))

    return answering


def failing(status: int, headers: dict[str, str] | None = None) -> Answering:
    return lambda body: refused(status, "no", headers or {})


TIERS = """
models:
  opus: {backend: b0, model: big}
  sonnet: {backend: b1, model: middle}
  haiku: {backend: b2, model: small}
  "*": {backend: b1}
"""


@BOTH
async def test_three_tiers_and_a_name_of_a_backends_own(stream: bool) -> None:
    async with backends(TIERS, fine, fine, fine) as three:
        names = [
            "claude-opus-5[1m]",
            "claude-sonnet-5",
            "claude-haiku-4-5-20251001",
            "haiku",
            "vendor/model:free",
        ]
        for name in names:
            assert (await three.ask(stream, model=name)).texts == ["Fine."]
    assert three.asked == [["big"], ["middle", "vendor/model:free"], ["small", "small"]]


OVERRIDES = """
models:
  opus:
    backend: b0
    set: {temperature: 0.6, chat_template_kwargs: {enable_thinking: false}}
    drop: [top_p]
"""


@BOTH
async def test_fields_are_set_and_left_out(stream: bool) -> None:
    async with backends(OVERRIDES, fine) as one:
        await one.ask(stream, model="opus", temperature=1, top_p=0.9)
    (body,) = one.bodies(0)
    assert (body["temperature"], body["chat_template_kwargs"]) == (0.6, {"enable_thinking": False})
    assert "top_p" not in body


SPARE = """
models:
  opus: {backend: b0, model: big, fallbacks: [haiku]}
  haiku: {backend: b1, model: small}
"""

EARLY: dict[str, Answering | list[Step]] = {
    "a 500": failing(500),
    "a 429": failing(429, {"retry-after": "7"}),
    "a 401": failing(401),
    "an unknown model": failing(404),
    "a reset": [Reset()],
    "silence": [Stall()],
    "an error for a first event": lambda body: Reply([b'data: {"error": {"message": "x"}}\n\n'], "text/event-stream"),
    "a break after the headers": [Send(stream_head()), Reset()],
}


@BOTH
@pytest.mark.parametrize("first", EARLY.values(), ids=EARLY.keys())
async def test_the_next_one_answers_where_one_fails_early(first: Answering | list[Step], stream: bool) -> None:
    async with backends(SPARE, first, fine, environ={"FIRST_BYTE_TIMEOUT": "0.3"}) as two:
        answer = await two.ask(stream, model="opus")
    assert answer.texts == ["Fine."]
    assert answer.headers["x-upstream-model"] == "small"
    assert answer.headers["x-proxy-changed"].startswith("big: ")
    assert two.asked == [["big"], ["small"]]
    keys = [{request.headers["authorization"] for request in server.requests} for server in two.servers]
    assert keys == [{"Bearer sk-zero"}, {"Bearer sk-one"}]


async def test_the_next_one_answers_where_nobody_listens() -> None:
    async with ScriptedServer() as gone:
        url = gone.url
    async with ScriptedServer(played(fine)) as there:
        settings = Settings.from_env({"OPENAI_API_BASE": f"{url}/v1", "BACKEND": "plain", "LOG_LEVEL": "error"})
        found = read(mapping([url, there.url]) + SPARE, "models.yaml", KEYS).models
        async with proxying(settings, models=found) as proxy:
            for stream in (False, True):
                assert (await ask(proxy, question(stream=stream, model="opus"))).texts == ["Fine."]


async def test_nobody_else_is_asked_in_the_middle_of_a_stream() -> None:
    async with backends(SPARE, [Send(stream_head()), Send(chunk(BEGUN)), Reset()], fine) as two:
        answer = await two.ask(stream=True, model="opus")
    assert (answer.outcome, answer.texts) == ("event api_error", ["Hel"])
    assert two.asked == [["big"], []]


async def test_the_last_one_s_habits_are_learned_too() -> None:
    def refusing(body: Body) -> Reply:
        if "temperature" in body:
            return refused(400, "Unsupported parameter: 'temperature' is not supported with this model.")
        return fine(body)

    async with backends(SPARE, failing(503), refusing) as two:
        for stream in (False, True):
            assert (await two.ask(stream, model="opus", temperature=0.5)).texts == ["Fine."]
    assert ["temperature" in body for body in two.bodies(1)] == [True, False, False]


async def test_a_client_that_goes_takes_the_second_call_with_it() -> None:
    async with (
        backends(SPARE, failing(500), [Stall()]) as two,
        aiohttp.ClientSession() as session,
    ):
        body = question(stream=True, model="opus")
        asking = asyncio.create_task(session.post(f"{two.url}/v1/messages", json=body, headers=JSON).__aenter__())
        await two.servers[1].until(lambda server: len(server.requests) == 1)
        asking.cancel()
        await two.servers[1].until(lambda server: server.gone == [0])


# Whose key it is


FORWARDING = """
models:
  opus: {model: big, fallbacks: [haiku]}
  haiku: {backend: b1, model: small}
"""


async def test_a_clients_wrong_key_is_no_reason_to_leave_the_model_in_peace_for_others() -> None:
    def by_key(request: Request) -> list[Step]:
        right = request.headers["authorization"] == "Bearer sk-right"
        return steps(fine(json.loads(request.body)) if right else refused(401, "no"))

    async with ScriptedServer(by_key) as main, ScriptedServer([Send(reply(b"{}", "500 Error"))]) as cloud:
        settings = Settings.from_env(
            {"OPENAI_API_BASE": f"{main.url}/v1", "BACKEND": "plain", "FORWARD_KEY": "true", "LOG_LEVEL": "error"}
        )
        found = read(mapping([main.url, cloud.url]) + FORWARDING, "models.yaml", KEYS).models
        async with proxying(settings, models=found) as url, aiohttp.ClientSession(headers=JSON) as session:
            statuses = []
            for key in ("sk-wrong", "sk-right"):
                body = json.dumps(question(model="opus"))
                async with session.post(f"{url}/v1/messages", data=body, headers={"x-api-key": key}) as response:
                    statuses.append(response.status)
    assert statuses == [500, 200]
    assert len(cloud.requests) == 1
    assert cloud.requests[0].headers["authorization"] == "Bearer sk-one"


TOLD = {
    401: "the upstream refused the proxy's key for b1: no",
    405: "check the base_url of b1 (no)",
}


@pytest.mark.parametrize(("status", "words"), TOLD.items())
async def test_a_wrong_entry_is_named_and_no_variable_of_another(status: int, words: str) -> None:
    async with backends(FORWARDING, fine, failing(status), environ={"FORWARD_KEY": "true"}) as two:
        answer = await ask(two.url, question(model="haiku"))
    assert words in answer.message
    assert "OPENAI_API" not in answer.message


async def test_a_stream_from_a_backend_of_the_map_is_whole() -> None:
    async with backends(SPARE, [Send(stream_head()), Send(chunk(STREAMED)), Send(b"0\r\n\r\n")], fine) as two:
        assert (await two.ask(stream=True, model="opus")).texts == ["Hello there"]
