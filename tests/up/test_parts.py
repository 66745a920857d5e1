"""The parts of `up`, each alone."""

import io
import os
import socket
import sys
from pathlib import Path

import pytest

from anthropic_proxy.up import ports
from anthropic_proxy.up.failure import CannotStart
from anthropic_proxy.up.litellm import Found, environment, interpreter, same_place
from anthropic_proxy.up.screen import Screen

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bound_sockets_keep_the_port_and_do_not_listen() -> None:
    (bound,) = ports.bind("127.0.0.1", 0)
    with bound:
        port = bound.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        bound.listen()
        with pytest.raises(OSError, match="in use"):
            ports.bind("127.0.0.1", port)


def test_a_free_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert ports.free_port(port) is None
        assert ports.free_port(ports.next_free_port(port)) is not None
    assert ports.free_port(port) == port
    assert ports.free_port(0) not in (0, None)


@linux
def test_who_holds_a_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        holder = ports.holder_of(taken.getsockname()[1])
        assert holder is not None
        assert holder.pid == os.getpid()
    assert ports.holder_of(taken.getsockname()[1] if taken.fileno() >= 0 else 1) is None


def found(*models: str, **settings: object) -> Found:
    entries = [{"model_name": name, "litellm_params": {"model": f"openai/{name}"}} for name in models or ("m",)]
    return Found(list(models or ("m",)), {"model_list": entries, **settings})


ENVIRONMENTS: dict[str, tuple[dict[str, str], Found, dict[str, str | None]]] = {
    "the user's keys arrive": ({"OPENROUTER_API_KEY": "k"}, found(), {"OPENROUTER_API_KEY": "k"}),
    "the master key is ours": ({"LITELLM_MASTER_KEY": "theirs"}, found(), {"LITELLM_MASTER_KEY": "sk-ours"}),
    "another program's database is left alone": ({"DATABASE_URL": "x"}, found(), {"DATABASE_URL": None}),
    "one that the configuration names is not": (
        {"DATABASE_URL": "x"},
        found(general_settings={"database_url": "os.environ/DATABASE_URL"}),
        {"DATABASE_URL": "x"},
    ),
    "nobody sends it to itself": (
        {"OPENAI_API_BASE": "http://localhost:4000/v1", "OPENAI_BASE_URL": "http://127.0.0.1:4000"},
        found(),
        {"OPENAI_API_BASE": None, "OPENAI_BASE_URL": None},
    ),
    "another base stays": (
        {"OPENAI_API_BASE": "https://openrouter.ai/api/v1"},
        found(),
        {"OPENAI_API_BASE": "https://openrouter.ai/api/v1"},
    ),
    "loopback goes through no proxy": (
        {"no_proxy": "a.test"},
        found(),
        {"NO_PROXY": "a.test,127.0.0.1,localhost,::1", "no_proxy": "a.test,127.0.0.1,localhost,::1"},
    ),
    "what keeps it at home cannot be switched off": (
        {"LITELLM_TELEMETRY": "True", "LITELLM_MODE": "DEV"},
        found(),
        {"LITELLM_TELEMETRY": "False", "LITELLM_MODE": "PRODUCTION"},
    ),
}


@pytest.mark.parametrize(("environ", "what", "expected"), ENVIRONMENTS.values(), ids=ENVIRONMENTS.keys())
def test_what_litellm_gets(environ: dict[str, str], what: Found, expected: dict[str, str | None]) -> None:
    given = environment(environ, what, "sk-ours", "127.0.0.1:4000")
    assert {name: given.get(name) for name in expected} == expected


KEYS: dict[str, tuple[Found, str | None]] = {
    "none": (found(), None),
    "a key in the file": (found(general_settings={"master_key": "sk-x"}), "sk-x"),
    "a key from the environment": (found(general_settings={"master_key": "os.environ/KEY"}), "sk-from-there"),
    "a variable that is not set": (found(general_settings={"master_key": "os.environ/NOTHING"}), None),
    "settings that are none": (found(general_settings=None), None),
}


@pytest.mark.parametrize(("what", "key"), KEYS.values(), ids=KEYS.keys())
def test_the_configurations_own_master_key(what: Found, key: str | None) -> None:
    assert what.master_key({"KEY": "sk-from-there"}) == key


def test_addresses_that_are_the_same_place() -> None:
    here = ["http://127.0.0.1:4000", "http://localhost:4000/v1", "http://[::1]:4000/v1/"]
    elsewhere = ["", "http://127.0.0.1:4001/v1", "https://api.test/v1", "http://localhost/v1"]
    assert all(same_place(url, "127.0.0.1:4000") for url in here)
    assert not any(same_place(url, "127.0.0.1:4000") for url in elsewhere)


def test_litellm_is_found_beside_its_command(tmp_path: Path) -> None:
    folder = tmp_path / "venv" / "bin"
    folder.mkdir(parents=True)
    for name in ("litellm", "python"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o700)
    (tmp_path / "litellm").symlink_to(folder / "litellm")
    assert interpreter({"PATH": str(tmp_path)}) == str(folder / "python")


def test_without_litellm_it_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"LiteLLM is not installed; \./setup_litellm_copilot\.sh does that"):
        interpreter({"PATH": str(tmp_path)})


def test_lines_are_told_apart_and_keys_blotted_out() -> None:
    stream = io.StringIO()
    screen = Screen(stream, ["sk-secret"])
    screen.line("litellm", "\x1b[32mready\x1b[0m with sk-secret")
    screen.line("proxy", "ready")
    screen.say("all is well")
    assert stream.getvalue() == "litellm | ready with [key]\nproxy   | ready\nall is well\n"


def test_progress_is_a_line_now_and_then() -> None:
    stream = io.StringIO()
    screen = Screen(stream)
    for seconds in (0.1, 0.2, 4.9, 5.2, 5.3):
        screen.wait("starting it ...", seconds)
    screen.wait("starting another ...", 0.1)
    screen.clear()
    assert stream.getvalue() == "starting it ... 0 s\nstarting it ... 5 s\nstarting another ... 0 s\n"


def test_progress_on_a_terminal_is_written_over() -> None:
    stream = Terminal()
    screen = Screen(stream)
    screen.wait("starting it ...", 0.1)
    screen.wait("starting it ...", 1.1)
    screen.say("ready")
    screen.say("really")
    assert stream.getvalue() == "starting it ... 0 s\r\x1b[Kstarting it ... 1 s\r\x1b[Kready\nreally\n"


def test_a_terminal_that_is_gone_stops_nobody() -> None:
    stream = io.StringIO()
    screen = Screen(stream)
    stream.close()
    screen.say("is anybody there?")
