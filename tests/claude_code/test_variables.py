"""What `docs/claude-code.md` says of Claude Code's variables, tried on Claude Code."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from tests.claude_code.backend import Drop, ModelBackend
from tests.claude_code.client import Desk, Run, desk, program, why_not
from tests.claude_code.listener import Heard, Listener
from tests.clients.install import ROOT
from tests.servers import Reply, refused, serving

PAGE = (ROOT / "docs" / "claude-code.md").read_text()

played = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture
def at(tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[Desk]:
    if not pytestconfig.pluginmanager.has_plugin("tests.clients.table"):
        pytest.skip("only `make clients` runs it")
    with desk(tmp_path) as found:
        yield found


class Seen(NamedTuple):
    """What one run did."""

    run: Run
    heard: list[Heard]
    backend: ModelBackend

    @property
    def first(self) -> dict[str, Any]:
        """The body of the first request for a message."""
        return next(request.body for request in self.heard if request.path == "/v1/messages")

    @property
    def models(self) -> list[str]:
        """The models that were asked for."""
        return [request.body["model"] for request in self.heard]


class Trial(NamedTuple):
    """One run with a variable set, and what shows that it took effect."""

    environ: Mapping[str, str]
    shows: Callable[[Seen], bool]
    scene: str = "plain"
    options: tuple[str, ...] = ()
    faults: tuple[Reply | Drop, ...] = ()


def play(at: Desk, trial: Trial) -> Seen:
    backend = ModelBackend(*trial.faults)
    with serving(backend) as behind:
        listener = Listener(create_app(Settings.from_env({"OPENAI_API_BASE": f"{behind}/v1"})))
        with serving(listener) as base_url:
            run = at.run(base_url, f"Play {trial.scene}.", *trial.options, **trial.environ)
    return Seen(run, listener.heard, backend)


def tier(name: str) -> Trial:
    """The variable of one of Anthropic's sizes: its alias is that model then."""
    environ = {f"ANTHROPIC_DEFAULT_{name}_MODEL": "served"}
    return Trial(environ, lambda seen: seen.models == ["served"], options=("--model", name.lower()))


