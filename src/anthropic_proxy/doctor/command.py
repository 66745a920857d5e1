"""`anthropic-proxy doctor`."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from anthropic_proxy.config import Settings, SettingsError, corrections
from anthropic_proxy.env_file import read_env_file, write_env_file
from anthropic_proxy.settings_file import complete

if TYPE_CHECKING:
    from anthropic_proxy.doctor.report import Report

ENV_FILE = ".env"

PATIENCE = 180.0
"""Seconds to wait for an answer, at most. A local server may have to load the model first."""


def _flag(name: str, words: str) -> Any:
    return typer.Option(name, help=words, show_default=False)


def doctor(
    backend_url: Annotated[
        str | None, _flag("--backend-url", "Base URL to examine, instead of OPENAI_API_BASE.")
    ] = None,
    model: Annotated[str | None, _flag("--model", "Model to examine, instead of MODEL.")] = None,
    backend: Annotated[str | None, _flag("--backend", "Dialect to expect, instead of BACKEND.")] = None,
    write: Annotated[bool, _flag("--write", "Save the settings that fit to .env.")] = False,
    json: Annotated[bool, _flag("--json", "Print one JSON object and nothing else.")] = False,
) -> None:
    """Find out what the backend can do, what is wrong with the settings, and which would fit.

    Asks about 25 small questions. Exit code: 0 if Claude Code can work with the backend, 1 if not, 2 if the
    settings are wrong.
    """
    flags = {"OPENAI_API_BASE": backend_url, "MODEL": model, "BACKEND": backend}
    asked = _Asked({name: value for name, value in flags.items() if value is not None}, write, json)
    raise typer.Exit(_run(asked))


class _Asked(NamedTuple):
    flags: Mapping[str, str]
    write: bool
    json: bool


def _run(asked: _Asked) -> int:
    """The exit code."""
    # Here and not above, because the HTTP client takes long to import and other commands do without.
    from anthropic_proxy.doctor.diagnosis import Diagnosis, of_settings
    from anthropic_proxy.doctor.report import Report

    report = Report("")
    written: Mapping[str, tuple[str, int]] = {}
    try:
        written = read_env_file(Path(ENV_FILE), os.environ)
        environ = complete({**{name: value for name, (value, _) in written.items()}, **os.environ, **asked.flags})
        settings = Settings.from_env(environ)
        report = _examined(settings, environ, asked)
    except SettingsError as error:
        report.problems.append(of_settings(_with_origin(error, written, asked.flags)))
    except ValueError as error:  # Certificates or a proxy variable that cannot be used.
        report.problems.append(Diagnosis("setting", str(error), ""))
    return _finish(report, asked)


def _examined(settings: Settings, environ: Mapping[str, str], asked: _Asked) -> "Report":
    from anthropic_proxy.doctor.examine import examine
    from anthropic_proxy.doctor.terminal import Silent, shown_on
    from anthropic_proxy.upstream.base import Timeouts, Upstream
    from anthropic_proxy.upstream.http import HttpUpstream

    limits = (min(limit or PATIENCE, PATIENCE) for limit in (settings.first_byte_timeout, settings.silence_timeout))
    timeouts = Timeouts(settings.connect_timeout, *limits)

    def connect(base_url: str) -> Upstream:
        return HttpUpstream(base_url, timeouts=timeouts, ssl_cert_file=settings.ssl_cert_file)

    show = Silent() if asked.json else shown_on(sys.stdout)
    for correction in [] if asked.json else corrections(settings, environ):
        typer.echo(correction)
    return asyncio.run(examine(settings, environ, connect, show))


def _finish(report: "Report", asked: _Asked) -> int:
    from anthropic_proxy.doctor.diagnosis import Diagnosis
    from anthropic_proxy.doctor.report import as_json, closing_lines, diagnosis_line
    from anthropic_proxy.wire.json import dumps

    written = ""
    if asked.write and report.settings:
        try:
            write_env_file(Path(ENV_FILE), report.settings)
            written = ENV_FILE
        except SettingsError as error:
            report.problems.append(Diagnosis("env_file", str(error), ""))
        report.notes += [
            Diagnosis("shadowed", f"{name} is set in the environment too, which wins", f"unset {name}")
            for name in report.settings
            if os.environ.get(name)
        ]
    if asked.json:
        typer.echo(dumps(as_json(report, written)))
    elif not report.rows:
        for problem in report.problems:
            typer.echo(f"anthropic-proxy: {diagnosis_line(problem)}", err=True)
    else:
        typer.echo("\n".join(closing_lines(report, written)))
    return report.exit_code


def _with_origin(
    error: SettingsError, written: Mapping[str, tuple[str, int]], flags: Mapping[str, str]
) -> SettingsError:
    """The error, with the line of `.env` that it is about, if it is."""
    name = error.variable
    if name not in written or name in flags or name in os.environ:
        return error
    return SettingsError("", f"{error} (from {ENV_FILE}, line {written[name][1]})")
