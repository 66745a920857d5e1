"""`anthropic-proxy models`, `check-config` and `serve --config`: what they print, and how they give up."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

FILE = """\
port: 0
model: the-rest
backends:
  router: {base_url: https://openrouter.ai/api/v1, key_variable: ROUTER_KEY}
models:
  opus:
    backend: router
    model: anthropic/claude-opus-4.5
    context_window: 100000
    headers: {X-Secret-Token: "${ROUTER_KEY}"}
    set: {seed: 7}
    drop: [stop]
    fallbacks: [haiku]
  haiku: small
  openrouter/*: {backend: router, model: "*"}
long_context: {above: 60000, model: opus}
safety_check: haiku
"""

BASE = "http://127.0.0.1:9/v1"


def command(*words: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "anthropic_proxy", *words],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "OPENAI_API_BASE": BASE, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def written(folder: Path, text: str = FILE) -> Path:
    path = folder / "models.yaml"
    path.write_text(text)
    (folder / ".env").write_text("ROUTER_KEY=sk-router-1234\n")
    return path


def test_the_map_is_shown(tmp_path: Path) -> None:
    written(tmp_path)
    done = command("models", "--config", "models.yaml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout
        == f"""\
models.yaml:
  pattern       model                      backend          dialect     if it fails
  opus          anthropic/claude-opus-4.5  router           openrouter  haiku
  haiku         small                      OPENAI_API_BASE  plain
  openrouter/*  *                          router           openrouter

prompts of more than 60000 tokens: as opus
Claude Code's safety checks: as haiku
all else: MODEL=the-rest, at {BASE} (dialect plain)
"""
    )


def test_a_name_is_explained(tmp_path: Path) -> None:
    written(tmp_path)
    names = ["claude-opus-5[1m]", "openrouter/qwen/qwen3-coder", "foo"]
    done = command("models", *names, cwd=tmp_path, CONFIG_FILE="models.yaml", REASONING_MODEL="thinker")
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout
        == f"""\
claude-opus-5[1m] -> anthropic/claude-opus-4.5 at https://openrouter.ai/api/v1 (dialect openrouter)
  why: models.yaml, models: opus by the word opus
  with: context_window=100000, headers=…, sets seed, drops stop
  if it fails: small at OPENAI_API_BASE
openrouter/qwen/qwen3-coder -> qwen/qwen3-coder at https://openrouter.ai/api/v1 (dialect openrouter)
  why: models.yaml, models: openrouter/* by its pattern
foo, thinking off -> the-rest at {BASE} (dialect plain)
  why: MODEL
foo, thinking on -> thinker at {BASE} (dialect plain)
  why: REASONING_MODEL
"""
    )
    assert "sk-router" not in done.stdout


def test_without_a_file_the_variables_are_shown(tmp_path: Path) -> None:
    assert command("models", cwd=tmp_path).stdout == f"all names: as the client asks, at {BASE} (dialect plain)\n"
    done = command("models", "foo", cwd=tmp_path, MODEL="m")
    assert done.stdout == f"foo -> m at {BASE} (dialect plain)\n  why: MODEL\n"


def test_a_right_file_is_said_to_be_right(tmp_path: Path) -> None:
    path = written(tmp_path)
    done = command("check-config", str(path), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "models.yaml is right: 3 routes, 1 backend, 2 settings\n"


WRONG = {
    "an unknown key": (FILE.replace("drop:", "dorp:"), "models.yaml, line 12: models.opus.dorp: unknown; did you mean"),
    "a setting that is wrong": (
        FILE.replace("port: 0", "port: 70000"),
        "PORT='70000': must be a whole number from 0 to 65535 (from models.yaml, line 1)",
    ),
    "a key that is not set": (
        FILE.replace("ROUTER_KEY}\nmodels", "OTHER_KEY}\nmodels"),
        "models.yaml, line 4: backends.router.key_variable: the variable OTHER_KEY is not set",
    ),
}


def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path) -> None:
    for text, message in WRONG.values():
        path = written(tmp_path, text)
        for words in (["check-config", str(path)], ["models", "--config", str(path)], ["serve", "--config", str(path)]):
            done = command(*words, cwd=tmp_path)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr.startswith(f"anthropic-proxy: {message}")
            assert done.stderr.count("\n") == 1


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = command("check-config", "nothing.yaml", cwd=tmp_path)
    assert done.stderr == "anthropic-proxy: CONFIG_FILE: cannot read nothing.yaml: No such file or directory\n"
    done = command("check-config", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "anthropic-proxy: CONFIG_FILE: not set; name the file to check\n")


def test_the_server_takes_settings_and_models_from_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, FILE + "max_body_mb: 0.001\n")
    with subprocess.Popen(
        [sys.executable, "-m", "anthropic_proxy", "serve", "--config", str(path)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "OPENAI_API_BASE": BASE},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            banner = [process.stdout.readline().rstrip() for _ in range(3)]
            assert banner[1] == f"models: as {path} says (`anthropic-proxy models` shows it); else MODEL=the-rest"
            address = banner[0].split()[2]
            for body, status in ((b"{}", 400), (b'"' + b"x" * 2000 + b'"', 413)):
                request = urllib.request.Request(
                    f"{address}/v1/messages", body, {"content-type": "application/json"}, method="POST"
                )
                with pytest.raises(urllib.error.HTTPError) as refused:
                    urllib.request.urlopen(request)
                assert (refused.value.code, json.load(refused.value)["type"]) == (status, "error")
        finally:
            process.kill()
