"""The model list: asked for once, kept, and paged."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import anthropic
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from anthropic_proxy import create_app
from anthropic_proxy.backend import Backend
from anthropic_proxy.backends import Backends
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.server import models
from anthropic_proxy.server.models import FRESH, TRY_AGAIN, Models, configured_models
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.server.asgi import WHOLE, Answer, call, question
from tests.servers import serving

SETTINGS = Settings(openai_api_base="http://replay.invalid/v1", openai_api_key=SecretStr("sk-upstream-secret"))
JSON = {"content-type": "application/json"}

LIST = {
    "object": "list",
    "data": [
        {"id": "small", "created": 1_700_000_000, "context_length": 8192},
        {"id": "org/large", "created": 1_750_000_000, "name": "Large"},
        {"id": "claude-opus-5", "created": 1_760_000_000},
    ],
}


def listing(value: object, **recorded: Any) -> Replay:
    return Replay(Recorded(json.dumps(value).encode(), headers=JSON, **recorded))


def app_over(upstream: Replay, **settings: object) -> FastAPI:
    return create_app(SETTINGS.model_copy(update=settings), upstream)


async def get(app: FastAPI, path: str, headers: Mapping[str, str] | None = None) -> Answer:
    return await call(app, "GET", path, headers=headers)


async def ids(app: FastAPI, path: str = "/v1/models", headers: Mapping[str, str] | None = None) -> list[str]:
    answer = await get(app, path, headers)
    assert answer.status == 200
    return [model["id"] for model in answer.json["data"]]


async def test_the_list() -> None:
    upstream = listing(LIST)
    answer = await get(app_over(upstream, model="mine"), "/v1/models?limit=1000")
    assert answer.headers["content-type"] == "application/json"
    page = answer.json
    assert [model["id"] for model in page["data"]] == ["mine", "small", "org/large", "claude-opus-5"]
    assert (page["has_more"], page["first_id"], page["last_id"]) == (False, "mine", "claude-opus-5")
    assert page["data"][1]["max_input_tokens"] == 8192
    (sent,) = upstream.requests
    assert (sent.path, sent.headers["authorization"]) == ("/models", "Bearer sk-upstream-secret")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/", "/v1/models?beta=true"])
async def test_paths_of_the_list(path: str) -> None:
    assert len(await ids(app_over(listing(LIST)), path)) == 3


async def test_twenty_are_a_page() -> None:
    app = app_over(listing({"data": [{"id": f"m{number}"} for number in range(50)]}))
    assert len(await ids(app)) == 20
    assert await ids(app, "/v1/models?limit=2&after_id=m19") == ["m20", "m21"]
    assert await ids(app, "/v1/models?limit=2&before_id=m2") == ["m0", "m1"]


STATES = {"active": 3, "retired": 0}


@pytest.mark.parametrize(("state", "count"), STATES.items())
@pytest.mark.parametrize("parameter", ["lifecycle", "lifecycle[]"])
async def test_models_of_a_state(parameter: str, state: str, count: int) -> None:
    assert len(await ids(app_over(listing(LIST)), f"/v1/models?{parameter}={state}")) == count


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "1.5", "", "9" * 5000, "²"])
async def test_a_limit_out_of_bounds(limit: str) -> None:
    status, type, message = (await get(app_over(listing(LIST)), f"/v1/models?limit={limit}")).error
    assert (status, type) == (400, "invalid_request_error")
    assert message == "limit: Input should be a whole number from 1 to 1000"


async def test_an_id_nobody_listed() -> None:
    assert (await get(app_over(listing(LIST)), "/v1/models?after_id=gone")).error[:2] == (400, "invalid_request_error")


ONE = {
    "/v1/models/small": "small",
    "/v1/models/small/": "small",
    "/v1/models/org/large": "org/large",
    "/v1/models/mine": "mine",
}


@pytest.mark.parametrize(("path", "id"), ONE.items())
async def test_one_model(path: str, id: str) -> None:
    answer = await get(app_over(listing(LIST), model="mine"), path)
    assert (answer.status, answer.json["id"], answer.json["type"]) == (200, id, "model")


async def test_an_unknown_model() -> None:
    answer = await get(app_over(listing(LIST), model="mine"), "/v1/models/org/none")
    assert answer.error == (404, "not_found_error", "model: org/none")


async def test_a_wrong_method() -> None:
    assert (await call(app_over(listing(LIST)), "PUT", "/v1/models")).error[:2] == (405, "invalid_request_error")


async def test_the_list_is_behind_the_door() -> None:
    app = app_over(listing(LIST), proxy_api_key=SecretStr("right"))
    assert (await get(app, "/v1/models")).error[:2] == (401, "authentication_error")
    assert (await get(app, "/v1/models/small")).error[:2] == (401, "authentication_error")
    for headers in ({"x-api-key": "right"}, {"authorization": "Bearer right"}):
        assert len(await ids(app, headers=headers)) == 3


# Backends that do not list their models

NO_LISTS: dict[str, Replay] = {
    "nobody answers": Replay(UpstreamBroke("no", kind="refused")),
    "a refusal": listing({"error": {"message": "no"}}, status=403),
    "no such path": listing({"detail": "Not Found"}, status=404),
    "a redirect": Replay(Recorded(b"", status=302, headers={"location": "http://elsewhere.invalid/"})),
    "a page": Replay(Recorded(b"<html>", headers={"content-type": "text/html"})),
    "something else": listing(["a", 1, {"x": {}}]),
    "one that breaks off": listing(LIST, broken_at=20),
}


@pytest.mark.parametrize("upstream", NO_LISTS.values(), ids=NO_LISTS.keys())
async def test_without_a_list_the_settings_tell(upstream: Replay) -> None:
    app = app_over(upstream, model="m", reasoning_model="r", completion_model="m", client_models="a, r, ,b")
    assert await ids(app) == ["m", "r", "a", "b"]
    assert (await get(app, "/v1/models/r")).status == 200


# When the backend is asked


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def only(upstream: Replay, settings: Settings) -> Backends:
    """One backend, and no map."""
    return Backends(Backend(upstream, settings), settings, lambda base_url: upstream)


def kept_by(clock: Clock, upstream: Replay, **settings: object) -> Starlette:
    """The endpoint alone, with a clock of its own."""
    chosen = SETTINGS.model_copy(update=settings)
    kept = Models(chosen, only(upstream, chosen), clock)
    return Starlette(routes=[Route("/v1/models", kept.list)])


async def listed(app: Starlette, headers: Mapping[str, str] | None = None) -> list[str]:
    answer = await call(app, "GET", "/v1/models", headers=headers)
    return [model["id"] for model in answer.json["data"]]


def replies(*lists: list[str] | UpstreamBroke) -> Replay:
    return Replay(
        *(
            names
            if isinstance(names, UpstreamBroke)
            else Recorded(json.dumps({"data": [{"id": name} for name in names]}).encode(), headers=JSON)
            for names in lists
        )
    )


async def test_a_list_is_kept_for_a_while() -> None:
    clock = Clock()
    upstream = replies(["old"], ["new"])
    app = kept_by(clock, upstream)
    assert [await listed(app), await listed(app)] == [["old"], ["old"]]
    clock.now += FRESH - 1
    assert await listed(app) == ["old"]
    clock.now += 1
    assert await listed(app) == ["new"]
    assert len(upstream.requests) == 2


async def test_what_was_known_stays_while_the_backend_is_away() -> None:
    clock = Clock()
    upstream = replies(["old"], UpstreamBroke("gone", kind="reset"), ["new"])
    app = kept_by(clock, upstream)
    await listed(app)
    clock.now += FRESH
    assert [await listed(app), await listed(app)] == [["old"], ["old"]]
    assert len(upstream.requests) == 2, "it was asked again at once"
    clock.now += TRY_AGAIN
    assert await listed(app) == ["new"]


async def test_those_who_ask_at_once_share_one_answer() -> None:
    upstream = listing(LIST, pause=0.05)
    app = kept_by(Clock(), upstream)
    lists = await asyncio.gather(*(listed(app) for _ in range(10)))
    assert [len(names) for names in lists] == [3] * 10
    assert len(upstream.requests) == 1


async def test_one_who_leaves_does_not_spoil_it_for_the_others() -> None:
    upstream = listing(LIST, pause=0.05)
    app = kept_by(Clock(), upstream)
    first, second = (asyncio.create_task(listed(app)) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    assert len(await second) == 3
    assert len(upstream.requests) == 1


async def test_each_key_has_a_list_of_its_own_where_keys_go_upstream() -> None:
    upstream = replies(["a"], ["b"])
    app = kept_by(Clock(), upstream, forward_key=True)
    keys = [{"x-api-key": "sk-one"}, {"x-api-key": "sk-two"}]
    assert [await listed(app, headers) for headers in (*keys, *keys)] == [["a"], ["b"], ["a"], ["b"]]
    assert [sent.headers["authorization"] for sent in upstream.requests] == ["Bearer sk-one", "Bearer sk-two"]


async def test_only_so_many_keys_are_remembered() -> None:
    upstream = replies(["a"])
    app = kept_by(Clock(), upstream, forward_key=True)
    for number in range(models.MOST_LISTS + 1):
        await listed(app, {"x-api-key": f"sk-{number}"})
    await listed(app, {"x-api-key": "sk-0"})
    assert len(upstream.requests) == models.MOST_LISTS + 2


async def test_a_backend_that_says_nothing_is_not_waited_for() -> None:
    chosen = SETTINGS.model_copy(update={"model": "m"})
    kept = Models(chosen, only(listing(LIST, stall=True), chosen), patience=0.05)
    assert await listed(Starlette(routes=[Route("/v1/models", kept.list)])) == ["m"]


# Aliases


async def test_aliases_are_listed_where_they_are_wanted() -> None:
    app = app_over(listing(LIST), claude_aliases=True)
    assert await ids(app) == ["small", "claude/small", "org/large", "claude/org/large", "claude-opus-5"]
    assert (await get(app, "/v1/models/claude/org/large")).json["display_name"] == "Large"


async def test_a_request_for_an_alias_gets_the_model() -> None:
    upstream = Replay(Recorded(WHOLE, headers=JSON))
    app = app_over(upstream, claude_aliases=True, model="another")
    answer = await call(app, "POST", "/v1/messages", question(model="claude/org/large"))
    assert (answer.json["model"], upstream.requests[-1].body["model"]) == ("claude/org/large", "org/large")


async def test_without_aliases_a_prefix_is_part_of_the_name() -> None:
    upstream = Replay(Recorded(WHOLE, headers=JSON))
    await call(app_over(upstream), "POST", "/v1/messages", question(model="claude/org/large"))
    assert upstream.requests[-1].body["model"] == "claude/org/large"


def test_models_of_the_settings_are_named_once() -> None:
    settings = SETTINGS.model_copy(update={"model": "m", "reasoning_model": "r", "client_models": "m,x,r"})
    assert configured_models(settings) == ["m", "r", "x"]


# The SDK is the judge


def backend(*names: str) -> Starlette:
    """A backend that only lists models."""

    async def answer(request: Request) -> Response:
        return JSONResponse({"data": [{"id": name, "created": 1_700_000_000} for name in names]})

    return Starlette(routes=[Route("/v1/models", answer)])


def test_the_sdk_lists_and_finds_models() -> None:
    names = [f"m{number}" for number in range(45)]
    with serving(backend(*names, "org/m 1")) as upstream:
        settings = Settings(openai_api_base=f"{upstream}/v1", model="mine")
        with serving(create_app(settings)) as proxy, anthropic.Anthropic(base_url=proxy, api_key="any") as client:
            assert [model.id for model in client.models.list()] == ["mine", *names, "org/m 1"]
            first = client.models.list(limit=10)
            assert ([model.id for model in first.data], first.has_more) == (["mine", *names[:9]], True)
            assert [model.id for model in client.models.list(limit=7, before_id="m3")] == ["mine", *names[:3]]
            found = client.models.retrieve("org/m 1")
            assert (found.id, found.type, found.created_at.year) == ("org/m 1", "model", 2023)
            with pytest.raises(anthropic.NotFoundError, match="model: nothing/here"):
                client.models.retrieve("nothing/here")
