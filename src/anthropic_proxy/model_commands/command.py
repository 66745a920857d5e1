"""The two commands, as typer runs them."""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from anthropic_proxy.config import Settings, SettingsError
from anthropic_proxy.env_file import read_env_file
from anthropic_proxy.model_map import NO_MAP, FileError, Read
from anthropic_proxy.settings_file import VARIABLE, complete, settings_file

WRONG_SETTING = 2
"""Exit code."""

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="CONFIG_FILE: the settings file with the model map.", show_default=False)
]


def models(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names, as a client would write them.", show_default=False)
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Show which model serves what, or where these names lead and why. Nothing is asked over the network."""
    # Here and not above, because it imports the translator, which other commands can do without.
    from anthropic_proxy.model_commands.table import described, overview

    try:
        settings, read = _read(config)
    except SettingsError as error:
        _give_up(str(error))
    found = read.models if read else NO_MAP
    lines = [line for name in names for line in described(name, settings, found, read)] if names else []
    typer.echo("\n".join(lines or overview(settings, found, read)))


def check_config(
    file: Annotated[
        Path | None, typer.Argument(help="The settings file; without it, that of CONFIG_FILE.", show_default=False)
    ] = None,
) -> None:
    """Check a settings file, together with the environment, without starting anything. Exit code 2: it is wrong."""
    try:
        _, read = _read(file)
        if read is None:
            raise FileError(f"{VARIABLE}: not set; name the file to check")
    except SettingsError as error:
        _give_up(str(error))
    routes, backends = len(read.models.rules), len(read.models.targets)
    counted = [_count(routes, "route"), _count(backends, "backend"), _count(len(read.settings), "setting")]
    typer.echo(f"{read.document.name} is right: {', '.join(counted)}")


def _read(file: Path | None) -> tuple[Settings, Read | None]:
    """The settings, and the file if there is one. Raises SettingsError."""
    written = {name: value for name, (value, _) in read_env_file(Path(".env"), os.environ).items()}
    given = {**written, **os.environ, **({VARIABLE: str(file)} if file else {})}
    found = settings_file(given)
    read = found.read() if found else None
    try:
        return Settings.from_env(complete(given)), read
    except SettingsError as error:
        line = read.lines.get(error.variable) if read and not given.get(error.variable, "").strip() else None
        place = f" (from {read.document.name}, line {line})" if read and line else ""
        raise SettingsError("", f"{error}{place}") from None


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _give_up(message: str) -> NoReturn:
    print(f"anthropic-proxy: {message}", file=sys.stderr)
    raise typer.Exit(WRONG_SETTING)
