"""Recordings played back: the same unless something has changed, and then what."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.replay.playback import Unplayable, differences, played_back, read_recording, renewed
from anthropic_proxy.server.recordings import Document
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.server.asgi import ROLE, STREAMED, USAGE, WHOLE, call, chunks, delta, question

SETTINGS = Settings(
    openai_api_base="http://127.0.0.1:4000/v1", openai_api_key=SecretStr("sk-upstream-secret"), model="upstream-model"
)
JSON = {"content-type": "application/json"}
MODELS = Recorded(b'{"data": [{"id": "upstream-model", "owned_by": "vllm", "max_model_len": 32768}]}', headers=JSON)
TAUGHT = Recorded(
    b'{"error": {"message": "Unsupported parameter: \'temperature\'", "code": "unsupported_parameter", '
    b'"param": "temperature"}}',
    400,
    JSON,
)
REFUSED = Recorded(b'{"error": {"message": "slow down"}}', 429, {**JSON, "retry-after": "3"})
NAMELESS_CALL = chunks(
    ROLE,
    delta(tool_calls=[{"index": 0, "function": {"name": "look", "arguments": '{"at": "é"}'}}]),
    delta("tool_calls"),
    USAGE,
)
TOOLS = [{"name": "look", "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}}}]
Replies = tuple[Recorded | UpstreamBroke, ...]


async def recorded(
    replies: Replies, body: object, headers: Mapping[str, str] | None = None, **more: object
) -> Document:
    """An exchange as it is read from its file."""
    kept: list[Document] = []
    replay = Replay(*replies, base_url=SETTINGS.openai_api_base)
    app = create_app(SETTINGS.model_copy(update=more), replay, keep=lambda make: kept.append(make()))
    await call(app, "POST", "/v1/messages", body, headers)
    return read_recording(json.dumps(kept[0]).encode())


EXCHANGES: dict[str, tuple[Replies, object, dict[str, object]]] = {
    "a whole reply": ((MODELS, Recorded(WHOLE, headers=JSON)), question(), {}),
    "a stream": ((MODELS, Recorded(STREAMED, read_size=7)), question(stream=True), {}),
    "a stream cut inside characters, with an id made here": (
        (MODELS, Recorded(NAMELESS_CALL, read_size=1)),
        question(stream=True, tools=TOOLS),
        {},
    ),
    "a refusal": ((MODELS, REFUSED), question(stream=True), {}),
    "a lesson learned on the way": ((MODELS, TAUGHT, Recorded(STREAMED)), question(temperature=0.5), {}),
    "a stream that broke": ((MODELS, Recorded(STREAMED, broken_at=350)), question(stream=True), {}),
    "a backend that was not there": ((UpstreamBroke("no", kind="refused"),), question(stream=True), {}),
    "a request that was refused here": ((MODELS,), question(messages=[]), {}),
    "no JSON": ((MODELS,), b"{", {}),
    "a strict proxy": ((MODELS,), question(top_k=3), {"strict": True}),
    "a key that was passed on": ((MODELS, Recorded(WHOLE, headers=JSON)), question(), {"forward_key": True}),
    "a dialect of one's own": (
        (Recorded(WHOLE, headers=JSON),),
        question(),
        {"backend": "ollama", "dialect": "vision=false headers=X-Key:k"},
    ),
}


@pytest.mark.parametrize(("replies", "body", "settings"), EXCHANGES.values(), ids=EXCHANGES.keys())
async def test_played_back_nothing_differs(replies: Replies, body: object, settings: dict[str, object]) -> None:
    document = await recorded(replies, body, {"x-api-key": "sk-client-secret-1"}, **settings)
    assert document["answer"]["status"] > 0
    assert differences(document, await played_back(document)) == []


async def test_what_was_learned_before_is_known_again() -> None:
    kept: list[Document] = []
    replay = Replay(MODELS, TAUGHT, Recorded(WHOLE, headers=JSON), base_url=SETTINGS.openai_api_base)
    app = create_app(SETTINGS, replay, keep=lambda make: kept.append(make()))
    for _ in range(2):
        await call(app, "POST", "/v1/messages", question(temperature=0.5))
    second = kept[1]
    assert len(second["calls"]) == 1
    assert differences(second, await played_back(second)) == []


async def test_of_a_client_that_left_only_what_it_was_sent_is_compared() -> None:
    document = await recorded((MODELS, Recorded(STREAMED)), question(stream=True))
    document["answer"] |= {"ended": False, "body": document["answer"]["body"][:3]}
    assert differences(document, await played_back(document)) == []


async def test_what_differs_is_shown_line_by_line() -> None:
    document = await recorded((MODELS, Recorded(WHOLE, headers=JSON)), question())
    document["calls"][1]["body"]["max_tokens"] = 99
    document["answer"]["body"]["stop_reason"] = "max_tokens"
    changed = [line for line in differences(document, await played_back(document)) if line[:1] in "+-"]
    assert changed == [
        "--- recorded",
        "+++ now",
        '-  "max_tokens": 99',
        '+  "max_tokens": 100',
        '-  "stop_reason": "max_tokens",',
        '+  "stop_reason": "end_turn",',
    ]


async def test_a_renewed_recording_does_not_differ() -> None:
    document = await recorded((MODELS, TAUGHT, Recorded(STREAMED)), question(stream=True, temperature=0.5))
    document["calls"][1]["body"] = {}
    document["answer"]["body"] = []
    now = await played_back(document)
    assert differences(document, now)
    again = renewed(document, now)
    assert differences(again, await played_back(again)) == []
    assert again["calls"][1]["reads"] == document["calls"][2]["reads"]


NO_RECORDINGS: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"{", "not JSON: "),
    "something else": (b"[1]", "not a recording of `anthropic-proxy serve --record`"),
    "another version": (b'{"recording": 2}', "a recording of version 2; this proxy reads version 1"),
}


@pytest.mark.parametrize(("data", "told"), NO_RECORDINGS.values(), ids=NO_RECORDINGS.keys())
def test_no_recording(data: bytes, told: str) -> None:
    with pytest.raises(Unplayable) as caught:
        read_recording(data)
    assert str(caught.value).startswith(told)


DAMAGES: dict[str, tuple[dict[str, Any], str]] = {
    "a part missing": ({"request": {}}, "not a whole recording: 'headers'"),
    "a part of another kind": ({"calls": [1]}, "not a whole recording: "),
    "a backend of another version": ({"dialect": {"backend": "nobody", "facts": ""}}, "backend: "),
    "a setting of another version": ({"settings": {"nobody": 1}}, "nobody: "),
}


@pytest.mark.parametrize(("damage", "told"), DAMAGES.values(), ids=DAMAGES.keys())
async def test_a_damaged_recording(damage: dict[str, Any], told: str) -> None:
    document = await recorded((MODELS, Recorded(WHOLE, headers=JSON)), question())
    with pytest.raises(Unplayable) as caught:
        await played_back({**document, **damage})
    assert str(caught.value).startswith(told)


def replay_command(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "anthropic_proxy", "replay", str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


async def test_the_command(tmp_path: Path) -> None:
    document = await recorded((MODELS, Recorded(WHOLE, headers=JSON)), question())
    file = tmp_path / "exchange.json"
    file.write_text(json.dumps(document))
    same = replay_command(file)
    assert (same.returncode, same.stdout.splitlines()[1:]) == (0, ["the same now"])
    assert same.stdout.startswith(f"{document['request_id']}: ")
    file.write_text(json.dumps({**document, "answer": {**document["answer"], "status": 500}}))
    other = replay_command(file)
    assert other.returncode == 1
    assert "-the client is answered: 500\n+the client is answered: 200\n" in other.stdout
    nowhere = replay_command(tmp_path / "nowhere.json")
    assert (nowhere.returncode, nowhere.stderr) == (
        2,
        f"anthropic-proxy: {tmp_path / 'nowhere.json'}: No such file or directory\n",
    )
    file.write_text("{}")
    assert replay_command(file).returncode == 2
