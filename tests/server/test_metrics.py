"""Figures for Prometheus: what is counted, under which labels, and who may see it."""

import asyncio
import json
import subprocess
import sys

import pytest
from fastapi import FastAPI
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from anthropic_proxy import create_app
from anthropic_proxy.backend import Backend
from anthropic_proxy.config import Settings
from anthropic_proxy.server.metrics import MOST_NAMES, OTHER, Metrics
from anthropic_proxy.upstream.base import Upstream
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.scripted import Request, ScriptedServer, Send, Stall, Step, chunk, stream, stream_head
from tests.server.asgi import STREAMED, WHOLE, Exchange, alive, call, question

SETTINGS = Settings(openai_api_base="http://replay.invalid/v1", metrics="on")
JSON = {"content-type": "application/json"}
TAUGHT = Recorded(
    b'{"error": {"message": "Unsupported parameter: \'temperature\'", "code": "unsupported_parameter", '
    b'"param": "temperature"}}',
    400,
    JSON,
)
Figures = dict[str, float]


def metered(upstream: Upstream, **settings: object) -> FastAPI:
    return create_app(SETTINGS.model_copy(update=settings), upstream)


async def figures(app: FastAPI) -> Figures:
    """What `/metrics` says, by name and labels as they stand there."""
    answer = await call(app, "GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(b"".join(answer.writes).decode())
    return {
        f"{sample.name}{json.dumps(sample.labels, sort_keys=True) if sample.labels else ''}": sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("anthropic_proxy_")
    }


async def test_a_stream() -> None:
    app = metered(Replay(Recorded(STREAMED, read_size=40, pause=0.002)), model="m")
    await call(app, "POST", "/v1/messages", question(stream=True))
    found = await figures(app)
    expected = {
        'anthropic_proxy_requests_total{"endpoint": "messages", "status": "200"}': 1,
        'anthropic_proxy_tokens_total{"kind": "input", "model": "m"}': 12,
        'anthropic_proxy_tokens_total{"kind": "output", "model": "m"}': 3,
        'anthropic_proxy_upstream_calls_total{"dialect": "plain"}': 1,
        'anthropic_proxy_first_piece_seconds_count{"model": "m"}': 1,
        'anthropic_proxy_request_seconds_count{"endpoint": "messages"}': 1,
        "anthropic_proxy_open_streams": 0,
        "anthropic_proxy_open_requests": 1,  # the one for the figures
    }
    assert {name: found.get(name) for name in expected} == expected
    assert found["anthropic_proxy_chunk_gap_seconds_count"] >= 2
    assert found["anthropic_proxy_chunk_gap_seconds_sum"] > 0.002
    assert [name for name in found if "errors" in name] == []


async def test_a_whole_reply_after_a_lesson() -> None:
    app = metered(Replay(TAUGHT, Recorded(WHOLE, headers=JSON)))
    await call(app, "POST", "/v1/messages", question(temperature=0.5, top_k=2))
    found = await figures(app)
    assert found['anthropic_proxy_upstream_calls_total{"dialect": "plain"}'] == 2
    assert found['anthropic_proxy_learned_total{"dialect": "plain"}'] == 1
    assert found['anthropic_proxy_learned_habits{"field": "dropped", "model": "claude-test"}'] == 1
    assert found['anthropic_proxy_dropped_requests_total{"dialect": "plain"}'] == 1
    assert found["anthropic_proxy_chunk_gap_seconds_count"] == 0


async def test_habits_of_models_without_a_label_of_their_own_are_counted_together() -> None:
    backend = Backend(Replay(Recorded(WHOLE)), SETTINGS)
    for number in range(MOST_NAMES + 3):
        backend.learn(f"model-{number}", {"temperature": False, "dropped": frozenset({"seed", "user"})})
    families = text_string_to_metric_families(generate_latest(Metrics([backend]).registry).decode())
    (habits,) = [family for family in families if family.name == "anthropic_proxy_learned_habits"]
    found = {(sample.labels["model"], sample.labels["field"]): sample.value for sample in habits.samples}
    assert len(found) == 2 * (MOST_NAMES + 1)
    assert found["model-0", "dropped"] == 2
    assert (found[OTHER, "temperature"], found[OTHER, "dropped"]) == (3, 6)


@pytest.mark.parametrize("client", ["aiohttp", "lean"])
async def test_the_pool_of_connections(client: str) -> None:
    def script(request: Request) -> list[Step]:
        return (
            [*stream(STREAMED)]
            if b"ends" in request.body
            else [Send(stream_head()), Send(chunk(STREAMED[:300])), Stall()]
        )

    def pool(found: Figures) -> dict[str, float]:
        name = 'anthropic_proxy_upstream_connections{"state": "%s"}'
        return {state: found[name % state] for state in ("busy", "idle", "opening")}

    async with ScriptedServer(script) as backend:
        there = {"openai_api_base": f"{backend.url}/v1", "backend": "plain", "upstream_client": client}
        async with alive(create_app(SETTINGS.model_copy(update=there))) as app:
            assert pool(await figures(app)) == {"busy": 0, "idle": 0, "opening": 0}
            endless = [Exchange(app, "POST", "/v1/messages", question(stream=True)) for _ in range(2)]
            running = [asyncio.create_task(exchange.run()) for exchange in endless]
            for exchange in endless:
                await exchange.until_sent(b"Hello")
            assert pool(await figures(app)) == {"busy": 2, "idle": 0, "opening": 0}
            assert (await call(app, "POST", "/v1/messages", question(model="ends", stream=True))).status == 200
            assert pool(await figures(app)) == {"busy": 2, "idle": 1, "opening": 0}
            endless[0].gone.set()
            await running[0]
            await backend.until(lambda backend: len(backend.gone) == 1)
            assert pool(await figures(app)) == {"busy": 1, "idle": 1, "opening": 0}
            endless[1].gone.set()
            await running[1]


@pytest.mark.parametrize("client", ["aiohttp", "lean"])
async def test_a_request_that_waits_for_its_connection(client: str) -> None:
    async with ScriptedServer([], greeting=[Stall()]) as backend:  # which never shakes hands
        there = {"openai_api_base": backend.url.replace("http:", "https:"), "upstream_client": client}
        async with alive(create_app(SETTINGS.model_copy(update={**there, "backend": "plain"}))) as app:
            exchange = Exchange(app, "POST", "/v1/messages", question())
            running = asyncio.create_task(exchange.run())
            await backend.until(lambda backend: backend.connections == 1)
            assert (await figures(app))['anthropic_proxy_upstream_connections{"state": "opening"}'] == 1
            exchange.gone.set()
            await running
            assert (await figures(app))['anthropic_proxy_upstream_connections{"state": "opening"}'] == 0


async def test_errors_by_type_and_status() -> None:
    app = metered(Replay(Recorded(STREAMED, broken_at=350)))
    await call(app, "POST", "/v1/messages", b"{")
    await call(app, "POST", "/v1/messages", question(stream=True))
    await call(app, "GET", "/nowhere")
    found = await figures(app)
    expected = {
        'anthropic_proxy_errors_total{"type": "invalid_request_error"}': 1,
        'anthropic_proxy_errors_total{"type": "api_error"}': 1,
        'anthropic_proxy_errors_total{"type": "not_found_error"}': 1,
        'anthropic_proxy_requests_total{"endpoint": "messages", "status": "400"}': 1,
        'anthropic_proxy_requests_total{"endpoint": "messages", "status": "200"}': 1,
        'anthropic_proxy_requests_total{"endpoint": "other", "status": "404"}': 1,
    }
    assert {name: found.get(name) for name in expected} == expected


async def test_a_stream_is_open_until_its_client_goes() -> None:
    app = metered(Replay(Recorded(STREAMED[:400], stall=True)))
    exchange = Exchange(app, "POST", "/v1/messages", question(stream=True))
    running = asyncio.create_task(exchange.run())
    await exchange.until_sent(b"Hello")
    assert (await figures(app))["anthropic_proxy_open_streams"] == 1
    exchange.gone.set()
    await running
    found = await figures(app)
    assert found["anthropic_proxy_open_streams"] == 0
    assert found['anthropic_proxy_requests_total{"endpoint": "messages", "status": "499"}'] == 1


def test_clients_that_invent_models_get_no_labels_of_their_own() -> None:
    metrics = Metrics([Backend(Replay(Recorded(WHOLE)), SETTINGS)])
    assert len({metrics.name(f"model-{number}") for number in range(10 * MOST_NAMES)}) == MOST_NAMES + 1
    assert metrics.name("model-0") == "model-0"


async def test_the_figures_are_for_those_who_have_a_key() -> None:
    app = metered(Replay(Recorded(WHOLE)), proxy_api_key=SecretStr("right"))
    assert (await call(app, "GET", "/metrics")).error[:2] == (401, "authentication_error")
    assert (await call(app, "GET", "/metrics", headers={"authorization": "Bearer right"})).status == 200


async def test_on_a_port_of_their_own() -> None:
    # The server of these tests says that it listens on port 2.
    replay = Replay(Recorded(WHOLE, headers=JSON))
    assert (await call(metered(replay, metrics="2"), "GET", "/metrics")).status == 200
    assert (await call(metered(replay, metrics="2"), "GET", "/health")).status == 404
    assert (await call(metered(replay, metrics="3"), "GET", "/metrics")).status == 404
    assert (await call(metered(replay, metrics="3"), "GET", "/health")).status == 200


async def test_switched_off_there_are_none() -> None:
    app = metered(Replay(Recorded(WHOLE)), metrics="off")
    assert (await call(app, "GET", "/metrics")).error[0] == 404


EXTRAS = ("prometheus_client", "limits", "opentelemetry.sdk")


def test_no_library_of_an_extra_is_loaded_unasked() -> None:
    program = (
        "import sys; from anthropic_proxy import create_app, Settings\n"
        "create_app(Settings(openai_api_base='http://127.0.0.1:9/v1'))\n"
        f"print(*[name for name in {EXTRAS} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == []


MISSING = {
    "RATE_LIMIT": ("2/day", "limits"),
    "METRICS": ("on", "prometheus_client"),
    "TRACES": ("on", "opentelemetry.sdk"),
}


@pytest.mark.parametrize("variable", MISSING)
def test_a_library_that_is_missing_is_named_before_the_start(variable: str) -> None:
    value, library = MISSING[variable]
    program = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "from anthropic_proxy.config import Settings; from anthropic_proxy.server.process import check\n"
        "try:\n"
        f"    check(Settings(openai_api_base='http://127.0.0.1:9/v1', {variable.lower()}={value!r}))\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith(f"{variable}: needs more libraries; pip install 'anthropic-proxy[")
