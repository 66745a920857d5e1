"""`anthropic-proxy doctor` as a user runs it: what it prints, writes and returns."""

import asyncio
import json
import os
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from anthropic_proxy.config import Settings
from anthropic_proxy.env_file import read_env_file
from tests.doctor.model import MODEL, Habits, error, on_a_socket, page, refuses
from tests.scripted import ScriptedServer

ODD = Habits([refuses("stop")], stream_usage="always", reasoning_field="hidden")
"""Departs from a plain backend in a few things."""


class Done(NamedTuple):
    code: int
    out: str
    err: str


async def doctor(*words: str, cwd: Path, **variables: str) -> Done:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "anthropic_proxy", "doctor", *words),
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PORT": "0", **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())


async def test_the_table_and_what_follows_it(tmp_path: Path) -> None:
    async with ScriptedServer(on_a_socket(ODD)) as server:
        done = await doctor(cwd=tmp_path, OPENAI_API_BASE=f"{server.url}/v1", MODEL=MODEL, BACKEND="plain")
    lines = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert lines[:2] == [f"{server.url}/v1, model {MODEL}, dialect plain", ""]
    table = [line.split()[0] for line in lines[2:22]]
    assert table[0] == "reachable"
    assert "  stop                no      400: Unknown parameter: 'stop'." in lines
    assert lines[22:] == [
        "",
        "Other than the dialect says:",
        "  tool_images: expected false, seen true",
        "  stop_max: expected 4, seen 0",
        "  reasoning: expected none, seen effort",
        "",
        "Settings that fit (for .env; `anthropic-proxy doctor --write` saves them):",
        '  DIALECT="tool_images=true stop_max=0 reasoning=effort"',
        "",
        "Claude Code can work with this backend.",
        lines[-1],
    ]
    assert lines[-1].startswith(f"This took {len(server.requests) - 1} requests, ")
    assert not (tmp_path / ".env").exists()


async def test_write_saves_the_settings_and_touches_nothing_else(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    async with ScriptedServer(on_a_socket(ODD)) as server:
        text = (
            f"# mine\nOPENAI_API_BASE={server.url}/v1\nMODEL={MODEL}\nBACKEND=plain\nDIALECT=cache_key=true\n\nOTHER=1"
        )
        env_file.write_text(text)
        env_file.chmod(0o640)
        first = await doctor("--write", cwd=tmp_path)
        second = await doctor("--write", cwd=tmp_path)
    assert (first.code, second.code) == (0, 0)
    fitting = 'DIALECT="cache_key=true tool_images=true stop_max=0 reasoning=effort"'
    assert env_file.read_text() == text.replace("DIALECT=cache_key=true", fitting)
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o640
    assert "Settings that fit (saved to .env):" in first.out
    assert "Settings that fit" not in second.out
    assert os.listdir(tmp_path) == [".env"]


async def test_write_makes_a_private_file_where_there_is_none(tmp_path: Path) -> None:
    async with ScriptedServer(on_a_socket(ODD, below="/api/v1")) as server:
        done = await doctor("--write", "--backend-url", f"{server.url}/api", "--model", MODEL, cwd=tmp_path)
    assert done.code == 2
    assert (tmp_path / ".env").read_text() == f"OPENAI_API_BASE={server.url}/api/v1\n"
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


async def test_write_says_where_the_environment_wins(tmp_path: Path) -> None:
    async with ScriptedServer(on_a_socket(ODD)) as server:
        done = await doctor(
            "--write",
            cwd=tmp_path,
            OPENAI_API_BASE=f"{server.url}/v1",
            MODEL=MODEL,
            BACKEND="plain",
            DIALECT="json=none",
        )
    assert "Note: DIALECT is set in the environment too, which wins: unset DIALECT" in done.out
    settings = {name: value for name, (value, _) in read_env_file(tmp_path / ".env", {}).items()}
    assert settings == {"DIALECT": "json=schema tool_images=true stop_max=0 reasoning=effort"}


async def test_json_is_one_object(tmp_path: Path) -> None:
    async with ScriptedServer(on_a_socket(ODD)) as server:
        done = await doctor("--json", cwd=tmp_path, OPENAI_API_BASE=f"{server.url}/v1", MODEL=MODEL, BACKEND="plain")
    report: dict[str, Any] = json.loads(done.out)
    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)
    assert report["can_work"] is True
    assert (report["base_url"], report["model"], report["dialect"]) == (f"{server.url}/v1", MODEL, "plain")
    assert {"name": "tools", "verdict": "yes", "says": "", "vital": True} in report["capabilities"]
    assert {"field": "stop_max", "expected": "4", "seen": "0"} in report["departures"]
    assert Settings(openai_api_base="http://h/v1", dialect=report["settings"]["DIALECT"].strip('"'))
    assert report["cost"]["requests"] == len(server.requests) - 1
    assert (report["problems"], report["written"]) == ([], None)


