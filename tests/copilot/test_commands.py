"""`login copilot`, `logout copilot` and `status copilot`, as they are typed."""

import json
import os
import pty
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import typer
from typer.testing import CliRunner, Result

from anthropic_proxy.copilot.commands import login, logout, status
from tests.fake_copilot import GITHUB_TOKEN, USER_CODE, FakeCopilot
from tests.servers import serving, wait_until

app = typer.Typer()
app.command()(login)
app.command()(logout)
app.command()(status)


class World(NamedTuple):
    fake: FakeCopilot
    environ: dict[str, str]
    directory: Path

    def run(self, *words: str, typed: str = "", **environ: str) -> Result:
        result = CliRunner(env={**self.environ, **environ}).invoke(app, list(words), input=typed)
        assert GITHUB_TOKEN not in result.output, "a token was shown"
        assert "tid=" not in result.output, "Copilot's token was shown"
        return result


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    fake = FakeCopilot()
    directory = tmp_path / "tokens"
    with serving(fake.app) as url:
        yield World(fake, fake.environ(url, directory), directory)


def test_a_sign_in_shows_the_code_and_stores_the_tokens(world: World) -> None:
    world.fake.polls.append({"error": "authorization_pending"})
    result = world.run("login", "copilot")
    assert result.exit_code == 0
    address = world.environ["GITHUB_COPILOT_DEVICE_CODE_URL"].removesuffix("/code")
    assert result.stdout.startswith(f"Open      {address}\nand enter {USER_CODE}\n")
    assert "waiting for you to enter the code, 15:00 left" in result.stdout
    assert "signed in to Copilot\n" in result.stdout
    assert "plan      fake_plan\n" in result.stdout
    assert "good for 25 min" in result.stdout
    assert (world.directory / "access-token").read_text() == GITHUB_TOKEN
    assert json.loads((world.directory / "api-key.json").read_text())["token"].startswith("tid=")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in world.directory.iterdir()}
    assert modes == {"access-token": 0o600, "api-key.json": 0o600}
    assert stat.S_IMODE(world.directory.stat().st_mode) == 0o700


def test_a_sign_in_that_fails_stores_nothing(world: World) -> None:
    world.fake.polls.append({"error": "access_denied"})
    result = world.run("login", "copilot")
    assert (result.exit_code, result.stderr) == (1, "anthropic-proxy: the sign-in was cancelled in the browser\n")
    assert not world.directory.exists()


def test_an_account_without_copilot_is_not_stored(world: World) -> None:
    world.fake.refusal = (403, "Resource not accessible")
    result = world.run("login", "copilot")
    assert result.exit_code == 1
    assert "this account has no Copilot" in result.stderr
    assert not world.directory.exists()


