"""The official SDK over real sockets: its own program, our server, and a scripted backend behind it.

The program runs under today's SDK and under old majors, each in an environment of its own, which
`run_tests.sh` makes.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from tests.sdk.golden_server import REPLIES, GoldenServer
from tests.servers import Reply, ScriptedBackend, refused, serving, streamed, whole

ROOT = Path(__file__).parent.parent.parent
PROGRAM = Path(__file__).parent / "program.py"

INTERPRETERS = {
    "2": Path(sys.executable),
    "1.17": ROOT / ".venvs" / "sdk-1.17" / "bin" / "python",
    "0.60": ROOT / ".venvs" / "sdk-0.60" / "bin" / "python",
}
"""SDK versions, each with an interpreter that has it."""


NO_SUCH_MODEL = "The model `unknown` does not exist"
TOO_LONG = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."


def call(index: int, city: str) -> dict[str, Any]:
    function = {"name": "weather", "arguments": json.dumps({"city": city})}
    return {"index": index, "id": f"call_{city}", "type": "function", "function": function}


def begun(index: int, city: str) -> dict[str, Any]:
    return {**call(index, city), "function": {"name": "weather", "arguments": '{"city": '}}


def answer(request: dict[str, Any]) -> Reply:
    """The backend's script: the model's name says what is to happen."""
    match request["model"]:
        case "hello":
            return said(request, {"content": "Hello "}, {"content": "world."})
        case "thinker" if len(request["messages"]) > 1:
            return said(request, {"content": "Now this."})
        case "thinker":
            return said(request, {"reasoning_content": "Let me see."}, {"content": "It is so."})
        case "tools" if request["messages"][-1]["role"] == "tool":
            results = [message["content"] for message in request["messages"] if message["role"] == "tool"]
            return said(request, {"content": ", ".join(results)})
        case "tools" if request.get("stream"):
            # Both calls are open at once, as some backends send them.
            return streamed(
                {"tool_calls": [begun(0, "Rome")]},
                {"tool_calls": [begun(1, "Oslo")]},
                {"tool_calls": [{"index": 1, "function": {"arguments": '"Oslo"}'}}]},
                {"tool_calls": [{"index": 0, "function": {"arguments": '"Rome"}'}}]},
                finish_reason="tool_calls",
            )
        case "tools":
            return whole({"content": None, "tool_calls": [call(0, "Rome"), call(1, "Oslo")]}, "tool_calls")
        case "breaks":
            reply = streamed({"content": "Hello "})
            failure = json.dumps({"error": {"message": "the engine died", "code": 500}}).encode()
            return reply._replace(parts=[*reply.parts[:2], b"data: " + failure + b"\n\n"])
        case "bad-key":
            return refused(401, "Incorrect API key provided", code="invalid_api_key")
        case "busy":
            return refused(429, "Rate limit reached", {"retry-after": "7"}, code="rate_limit_exceeded")
        case "overflow":
            message = (
                "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."
            )
            return refused(400, message, code="context_length_exceeded")
        case model:
            return refused(404, f"The model `{model}` does not exist", code="model_not_found")


def said(request: dict[str, Any], *deltas: dict[str, str]) -> Reply:
    """The same reply in the form that was asked for."""
    if request.get("stream"):
        return streamed(*deltas)
    message: dict[str, str] = {}
    for delta in deltas:
        for name, text in delta.items():
            message[name] = message.get(name, "") + text
    return whole(message)


COUNTS = {"input_tokens": 12, "output_tokens": 7, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
HELLO: dict[str, Any] = {
    "content": [{"type": "text", "text": "Hello world."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": COUNTS,
    "model": "hello",
}


def refusal(status: int, kind: str, message: str, retry_after: str | None = None) -> list[dict[str, Any]]:
    """The same error whole and streamed."""
    return [{"status": status, "type": kind, "message": message, "retry_after": retry_after}] * 2


EXPECTED: dict[str, Any] = {
    "create": HELLO,
    "create, async": HELLO,
    "events": [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ],
    "stream helper": {**HELLO, "text": "Hello world."},
    "stream helper, async": {**HELLO, "text": "Hello world."},
    "thinking": {"kinds": ["thinking", "text"], "thinking": "Let me see.", "signed": True, "next": "Now this."},
    "tool loop, whole": "21 °C in Rome, 21 °C in Oslo",
    "tool loop, streamed": "21 °C in Rome, 21 °C in Oslo",
    "beta": HELLO,
    "raw response": {
        "status": 200,
        "content_type": "application/json",
        "request_id": True,
        "same_request_id": True,
        **HELLO,
    },
    "raw stream": {"status": 200, "content_type": "text/event-stream", "ended": True},
    "bad request": refusal(400, "invalid_request_error", "system: Input should be a valid string or a list of blocks"),
    "bad key": refusal(
        401,
        "authentication_error",
        "the upstream refused the proxy's OPENAI_API_KEY: Incorrect API key provided",
    ),
    "unknown model": refusal(404, "not_found_error", f"model: unknown ({NO_SUCH_MODEL})"),
    "busy": refusal(429, "rate_limit_error", "Rate limit reached", "7"),
    "prompt too long": refusal(
        400, "invalid_request_error", f"prompt is too long: 9001 tokens > 8192 maximum ({TOO_LONG})"
    ),
    "broken stream": {"text": "Hello ", "status": 200, "type": "api_error", "message": "the engine died"},
}


@pytest.fixture(scope="module")
def proxy() -> Iterator[str]:
    """The base URL of our server with the scripted backend behind it."""
    with serving(ScriptedBackend(answer)) as backend:
        settings = Settings.from_env({"OPENAI_API_BASE": f"{backend}/v1", "OPENAI_API_KEY": "sk-upstream"})
        with serving(create_app(settings)) as base_url:
            yield base_url


def run_program(version: str, *arguments: str) -> dict[str, Any]:
    """What the program reports under that SDK."""
    interpreter = INTERPRETERS[version]
    if not interpreter.exists():
        pytest.skip(f"no environment with SDK {version}; ./run_tests.sh makes it")
    # -I: the program is to see its own environment alone, not this tree.
    command = [str(interpreter), "-I", str(PROGRAM), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["version"].startswith(version)
    seen: dict[str, Any] = report["seen"]
    return seen


@pytest.fixture(scope="module", params=INTERPRETERS.keys())
def seen(request: pytest.FixtureRequest, proxy: str) -> dict[str, Any]:
    """What every scenario saw under one SDK."""
    return run_program(request.param, "scenarios", proxy)


@pytest.mark.parametrize("scenario", EXPECTED)
def test_the_sdk_sees_what_it_should(scenario: str, seen: dict[str, Any]) -> None:
    assert seen[scenario] == EXPECTED[scenario]


def test_a_stop_sequence_is_cut_off_and_named(seen: dict[str, Any]) -> None:
    reply = seen["stop sequence"]
    assert reply["content"] == [{"type": "text", "text": "Hello "}]
    assert (reply["stop_reason"], reply["stop_sequence"]) == ("stop_sequence", "wor")


@pytest.mark.parametrize("version", INTERPRETERS)
def test_the_sdk_builds_every_golden_message_from_its_stream(version: str) -> None:
    with serving(GoldenServer()) as base_url:
        built = run_program(version, "accumulate", base_url, *(reply.name for reply in REPLIES))
    compared = {reply.name: reply.comparable(built[reply.name]) for reply in REPLIES}
    assert compared == {reply.name: reply.comparable(reply.expected()) for reply in REPLIES}
