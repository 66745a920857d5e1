"""What clients ask beside messages: signs of life, services that are not here, and the description of the API."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import jsonschema_rs
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.routing import Route

from anthropic_proxy import create_app
from anthropic_proxy.backend import Backend
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import STATUS
from anthropic_proxy.server import health
from anthropic_proxy.server.elsewhere import METHODS, NOT_HERE
from anthropic_proxy.server.running import Running
from anthropic_proxy.translate.validate import FIELDS
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.server.asgi import STREAMED, WHOLE, Answer, call, question
from tests.servers import serving

SETTINGS = Settings(
    openai_api_base="http://replay.invalid/v1", openai_api_key=SecretStr("sk-x"), model="upstream-model"
)
JSON = {"content-type": "application/json"}


def new_app(body: bytes = WHOLE, **settings: object) -> FastAPI:
    return create_app(SETTINGS.model_copy(update=settings), Replay(Recorded(body, headers=JSON)))


@pytest.mark.parametrize("path", ["/", "/api/hello", "/health"])
async def test_a_sign_of_life_costs_no_key(path: str) -> None:
    app = new_app(proxy_api_key=SecretStr("right"))
    assert (await call(app, "HEAD", path)).status == 200
    assert (await call(app, "GET", path)).json["status"] == "ok"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("path", ["/api/event_logging/batch", "/api/event_logging/v2/batch", "/api/event_logging"])
async def test_statistics_are_taken_and_forgotten(method: str, path: str) -> None:
    answer = await call(new_app(proxy_api_key=SecretStr("right")), method, path, {"events": [{"name": "start"}]})
    assert (answer.status, answer.writes) == (204, [])


# Services that are not here

PATHS = [
    *NOT_HERE,
    *(f"{path}/some_id" for path in NOT_HERE),
    "/v1/messages/batches/b_1/results",
    "/v1/files/f/content",
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_service_that_is_not_here_is_refused_by_name(path: str) -> None:
    answer = await call(new_app(), "GET", path)
    status, type, message = answer.error
    assert (status, type, answer.headers["x-should-retry"]) == (501, "not_supported", "false")
    assert message.startswith(f"{path}: this proxy does not offer ")


@pytest.mark.parametrize("method", [*METHODS, "HEAD"])
async def test_whatever_the_method(method: str) -> None:
    assert (await call(new_app(), method, "/v1/messages/batches", {})).status == 501


async def test_a_file_is_not_even_looked_at() -> None:
    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = await call(new_app(max_body_mb=0.001), "POST", "/v1/files", b"--x" * 1000, headers)
    assert answer.error == (501, "not_supported", "/v1/files: this proxy does not offer the Files API")


async def test_a_service_that_is_not_here_is_behind_the_door() -> None:
    app = new_app(proxy_api_key=SecretStr("right"))
    assert (await call(app, "GET", "/v1/files")).error[:2] == (401, "authentication_error")


NEITHER = ["/v1/message", "/v1/filesystem", "/v1/completely", "/v1", "/v2/messages", "/api/event_loggings"]


@pytest.mark.parametrize("path", NEITHER)
async def test_a_path_that_only_begins_alike_is_not_found(path: str) -> None:
    assert (await call(new_app(), "GET", path)).error == (404, "not_found_error", f"{path}: not found")


@pytest.mark.parametrize(
    "path", ["messages", "messages/count_tokens", "models", "models/m", "messages/batches", "files"]
)
async def test_a_doubled_v1_is_explained(path: str) -> None:
    status, type, message = (await call(new_app(), "POST", f"/v1/v1/{path}", {})).error
    assert (status, type) == (400, "invalid_request_error")
    assert message == f"/v1/v1/{path}: drop /v1 from the end of the base URL; clients add it themselves"


def test_the_sdk_is_told_at_once() -> None:
    with serving(new_app()) as proxy, anthropic.Anthropic(base_url=proxy, api_key="any") as client:
        with pytest.raises(anthropic.APIStatusError, match="does not offer message batches") as refused:
            client.messages.batches.list()
        assert refused.value.status_code == 501
        with pytest.raises(anthropic.APIStatusError, match="does not offer the Files API"):
            client.beta.files.upload(file=("a.txt", b"some text", "text/plain"))


# The description


async def described(app: FastAPI) -> Any:
    answer = await call(app, "GET", "/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    return answer.json


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from references(inner)


async def test_every_endpoint_is_described() -> None:
    app = new_app()
    signs_of_life = health.router(Backend(Replay(Recorded(b"")), SETTINGS), Running(0))
    routes = [route for route in (*app.routes, *signs_of_life.routes) if isinstance(route, Route)]
    paths = {route.path.replace(":path}", "}") for route in routes}
    served = {path for path in paths if path == "/" or not path.endswith("/")} - {"/openapi.json", "/api/event_logging"}
    services = {f"{path}/{{rest}}" for path in NOT_HERE}
    document = await described(app)
    assert document["paths"].keys() == served - services
    assert document["openapi"] == "3.1.0"


async def test_figures_are_described_where_there_are_any() -> None:
    assert "/metrics" not in (await described(new_app()))["paths"]
    assert "/metrics" in (await described(new_app(metrics="on")))["paths"]


async def test_what_the_description_refers_to_is_in_it() -> None:
    document = await described(new_app())
    for reference in references(document):
        place: Any = document
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]
        assert isinstance(place, dict)


async def test_every_schema_is_one() -> None:
    for schema in (await described(new_app()))["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


async def test_every_field_that_is_checked_is_described() -> None:
    schemas = (await described(new_app()))["components"]["schemas"]
    assert schemas["MessagesRequest"]["properties"].keys() == FIELDS.keys() | {"system", "thinking"}
    assert schemas["ErrorBody"]["properties"]["error"]["properties"]["type"]["enum"] == list(STATUS)


REQUIRED = {
    "a model, where the settings name none": ({"model": None}, ["model", "messages", "max_tokens"]),
    "no model, where they do": ({}, ["messages", "max_tokens"]),
}


@pytest.mark.parametrize(("settings", "required"), REQUIRED.values(), ids=REQUIRED.keys())
async def test_what_a_request_must_hold(settings: dict[str, Any], required: list[str]) -> None:
    schemas = (await described(new_app(**settings)))["components"]["schemas"]
    assert schemas["MessagesRequest"]["required"] == required
    assert schemas["CountTokensRequest"]["required"] == required[:-1]


KEYS = {"no key is asked for": ({}, True), "a key is": ({"proxy_api_key": SecretStr("right")}, False)}


@pytest.mark.parametrize(("settings", "open"), KEYS.values(), ids=KEYS.keys())
async def test_whether_a_key_is_needed(settings: dict[str, Any], open: bool) -> None:
    document = await described(new_app(**settings))
    assert ({} in document["security"]) is open
    assert {} in document["paths"]["/health"]["get"]["security"]


def conforms(document: Any, name: str, value: object) -> bool:
    """Is `value` what the schema of that name says?"""
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return jsonschema_rs.Draft202012Validator(schema).is_valid(value)


ANSWERS: dict[str, tuple[str, str, object, str, str]] = {
    "a message": ("POST", "/v1/messages", question(), "/v1/messages", "Message"),
    "a count": ("POST", "/v1/messages/count_tokens", question(), "/v1/messages/count_tokens", "TokenCount"),
    "a list of models": ("GET", "/v1/models", b"", "/v1/models", "ModelPage"),
    "a model": ("GET", "/v1/models/upstream-model", b"", "/v1/models/{model_id}", "ModelInfo"),
    "no such model": ("GET", "/v1/models/none", b"", "/v1/models/{model_id}", "ErrorBody"),
    "a wrong request": ("POST", "/v1/messages", {}, "/v1/messages", "ErrorBody"),
    "a service that is not here": ("GET", "/v1/files", b"", "/v1/files", "ErrorBody"),
    "a backend that answers": ("GET", "/ready", b"", "/ready", "Ready"),
    "a sign of life": ("GET", "/health", b"", "/health", "Health"),
}


@pytest.mark.parametrize(("method", "path", "body", "described_at", "schema"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_an_answer_is_as_described(method: str, path: str, body: object, described_at: str, schema: str) -> None:
    app = new_app()
    document = await described(app)
    answer: Answer = await call(app, method, path, body)
    assert conforms(document, schema, answer.json)
    assert not conforms(document, schema, [answer.json])
    response = document["paths"][described_at][method.lower()]["responses"][str(answer.status)]
    named = "Error" if schema == "ErrorBody" else schema
    assert json.dumps(response).count(f'/{named}"') == 1
    assert (
        set(response.get("headers", {})) & {"request-id", "x-token-count", "x-upstream-model"} <= answer.headers.keys()
    )


async def test_a_stream_is_as_described() -> None:
    app = new_app(STREAMED)
    document = await described(app)
    for event in (await call(app, "POST", "/v1/messages", question(stream=True))).events:
        assert conforms(document, "StreamEvent", event)


TOOL = {"name": "x", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}

FINE: dict[str, dict[str, Any]] = {
    "the least": question(),
    "a system prompt": question(system="Be kind."),
    "blocks of one": question(system=[{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]),
    "tools": question(tools=[TOOL], tool_choice={"type": "tool", "name": "x"}),
    "thinking": question(thinking={"type": "adaptive", "display": "omitted"}),
    "thinking, in short": question(thinking=True),
    "nulls": question(tools=None, system=None, thinking=None, stop_sequences=None),
    "an image": question(
        messages=[{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://x.test"}}]}]
    ),
    "a block of another server's": question(
        messages=[
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": [{"type": "mcp_list_tools"}, {"type": "text", "text": "b"}]},
            {"role": "user", "content": "c"},
        ]
    ),
    "a system message on the way": question(messages=[*question()["messages"], {"role": "system", "content": "Now."}]),  # type: ignore[misc]
    "a field from the future": question(hologram={"size": 3}),
    "structured output": question(output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}}),
}


@pytest.mark.parametrize("request_body", FINE.values(), ids=FINE.keys())
async def test_what_is_served_is_described(request_body: dict[str, Any]) -> None:
    app = new_app()
    assert conforms(await described(app), "MessagesRequest", request_body)
    assert (await call(app, "POST", "/v1/messages", request_body)).status == 200


WRONG: dict[str, dict[str, Any]] = {
    "no messages": {"model": "m", "max_tokens": 5},
    "a limit that is no number": question(max_tokens="5"),
    "a wrong role": question(messages=[{"role": "robot", "content": "a"}]),
    "a block without its content": question(messages=[{"role": "user", "content": [{"type": "text"}]}]),
    "a system prompt that is none": question(system=5),
    "thinking of no kind": question(thinking={"type": "hard"}),
    "a blank stop sequence": question(stop_sequences=[" "]),
}


@pytest.mark.parametrize("request_body", WRONG.values(), ids=WRONG.keys())
async def test_what_is_described_as_wrong_is_refused(request_body: dict[str, Any]) -> None:
    app = new_app()
    assert not conforms(await described(app), "MessagesRequest", request_body)
    assert (await call(app, "POST", "/v1/messages", request_body)).status == 400
