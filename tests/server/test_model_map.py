"""The model map in the running application: which backend is asked for what, and what the reply says of it."""

import asyncio
import io
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.model_map import read
from anthropic_proxy.replay.playback import differences, played_back, read_recording, renewed
from anthropic_proxy.server import reload
from anthropic_proxy.server.logs import configure
from anthropic_proxy.server.recordings import Document
from anthropic_proxy.settings_file import SettingsFile
from anthropic_proxy.upstream.replay import Recorded, Replay
from anthropic_proxy.wire.json import dumps
from tests.server.asgi import STREAMED, WHOLE, Answer, Exchange, alive, call, chunks, delta, question

SETTINGS = Settings(openai_api_base="http://main.invalid/v1", openai_api_key=SecretStr("sk-main-key"))
JSON = {"content-type": "application/json"}
FINE = Recorded(WHOLE, headers=JSON)
STREAM = Recorded(STREAMED)
KEYS = {"CLOUD_KEY": "sk-cloud-key"}

BACKENDS = """
backends:
  cloud: {base_url: https://cloud.invalid/v1, key_variable: CLOUD_KEY, dialect: {name: openrouter}}
  local: {base_url: http://127.0.0.1:9/v1}
"""

CLOUD, LOCAL, MAIN = "https://cloud.invalid/v1", "http://127.0.0.1:9/v1", "http://main.invalid/v1"


def refused(status: int, **headers: str) -> Recorded:
    return Recorded(b'{"error": {"message": "no"}}', status=status, headers={**JSON, **headers})


class Network:
    """Backends by their base URLs, each with its replies."""

    def __init__(self, **replies: Recorded | UpstreamBroke) -> None:
        self.cloud, self.local, self.main = (Replay(replies.get(name, FINE)) for name in ("cloud", "local", "main"))
        self.cloud.base_url, self.local.base_url, self.main.base_url = CLOUD, LOCAL, MAIN

    def connect(self, base_url: str) -> Replay:
        return {CLOUD: self.cloud, LOCAL: self.local}[base_url]

    def app(self, text: str, keep: Callable[..., None] | None = None, **settings: object) -> FastAPI:
        models = read(BACKENDS + text, "models.yaml", KEYS).models
        chosen = SETTINGS.model_copy(update=settings)
        return create_app(chosen, self.main, models=models, connect_to=self.connect, keep=keep)

    @property
    def asked(self) -> list[str]:
        """Which backend was asked for a reply, and for which model."""
        named = (("cloud", self.cloud), ("local", self.local), ("main", self.main))
        return [f"{name}: {sent.body['model']}" for name, replay in named for sent in replay.requests if sent.body]


async def ask(app: FastAPI, body: object, headers: Mapping[str, str] | None = None) -> Answer:
    return await call(app, "POST", "/v1/messages", body, headers)


TIERS = """
models:
  opus: {backend: cloud, model: big}
  haiku: {backend: local, model: small}
  openrouter/*: {backend: cloud, model: "*"}
  mine: renamed
"""

PLACES = {
    "claude-opus-5": "cloud: big",
    "claude-haiku-4-5-20251001": "local: small",
    "openrouter/qwen/qwen3": "cloud: qwen/qwen3",
    "mine": "main: renamed",
    "another": "main: another",
}


@pytest.mark.parametrize(("name", "place"), PLACES.items(), ids=PLACES.keys())
async def test_a_name_is_asked_at_its_backend(name: str, place: str) -> None:
    network = Network()
    answer = await ask(network.app(TIERS), question(model=name))
    assert (answer.status, answer.json["model"]) == (200, name)
    assert network.asked == [place]


async def test_the_model_variables_have_what_the_map_leaves() -> None:
    network = Network()
    app = network.app(TIERS, model="all", reasoning_model="thinker")
    await ask(app, question(model="claude-opus-5", thinking=True))
    await ask(app, question(model="claude-sonnet-5", thinking=True))
    await ask(app, question(model="claude-sonnet-5"))
    assert network.asked == ["cloud: big", "main: thinker", "main: all"]


