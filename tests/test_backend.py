"""Backend: who answers at the base URL, what was learned of it, and how it is asked."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from anthropic_proxy.backend import MOST_LOOKS, MOST_SETTLED, PROBE_PATIENCE, Backend
from anthropic_proxy.config import Settings
from anthropic_proxy.dialects import Dialect
from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.routing import Route
from anthropic_proxy.translate.chat import CHAT
from anthropic_proxy.upstream.replay import Recorded, Replay, Sent
from tests.hurried import hurried

LOCAL = "http://127.0.0.1:9/v1"
"""An address that tells nothing, so that the server there is asked."""

ROUTE = Route("my-model", CHAT, False)
REASONING = Route("my-model", CHAT, True)


def models(*entries: dict[str, Any], status: int = 200, headers: Mapping[str, str] = {}) -> Recorded:
    return Recorded(json.dumps({"data": entries}).encode(), status=status, headers=headers)


LITELLM = {"x-litellm-version": "1.109"}
VLLM = models({"id": "my-model", "owned_by": "vllm", "max_model_len": 8192})
NOBODY = models({"id": "my-model", "owned_by": "me"})


def backend_at(replay: Replay, **environ: str) -> Backend:
    return Backend(replay, Settings.from_env({"OPENAI_API_BASE": replay.base_url, "OPENAI_API_KEY": "sk-1", **environ}))


async def asked(
    *replies: Recorded | UpstreamBroke, base_url: str = LOCAL, **environ: str
) -> tuple[Dialect, list[Sent]]:
    """The dialect of the first request, and what was asked to find it."""
    replay = Replay(*replies, base_url=base_url)
    return await backend_at(replay, **environ).dialect(ROUTE), replay.requests


# Who answers

FOUND: dict[str, tuple[Recorded | UpstreamBroke, str, int | None]] = {
    "the model list tells": (VLLM, "vllm", 8192),
    "a header tells": (models({"id": "a"}, headers=LITELLM), "litellm", None),
    "a header tells though the list is refused": (
        models(status=401, headers=LITELLM),
        "litellm",
        None,
    ),
    "nobody tells, but the window": (models({"id": "my-model", "context_length": 4096}), "plain", 4096),
    "nobody tells": (NOBODY, "plain", None),
    "a list that is refused": (models({"id": "a", "owned_by": "vllm"}, status=401), "plain", None),
    "a list that is no JSON": (Recorded(b"<html>", headers={}), "plain", None),
    "a connection that breaks": (UpstreamBroke("gone", kind="reset"), "plain", None),
    "a list that breaks off": (Recorded(VLLM.body, broken_at=9, headers={}), "plain", None),
}


@pytest.mark.parametrize(("reply", "name", "window"), FOUND.values(), ids=FOUND.keys())
async def test_a_server_of_ones_own_is_asked_who_it_is(
    reply: Recorded | UpstreamBroke, name: str, window: int | None
) -> None:
    dialect, requests = await asked(reply)
    assert (dialect.name, dialect.context_window) == (name, window)
    assert [sent.path for sent in requests] == ["/models"]
    assert requests[0].headers == {"authorization": "Bearer sk-1"}


async def test_it_is_asked_once() -> None:
    replay = Replay(NOBODY, base_url=LOCAL)
    backend = backend_at(replay)
    await asyncio.gather(*(backend.dialect(ROUTE) for _ in range(5)))
    await backend.dialect(REASONING)
    assert len(replay.requests) == 1


@pytest.mark.parametrize("kind", ["refused", "dns"])
async def test_one_that_is_not_there_yet_is_asked_again(kind: Any) -> None:
    replay = Replay(UpstreamBroke("not there", kind=kind), VLLM, base_url=LOCAL)
    backend = backend_at(replay)
    assert [(await backend.dialect(ROUTE)).name for _ in range(3)] == ["plain", "vllm", "vllm"]
    assert len(replay.requests) == 2


def test_one_that_does_not_answer_is_not_waited_for() -> None:
    async def waited() -> tuple[str, float]:
        clock = asyncio.get_running_loop().time
        began = clock()
        dialect, _ = await asked(Recorded(b"{", stall=True, headers={}))
        return dialect.name, clock() - began

    name, seconds = hurried(waited())
    assert name == "plain"
    assert seconds >= PROBE_PATIENCE


KNOWN: dict[str, tuple[str, dict[str, str], str]] = {
    "by its host": ("https://api.deepseek.com/v1", {}, "deepseek"),
    "by the settings": (LOCAL, {"BACKEND": "vllm"}, "vllm"),
    "a host that nobody knows": ("https://llm.example.test/v1", {}, "plain"),
}


@pytest.mark.parametrize(("base_url", "environ", "name"), KNOWN.values(), ids=KNOWN.keys())
async def test_one_that_is_known_is_not_asked(base_url: str, environ: dict[str, str], name: str) -> None:
    dialect, requests = await asked(VLLM, base_url=base_url, **environ)
    assert (dialect.name, requests) == (name, [])


async def test_the_settings_have_the_last_word() -> None:
    dialect, _ = await asked(VLLM, DIALECT="name=ollama context_window=99 tool_id_max=12")
    assert (dialect.name, dialect.context_window, dialect.tool_id_max) == ("ollama", 99, 12)


async def test_a_replys_headers_may_still_tell() -> None:
    backend = backend_at(Replay(UpstreamBroke("gone", kind="reset"), base_url=LOCAL))
    assert (await backend.dialect(ROUTE)).name == "plain"
    backend.notice({"x-litellm-call-id": "1"})
    assert (await backend.dialect(ROUTE)).name == "litellm"
    backend.notice({"server": "llama.cpp"})
    assert (await backend.dialect(ROUTE)).name == "litellm"


async def test_but_not_for_ever() -> None:
    backend = backend_at(Replay(NOBODY, base_url=LOCAL))
    for _ in range(MOST_LOOKS):
        backend.notice({})
    backend.notice({"x-litellm-call-id": "1"})
    assert (await backend.dialect(ROUTE)).name == "plain"


@pytest.mark.parametrize(
    ("base_url", "environ"),
    [("https://api.deepseek.com/v1", {}), (LOCAL, {"BACKEND": "vllm"}), (LOCAL, {"DIALECT": "name=vllm"})],
    ids=["by its host", "by the settings", "by an override"],
)
async def test_headers_say_nothing_of_a_backend_that_is_known(base_url: str, environ: dict[str, str]) -> None:
    backend = backend_at(Replay(NOBODY, base_url=base_url), **environ)
    before = (await backend.dialect(ROUTE)).name
    backend.notice({"x-litellm-call-id": "1"})
    assert (await backend.dialect(ROUTE)).name == before != "litellm"


# What was learned


async def test_what_is_learned_holds_for_its_model() -> None:
    backend = backend_at(Replay(NOBODY, base_url=LOCAL))
    before = await backend.dialect(ROUTE)
    backend.learn("my-model", {"max_tokens_field": "max_completion_tokens"})
    backend.learn("my-model", {"max_output_tokens": 4096})
    learned = await backend.dialect(ROUTE)
    assert (learned.max_tokens_field, learned.max_output_tokens) == ("max_completion_tokens", 4096)
    assert await backend.dialect(Route("other-model", CHAT, False)) == before


async def test_fields_that_two_requests_learned_of_at_one_time_are_both_dropped() -> None:
    backend = backend_at(Replay(NOBODY, base_url=LOCAL))
    backend.learn("my-model", {"dropped": frozenset({"user"})})
    backend.learn("my-model", {"dropped": frozenset({"store"})})
    backend.learn("my-model", {"max_output_tokens": 4096})
    assert (await backend.dialect(ROUTE)).dropped == {"user", "store"}


async def test_effort_is_for_models_that_were_named_for_thinking() -> None:
    backend = backend_at(Replay(NOBODY, base_url=LOCAL))
    assert (await backend.dialect(ROUTE)).reasoning == "none"
    assert (await backend.dialect(REASONING)).reasoning == "effort"
    backend.learn("my-model", {"reasoning": "none"})
    assert (await backend.dialect(REASONING)).reasoning == "none"


async def test_clients_may_name_any_number_of_models() -> None:
    backend = backend_at(Replay(NOBODY, base_url=LOCAL))
    first = await backend.dialect(ROUTE)
    for number in range(MOST_SETTLED + 1):
        await backend.dialect(Route(f"model-{number}", CHAT, False))
    assert await backend.dialect(ROUTE) == first


# How it is asked

KEYS: dict[str, tuple[dict[str, str], str | None, dict[str, str]]] = {
    "the proxy's own key": ({}, None, {"authorization": "Bearer sk-1"}),
    "the client's key": ({}, "sk-client", {"authorization": "Bearer sk-client"}),
    "Azure's header": ({"DIALECT": "auth=api-key"}, None, {"api-key": "sk-1"}),
    "no key": ({"OPENAI_API_KEY": ""}, None, {}),
}


@pytest.mark.parametrize(("environ", "key", "expected"), KEYS.values(), ids=KEYS.keys())
async def test_the_key_goes_where_the_backend_wants_it(
    environ: dict[str, str], key: str | None, expected: dict[str, str]
) -> None:
    replay = Replay(Recorded(b"{}"), base_url=LOCAL)
    backend = backend_at(replay, BACKEND="plain", **environ)
    dialect = await backend.dialect(ROUTE)
    async with backend.post(ROUTE, dialect, b'{"a":1}', {"x-initiator": "user"}, key):
        pass
    (sent,) = replay.requests
    assert (sent.path, sent.body) == ("/chat/completions", {"a": 1})
    assert sent.headers == {"content-type": "application/json", "x-initiator": "user", **expected}


async def test_a_dialects_headers_go_with_every_request() -> None:
    replay = Replay(Recorded(b"{}"), base_url=LOCAL)
    backend = backend_at(replay, BACKEND="copilot")
    dialect = await backend.dialect(ROUTE)
    async with backend.post(ROUTE, dialect, b"{}", {}, None), backend.fetch_models(dialect):
        pass
    for sent in replay.requests:
        assert dict(dialect.headers).items() <= dict(sent.headers).items()


async def test_closing_it_gives_up_its_connections() -> None:
    class Closing(Replay):
        gone = False

        async def close(self) -> None:
            self.gone = True

    replay = Closing(NOBODY, base_url=LOCAL)
    await backend_at(replay).close()
    assert replay.gone
