"""End to end: the official SDK, our proxy, a real LiteLLM with its `github_copilot` models, and a fake Copilot.

One signs in with our command; LiteLLM finds the tokens, and renews them. What is said here of LiteLLM was seen
with 1.105.2.
"""

import base64
import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import anthropic
import pytest
import typer
from anthropic import Anthropic
from typer.testing import CliRunner

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.copilot.commands import login
from tests.fake_copilot import API, FakeCopilot, Seen
from tests.litellm.server import LiteLLM, litellm_proxy
from tests.servers import serving

pytestmark = pytest.mark.slow

CHAT = f"{API}/chat/completions"
RESPONSES = f"{API}/responses"
MESSAGES = f"{API}/v1/messages"
EXCHANGE = "/copilot_internal/v2/token"

DOORS = {"gpt-4.1": CHAT, "claude-sonnet-4.5": CHAT, "gpt-5.3-codex": RESPONSES}
"""Models, and where LiteLLM sends them when it is asked for chat completions."""

CONFIG = {
    "model_list": [
        {"model_name": name, "litellm_params": {"model": f"github_copilot/{name}"}} for name in (*DOORS, "gpt-5")
    ],
    "litellm_settings": {"disable_copilot_system_to_assistant": True},
    # LiteLLM would hide a failure behind two retries, and then refuse the model for five seconds.
    "router_settings": {"num_retries": 0, "disable_cooldowns": True},
}

SAID = "I am the demo backend of anthropic-proxy: a script, not a language model. You said: “Hello”."

WEATHER: Any = {
    "name": "get_weather",
    "description": "Current weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 640, 480) + b"\x08\x02\0\0\0"
IMAGE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()},
}


class World(NamedTuple):
    fake: FakeCopilot
    litellm: LiteLLM
    client: Anthropic
    """Of our proxy."""
    environ: dict[str, str]
    """Leads LiteLLM's provider, and our commands, to the fake."""
    directory: Path
    """Holds the tokens."""

    def new(self, path: str) -> list[Seen]:
        """What Copilot was asked there since the last look."""
        found = self.fake.seen(path)
        self.fake.requests.clear()
        return found

    def ask(self, model: str, content: Any = "Hello", **fields: Any) -> anthropic.types.Message:
        asked: Any = {"model": model, "max_tokens": 900, "messages": [{"role": "user", "content": content}], **fields}
        message: anthropic.types.Message = self.client.messages.create(**asked)
        return message


def sign_in(environ: dict[str, str]) -> None:
    """`anthropic-proxy login copilot`."""
    app = typer.Typer()
    app.command()(login)
    assert CliRunner(env=environ).invoke(app, []).exit_code == 0