async def test_a_dead_proxy_in_the_environment_does_not_matter_to_this_machine(tmp_path: Path) -> None:
    async with ScriptedServer(on_a_socket(Habits())) as server:
        done = await doctor(
            cwd=tmp_path,
            OPENAI_API_BASE=f"{server.url}/v1",
            MODEL=MODEL,
            BACKEND="plain",
            HTTP_PROXY="http://127.0.0.1:9",
        )
    assert done.code == 0
    assert "Note: HTTP_PROXY catches 127.0.0.1 and localhost" in done.out
    assert "export NO_PROXY=127.0.0.1,localhost,::1" in done.out


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "no backend": ({}, "OPENAI_API_BASE: missing; set it to "),
    "a literal ${VAR}": (
        {"OPENAI_API_BASE": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "${KEY}"},
        "OPENAI_API_KEY: still holds ${KEY}, which nothing replaced: define that variable, or write its value there\n",
    ),
    "certificates that are not there": (
        {"OPENAI_API_BASE": "https://127.0.0.1:9/v1", "SSL_CERT_FILE": "/nowhere.pem"},
        "SSL_CERT_FILE: cannot read /nowhere.pem: ",
    ),
}


@pytest.mark.parametrize(("variables", "line"), WRONG.values(), ids=WRONG.keys())
async def test_a_wrong_setting_is_one_line(variables: dict[str, str], line: str, tmp_path: Path) -> None:
    done = await doctor(cwd=tmp_path, **variables)
    as_json = await doctor("--json", cwd=tmp_path, **variables)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith(f"anthropic-proxy: {line}")
    report = json.loads(as_json.out)
    assert (as_json.code, report["exit_code"], len(report["problems"])) == (2, 2, 1)


async def test_a_wrong_line_of_env_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MODEL=m\nOPENAI_API_BASE=localhost\n")
    done = await doctor(cwd=tmp_path)
    assert (done.code, done.err.endswith(" (from .env, line 2)\n")) == (2, True)


async def test_five_mistakes_have_five_messages_and_none_a_traceback(tmp_path: Path) -> None:
    keyed = on_a_socket(Habits(), key="right")
    unknown = Habits(answers=lambda method, path: error(404, "no such model") if method == "POST" else None)
    web_site = Habits(answers=lambda method, path: page())
    async with (
        ScriptedServer(keyed) as locked,
        ScriptedServer(on_a_socket(unknown)) as other,
        ScriptedServer(on_a_socket(web_site)) as site,
    ):
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        mistakes = [
            await doctor(cwd=tmp_path, OPENAI_API_BASE=url, OPENAI_API_KEY="k", MODEL=MODEL, BACKEND="plain")
            for url in (
                f"{locked.url}/v1",
                f"{locked.url}/v1/v1",
                f"{other.url}/v1",
                f"{site.url}/v1",
                f"http://127.0.0.1:{port}/v1",
            )
        ]
    problems = [line for done in mistakes for line in done.out.splitlines() if line.startswith("Problem: ")]
    assert len(set(problems)) == 5
    assert [done.code for done in mistakes] == [2, 2, 2, 2, 1]
    assert [done.err for done in mistakes] == [""] * 5


async def test_a_model_of_the_command_line_is_the_only_one_asked(tmp_path: Path) -> None:
    async with ScriptedServer(on_a_socket(Habits(models=("x",)))) as server:
        done = await doctor(
            *("--json", "--model", "x"),
            cwd=tmp_path,
            OPENAI_API_BASE=f"{server.url}/v1",
            REASONING_MODEL="r",
            COMPLETION_MODEL="c",
        )
    assert {json.loads(request.body)["model"] for request in server.requests if request.body} == {"x"}
    report = json.loads(done.out)
    assert report["model"] == "x"
    assert [(note["name"], note["remedy"]) for note in report["notes"]] == [
        ("other_model", "examine it with --model r"),
        ("other_model", "examine it with --model c"),
    ]


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal: ours, and the one for the command."""
    ours, theirs = os.openpty()
    try:
        yield ours, theirs
    finally:
        os.close(ours)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
async def test_on_a_terminal_each_question_is_shown_while_it_is_asked(tmp_path: Path) -> None:
    async with ScriptedServer(on_a_socket(Habits())) as server:
        with terminal() as (ours, theirs):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "anthropic_proxy", "doctor"),
                cwd=tmp_path,
                env={
                    "PATH": os.environ["PATH"],
                    "PORT": "0",
                    "TERM": "xterm",
                    "OPENAI_API_BASE": f"{server.url}/v1",
                    "MODEL": MODEL,
                    "BACKEND": "plain",
                },
                stdout=theirs,
            )
            os.close(theirs)
            seen = await asyncio.to_thread(_all_of, ours)
            assert await asyncio.wait_for(process.wait(), 60) == 0
    assert "\r\x1b[K  streaming           …\r\x1b[K  streaming           \x1b[32myes    \x1b[0m " in seen


def _all_of(descriptor: int) -> str:
    data = b""
    while True:
        try:
            data += (read := os.read(descriptor, 65536))
        except OSError:  # How Linux says that the other end is closed.
            break
        if not read:
            break
    return data.decode()
