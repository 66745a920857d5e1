"""`anthropic-proxy claude` and `anthropic-proxy env`."""

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from anthropic_proxy.config import SettingsError
from anthropic_proxy.env_file import read_env_file
from anthropic_proxy.launcher.variables import Shell, lines, shell_of, variables
from anthropic_proxy.server.banner import address_of
from anthropic_proxy.settings_file import complete
from anthropic_proxy.up.failure import CannotStart
from anthropic_proxy.up.litellm import clone

WRONG_SETTING = 2
CANNOT_START = 1
NOT_FOUND = 127
"""Exit codes. The last is what shells give for a command that is not there."""

FILES = ("CONFIG_FILE", "PROXY_API_KEY_FILE")
"""Variables that name files. Those of the clone's `.env` stand where it stands."""

PASS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}
"""All that stands behind `claude` is for Claude Code."""


def claude(
    arguments: Annotated[list[str] | None, typer.Argument(help="What Claude Code is to be started with.")] = None,
) -> None:
    """Start Claude Code on the proxy: on the one that runs, else with one for this session.

    Without a running proxy, OPENAI_API_BASE says what to put behind a new one; if it is not set, LiteLLM is started
    too, as `up` does it. Nothing is changed but the environment of that Claude Code.
    """
    program = shutil.which("claude")
    if program is None:
        _give_up("claude: not on PATH; to install Claude Code: npm install -g @anthropic-ai/claude-code", NOT_FOUND)
    # Here and not above: it takes half a second to import.
    from anthropic_proxy.launcher import session

    try:
        code = session.claude(program, arguments or [], _environ())
    except SettingsError as error:
        _give_up(str(error), WRONG_SETTING)
    except CannotStart as error:
        _give_up(str(error), CANNOT_START)
    raise typer.Exit(code)


def env(
    shell: Annotated[Shell | None, typer.Option(help="Whose language to speak.  [default: your shell's]")] = None,
) -> None:
    """Print the lines that put Claude Code on the proxy, for a shell to run.

    In bash or zsh: eval "$(anthropic-proxy env)"
    """
    from anthropic_proxy.launcher import session

    try:
        environ = _environ()
        settings = session.own_settings(environ)
    except SettingsError as error:
        _give_up(str(error), WRONG_SETTING)
    address = address_of(settings, settings.port)
    if session.running_proxy(settings) is None:
        print(f"anthropic-proxy: nothing answers at {address} yet", file=sys.stderr)
    limits, models = session.known_limits(settings, environ), session.model_map(environ)
    values = variables(settings, address, limits, os.environ, models)
    for line in lines(shell or shell_of(os.environ), values):
        typer.echo(line)


def _environ() -> dict[str, str]:
    """Our environment, over the `.env` file of the clone.

    Not over that of the working directory, which is somebody's project: it could send what is said to Claude, and
    keys, wherever its author likes. Raises SettingsError.
    """
    home = clone()
    written = {name: value for name, (value, _) in read_env_file(home / ".env", os.environ).items()} if home else {}
    for name in FILES:
        if home and written.get(name):
            written[name] = str(home / Path(written[name]).expanduser())
    return complete({**written, **os.environ})


def _give_up(message: str, code: int) -> NoReturn:
    print(f"anthropic-proxy: {message}", file=sys.stderr)
    raise typer.Exit(code)
