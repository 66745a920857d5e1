"""The two scripts: what they say when something is missing, and that they end with both servers answering."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.grammar import parse_stream, violations
from tests.up.running import ENDS_WITHIN, Up

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
LITELLM = ROOT / ".venvs" / "litellm" / "bin" / "python"
SETUP, START = "setup_litellm_copilot.sh", "start_servers.sh"


def program(path: Path, text: str) -> None:
    """A shell script that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone as far as the scripts look at it, in a path with a space."""
    folder = tmp_path / "a clone"
    (folder / "requirements").mkdir(parents=True)
    for script in (SETUP, START, "config.yaml"):
        shutil.copy(ROOT / script, folder)
    lock = "nothing-of-this-name==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n"
    (folder / "requirements" / "setup.txt").write_text(lock)
    # Whether this machine has uv is not to matter: first comes one that finds nothing.
    program(tmp_path / "bin" / "uv", "exit 1")
    return folder


def environment(clone: Path, **variables: str) -> dict[str, str]:
    path = f"{clone.parent / 'bin'}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(clone.parent), "PYTHON": sys.executable, **variables}


def script(clone: Path, name: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a script from another folder."""
    return subprocess.run(
        [str(clone / name), *options],
        cwd=clone.parent,
        env=environment(clone, **variables),
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN * 2,
        check=False,
    )


def old_python(clone: Path) -> None:
    """No Python of this machine is new enough."""
    names = ("python3", *(f"python3.{minor}" for minor in range(11, 16)))
    for name in names:
        program(clone.parent / "bin" / name, '[ "$1" = --version ] && echo "Python 3.9.1" || exit 1')


def full_disk(clone: Path) -> None:
    program(clone.parent / "bin" / "df", "printf 'Filesystem\\n/dev/x 1 1 123 1%% /\\n'")


def something_else(clone: Path) -> None:
    """A .venv that somebody keeps things in."""
    (clone / ".venv").mkdir()
    (clone / ".venv" / "keep-me").touch()


def fails_with(text: str) -> Callable[[Path], None]:
    """An installer that says so."""

    def arrange(clone: Path) -> None:
        python = clone / ".venv" / "bin" / "python"
        program(python, f'case "$*" in *install*) echo "{text}"; exit 1;; esac; exit 0')

    return arrange


SETUP_FAILS: dict[str, tuple[Callable[[Path], None], str]] = {
    "Python is too old": (
        old_python,
        "Python 3.11 to 3.15 is needed, and python3 is Python 3.9.1; install one, and PYTHON may name it",
    ),
    "the disk has no room": (full_disk, "not enough room on the disk: about 1500 MB are needed here, 123 MB are free"),
    "something else is called .venv": (something_else, "/.venv is in the way and is no virtual environment"),
    "the disk fills up": (fails_with("OSError: No space left on device"), "the disk is full (all of it is in "),
    "the network is down": (
        fails_with("Temporary failure in name resolution"),
        "the package index cannot be reached; is the network up?",
    ),
    "a package was changed": (
        fails_with("THESE PACKAGES DO NOT MATCH THE HASHES: hashes do not match"),
        "a package is not the one that was locked (wrong hash); it was not installed",
    ),
    "the installer fails otherwise": (fails_with("it is raining"), "the installation failed; its last line: it is rai"),
}


@pytest.mark.parametrize(("arrange", "says"), SETUP_FAILS.values(), ids=SETUP_FAILS.keys())
def test_the_setup_says_in_one_line_why_it_cannot(arrange: Callable[[Path], None], says: str, clone: Path) -> None:
    arrange(clone)
    done = script(clone, SETUP, PYTHON="python3")
    assert done.returncode == 1
    assert done.stderr.startswith("setup: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Next:" not in done.stdout


def test_an_index_that_cannot_be_reached_is_the_network(clone: Path) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": os.devnull}
    done = script(clone, SETUP, **nowhere)
    assert done.returncode == 1
    assert "the package index cannot be reached; is the network up?" in done.stderr
    # What was made by then does not stand in the way of the next try.
    again = script(clone, SETUP, **nowhere)
    assert "the package index cannot be reached" in again.stderr
    assert "Making .venv" not in again.stdout


def test_a_half_made_environment_is_made_anew(clone: Path) -> None:
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "pyvenv.cfg").touch()
    done = script(clone, SETUP, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_CONFIG_FILE=os.devnull)
    assert "The .venv that is there does not work or is too old; making it anew." in done.stdout
    assert (clone / ".venv" / "bin" / "python").exists()


def complete(clone: Path) -> None:
    """As after a set-up, with this test's interpreter in place of LiteLLM's and ours."""
    program(clone / ".venv" / "bin" / "python", f'exec {sys.executable} "$@"')
    program(clone / ".venv" / "bin" / "anthropic-proxy", f'exec {sys.executable} -m anthropic_proxy "$@"')
    shutil.copy(clone / "requirements" / "setup.txt", clone / ".venv" / "installed.txt")


