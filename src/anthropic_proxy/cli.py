"""`anthropic-proxy`: flags over environment over `.env`, then the server."""

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from anthropic_proxy import __version__
from anthropic_proxy.config import Settings, SettingsError, corrections
from anthropic_proxy.copilot.commands import login, logout, status
from anthropic_proxy.demo.command import demo
from anthropic_proxy.doctor.command import doctor
from anthropic_proxy.env_file import read_env_file
from anthropic_proxy.launcher.command import PASS_ON, claude, env
from anthropic_proxy.model_commands.command import check_config, models
from anthropic_proxy.replay.command import replay
from anthropic_proxy.server.banner import banner
from anthropic_proxy.settings_file import SettingsFile, complete, origin, settings_file
from anthropic_proxy.up.command import up

if TYPE_CHECKING:
    from fastapi import FastAPI

WRONG_SETTING = 2
CANNOT_LISTEN = 1
"""Exit codes."""

app = typer.Typer(
    name="anthropic-proxy",
    help="Serves the Anthropic Messages API from any OpenAI-style backend.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """The entry point."""
    app()


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"anthropic-proxy {__version__}")
        raise typer.Exit


@app.callback()
def _start(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None: ...


def _flag(name: str, setting: str) -> Any:
    """An option that stands for an environment variable."""
    return typer.Option(name, help=Settings.model_fields[setting].description, show_default=False)


FLAGS = {
    "backend_url": "OPENAI_API_BASE",
    "model": "MODEL",
    "reasoning_model": "REASONING_MODEL",
    "completion_model": "COMPLETION_MODEL",
    "backend": "BACKEND",
    "host": "HOST",
    "port": "PORT",
    "workers": "WORKERS",
    "log_level": "LOG_LEVEL",
    "log_format": "LOG_FORMAT",
    "record": "RECORD_DIR",
    "config": "CONFIG_FILE",
}
"""Variable that each option of `serve` stands for. Keys have no option: other users could read it off
the list of processes."""


@app.command(help="Start the proxy. Every setting is an environment variable; options win over them.")
def serve(
    context: typer.Context,
    backend_url: Annotated[str | None, _flag("--backend-url", "openai_api_base")] = None,
    model: Annotated[str | None, _flag("--model", "model")] = None,
    reasoning_model: Annotated[str | None, _flag("--reasoning-model", "reasoning_model")] = None,
    completion_model: Annotated[str | None, _flag("--completion-model", "completion_model")] = None,
    backend: Annotated[str | None, _flag("--backend", "backend")] = None,
    host: Annotated[str | None, _flag("--host", "host")] = None,
    port: Annotated[str | None, _flag("--port", "port")] = None,
    workers: Annotated[str | None, _flag("--workers", "workers")] = None,
    log_level: Annotated[str | None, _flag("--log-level", "log_level")] = None,
    log_format: Annotated[str | None, _flag("--log-format", "log_format")] = None,
    record: Annotated[str | None, _flag("--record", "record_dir")] = None,
    config: Annotated[str | None, _flag("--config", "config_file")] = None,
) -> None:
    flags = {FLAGS[name]: str(value) for name, value in context.params.items() if value is not None}
    written: dict[str, tuple[str, int]] = {}

    def given() -> dict[str, str]:
        from_file = read_env_file(Path(".env"), os.environ)
        return {**{name: value for name, (value, _) in from_file.items()}, **os.environ, **flags}

    try:
        written = read_env_file(Path(".env"), os.environ)
        environ = complete(given())
        settings = Settings.from_env(environ)
        _serve(settings, corrections(settings, environ), settings_file(environ, given))
    except SettingsError as error:
        _give_up(f"{error}{_origin(error.variable, flags, written)}", WRONG_SETTING)


app.command("doctor")(doctor)
app.command("up")(up)
app.command("claude", context_settings=PASS_ON)(claude)
app.command("env")(env)
app.command("demo")(demo)
app.command("login")(login)
app.command("logout")(logout)
app.command("status")(status)
app.command("replay")(replay)
app.command("models")(models)
app.command("check-config")(check_config)


def _serve(settings: Settings, notices: list[str], file: SettingsFile | None) -> None:
    # What is imported stays, and to look through it for garbage takes 60 ms of the start (measured 2026-11-26).
    gc.disable()
    # Here and not above, because FastAPI and the HTTP client take a third of a second to import.
    from anthropic_proxy.server import process
    from anthropic_proxy.server.app import create_app, http_upstream

    try:
        upstream = http_upstream(settings)
        process.check(settings)
        if process.worker_count(settings) == 1:
            serve = partial(_serve_alone, settings, create_app(settings, upstream, file=file))
        else:
            serve = partial(_serve_together, settings, partial(create_app, settings, upstream, file=file))
    except SettingsError:
        raise
    except ValueError as error:
        _give_up(str(error), WRONG_SETTING)
    serve(notices)


def _serve_alone(settings: Settings, app: "FastAPI", notices: list[str]) -> None:
    from anthropic_proxy.server import process

    with _telling_why_not(settings):
        sockets = process.listen(settings.host, settings.port)
    typer.echo(banner(settings, sockets[0].getsockname()[1]))
    process.run(settings, app, sockets, notices)


def _serve_together(settings: Settings, make_app: Callable[[], "FastAPI"], notices: list[str]) -> None:
    # Here, because only Linux has all that it imports.
    from anthropic_proxy.server import process, workers

    with _telling_why_not(settings):
        port = workers.Port(settings.host, settings.port)
    text = banner(settings, port.number, workers=process.worker_count(settings))
    raise typer.Exit(workers.run(settings, make_app, port, notices, partial(typer.echo, text)))


@contextmanager
def _telling_why_not(settings: Settings) -> Iterator[None]:
    """Gives up where the port cannot be had."""
    try:
        yield
    except OSError as error:
        _give_up(f"cannot listen on {settings.host} port {settings.port}: {_reason(error)}", CANNOT_LISTEN)


def _origin(variable: str, flags: Mapping[str, str], written: Mapping[str, tuple[str, int]]) -> str:
    """Where a wrong value was written, if it was not the environment."""
    if variable in flags:
        option = next(name for name, stands_for in FLAGS.items() if stands_for == variable)
        return f" (from --{option.replace('_', '-')})"
    if variable in written and variable not in os.environ:
        return f" (from .env, line {written[variable][1]})"
    return origin(variable, {**{name: value for name, (value, _) in written.items()}, **os.environ, **flags})


def _reason(error: OSError) -> str:
    """The system's words for `error`. Python adds the address, and a name that cannot be found has its own number."""
    return str(error.strerror).partition(" (while")[0]


def _give_up(message: str, code: int) -> NoReturn:
    print(f"anthropic-proxy: {message}", file=sys.stderr)
    raise typer.Exit(code)