async def test_an_alias_of_the_picker_meets_the_map() -> None:
    network = Network()
    app = network.app(TIERS, claude_aliases=True)
    await ask(app, question(model="claude/mine"))
    await ask(app, question(model="claude/other"))
    assert network.asked == ["main: renamed", "main: other"]


async def test_the_map_s_names_are_listed_as_models() -> None:
    answer = await call(Network().app(TIERS), "GET", "/v1/models")
    assert [model["id"] for model in answer.json["data"]] == ["mine"]


async def test_each_backend_gets_its_own_key_and_no_other() -> None:
    network = Network()
    app = network.app(TIERS, forward_key=True)
    for name in PLACES:
        await ask(app, question(model=name), {"x-api-key": "sk-client"})
    keys = {
        name: {sent.headers.get("authorization") for sent in getattr(network, name).requests if sent.body}
        for name in ("cloud", "local", "main")
    }
    assert keys == {"cloud": {"Bearer sk-cloud-key"}, "local": {None}, "main": {"Bearer sk-client"}}


async def test_a_route_changes_dialect_headers_and_fields() -> None:
    network = Network()
    text = """
models:
  opus:
    backend: cloud
    max_output_tokens: 50
    headers: {X-Team: blue}
    dialect: {max_tokens_field: max_completion_tokens}
    set: {provider: {order: [a]}, temperature: 0.5}
    default: {seed: 7, top_p: 0.1}
    drop: [stop]
"""
    app = network.app(text)
    answer = await ask(app, question(model="opus", temperature=1, top_p=0.9, metadata={"user_id": "u"}))
    sent = network.cloud.requests[-1]
    assert (sent.body["max_completion_tokens"], sent.headers["X-Team"]) == (50, "blue")
    assert {name: sent.body[name] for name in ("provider", "temperature", "seed", "top_p")} == {
        "provider": {"order": ["a"]},
        "temperature": 0.5,
        "seed": 7,
        "top_p": 0.9,
    }
    assert "x-proxy-dropped" not in answer.headers or "stop" not in answer.headers["x-proxy-dropped"].split(", ")


async def test_what_a_route_drops_is_named() -> None:
    network = Network()
    text = "models: {opus: {backend: cloud, drop: [temperature, seed]}}"
    answer = await ask(network.app(text), question(model="opus", temperature=1))
    assert "temperature" not in network.cloud.requests[-1].body
    assert answer.headers["x-proxy-dropped"] == "temperature"
    answer = await ask(network.app(text, strict=True), question(model="opus", temperature=1))
    assert answer.error == (
        400,
        "invalid_request_error",
        "temperature: not wanted there (models: opus exactly) (STRICT is on, so nothing is dropped)",
    )


async def test_a_field_that_the_backend_refuses_is_not_set_again() -> None:
    network = Network()
    no_seed = Recorded(b'{"error": {"message": "Unsupported parameter: \'seed\'"}}', status=400, headers=JSON)
    network.cloud = Replay(no_seed, FINE, base_url=CLOUD)
    answer = await ask(network.app("models: {opus: {backend: cloud, set: {seed: 7}}}"), question(model="opus"))
    assert answer.status == 200
    assert ["seed" in sent.body for sent in network.cloud.requests] == [True, False]
    assert "seed" in answer.headers["x-proxy-changed"]


async def test_the_reply_says_who_gave_it_and_how_long_it_took() -> None:
    app = Network(cloud=STREAM).app(TIERS)
    for stream in (False, True):
        answer = await ask(app, question(model="claude-opus-5", stream=stream))
        assert (answer.headers["x-upstream-model"], answer.headers["x-upstream-backend"]) == ("big", "cloud")
        proxy, upstream = answer.headers["server-timing"].split(", ")
        assert float(proxy.removeprefix("proxy;dur=")) >= 0
        assert float(upstream.removeprefix("upstream;dur=")) >= 0
        assert "x-proxy-changed" not in answer.headers
    unnamed = await ask(app, question(model="another"))
    assert unnamed.headers["x-upstream-backend"] == "plain"


SPARE = """
models:
  opus: {backend: cloud, model: big, fallbacks: [haiku, spare]}
  haiku: {backend: local, model: small}
  spare: last
cool_down: 60
"""

