"""A backend that takes its time: the client hears something all the while, and the limits that end it are named.

The settings are the defaults, and the clock of the event loop runs fast.
"""

import asyncio
from typing import Any

import aiohttp
import pytest

from anthropic_proxy.config import Settings
from tests.grammar import Event, parse_stream, violations
from tests.hurried import hurried
from tests.proxying import JSON, Answer, ask, proxying
from tests.scripted import LAST_CHUNK, Pause, ScriptedServer, Send, Stall, Step, chunk, reply, stream_head
from tests.server.asgi import USAGE, chunks, delta, question

HELLO = chunks(delta(content="Hello")).removesuffix(b"data: [DONE]\n\n")
REST = chunks(delta(content=" there"), delta("stop"), USAGE)

REFUSAL = b'{"error": {"message": "out of memory"}}'


async def answered(*steps: Step, **environ: str) -> Answer:
    """A streamed answer, its pings left out."""
    async with ScriptedServer(list(steps)) as backend:
        settings = {"OPENAI_API_BASE": f"{backend.url}/v1", "BACKEND": "plain", "MODEL": "m", **environ}
        async with proxying(Settings.from_env(settings)) as url:
            return await ask(url, question(stream=True))


async def heard(*steps: Step) -> list[Event]:
    """All events of a streamed answer. It is a legal one."""
    async with ScriptedServer(list(steps)) as backend:
        settings = {"OPENAI_API_BASE": f"{backend.url}/v1", "BACKEND": "plain", "MODEL": "m"}
        async with (
            proxying(Settings.from_env(settings)) as url,
            aiohttp.ClientSession() as session,
            session.post(f"{url}/v1/messages", json=question(stream=True), headers=JSON) as response,
        ):
            assert response.status == 200
            events = parse_stream(await response.read())
    assert violations(events) == []
    return events


def test_two_silences_of_45_seconds() -> None:
    """The stream begins after 20 s, and each 10 s of silence are a ping."""
    events = hurried(
        heard(Pause(45), Send(stream_head()), Send(chunk(HELLO)), Pause(45), Send(chunk(REST)), Send(LAST_CHUNK))
    )
    kinds = [event["type"] for event in events]
    deltas = [number for number, kind in enumerate(kinds) if kind == "content_block_delta"]
    assert kinds[0] == "message_start"
    # At least: on a machine under load the pings come late, and the clock runs on.
    assert kinds[: deltas[0]].count("ping") >= 1
    assert kinds[deltas[0] : deltas[1]].count("ping") >= 2
    assert kinds[-1] == "message_stop"
    assert (
        "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta") == "Hello there"
    )


def test_a_failure_after_two_seconds_is_a_status() -> None:
    answer = hurried(answered(Pause(2), Send(reply(REFUSAL, "500 Error"))))
    assert (answer.outcome, "out of memory" in answer.message) == ("500 api_error", True)


def test_a_failure_after_thirty_is_an_event() -> None:
    answer = hurried(answered(Pause(30), Send(reply(REFUSAL, "500 Error"))))
    assert (answer.outcome, "out of memory" in answer.message) == ("event api_error", True)


LIMITS: dict[str, tuple[list[Step], dict[str, str], str]] = {
    "FIRST_BYTE_TIMEOUT": ([Stall()], {"FIRST_BYTE_TIMEOUT": "2"}, "504 timeout_error"),
    "SILENCE_TIMEOUT": (
        [Send(stream_head()), Send(chunk(HELLO)), Stall()],
        {"SILENCE_TIMEOUT": "2"},
        "event timeout_error",
    ),
}


@pytest.mark.parametrize(("setting", "case"), LIMITS.items(), ids=LIMITS.keys())
def test_the_limit_that_ended_it_is_named_and_the_backend_is_left(setting: str, case: Any) -> None:
    steps, environ, outcome = case

    async def ended() -> Answer:
        async with ScriptedServer(steps) as backend:
            settings = {"OPENAI_API_BASE": f"{backend.url}/v1", "BACKEND": "plain", "MODEL": "m", **environ}
            async with proxying(Settings.from_env(settings)) as url:
                answer = await ask(url, question(stream=True))
                await backend.until(lambda server: server.gone == [0], 250)
        return answer

    answer = hurried(ended())
    assert (answer.outcome, setting in answer.message) == (outcome, True)


def test_a_stop_sequence_lets_the_backend_go() -> None:
    """What it would say after that is not paid for."""

    async def ended(stream: bool) -> Answer:
        async with ScriptedServer([Send(stream_head()), Send(chunk(HELLO)), Stall()]) as backend:
            settings = {"OPENAI_API_BASE": f"{backend.url}/v1", "BACKEND": "plain", "MODEL": "m"}
            async with proxying(Settings.from_env(settings)) as url:
                answer = await ask(url, question(stream=stream, stop_sequences=["lo"]))
                await backend.until(lambda server: server.gone == [0])
        return answer

    for stream in (False, True):
        assert asyncio.run(ended(stream)).texts == ["Hel"]