def told_to(header: str, value: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.heard[0].headers.get(header) == value


BILLING = "x-anthropic-billing-header"

VARIABLES = {
    "ANTHROPIC_BASE_URL": Trial({}, lambda seen: [request.path for request in seen.heard] == ["/v1/messages"]),
    "ANTHROPIC_AUTH_TOKEN": Trial({"ANTHROPIC_AUTH_TOKEN": "secret"}, told_to("authorization", "Bearer secret")),
    "ANTHROPIC_API_KEY": Trial({"ANTHROPIC_API_KEY": "other"}, told_to("x-api-key", "other")),
    "ANTHROPIC_CUSTOM_HEADERS": Trial({"ANTHROPIC_CUSTOM_HEADERS": "x-team: blue"}, told_to("x-team", "blue")),
    "NO_PROXY": Trial({}, lambda seen: len(seen.heard) == 1),
    "ANTHROPIC_MODEL": Trial({"ANTHROPIC_MODEL": "chosen"}, lambda seen: seen.models == ["chosen"]),
    "ANTHROPIC_DEFAULT_OPUS_MODEL": tier("OPUS"),
    "ANTHROPIC_DEFAULT_SONNET_MODEL": tier("SONNET"),
    "ANTHROPIC_DEFAULT_HAIKU_MODEL": tier("HAIKU"),
    "ANTHROPIC_DEFAULT_FABLE_MODEL": tier("FABLE"),
    "CLAUDE_CODE_SUBAGENT_MODEL": Trial(
        {"CLAUDE_CODE_SUBAGENT_MODEL": "helper"},
        lambda seen: seen.models == ["my-model", "helper", "helper", "my-model"],
        "subagent",
    ),
    "CLAUDE_CODE_MAX_CONTEXT_TOKENS": Trial(
        {"CLAUDE_CODE_MAX_CONTEXT_TOKENS": "64000"},
        lambda seen: seen.run.result["modelUsage"]["my-model"]["contextWindow"] == 64000,
    ),
    "CLAUDE_CODE_MAX_OUTPUT_TOKENS": Trial(
        {"CLAUDE_CODE_MAX_OUTPUT_TOKENS": "8000"}, lambda seen: seen.backend.requests[0]["max_tokens"] == 8000
    ),
    "CLAUDE_CODE_ATTRIBUTION_HEADER": Trial(
        {"CLAUDE_CODE_ATTRIBUTION_HEADER": "0"}, lambda seen: BILLING not in json.dumps(seen.first["system"])
    ),
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": Trial({}, lambda seen: len(seen.heard) == 1),
    "CLAUDE_CODE_MAX_RETRIES": Trial(
        {"CLAUDE_CODE_MAX_RETRIES": "1"},
        lambda seen: len(seen.backend.requests) == 2,
        faults=(refused(500, "Boom."),) * 9,
    ),
    "CLAUDE_CODE_EFFORT_LEVEL": Trial(
        {"CLAUDE_CODE_EFFORT_LEVEL": "low"}, lambda seen: seen.first["output_config"] == {"effort": "low"}
    ),
    "MAX_THINKING_TOKENS": Trial({"MAX_THINKING_TOKENS": "0"}, lambda seen: "thinking" not in seen.first),
    "ENABLE_TOOL_SEARCH": Trial(
        {"ENABLE_TOOL_SEARCH": "false"},
        lambda seen: len(seen.first["tools"]) > 20 and not any("defer_loading" in tool for tool in seen.first["tools"]),
    ),
    "CLAUDE_CODE_MODEL_CAPABILITIES": Trial(
        {"CLAUDE_CODE_MODEL_CAPABILITIES": "my-model=-mid_conv_system,-mid_conv_tool_change"},
        lambda seen: [message["role"] for message in seen.first["messages"]] == ["user"],
    ),
}
"""Variables that the page speaks of, and that show without a terminal."""

ON_A_TERMINAL = {
    "ANTHROPIC_CUSTOM_MODEL_OPTION",
    "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY",
}
"""Variables that only show in the model picker. Tried by hand on 2026-11-25 with Claude Code 2.1.330."""


@played
@pytest.mark.slow
@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_does_what_the_page_says(name: str, at: Desk) -> None:
    seen = play(at, VARIABLES[name])
    assert VARIABLES[name].shows(seen)


MODES = {
    "default": "This command requires approval",
    "acceptEdits": "This command requires approval",
    "auto": "Auto mode is unavailable: its safety check does not run",
    "plan": "Auto mode is unavailable: its safety check does not run",
}
"""Permission modes, each with what a model is told that wants to run `curl` where nobody can be asked."""


@played
@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_a_permission_mode_does_what_the_page_says(mode: str, at: Desk) -> None:
    backend = ModelBackend()
    with (
        serving(backend) as behind,
        serving(create_app(Settings.from_env({"OPENAI_API_BASE": f"{behind}/v1"}))) as base_url,
    ):
        run = at.run(base_url, "Play fetch.", "--permission-mode", mode, allowed="Read")
    assert MODES[mode] in run.answer


@played
@pytest.mark.slow
def test_the_settings_file_of_the_page_works(at: Desk) -> None:
    found = program()
    assert found is not None
    backend = ModelBackend()
    settings = json.loads(block("json", "ANTHROPIC_BASE_URL"))
    with (
        serving(backend) as behind,
        serving(create_app(Settings.from_env({"OPENAI_API_BASE": f"{behind}/v1"}))) as base_url,
    ):
        settings["env"]["ANTHROPIC_BASE_URL"] = base_url
        (at.home / ".claude").mkdir()
        (at.home / ".claude" / "settings.json").write_text(json.dumps(settings))
        kept = {name: value for name, value in at.environ.items() if name not in settings["env"]}
        done = subprocess.run(
            [found, "-p"], input="Play plain.", env=kept, cwd=at.project, capture_output=True, text=True, timeout=120
        )
    assert done.stdout.strip() == "Hello world."
    assert [request["model"] for request in backend.requests] == [settings["env"]["ANTHROPIC_MODEL"]]


# The page itself


def block(language: str, holds: str) -> str:
    """The code of the page in that language that holds those words."""
    found = [code for code in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if holds in code]
    assert len(found) == 1, f"the page has {len(found)} such blocks"
    return str(found[0])


def test_every_variable_of_the_page_is_tried() -> None:
    rows = set(re.findall(r"^\| `([A-Z_]+)`", PAGE, re.MULTILINE))
    assert rows == VARIABLES.keys() | ON_A_TERMINAL


@pytest.mark.parametrize(("language", "pattern"), [("bash", r"export (\w+)="), ("json", r'"([A-Z_]+)": "')])
def test_the_page_sets_only_variables_it_explains(language: str, pattern: str) -> None:
    set_there = set(re.findall(pattern, block(language, "ANTHROPIC_BASE_URL")))
    assert set_there
    assert set_there <= VARIABLES.keys() | ON_A_TERMINAL


TOLD_TO_A_STATUS_LINE = {
    "model": {"id": "claude/qwen3", "display_name": "qwen3"},
    "context_window": {
        "total_input_tokens": 13598,
        "total_output_tokens": 41,
        "context_window_size": 200000,
        "current_usage": {"input_tokens": 94, "output_tokens": 41, "cache_read_input_tokens": 13504},
    },
}
"""Of what Claude Code 2.1.330 gives a status line."""


def test_the_status_line_of_the_page_shows_model_and_tokens() -> None:
    code = block("python", "context_window")
    told = json.dumps(TOLD_TO_A_STATUS_LINE)
    done = subprocess.run([sys.executable, "-c", code], input=told, capture_output=True, text=True, timeout=60)
    assert done.stdout == "qwen3 · 13,598 of 200,000 tokens (6 %) · 41 written\n", done.stderr
