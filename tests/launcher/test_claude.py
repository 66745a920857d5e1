"""`anthropic-proxy claude`, with a stand-in for Claude Code that says how it was started."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anthropic_proxy.config import Settings
from anthropic_proxy.server.app import create_app
from tests.servers import ScriptedBackend, serving, whole
from tests.up.running import ENDS_WITHIN, environment, parent_of, processes, words, written_config

pytestmark = pytest.mark.slow

CLAUDE = f"""#!{sys.executable}
import json, os, signal, sys, time, urllib.request

base = os.environ["ANTHROPIC_BASE_URL"]
report = {{"arguments": sys.argv[1:], "environ": dict(os.environ), "parent": os.getppid(), "reply": None}}
if "ask" in sys.argv:
    body = {{"model": "any", "max_tokens": 9, "messages": [{{"role": "user", "content": "hello"}}]}}
    headers = {{"content-type": "application/json", "x-api-key": os.environ["ANTHROPIC_AUTH_TOKEN"]}}
    request = urllib.request.Request(base + "/v1/messages", json.dumps(body).encode(), headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(request, timeout=60) as answer:
        report["reply"] = json.load(answer)["content"][0]["text"]
if "wait" in sys.argv:
    signal.signal(signal.SIGINT, lambda *_: (os.write(1, b"interrupted"), sys.exit(5)))
    print("waiting", flush=True)
    time.sleep(60)
print(json.dumps(report))
sys.exit(7)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory; beside it are the stand-in, and a place for temporary files."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "claude").write_text(CLAUDE)
    (tmp_path / "bin" / "claude").chmod(0o700)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def variables(folder: Path, **given: str) -> dict[str, str]:
    home = folder.parent
    path = f"{home / 'bin'}:{os.environ['PATH']}"
    own = {"PATH": path, "TMPDIR": str(home / "tmp"), "LITELLM_CONFIG": str(home / "config.yaml"), "SHELL": "/bin/sh"}
    return {**environment(home), **own, **given}


def launched(folder: Path, *arguments: str, **given: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        words("claude", *arguments),
        cwd=folder,
        env=variables(folder, **given),
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN,
        check=False,
    )


def report(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """What the stand-in says."""
    assert done.returncode == 7, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.fixture
def backend() -> Iterator[str]:
    with serving(ScriptedBackend(lambda request: whole({"content": f"{request['model']} answers"}))) as url:
        yield f"{url}/v1"


def test_a_running_proxy_is_used(folder: Path, backend: str) -> None:
    settings = Settings(openai_api_base=backend, model="m")
    with serving(create_app(settings)) as proxy:
        done = launched(
            *(folder, "-p", "ask", "--model", "opus", "--", "--help"),
            PORT=proxy.rpartition(":")[2],
            MODEL="m",
            ANTHROPIC_API_KEY="sk-ant-of-the-user",
            ANTHROPIC_DEFAULT_HAIKU_MODEL="small",
        )
        told = report(done)
    assert told["arguments"] == ["-p", "ask", "--model", "opus", "--", "--help"]
    assert told["reply"] == "m answers"
    environ = told["environ"]
    assert environ["ANTHROPIC_BASE_URL"] == proxy
    assert environ["ANTHROPIC_AUTH_TOKEN"] == "anything"
    assert "ANTHROPIC_API_KEY" not in environ
    assert environ["ANTHROPIC_MODEL"] == environ["ANTHROPIC_DEFAULT_OPUS_MODEL"] == "m"
    assert environ["ANTHROPIC_DEFAULT_HAIKU_MODEL"] == "small", "what the user has chosen stays"
    assert environ["CLAUDE_CODE_ATTRIBUTION_HEADER"] == "0"
    assert environ["NO_PROXY"] == "127.0.0.1,localhost,::1"
    assert done.stderr == (
        "note: how many tokens m can take is not known, and Claude Code assumes a million; "
        "set CLAUDE_CODE_MAX_CONTEXT_TOKENS\n"
    )


def test_with_a_backend_a_proxy_is_started_and_stopped(folder: Path, backend: str) -> None:
    told = report(
        launched(
            *(folder, "ask"),
            OPENAI_API_BASE=backend,
            MODEL="m",
            DIALECT="context_window=32000",
            PROXY_API_KEY="sk-of-the-proxy",
        )
    )
    assert told["reply"] == "m answers"
    assert told["environ"]["ANTHROPIC_AUTH_TOKEN"] == "sk-of-the-proxy"
    assert told["environ"]["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "32000"
    assert "CLAUDE_CODE_MAX_OUTPUT_TOKENS" not in told["environ"]
    assert list((folder.parent / "tmp").iterdir()) == [], "its log goes where nothing went wrong"
    assert [pid for pid in processes() if parent_of(pid) == told["parent"]] == []


def test_without_a_backend_litellm_is_started_too(folder: Path) -> None:
    written_config(folder.parent)
    done = launched(folder, "ask")
    told = report(done)
    assert told["reply"] == "first says hello"
    assert told["environ"]["ANTHROPIC_MODEL"] == "first"
    assert told["environ"]["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "64000"
    assert told["environ"]["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] == "8000"
    assert "LITELLM_MASTER_KEY" not in told["environ"]
    assert "OPENAI_API_KEY" not in told["environ"]
    assert "starting litellm on 127.0.0.1:" in done.stderr
    assert "asked for first" not in done.stderr, "the servers' lines stay out of Claude Code's screen"
    assert [pid for pid in processes() if parent_of(pid) == told["parent"]] == []


def test_the_settings_of_a_project_count_for_nothing(folder: Path, backend: str) -> None:
    (folder / ".env").write_text("MODEL=theirs\nOPENAI_API_BASE=http://127.0.0.1:9/v1\n")
    (folder / "config.yaml").write_text("nonsense")
    told = report(launched(folder, "ask", OPENAI_API_BASE=backend, MODEL="m"))
    assert told["reply"] == "m answers"


def test_a_server_that_cannot_start_leaves_its_lines_in_a_file(folder: Path) -> None:
    written_config(folder.parent)
    done = launched(folder, FAKE_LITELLM="crash")
    assert (done.returncode, done.stdout) == (1, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("anthropic-proxy: litellm could not be started; what it wrote is in ")
    log = Path(last.rpartition(" ")[2])
    assert "litellm | the model list makes no sense" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_without_claude_code(folder: Path) -> None:
    (folder.parent / "bin" / "claude").unlink()
    (folder.parent / "bin" / "python").symlink_to(sys.executable)
    done = launched(folder, PATH=str(folder.parent / "bin"))
    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr == (
        "anthropic-proxy: claude: not on PATH; to install Claude Code: npm install -g @anthropic-ai/claude-code\n"
    )


def test_ctrl_c_is_for_claude_code(folder: Path, backend: str) -> None:
    environ = variables(folder, OPENAI_API_BASE=backend)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        command = words("claude", "wait")
        os.execve(command[0], command, environ)
    seen = b""
    pressed = False
    while True:
        try:
            seen += os.read(terminal, 4096)
        except OSError:
            break
        if b"waiting" in seen and not pressed:
            pressed = True
            os.write(terminal, b"\x03")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert b"\r\x1b[Kwaiting" in seen, "the progress is gone when Claude Code begins"
    assert b"interrupted" in seen
    assert os.waitstatus_to_exitcode(status) == 5