FAILS: dict[str, Recorded | UpstreamBroke] = {
    "401": refused(401),
    "402": refused(402),
    "403": refused(403),
    "404 of the model": Recorded(b'{"error": {"message": "model big not found"}}', status=404, headers=JSON),
    "429": refused(429),
    "500": refused(500),
    "503": refused(503),
    "nobody there": UpstreamBroke("cannot connect", kind="refused"),
    "silence": UpstreamBroke("no answer", kind="first_byte_timeout"),
    "an empty body": Recorded(b"", headers=JSON),
    "HTML": Recorded(b"<html><title>Bad gateway</title></html>", headers={"content-type": "text/html"}),
    "an error as the first event": Recorded(b'data: {"error": {"message": "overloaded", "code": 503}}\n\n'),
    "the end before the first event": Recorded(b""),
    "a break before the first event": Recorded(b": hello\n\n", broken_at=9),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("failure", FAILS.values(), ids=FAILS.keys())
async def test_another_model_answers_where_one_fails(failure: Recorded | UpstreamBroke, stream: bool) -> None:
    network = Network(cloud=failure, local=STREAM if stream else FINE)
    answer = await ask(network.app(SPARE), question(model="opus", stream=stream))
    assert (answer.status, network.asked) == (200, ["cloud: big", "local: small"])
    assert (answer.headers["x-upstream-model"], answer.headers["x-upstream-backend"]) == ("small", "local")
    assert answer.headers["x-proxy-changed"].startswith("big: ")
    if stream:
        assert answer.kinds[0] == "message_start"
        assert answer.kinds.count("message_start") == 1
        assert answer.kinds[-1] == "message_stop"
    else:
        assert answer.json["content"][0]["text"] == "Hello there"


async def test_the_last_one_s_failure_is_told() -> None:
    network = Network(cloud=refused(500), local=refused(429), main=refused(503, **{"retry-after": "7"}))
    answer = await ask(network.app(SPARE), question(model="opus"))
    assert answer.error[:2] == (529, "overloaded_error")
    assert answer.headers["retry-after"] == "7"
    assert network.asked == ["cloud: big", "local: small", "main: last"]


STAYS: dict[str, Recorded] = {
    "what is wrong with the request": refused(400),
    "a prompt that is too long": Recorded(
        b'{"error": {"message": "maximum context length is 10 tokens", "code": "context_length_exceeded"}}',
        status=400,
        headers=JSON,
    ),
}


@pytest.mark.parametrize("failure", STAYS.values(), ids=STAYS.keys())
async def test_a_request_that_is_wrong_goes_to_nobody_else(failure: Recorded) -> None:
    network = Network(cloud=failure)
    assert (await ask(network.app(SPARE), question(model="opus"))).status == 400
    assert set(network.asked) == {"cloud: big"}


async def test_nobody_else_is_asked_once_a_reply_has_begun() -> None:
    begun = chunks(delta(role="assistant", content="Hel"))
    network = Network(cloud=Recorded(begun, broken_at=len(begun) - 14))
    answer = await ask(network.app(SPARE), question(model="opus", stream=True))
    assert answer.kinds[-1] == "error"
    assert network.asked == ["cloud: big"]


async def test_a_model_that_failed_is_left_in_peace_for_a_while() -> None:
    network = Network()
    network.cloud = Replay(refused(503), FINE, base_url=CLOUD)
    app = network.app(SPARE)
    await ask(app, question(model="opus"))
    answer = await ask(app, question(model="opus"))
    assert network.asked == ["cloud: big", "local: small", "local: small"]
    assert answer.headers["x-proxy-changed"] == "big: failed a while ago"


async def test_it_is_asked_again_afterwards() -> None:
    network = Network()
    network.cloud = Replay(refused(503), FINE, base_url=CLOUD)
    app = network.app(SPARE.replace("cool_down: 60", "cool_down: 0"))
    await ask(app, question(model="opus"))
    await ask(app, question(model="opus"))
    assert network.asked == ["cloud: big", "cloud: big", "local: small"]


async def test_it_is_left_in_peace_as_long_as_it_asks() -> None:
    network = Network()
    network.cloud = Replay(refused(429, **{"retry-after": "0"}), FINE, base_url=CLOUD)
    app = network.app(SPARE)
    await ask(app, question(model="opus"))
    await ask(app, question(model="opus"))
    assert network.asked == ["cloud: big", "cloud: big", "local: small"]


async def test_it_is_asked_last_where_all_others_fail() -> None:
    network = Network(local=refused(500), main=refused(500))
    network.cloud = Replay(refused(503), FINE, base_url=CLOUD)
    app = network.app(SPARE)
    await ask(app, question(model="opus"))
    assert (await ask(app, question(model="opus"))).status == 200
    assert network.asked[:2] == ["cloud: big", "cloud: big"]


LONG = """
models:
  big: {backend: cloud}
  haiku: {backend: local, model: small}
long_context: {above: 2000, model: big}
"""


async def test_long_prompts_take_their_own_way() -> None:
    network = Network()
    app = network.app(LONG)
    long = [{"role": "user", "content": "one more word " * 1000}]
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo=" * 2000}}
    await ask(app, question(model="haiku"))
    await ask(app, question(model="haiku", messages=long))
    await ask(app, question(model="other", messages=long))
    await ask(app, question(model="haiku", messages=[{"role": "user", "content": [picture]}]))
    assert network.asked == ["cloud: big", "cloud: big", "local: small", "local: small"]


async def test_a_count_is_that_of_the_way_it_would_take() -> None:
    app = Network().app(LONG)
    answer = await call(app, "POST", "/v1/messages/count_tokens", question(model="haiku"))
    assert answer.json["input_tokens"] < 20


CHECK: dict[str, Any] = {
    "max_tokens": 64,
    "stop_sequences": ["</block>"],
    "thinking": {"type": "disabled"},
    "system": "Is it safe?",
}

NO_CHECKS: dict[str, dict[str, Any]] = {
    "streamed": {"stream": True},
    "with tools": {"tools": [{"name": "t", "input_schema": {"type": "object"}}]},
    "with room for more than a verdict": {"max_tokens": 1000},
    "with another stop sequence": {"stop_sequences": ["END"]},
    "without one": {"stop_sequences": []},
    "thinking": {"thinking": {"type": "adaptive"}},
}


async def test_a_safety_check_takes_its_own_way() -> None:
    network = Network()
    app = network.app(f"{TIERS}\nsafety_check: haiku")
    await ask(app, question(model="opus", **CHECK))
    assert network.asked == ["local: small"]
    assert network.local.requests[-1].body["messages"][0]["content"] == "Is it safe?"


@pytest.mark.parametrize("change", NO_CHECKS.values(), ids=NO_CHECKS.keys())
async def test_no_other_request_does(change: dict[str, Any]) -> None:
    network = Network(cloud=STREAM)
    await ask(network.app(f"{TIERS}\nsafety_check: haiku"), question(**{"model": "opus", **CHECK, **change}))
    assert set(network.asked) == {"cloud: big"}


@pytest.mark.parametrize("stream", [False, True])
async def test_an_exchange_with_a_fallback_can_be_played_back(stream: bool) -> None:
    kept: list[Document] = []
    text = f"{SPARE}\n".replace("model: small", "model: small, set: {seed: 7}, drop: [temperature]")
    network = Network(cloud=refused(503), local=STREAM if stream else FINE)
    app = network.app(text, keep=lambda make: kept.append(make()))
    await ask(app, question(model="opus", temperature=1, stream=stream))
    (document,) = kept
    recorded = read_recording(dumps(document))
    assert recorded["base_url"] == LOCAL
    now = await played_back(recorded)
    assert differences(recorded, now) == []
    again = renewed(recorded, now)
    posts = [call["body"] for call in recorded["calls"] if call["method"] == "POST"]
    assert [call["body"] for call in again["calls"]] == posts


class Watched:
    """The application over a file that a test rewrites."""

    def __init__(self, path: Path, network: Network, text: str) -> None:
        self.path = path
        self.network = network
        self.write(text)
        self.file = SettingsFile(path, lambda: KEYS)
        self.app = create_app(SETTINGS, network.main, file=self.file, connect_to=network.connect)

    def write(self, text: str) -> None:
        self.path.write_text(BACKENDS + text)
        # Two writes within one tick of the file system's clock would look the same.
        self.stamp = getattr(self, "stamp", 0) + 10**9
        os.utime(self.path, ns=(self.stamp, self.stamp))


async def until(said: str, caplog: pytest.LogCaptureFixture) -> None:
    """Until the log says so."""
    async with asyncio.timeout(10):
        while said not in caplog.text:  # noqa: ASYNC110 (it tells nobody)
            await asyncio.sleep(0.005)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "EVERY", 0.01)


