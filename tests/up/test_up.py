"""`up` as a person runs it: both servers start, are watched, and end together."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.up.running import (
    CONFIG,
    DIRECT,
    ENDS_WITHIN,
    Stream,
    alive,
    all_gone,
    ask,
    command_of,
    environment,
    environment_of,
    parent_of,
    processes,
    up,
    words,
    written_config,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]


def text_of(message: dict[str, Any]) -> str:
    text: str = message["content"][0]["text"]
    return text


def test_it_starts_both_and_says_how_to_use_them(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        base_url = running.base_url
        waits = [line for line in running.lines if line.startswith("starting ")]
        assert [wait.split()[1] for wait in waits][:1] == ["litellm"]
        assert waits[-1].split()[1] == "proxy"
        assert "models: MODEL=first; by name: first, second" in running.lines
        assert f"  export ANTHROPIC_BASE_URL={base_url}" in running.lines
        assert running.seen("a line of the start") == 0, "what LiteLLM says at its start is kept back"
        # A name from the configuration gets that model, every other one the first.
        assert text_of(ask(base_url, "second")) == "second says hello"
        assert text_of(ask(base_url, "claude-sonnet-5")) == "first says hello"
        running.wait_for("litellm | asked for first")
        running.wait_for("proxy   | ")
        assert running.end() == 0
        assert running.lines[-1] == "stopped"


def test_the_three_variables_win_over_the_names_of_the_configuration(tmp_path: Path) -> None:
    with up(tmp_path, "--model", "second", REASONING_MODEL="third") as running:
        base_url = running.base_url
        assert "models: MODEL=second, REASONING_MODEL=third" in running.lines
        assert running.seen("note: REASONING_MODEL=third is not in the configuration, which has: first, second") == 1
        assert text_of(ask(base_url, "first")) == "second says hello"


def test_litellm_gets_a_key_of_its_own_that_nobody_sees(tmp_path: Path) -> None:
    given = {
        "OPENAI_API_KEY": "sk-of-the-user",
        "DATABASE_URL": "postgresql://somewhere",
        "PROXY_API_KEY": "sk-of-the-proxy",
        "NO_PROXY": "example.test",
        "DEBUG": "app:*",
    }
    with up(tmp_path, "--debug", **given) as running:
        running.wait_for("Ctrl-C stops both.")
        environ = running.starts[0]["environ"]
        key = environ["LITELLM_MASTER_KEY"]
        assert key.startswith("sk-")
        assert len(key) > 40
        assert environ["OPENAI_API_KEY"] == "sk-of-the-user"
        assert environ["NO_PROXY"] == "example.test,127.0.0.1,localhost,::1"
        assert environ["LITELLM_LOG"] == "DEBUG"
        assert environ["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"
        assert {"DATABASE_URL", "PROXY_API_KEY", "DEBUG", "PORT"} & environ.keys() == set()
        assert [pid for pid in processes() if any(key in word for word in command_of(pid))] == []
        assert running.seen("litellm | a line of the start") == 1, "with --debug all is shown"
        assert running.seen("litellm | somebody logs the key [key]") == 1
        assert running.seen(key) == 0
        running.end()


def test_a_litellm_that_is_killed_is_started_again(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        base_url = running.base_url
        stream = Stream(base_url, seconds=30)
        killed = running.children()["litellm"]
        os.kill(killed, signal.SIGKILL)
        events = stream.events()
        assert events[-1]["type"] == "error", "what is lost is said to be lost"
        running.wait_for("litellm: was ended by SIGKILL; its last lines:")
        running.wait_for("litellm: answers again")
        assert running.seen("litellm | a line of the start") == 1, "the last lines of the one that was killed"
        assert text_of(ask(base_url, "first")) == "first says hello"
        assert len(running.starts) == 2
        assert running.starts[0]["environ"]["LITELLM_MASTER_KEY"] == running.starts[1]["environ"]["LITELLM_MASTER_KEY"]


def test_a_stream_that_can_finish_does_so_before_litellm_ends(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        base_url = running.base_url
        stream = Stream(base_url, seconds=2)
        os.kill(running.children()["litellm"], signal.SIGTERM)
        assert stream.events()[-1]["type"] == "message_stop"
        running.wait_for("litellm: answers again")
        assert text_of(ask(base_url, "first")) == "first says hello"


def test_a_proxy_that_is_killed_is_started_again_at_its_address(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        base_url = running.base_url
        os.kill(running.children()["proxy"], signal.SIGKILL)
        running.wait_for("proxy: was ended by SIGKILL")
        # Nobody is refused meanwhile: the question waits.
        assert text_of(ask(base_url, "first")) == "first says hello"
        assert len(running.starts) == 1, "LiteLLM has nothing to do with it"


def test_told_to_stop_it_lets_streams_finish_first(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        stream = Stream(running.base_url, seconds=2)
        pids = list(running.children().values())
        assert len(pids) == 2
        assert running.end(signal.SIGTERM) == 0
        events = stream.events()
        assert events[-1]["type"] == "message_stop"
        assert len([event for event in events if event["type"] == "content_block_delta"]) == 20
        assert running.seen("proxy: finishing, 35 s at most; Ctrl-C: now") == 1
        assert all_gone(pids)


def test_told_twice_it_stops_at_once(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        Stream(running.base_url, seconds=60)
        pids = list(running.children().values())
        running.process.send_signal(signal.SIGINT)
        running.wait_for("proxy: finishing")
        assert running.end(signal.SIGINT) == 0
        assert all_gone(pids)


def test_ctrl_c_in_a_terminal_stops_both(tmp_path: Path) -> None:
    written_config(tmp_path)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        command = words("up")
        os.execve(command[0], command, environment(tmp_path))
    seen = b""

    def read_on() -> bool:
        nonlocal seen
        try:
            seen += os.read(terminal, 4096)
        except OSError:
            return False
        return True

    while b"Ctrl-C stops both." not in seen and read_on():
        pass
    assert b"\r\x1b[K" in seen, "the wait is one line that is written over"
    children = [child for child in processes() if parent_of(child) == pid]
    assert len(children) == 2
    os.write(terminal, b"\x03")
    while read_on():
        pass
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert seen.rstrip().endswith(b"stopped")
    assert all_gone(children)


def test_if_it_is_killed_itself_the_servers_end_too(tmp_path: Path) -> None:
    with up(tmp_path, SHUTDOWN_GRACE="1") as running:
        running.wait_for("Ctrl-C stops both.")
        pids = list(running.children().values())
        running.process.kill()
        assert all_gone(pids)


def test_what_will_not_stop_is_killed_with_all_it_has_started(tmp_path: Path) -> None:
    with up(tmp_path, FAKE_LITELLM="stubborn", SHUTDOWN_GRACE="1") as running:
        running.wait_for("Ctrl-C stops both.")
        litellm = running.children()["litellm"]
        of_its_own = [pid for pid in processes() if parent_of(pid) == litellm]
        assert of_its_own
        running.process.send_signal(signal.SIGTERM)
        running.wait_for("litellm: finishing")
        assert running.end(signal.SIGTERM) == 0
        assert all_gone([litellm, *of_its_own])


NEVER_STARTS = {
    "one that ends": (
        "crash",
        [],
        "litellm: ended with exit code 1 before it answered; its last lines:",
        "litellm | the model list makes no sense",
    ),
    "one that is silent": ("silent", ["--wait", "2"], "litellm: does not answer after 2 s; its last lines:", ""),
}


@pytest.mark.parametrize(("how", "options", "says", "last"), NEVER_STARTS.values(), ids=NEVER_STARTS.keys())
def test_a_litellm_that_never_answers(how: str, options: list[str], says: str, last: str, tmp_path: Path) -> None:
    with up(tmp_path, *options, FAKE_LITELLM=how) as running:
        assert running.ended() == 1
    assert says in running.lines
    assert running.seen("litellm | a line of the start") == 1
    assert running.seen(last) >= 1
    assert running.lines[-1] == "anthropic-proxy: litellm could not be started"
    assert not alive(running.starts[0]["pid"])


def refused(folder: Path, **variables: str) -> tuple[int, str]:
    """Exit code and output of an `up` that does not get far."""
    if not (folder / "config.yaml").exists():
        written_config(folder)
    done = subprocess.run(
        words("up"),
        cwd=folder,
        env=environment(folder, **variables),
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize("variable", ["PORT", "LITELLM_PORT"])
def test_a_port_that_is_taken(variable: str, tmp_path: Path) -> None:
    what = {"PORT": "the proxy", "LITELLM_PORT": "LiteLLM"}[variable]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, says = refused(tmp_path, **{variable: str(port)})
    assert code == 1
    assert says.startswith(f"anthropic-proxy: port {port}, where {what} should listen, is taken by ")
    assert f"(pid {os.getpid()}); stop it (kill {os.getpid()}), or choose another one with {variable}=" in says
    assert says.count("\n") == 1
    assert not (tmp_path / "starts").exists()


def test_a_port_that_another_proxy_has(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with up(first) as running:
        port = running.base_url.rpartition(":")[2]
        code, says = refused(second, PORT=port)
    assert code == 1
    assert says.startswith(f"anthropic-proxy: port {port} is taken: anthropic-proxy ")
    assert "already runs there" in says


WRONG: dict[str, tuple[str | None, dict[str, str], int, str]] = {
    "no configuration": (None, {}, 1, "config.yaml: is not there; --config names LiteLLM's configuration file"),
    "a configuration that cannot be read": ('{"model_list":\n[', {}, 1, "config.yaml: line 2: this is no JSON"),
    "a configuration without models": ('{"model_list": []}', {}, 1, "config.yaml: model_list: must be a list with at"),
    "a model without a name": ('{"model_list": [{}]}', {}, 1, "config.yaml: model_list.0.model_name: missing"),
    "no LiteLLM": ("{}", {"LITELLM_PYTHON": "/nowhere/python"}, 1, "LITELLM_PYTHON=/nowhere/python: is no program"),
    "a wrong port": ("{}", {"LITELLM_PORT": "x"}, 2, "LITELLM_PORT='x': must be a whole number from 0 to 65535"),
    "a wrong setting of the proxy": (json.dumps(CONFIG), {"PORT": "x"}, 2, "PORT='x': must be a whole number from 0"),
}


@pytest.mark.parametrize(("config", "variables", "code", "says"), WRONG.values(), ids=WRONG.keys())
def test_it_gives_up_in_one_line(
    config: str | None, variables: dict[str, str], code: int, says: str, tmp_path: Path
) -> None:
    if config is not None:
        (tmp_path / "config.yaml").write_text(config)
    given = words("up") if config is not None else words("up", "--config", "config.yaml")
    done = subprocess.run(
        given,
        cwd=tmp_path,
        env=environment(tmp_path, **variables),
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"anthropic-proxy: {says}")
    assert done.stderr.count("\n") == 1


def test_variables_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MODEL=second\nSECRET=for-a-model\n")
    with up(tmp_path) as running:
        running.wait_for("models: MODEL=second")
        assert running.starts[0]["environ"]["SECRET"] == "for-a-model"


def test_copilot_without_anybody_signed_in(tmp_path: Path) -> None:
    copilot = {"model_name": "mine", "litellm_params": {"model": "github_copilot/gpt-4.1"}}
    written_config(tmp_path, {"model_list": [copilot, *CONFIG["model_list"]]})
    with up(tmp_path) as running:
        running.wait_for("Ctrl-C stops both.")
        # Copilot bills by who asks, and hears it in headers that the proxy has LiteLLM send.
        assert "DIALECT=initiator_in_body=true" in environment_of(running.children()["proxy"])
    told = [line for line in running.lines if line.startswith("note: ")]
    assert told == [
        "note: nobody is signed in to GitHub Copilot, so these models will not answer: mine",
        "note: to sign in: anthropic-proxy login copilot; then start this again",
    ]


def test_the_demo_runs_inside(tmp_path: Path) -> None:
    demo = {"model_name": "demo", "litellm_params": {"model": "openai/demo", "api_base": "os.environ/DEMO_API_BASE"}}
    written_config(tmp_path, {"model_list": [demo]})
    with up(tmp_path) as running:
        running.wait_for("Ctrl-C stops both.")
        with DIRECT.open(f"{running.starts[0]['environ']['DEMO_API_BASE']}/models", timeout=ENDS_WITHIN) as answer:
            models = json.load(answer)["data"]
    assert [model["id"] for model in models] == ["demo", "demo-thinking"]
