"""`anthropic-proxy login copilot`, `logout copilot` and `status copilot`."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anthropic_proxy.copilot.places import TOKEN_VARIABLE, Places, places
from anthropic_proxy.copilot.tokens import CopilotError, checked_token, forget, read_token, stored_token

if TYPE_CHECKING:
    from anthropic_proxy.copilot.access import Access
    from anthropic_proxy.copilot.device_flow import Waiting

FAILED = 1
UNREACHABLE = 3
STOPPED = 130
"""Exit codes."""

STANDARD_INPUT = Path("-")


class Service(StrEnum):
    """What one can sign in to."""

    COPILOT = "copilot"


_Service = Annotated[Service, typer.Argument(help="What to sign in to.")]
_TokenFile = Annotated[
    Path | None,
    typer.Option(help=f"File with a GitHub token, `-` for standard input. {TOKEN_VARIABLE} may hold one too."),
]


def login(service: _Service = Service.COPILOT, token_file: _TokenFile = None) -> None:
    """Sign in to GitHub Copilot, for LiteLLM's github_copilot models."""
    _run(lambda: _login(places(os.environ), token_file))


def logout(service: _Service = Service.COPILOT) -> None:
    """Remove the stored Copilot tokens from this machine."""

    async def leave() -> None:
        where = places(os.environ)
        gone = forget(where)
        if not gone:
            print(f"nobody was signed in ({where.directory})")
            return
        for path in gone:
            print(f"removed {path}")
        print("To take the permission back at GitHub too: https://github.com/settings/apps/authorizations")

    _run(leave)


def status(service: _Service = Service.COPILOT, token_file: _TokenFile = None) -> None:
    """Say who is signed in to Copilot, and whether GitHub still accepts it. Never shows the token."""
    _run(lambda: _status(places(os.environ), token_file))


async def _login(where: Places, token_file: Path | None) -> None:
    from anthropic_proxy.copilot.access import access, keep
    from anthropic_proxy.copilot.github import Unreachable

    token, origin = _given_token(token_file)
    token = token or await _typed_token(where)
    try:
        found = await access(where, token)
    except Unreachable as error:
        keep(where, token, None)
        print(f"stored    {where.access_token_file}\nnot checked, as {error}")
        return
    keep(where, token, found)
    print(f"signed in to Copilot{f' with the token from {origin}' if origin else ''}")
    print(f"stored    {where.access_token_file}")
    _describe(found)


async def _typed_token(where: Places) -> str:
    """The token that the user gives us by typing a code at GitHub. Raises CopilotError."""
    from anthropic_proxy.copilot.device_flow import device_code, wait_for_token

    code = await device_code(where)
    print(f"Open      {code.address}\nand enter {code.user_code}\n", flush=True)
    progress = _Progress()
    try:
        return await wait_for_token(where, code, progress.tell)
    finally:
        progress.end()


async def _status(where: Places, token_file: Path | None) -> None:
    from anthropic_proxy.copilot.access import access

    token, origin = _given_token(token_file)
    stored = stored_token(where)
    if token:
        print(f"token     from {origin}", flush=True)
        if token != stored:
            print("          LiteLLM does not see it before: anthropic-proxy login copilot", flush=True)
    elif stored:
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(where.access_token_file.stat().st_mtime))
        print(f"signed in since {since}\nstored    {where.access_token_file}", flush=True)
    else:
        raise CopilotError(f"nobody is signed in ({where.access_token_file}); run: anthropic-proxy login copilot")
    found = await access(where, token or stored or "")
    print("accepted  yes")
    _describe(found)


def _given_token(token_file: Path | None) -> tuple[str, str]:
    """A token given without the device flow, and where it comes from; empty where none is. Raises CopilotError."""
    if token_file == STANDARD_INPUT:
        token = checked_token(sys.stdin.read(), "standard input")
        if not token:
            raise CopilotError("standard input: holds no token")
        return token, "standard input"
    if token_file is not None:
        return read_token(token_file), str(token_file)
    token = checked_token(os.environ.get(TOKEN_VARIABLE, ""), TOKEN_VARIABLE)
    return token, TOKEN_VARIABLE if token else ""


def _describe(found: "Access") -> None:
    print(f"plan      {found.plan or 'not named by GitHub'}")
    print(f"endpoint  {found.endpoint or 'the public one'}")
    minutes = max(0, round((found.expires_at - time.time()) / 60))
    print(f"renewed   by LiteLLM by itself; Copilot's own token is good for {minutes} min")


class _Progress:
    """How long the code is still good for: on a terminal always, elsewhere in a line now and then."""

    EVERY = 60.0
    """Seconds between two lines that are not written over each other."""

    def __init__(self) -> None:
        self._over = sys.stdout.isatty()
        self._told_at: float | None = None
        self._trouble = ""

    def tell(self, waiting: "Waiting") -> None:
        words = f"waiting for you to enter the code, {_clock(waiting.left)} left"
        if waiting.trouble:
            words = f"{waiting.trouble}; trying again, {_clock(waiting.left)} left"
        if self._over:
            print(f"\r\x1b[K{words}", end="", flush=True)
        elif self._told_at is None or self._told_at - waiting.left >= self.EVERY or waiting.trouble != self._trouble:
            self._told_at, self._trouble = waiting.left, waiting.trouble
            print(words, flush=True)

    def end(self) -> None:
        if self._over:
            print("\r\x1b[K", end="", flush=True)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _run(command: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a command to its end. What goes wrong is one line on standard error, and an exit code."""
    from anthropic_proxy.copilot.github import Unreachable

    try:
        asyncio.run(command())
    except Unreachable as error:
        print(f"anthropic-proxy: {error}", file=sys.stderr)
        raise typer.Exit(UNREACHABLE) from None
    except CopilotError as error:
        print(f"anthropic-proxy: {error}", file=sys.stderr)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        print("anthropic-proxy: stopped", file=sys.stderr)
        raise typer.Exit(STOPPED) from None