@pytest.mark.usefixtures("quick")
async def test_a_changed_file_is_read_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched(tmp_path / "models.yaml", Network(), "models: {opus: {backend: cloud, model: a}}")
    async with alive(watched.app) as app:
        await ask(app, question(model="opus"))
        watched.write("models: {opus: {backend: local, model: b}}\nport: 1234")
        await until("the model map was read again from models.yaml: 1 routes", caplog)
        await ask(app, question(model="opus"))
    assert watched.network.asked == ["cloud: a", "local: b"]
    assert "models.yaml: a change of settings counts from the next start on: PORT" in caplog.text


@pytest.mark.usefixtures("quick")
async def test_a_wrong_file_is_refused_and_the_old_one_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched(tmp_path / "models.yaml", Network(), "models: {opus: {backend: cloud, model: a}}")
    async with alive(watched.app) as app:
        watched.write("models:\n  opus: {backend: nowhere}")
        await until("the model map stays as it was: models.yaml, line 6: models.opus.backend: 'nowhere'", caplog)
        await ask(app, question(model="opus"))
        await asyncio.sleep(0.1)
        assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1, "told once"
        watched.path.unlink()
        await asyncio.sleep(0.05)
        await ask(app, question(model="opus"))
        watched.write("models: {opus: {backend: local, model: b}}")
        await until("was read again", caplog)
        await ask(app, question(model="opus"))
    assert watched.network.asked == ["cloud: a", "cloud: a", "local: b"]