def test_a_token_from_a_file_needs_no_browser(world: World, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.write_text(f"{GITHUB_TOKEN}\n")
    result = world.run("login", "copilot", "--token-file", str(given))
    assert result.exit_code == 0
    assert f"signed in to Copilot with the token from {given}" in result.stdout
    assert [seen.path for seen in world.fake.requests] == ["/copilot_internal/v2/token"]
    assert (world.directory / "access-token").read_text() == GITHUB_TOKEN


def test_a_token_from_standard_input_needs_no_browser(world: World) -> None:
    assert world.run("login", "copilot", "--token-file", "-", typed=f"{GITHUB_TOKEN}\n").exit_code == 0
    assert world.run("login", "copilot", "--token-file", "-", typed="\n").exit_code == 1


def test_a_token_from_the_environment_needs_no_browser(world: World) -> None:
    result = world.run("login", GITHUB_COPILOT_TOKEN=GITHUB_TOKEN)
    assert "with the token from GITHUB_COPILOT_TOKEN" in result.stdout
    assert (world.directory / "access-token").read_text() == GITHUB_TOKEN


def test_a_wrong_token_does_not_replace_a_right_one(world: World) -> None:
    world.run("login", "copilot")
    result = world.run("login", "copilot", "--token-file", "-", typed="gho_wrong")
    assert result.exit_code == 1
    assert "GitHub does not accept the token" in result.stderr
    assert (world.directory / "access-token").read_text() == GITHUB_TOKEN


def test_a_token_that_cannot_be_checked_is_stored_all_the_same(world: World) -> None:
    world.run("login", "copilot")
    gone = {"GITHUB_COPILOT_API_KEY_URL": "http://127.0.0.1:1/token"}
    result = world.run("login", "copilot", "--token-file", "-", typed="gho_other", **gone)
    assert result.exit_code == 0
    assert "not checked, as cannot connect to 127.0.0.1:1: Connection refused" in result.stdout
    assert [path.name for path in world.directory.iterdir()] == ["access-token"], "the other account's key is gone"


def test_the_status_says_who_is_signed_in(world: World) -> None:
    world.run("login", "copilot")
    result = world.run("status", "copilot")
    assert result.exit_code == 0
    assert result.stdout.startswith("signed in since 20")
    assert f"stored    {world.directory / 'access-token'}\naccepted  yes\nplan      fake_plan\n" in result.stdout
    assert "/copilot\n" in result.stdout


def test_the_status_says_that_nobody_is(world: World) -> None:
    result = world.run("status", "copilot")
    assert result.exit_code == 1
    assert "nobody is signed in" in result.stderr
    assert result.stderr.endswith("run: anthropic-proxy login copilot\n")


def test_the_status_says_that_a_token_was_revoked(world: World) -> None:
    world.run("login", "copilot")
    world.fake.refusal = (401, "Bad credentials")
    result = world.run("status", "copilot")
    assert (result.exit_code, result.stdout.count("\n")) == (1, 2)
    assert "GitHub does not accept the token" in result.stderr


def test_the_status_tells_the_network_from_a_refusal(world: World) -> None:
    world.run("login", "copilot")
    result = world.run("status", "copilot", GITHUB_COPILOT_API_KEY_URL="http://127.0.0.1:1/token")
    assert result.exit_code == 3
    assert "cannot connect to 127.0.0.1:1" in result.stderr


def test_the_status_says_that_litellm_does_not_see_the_environments_token(world: World) -> None:
    result = world.run("status", "copilot", GITHUB_COPILOT_TOKEN=GITHUB_TOKEN)
    assert result.exit_code == 0
    assert "token     from GITHUB_COPILOT_TOKEN\n          LiteLLM does not see it before" in result.stdout


def test_a_sign_out_leaves_nothing(world: World) -> None:
    world.run("login", "copilot")
    result = world.run("logout", "copilot")
    assert result.exit_code == 0
    assert result.stdout.count("removed ") == 2
    assert "https://github.com/settings/apps/authorizations" in result.stdout
    assert list(world.directory.iterdir()) == []
    assert world.run("logout").stdout == f"nobody was signed in ({world.directory})\n"


def test_certificates_that_cannot_be_read_are_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    result = world.run("login", GITHUB_COPILOT_DEVICE_CODE_URL="https://127.0.0.1:1/code")
    assert result.exit_code == 1
    assert result.stderr.startswith("anthropic-proxy: https://127.0.0.1:1/code: SSL_CERT_FILE: cannot read")


PROGRAM = """
import typer
from anthropic_proxy.copilot.commands import login
typer.run(login)
"""


def test_on_a_terminal_the_time_left_runs_on_one_line_and_an_interrupt_ends_it(world: World) -> None:
    world.fake.polls.extend([{"error": "authorization_pending"}] * 100_000)
    ours, theirs = pty.openpty()
    environ = {**os.environ, **world.environ}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=theirs, stdout=theirs, stderr=theirs, env=environ
    ) as process:
        os.close(theirs)
        wait_until(lambda: len(world.fake.seen("/login/oauth/access_token")) > 2)
        process.send_signal(signal.SIGINT)
        shown = read_all(ours)
        assert process.wait(20) == 130
    assert USER_CODE in shown
    assert "\r\x1b[Kwaiting for you to enter the code, 14:59 left\r\x1b[K" in shown
    assert shown.endswith("\r\x1b[Kanthropic-proxy: stopped\r\n")


def read_all(terminal: int) -> str:
    """What is written to a terminal until its other end closes."""
    shown = b""
    try:
        while data := os.read(terminal, 4096):
            shown += data
    except OSError:
        pass  # how Linux says that the other end is closed
    os.close(terminal)
    return shown.decode()
