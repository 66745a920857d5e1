"""Clients that others wrote, through our server, to a scripted backend: a small program of a user's for each.

Each program runs once, in the environment that `tests/clients/install.py` made for its client, and prints
what it saw. The official Python SDK has tests of its own in `tests/sdk`, Claude Code in `tests/claude_code`.
"""

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from tests.chat_rules import faults
from tests.claude_code.client import no_way_out
from tests.claude_code.files import png
from tests.clients.install import ENVIRONMENTS, NODE, ROOT, why_missing
from tests.clients.reporting import ANSWER, FAIL, HELLO, MODEL, PICTURE, WEATHER
from tests.servers import Reply, ScriptedBackend, refused, serving, streamed, whole

pytestmark = pytest.mark.slow

ENDS_WITHIN = 240
"""Seconds. LiteLLM takes ten to import, and more on a loaded machine."""

PROGRAMS = Path(__file__).parent / "programs"


class Client(NamedTuple):
    """How to run one client's program."""

    environment: str
    """Its folder in `.venvs`."""
    program: Path
    extra: Mapping[str, str] = {}
    """Variables of its environment."""

    @property
    def command(self) -> list[str]:
        folder = ENVIRONMENTS / self.environment
        if self.program.suffix == ".mjs":
            # Node looks for packages beside the program.
            copy = folder / self.program.name
            copy.write_bytes(self.program.read_bytes())
            return ["node", copy.name]
        return [str(folder / "bin" / "python"), str(self.program)]


CLIENTS = {
    "TypeScript SDK": Client("client-typescript-sdk", NODE / "typescript-sdk" / "program.mjs"),
    "Claude Agent SDK": Client(
        "client-agent-sdk",
        PROGRAMS / "with_agent_sdk.py",
        {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "ENABLE_TOOL_SEARCH": "false"},
    ),
    "LangChain": Client("client-langchain", PROGRAMS / "with_langchain.py"),
    "Pydantic AI": Client("client-pydantic-ai", PROGRAMS / "with_pydantic_ai.py"),
    "Vercel AI SDK": Client("client-vercel-ai", NODE / "vercel-ai" / "program.mjs"),
    "llm": Client("client-llm", PROGRAMS / "with_llm.py"),
    "LiteLLM": Client(
        "litellm", PROGRAMS / "with_litellm.py", {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    ),
}

CALLS = {"whole": 1, "streamed": 1, "tools": 2, "image": 1, "error": 1}
"""Scenarios, each with the requests that its question is worth upstream."""

QUESTIONS = {WEATHER: "tools", PICTURE: "image", FAIL: "error"}

NOT_YOURS = "This model is not for you."


def answer(request: dict[str, Any]) -> Reply:
    """The backend's script."""
    match scenario(request):
        case "error":
            return refused(403, NOT_YOURS)
        case "image":
            return said(request, {"content": f"I see {', '.join(pictures(request)) or 'nothing'}."})
        case "tools" if request["messages"][-1]["role"] == "tool":
            return said(request, {"content": f"It is {words(request['messages'][-1]['content'])}."})
        case "tools":
            name = next(name for name in tool_names(request) if name.endswith("weather"))
            call = {"id": "call_0", "type": "function", "function": {"name": name, "arguments": '{"city": "Rome"}'}}
            return said(request, {"tool_calls": [{"index": 0, **call}]}, finish_reason="tool_calls")
    return said(request, {"content": "Hello "}, {"content": "world."})


def scenario(request: dict[str, Any]) -> str:
    """The scenario whose question was asked. `whole` and `streamed` have the same one."""
    text = " ".join(words(message["content"]) for message in request["messages"] if message["role"] == "user")
    return next((name for question, name in QUESTIONS.items() if question in text), "hello")


def said(request: dict[str, Any], *deltas: dict[str, Any], finish_reason: str = "stop") -> Reply:
    """A reply in the shape that was asked for."""
    if request.get("stream"):
        return streamed(*deltas, finish_reason=finish_reason)
    message = {name: value for delta in deltas for name, value in delta.items()}
    if "content" in message:
        message["content"] = "".join(delta["content"] for delta in deltas)
    return whole(message, finish_reason)


def words(content: Any) -> str:
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content or ())


def pictures(request: dict[str, Any]) -> list[str]:
    """The media types of the images in a request."""
    contents = [message["content"] for message in request["messages"] if isinstance(message["content"], list)]
    urls = [part["image_url"]["url"] for content in contents for part in content if part["type"] == "image_url"]
    return [url.removeprefix("data:").partition(";")[0] for url in urls]


def tool_names(request: dict[str, Any]) -> list[str]:
    return [tool["function"]["name"] for tool in request.get("tools", [])]


class Report(NamedTuple):
    """What a program told of its run, and the backend."""

    version: str
    seen: dict[str, Any]
    calls: Counter[str]
    faults: list[str]


@cache
def report(name: str) -> Report:
    """Runs the program of that client."""
    client = CLIENTS[name]
    backend = ScriptedBackend(answer)
    with TemporaryDirectory() as home, serving(backend) as behind, no_way_out() as proxies:
        picture = Path(home) / "picture.png"
        picture.write_bytes(png())
        settings = Settings.from_env({"OPENAI_API_BASE": f"{behind}/v1"})
        with serving(create_app(settings)) as base_url:
            environ = {
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "HOME": home,
                "LANG": "C.UTF-8",
                "PYTHONPATH": str(ROOT),
                "ANTHROPIC_BASE_URL": base_url,
                "ANTHROPIC_API_KEY": "any",
                "QUESTIONS": json.dumps(
                    {"HELLO": HELLO, "WEATHER": WEATHER, "PICTURE": PICTURE, "FAIL": FAIL, "MODEL": MODEL}
                ),
                **proxies,
                **client.extra,
            }
            done = subprocess.run(
                [*client.command, str(picture)],
                env=environ,
                cwd=ENVIRONMENTS / client.environment,
                capture_output=True,
                text=True,
                timeout=ENDS_WITHIN,
            )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    calls = Counter(scenario(request) for request in backend.requests)
    return Report(told["version"], told["seen"], calls, [fault for body in backend.requests for fault in faults(body)])


EXPECTED: dict[str, Callable[[Any], bool]] = {
    "whole": lambda seen: seen == "Hello world.",
    "streamed": lambda seen: isinstance(seen, list) and len(seen) > 1 and "".join(seen) == "Hello world.",
    "tools": lambda seen: seen == f"It is {ANSWER}.",
    "image": lambda seen: seen == "I see image/png.",
    "error": lambda seen: isinstance(seen, str) and "403" in seen and NOT_YOURS in seen,
}


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if reason := why_missing(CLIENTS[name].environment):
        pytest.skip(reason)
    return name


@pytest.mark.parametrize("scene", EXPECTED)
def test_a_program_gets_what_it_asks_for(
    client: str, scene: str, record_property: Callable[[str, object], None]
) -> None:
    told = report(client)
    record_property("version", told.version)
    assert EXPECTED[scene](told.seen[scene]), told.seen[scene]


def test_nothing_is_asked_twice(client: str) -> None:
    told = report(client)
    both = CALLS["whole"] + CALLS["streamed"]
    assert told.calls == {"hello": both, **{name: CALLS[name] for name in QUESTIONS.values()}}
    assert told.faults == []