@pytest.mark.usefixtures("quick")
async def test_a_stream_goes_on_while_its_backend_leaves_the_map(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network = Network()
    closed = asyncio.Event()
    network.cloud = Replay(Recorded(STREAMED, read_size=60, pause=0.05), base_url=CLOUD)

    async def close() -> None:
        closed.set()

    network.cloud.close = close  # type: ignore[method-assign]
    watched = Watched(tmp_path / "models.yaml", network, "models: {opus: {backend: cloud, model: a}}")
    async with alive(watched.app) as app:
        exchange = Exchange(app, "POST", "/v1/messages", question(model="opus", stream=True))
        running = asyncio.create_task(exchange.run())
        await exchange.until_sent(b"Hello")
        watched.write("models: {opus: {backend: local, model: b}}")
        await until("was read again", caplog)
        assert not closed.is_set()
        answer = await running
        assert answer.kinds[-1] == "message_stop"
        async with asyncio.timeout(10):
            await closed.wait()


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_a_backend_s_key_reaches_no_answer_and_no_log(
    tmp_path: Path, log_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "blue-berries-and-cream"  # Nothing about it looks like a key.
    quoting = Recorded(f'{{"error": {{"message": "wrong credential {key}"}}}}'.encode(), status=401, headers=JSON)
    network = Network(cloud=quoting)
    monkeypatch.setitem(KEYS, "CLOUD_KEY", key)
    watched = Watched(tmp_path / "models.yaml", network, "models: {opus: {backend: local}}")
    settings = SETTINGS.model_copy(update={"log_format": log_format})
    out = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure(settings, out, watched.app.state.secrets)
        # The key comes with a later reading of the file.
        watched.write("models: {opus: {backend: cloud, headers: {X-Token: '${CLOUD_KEY}'}}}")
        reload.take(watched.file, watched.app.state.backends, {})
        answer = await ask(watched.app, question(model="opus"))
        logging.getLogger("anthropic_proxy").warning("a line that quotes %s", key)
    finally:
        root.handlers[:], root.level = handlers, level
    assert network.cloud.requests[-1].headers["authorization"] == f"Bearer {key}"
    assert answer.error[:2] == (401, "authentication_error")
    assert key not in answer.error[2]
    assert "[redacted]" in out.getvalue()
    assert key not in out.getvalue()