@pytest.fixture(scope="module")
def signed_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Everything started, in the order of a user, with one user signed in."""
    fake, directory = FakeCopilot(), tmp_path_factory.mktemp("tokens")
    with serving(fake.app) as github:
        environ = fake.environ(github, directory)
        sign_in(environ)
        with litellm_proxy(CONFIG, tmp_path_factory.mktemp("litellm"), environ) as litellm:
            settings = {
                "OPENAI_API_BASE": f"{litellm.base_url}/v1",
                "OPENAI_API_KEY": litellm.key,
                "DIALECT": "initiator_in_body=true",
            }
            with (
                serving(create_app(Settings.from_env(settings))) as proxy,
                Anthropic(base_url=proxy, api_key="any", max_retries=0) as client,
            ):
                yield World(fake, litellm, client, environ, directory)


@pytest.fixture
def world(signed_in: World) -> World:
    signed_in.fake.requests.clear()
    return signed_in


def text(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


@pytest.mark.parametrize("model", DOORS)
def test_a_whole_reply(model: str, world: World) -> None:
    message = world.ask(model, system="Be brief.")
    assert text(message).startswith(SAID)
    assert (message.model, message.stop_reason) == (model, "end_turn")
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0
    (asked,) = world.new(DOORS[model])
    assert asked.body["model"] == model
    assert not asked.body.get("stream")


@pytest.mark.parametrize("model", DOORS)
def test_a_stream(model: str, world: World) -> None:
    asked: Any = {"model": model, "max_tokens": 900, "messages": [{"role": "user", "content": "Hello"}]}
    with world.client.messages.stream(**asked) as stream:
        parts = list(stream.text_stream)
        message = stream.get_final_message()
    assert "".join(parts).startswith(SAID)
    assert len(parts) > 5
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 0
    assert [seen.body["stream"] for seen in world.new(DOORS[model])] == [True]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", DOORS)
def test_a_tool_loop(model: str, streamed: bool, world: World) -> None:
    asked: Any = {"model": model, "max_tokens": 900, "tools": [WEATHER]}
    talk: Any = [{"role": "user", "content": "Weather in Paris and Rome in parallel"}]

    def turn() -> anthropic.types.Message:
        if streamed:
            with world.client.messages.stream(**asked, messages=talk) as stream:
                return stream.get_final_message()
        message: anthropic.types.Message = world.client.messages.create(**asked, messages=talk)
        return message

    message = turn()
    calls = [block for block in message.content if block.type == "tool_use"]
    assert message.stop_reason == "tool_use"
    assert [(call.name, call.input) for call in calls] == [
        ("get_weather", {"city": "Paris"}),
        ("get_weather", {"city": "Rome"}),
    ]
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": f"{n} °C"} for n, call in enumerate(calls)]
    talk += [{"role": "assistant", "content": message.content}, {"role": "user", "content": results}]
    assert text(turn()) == "get_weather answered: “0 °C”.\nget_weather answered: “1 °C”."
    assert [seen.headers["x-initiator"] for seen in world.new(DOORS[model])] == ["user", "agent"]


def test_the_system_prompt_stays_one(world: World) -> None:
    world.ask("gpt-4.1", system="Be brief.")
    (asked,) = world.new(CHAT)
    assert asked.body["messages"][0] == {"role": "system", "content": "Be brief."}


def test_thinking_comes_through(world: World) -> None:
    message = world.ask("gpt-5", thinking={"type": "enabled", "budget_tokens": 2000}, max_tokens=4000)
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert world.new(CHAT)[0].body["reasoning_effort"] == "low"


INITIATORS: dict[str, tuple[Any, dict[str, str], str]] = {
    "a question of the user's": ("Hello", {}, "user"),
    "a question with a reminder beside it": (
        [{"type": "text", "text": "<system-reminder>x</system-reminder>"}, {"type": "text", "text": "Hello"}],
        {},
        "user",
    ),
    "a reminder alone": ("<system-reminder>x</system-reminder>", {}, "agent"),
    "a question of an agent's": ("Hello", {"x-claude-code-agent-id": "a1"}, "agent"),
}


@pytest.mark.parametrize("model", ["gpt-4.1", "gpt-5.3-codex"])
@pytest.mark.parametrize(("content", "headers", "initiator"), INITIATORS.values(), ids=INITIATORS.keys())
def test_copilot_hears_who_asks(
    content: Any, headers: dict[str, str], initiator: str, model: str, world: World
) -> None:
    world.ask(model, content, extra_headers=headers)
    (asked,) = world.new(DOORS[model])
    assert asked.headers["x-initiator"] == initiator
    assert "copilot-vision-request" not in asked.headers


@pytest.mark.parametrize("model", ["gpt-4.1", "gpt-5.3-codex"])
def test_copilot_hears_of_images(model: str, world: World) -> None:
    world.ask(model, [IMAGE, {"type": "text", "text": "What is it?"}])
    (asked,) = world.new(DOORS[model])
    assert asked.headers["copilot-vision-request"] == "true"
    assert asked.headers["x-initiator"] == "user"


@pytest.mark.parametrize("model", DOORS)
def test_copilot_sees_an_editor(model: str, world: World) -> None:
    # LiteLLM leaves its own headers out where a request has some, and sends both where they differ in case.
    world.ask(model)
    (asked,) = world.new(DOORS[model])
    editor = {name: asked.headers.get(name) for name in ("copilot-integration-id", "editor-version", "openai-intent")}
    assert editor == {
        "copilot-integration-id": "vscode-chat",
        "editor-version": "vscode/1.107.0",
        "openai-intent": "conversation-panel",
    }


def test_an_expired_token_is_renewed(world: World) -> None:
    stored = world.directory / "api-key.json"
    before = json.loads(stored.read_text())
    world.fake.expire()
    stored.write_text(json.dumps({**before, "expires_at": time.time() - 1}))
    world.ask("gpt-4.1")
    world.ask("gpt-5.3-codex")
    assert len(world.new(EXCHANGE)) == 1
    assert json.loads(stored.read_text())["token"] != before["token"]
    assert stored.stat().st_mode & 0o777 == 0o600


def test_a_revoked_token_is_said_and_a_new_sign_in_mends_it(world: World) -> None:
    world.fake.expire()
    with pytest.raises(anthropic.AuthenticationError, match="sign in again with: anthropic-proxy login copilot"):
        world.ask("gpt-4.1")
    # LiteLLM asks for no new one before the old one's time is over.
    assert world.new(EXCHANGE) == []
    sign_in(world.environ)
    assert text(world.ask("gpt-4.1")).startswith(SAID)


def test_an_account_that_lost_copilot_is_an_error_at_once(world: World) -> None:
    stored = world.directory / "api-key.json"
    world.fake.refusal = (403, "no Copilot")
    stored.unlink()
    with pytest.raises(anthropic.AuthenticationError, match="sign in again with: anthropic-proxy login copilot"):
        world.ask("gpt-4.1")
    world.fake.refusal = None
    assert text(world.ask("gpt-4.1")).startswith(SAID)


def test_a_rate_limit_is_not_hidden_behind_retries(world: World) -> None:
    with pytest.raises(anthropic.RateLimitError, match="Rate limit reached"):
        world.ask("gpt-4.1", "error 429")
    assert len(world.new(CHAT)) == 1
    assert text(world.ask("gpt-4.1")).startswith(SAID), "the model is not refused afterwards"


def test_a_long_prompt_is_told_in_claudes_words(world: World) -> None:
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long: 200001 tokens > 200000 maximum"):
        world.ask("gpt-4.1", "overflow")


def test_a_reply_that_breaks_does_not_end_as_if_it_were_whole(world: World) -> None:
    asked: Any = {
        "model": "gpt-4.1",
        "max_tokens": 900,
        "messages": [{"role": "user", "content": "error in the stream"}],
    }
    with (
        pytest.raises(anthropic.APIStatusError, match="The server broke in mid-reply"),
        world.client.messages.stream(**asked) as stream,
    ):
        stream.get_final_message()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_litellms_own_door_takes_claude_to_claudes_api(streamed: bool, world: World) -> None:
    # Our proxy does not use that door yet. Its address comes out of the file that signing in has stored.
    asked: Any = {"model": "claude-sonnet-4.5", "max_tokens": 99, "messages": [{"role": "user", "content": "Hello"}]}
    with Anthropic(base_url=world.litellm.base_url, auth_token=world.litellm.key, max_retries=0) as client:
        if streamed:
            with client.messages.stream(**asked) as stream:
                message = stream.get_final_message()
        else:
            message = client.messages.create(**asked)
    assert text(message) == "Claude's own API answers."
    (seen,) = world.new(MESSAGES)
    assert seen.body["messages"] == asked["messages"]
    assert (seen.headers["openai-intent"], seen.headers["copilot-integration-id"]) == ("messages-proxy", "vscode-chat")
