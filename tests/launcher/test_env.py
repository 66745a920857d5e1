"""The lines of `anthropic-proxy env`, as text and run by the shells that this machine has."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from anthropic_proxy.config import Settings
from anthropic_proxy.launcher import command
from anthropic_proxy.launcher.limits import limits_in
from anthropic_proxy.launcher.variables import Limits, Shell, lines, shell_of, unknown_window, variables, with_loopback
from anthropic_proxy.model_map import read
from tests.up.running import ENDS_WITHIN, environment, words

NASTY = "it's \"$HOME\" `x` \\ \\' \u2019 %PATH% ünï"
"""Text that shells like to change."""

SHELLS = {
    Shell.SH: ("sh", ["-c"]),
    Shell.FISH: ("fish", ["--no-config", "-c"]),
    Shell.POWERSHELL: ("pwsh", ["-NoProfile", "-NonInteractive", "-Command"]),
}

SHOW = "import json, os; print(json.dumps([os.environ.get('NASTY'), os.environ.get('OLD')]))"


@pytest.mark.parametrize("name", ["sh", "bash", "dash", "zsh", "fish", "pwsh"])
def test_a_shell_understands_its_lines(name: str, tmp_path: Path) -> None:
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    shell = {"fish": Shell.FISH, "pwsh": Shell.POWERSHELL}.get(name, Shell.SH)
    (tmp_path / "show.py").write_text(SHOW)
    call = f"{'& ' if shell is Shell.POWERSHELL else ''}{sys.executable} show.py"
    text = "\n".join([*lines(shell, {"NASTY": NASTY, "OLD": None}), call])
    shown = subprocess.run(
        [program, *SHELLS[shell][1], text],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "OLD": "value", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
        timeout=ENDS_WITHIN,
    )
    assert json.loads(shown.stdout) == [NASTY, None]


TEXTS = {
    "sh": (Shell.SH, ["export A='it'\\''s'", "unset B"]),
    "fish": (Shell.FISH, ["set -gx A 'it\\'s'", "set -e B"]),
    "powershell": (Shell.POWERSHELL, ["$env:A = 'it''s'", "Remove-Item Env:B -ErrorAction SilentlyContinue"]),
}


@pytest.mark.parametrize(("shell", "expected"), TEXTS.values(), ids=TEXTS.keys())
def test_the_lines_of_a_shell(shell: Shell, expected: list[str]) -> None:
    assert lines(shell, {"A": "it's", "B": None}) == expected


ENVIRONMENTS = {
    "bash": ({"SHELL": "/bin/bash"}, Shell.SH),
    "fish": ({"SHELL": "/usr/local/bin/fish"}, Shell.FISH),
    "nothing known": ({}, Shell.SH),
    "PowerShell under Windows": ({"PSModulePath": "C:\\x"}, Shell.POWERSHELL),
    "PowerShell from a shell": ({"PSModulePath": "/x", "SHELL": "/bin/zsh"}, Shell.SH),
}


@pytest.mark.parametrize(("environ", "shell"), ENVIRONMENTS.values(), ids=ENVIRONMENTS.keys())
def test_the_users_shell(environ: dict[str, str], shell: Shell) -> None:
    assert shell_of(environ) is shell


BASE = Settings(openai_api_base="http://127.0.0.1:9/v1")
REASONING = BASE.model_copy(update={"model": "m", "reasoning_model": "r"})

WISHES: dict[str, tuple[Settings, Limits, dict[str, str], dict[str, str | None]]] = {
    "a model and its window": (
        BASE.model_copy(update={"model": "m"}),
        Limits(64000, None),
        {},
        {"ANTHROPIC_MODEL": "m", "CLAUDE_CODE_MAX_CONTEXT_TOKENS": "64000", "CLAUDE_CODE_MAX_OUTPUT_TOKENS": None},
    ),
    "the model of the main conversation, which thinks": (REASONING, Limits(), {}, {"ANTHROPIC_MODEL": "r"}),
    "without a model Claude Code keeps its own": (
        BASE,
        Limits(64000, 8000),
        {},
        {"ANTHROPIC_MODEL": None, "CLAUDE_CODE_MAX_CONTEXT_TOKENS": None},
    ),
    "what the user has chosen stays": (
        REASONING,
        Limits(64000, None),
        {"CLAUDE_CODE_MAX_CONTEXT_TOKENS": "1000", "ANTHROPIC_BASE_URL": "https://elsewhere.test"},
        {"CLAUDE_CODE_MAX_CONTEXT_TOKENS": None, "ANTHROPIC_BASE_URL": "http://here"},
    ),
}


@pytest.mark.parametrize(("settings", "limits", "environ", "expected"), WISHES.values(), ids=WISHES.keys())
def test_what_is_set(
    settings: Settings, limits: Limits, environ: dict[str, str], expected: dict[str, str | None]
) -> None:
    values = variables(settings, "http://here", limits, environ)
    assert {name: values.get(name) for name in expected} == expected
    assert values["ANTHROPIC_API_KEY"] is None


def test_tiers_of_the_model_map_stay_claude_code_s() -> None:
    models = read("models: {opus: a, haiku: b, gpt-5: c}", "models.yaml", {}).models
    values = variables(REASONING, "http://here", Limits(), {}, models)
    chosen = {name: value for name, value in values.items() if name.startswith("ANTHROPIC_DEFAULT_")}
    assert chosen == {"ANTHROPIC_DEFAULT_SONNET_MODEL": "r", "ANTHROPIC_DEFAULT_FABLE_MODEL": "r"}


def test_files_of_the_clone_s_settings_stand_in_the_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone, project = tmp_path / "clone", tmp_path / "project"
    for folder in (clone, project):
        folder.mkdir()
    (clone / ".env").write_text("CONFIG_FILE=models.yaml\nPROXY_API_KEY_FILE=keys.txt\n")
    (clone / "models.yaml").write_text("port: 3456\n")
    (clone / "keys.txt").write_text("a-key\n")
    (project / "models.yaml").write_text("openai_api_base: https://elsewhere.invalid/v1\n")
    monkeypatch.chdir(project)
    monkeypatch.setattr(command, "clone", lambda: clone)
    for name in ("CONFIG_FILE", "PROXY_API_KEY_FILE", "PORT", "OPENAI_API_BASE", "PROXY_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    environ = command._environ()
    assert (environ["PORT"], environ["PROXY_API_KEY"]) == ("3456", "a-key")
    assert "OPENAI_API_BASE" not in environ


def test_an_unknown_window_is_told_unless_the_user_knows_it() -> None:
    told = unknown_window(REASONING, Limits(), {})
    assert told is not None
    assert told.startswith("how many tokens r can take is not known")
    assert unknown_window(REASONING, Limits(64000), {}) is None
    assert unknown_window(REASONING, Limits(), {"CLAUDE_CODE_MAX_CONTEXT_TOKENS": "64000"}) is None
    assert unknown_window(BASE, Limits(), {}) is None


def test_this_machine_is_added_to_no_proxy_once() -> None:
    assert with_loopback("") == "127.0.0.1,localhost,::1"
    assert with_loopback("a.test, localhost") == "a.test,localhost,127.0.0.1,::1"


LISTS: dict[str, tuple[object, Limits]] = {
    "the smallest of two deployments": (
        {
            "data": [
                {"model_name": "m", "model_info": {"max_input_tokens": 9, "max_output_tokens": 5}},
                {"model_name": "m", "model_info": {"max_input_tokens": 7, "max_output_tokens": None}},
                {"model_name": "other", "model_info": {"max_input_tokens": 1}},
            ]
        },
        Limits(7, 5),
    ),
    "nothing known": ({"data": [{"model_name": "m", "model_info": {"max_input_tokens": None}}]}, Limits()),
    "no list": (None, Limits()),
    "odd entries": ({"data": [1, {"model_name": "m", "model_info": "x"}]}, Limits()),
}


@pytest.mark.parametrize(("told", "limits"), LISTS.values(), ids=LISTS.keys())
def test_limits_in_litellms_model_info(told: object, limits: Limits) -> None:
    assert limits_in(told, "m") == limits


def env(folder: Path, *options: str, **given: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        words("env", *options),
        cwd=folder,
        env=environment(folder, **given),
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN,
        check=False,
    )


def test_the_command_prints_lines_for_the_shell_and_a_note_beside(tmp_path: Path) -> None:
    done = env(tmp_path, "--shell", "fish", PORT="9", MODEL="m")
    assert done.returncode == 0
    assert done.stdout.splitlines()[:3] == [
        "set -gx ANTHROPIC_BASE_URL 'http://127.0.0.1:9'",
        "set -gx ANTHROPIC_AUTH_TOKEN 'anything'",
        "set -e ANTHROPIC_API_KEY",
    ]
    assert "set -gx ANTHROPIC_MODEL 'm'" in done.stdout
    assert done.stderr == "anthropic-proxy: nothing answers at http://127.0.0.1:9 yet\n"


def test_a_wrong_setting_is_one_line(tmp_path: Path) -> None:
    done = env(tmp_path, PORT="x")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "anthropic-proxy: PORT='x': must be a whole number from 0 to 65535\n"