def test_a_second_setup_only_says_what_is_next(clone: Path) -> None:
    complete(clone)
    done = script(clone, SETUP)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("The proxy and LiteLLM are set up already, in .venv.\n")
    for step in ("config.yaml", "OPENAI_API_KEY", "anthropic-proxy login copilot", "./start_servers.sh"):
        assert step in done.stdout
    assert not (clone / ".env").exists()


def test_debugging_is_a_line_in_the_settings(clone: Path) -> None:
    complete(clone)
    (clone / ".env").write_text("MODEL=mine\n")
    for _ in range(2):
        done = script(clone, SETUP, "--debug")
        assert done.returncode == 0
    assert (clone / ".env").read_text() == "MODEL=mine\nLITELLM_LOG=DEBUG\n"


def test_an_option_that_is_none(clone: Path) -> None:
    done = script(clone, SETUP, "--dbug")
    assert (done.returncode, done.stderr) == (1, "setup: unknown option --dbug; there is --debug.\n")


def test_the_first_start_sets_up(clone: Path) -> None:
    program(
        clone / SETUP,
        "mkdir -p .venv/bin && cp requirements/setup.txt .venv/installed.txt && cp fake .venv/bin/anthropic-proxy",
    )
    program(clone / "fake", 'echo "in $PWD: $*"')
    done = script(clone, START, "--port", "0")
    assert done.stdout == f"in {clone}: up --port 0\n"
    (clone / SETUP).unlink()
    assert script(clone, START).stdout == f"in {clone}: up\n"


def test_both_servers_answer_with_the_real_litellm(clone: Path) -> None:
    """The documented examples, with the demo model of the config.yaml that we ship."""
    if not LITELLM.exists():
        pytest.skip("no environment with LiteLLM; ./run_tests.sh makes it")
    complete(clone)
    variables = environment(clone, LITELLM_PYTHON=str(LITELLM), PORT="0", LITELLM_PORT="0", MODEL="demo")
    with subprocess.Popen(
        [str(clone / START)],
        cwd=clone.parent,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            running = Up(process, clone)
            base_url = running.base_url
            question = {
                "model": "my-model",
                "max_tokens": 100,
                "messages": [{"role": "user", "content": "Hello, Claude!"}],
            }
            message = json.loads(curl(base_url, question))
            assert message["model"] == "my-model"
            assert message["content"][0]["text"].startswith("I am the demo backend")
            events = parse_stream(curl(base_url, {**question, "stream": True}))
            assert violations(events) == []
            deltas = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
            assert "".join(deltas) == message["content"][0]["text"]
            assert len(deltas) > 5
            assert running.end(signal.SIGINT) == 0
        finally:
            process.kill()


def curl(base_url: str, body: object) -> bytes:
    """The example of the README."""
    command = shutil.which("curl")
    if command is None:
        pytest.skip("curl is not installed")
    return subprocess.run(
        [
            *(command, "--silent", "--show-error", "--noproxy", "*", "-X", "POST", f"{base_url}/v1/messages"),
            *("-H", "Content-Type: application/json", "-H", "x-api-key: sk-...", "-d", json.dumps(body)),
        ],
        capture_output=True,
        check=True,
        timeout=ENDS_WITHIN,
    ).stdout


def test_the_whole_configuration_can_be_read(tmp_path: Path) -> None:
    """By LiteLLM's own parser: what we ship, with every example switched on, and an included file."""
    if not LITELLM.exists():
        pytest.skip("no environment with LiteLLM; ./run_tests.sh makes it")
    shipped = (ROOT / "config.yaml").read_text()
    uncommented = "".join(
        line.replace("  # ", "  ", 1) if line.startswith(("  # - model_name", "  #   ")) else line
        for line in shipped.splitlines(keepends=True)
    )
    (tmp_path / "config.yaml").write_text(f"{uncommented}\ninclude: [more.yaml]\n")
    (tmp_path / "more.yaml").write_text("model_list:\n  - model_name: more\n    litellm_params: {model: openai/more}\n")
    reader = ROOT / "src" / "anthropic_proxy" / "up" / "read_config.py"

    def read() -> dict[str, object]:
        done = subprocess.run(
            [str(LITELLM), str(reader), str(tmp_path / "config.yaml")],
            capture_output=True,
            text=True,
            check=True,
            timeout=ENDS_WITHIN,
        )
        answer: dict[str, object] = json.loads(done.stdout)
        return answer

    config = read()["config"]
    assert isinstance(config, dict)
    names = [entry["model_name"] for entry in config["model_list"]]
    assert names[:2] == ["my-model", "claude-sonnet-4"]
    assert {"demo", "gpt-5.1", "qwen3-coder", "local", "my-vllm", "azure-gpt"} <= set(names)
    assert names[-1] == "more"
    assert config["litellm_settings"]["disable_copilot_system_to_assistant"] is True
    (tmp_path / "config.yaml").write_text("model_list:\n  - {\n")
    error = str(read()["error"])
    assert error.startswith(f"{tmp_path / 'config.yaml'}: line ")
