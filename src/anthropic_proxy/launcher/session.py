"""Claude Code, run with what it needs: found running, or started for it and stopped after it."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from anthropic_proxy.config import Settings
from anthropic_proxy.launcher.limits import limits_of
from anthropic_proxy.launcher.variables import Limits, unknown_window, variables
from anthropic_proxy.model_map import NO_MAP, ModelMap
from anthropic_proxy.server.banner import address_of
from anthropic_proxy.settings_file import settings_file
from anthropic_proxy.up.failure import CannotStart
from anthropic_proxy.up.litellm import clone
from anthropic_proxy.up.plan import Plan, plan_serve, plan_up
from anthropic_proxy.up.ports import proxy_version
from anthropic_proxy.up.run import run
from anthropic_proxy.up.screen import Screen

PATIENCE = 180.0
"""Seconds for a server to answer for the first time."""

ANY_BACKEND = "http://127.0.0.1:4000/v1"
"""Stands in where the settings of a running proxy are not known, which has one."""


def own_settings(environ: Mapping[str, str]) -> Settings:
    """The settings as far as they are known here. Raises SettingsError."""
    return Settings.from_env({**environ, "OPENAI_API_BASE": environ.get("OPENAI_API_BASE") or ANY_BACKEND})


def model_map(environ: Mapping[str, str]) -> ModelMap:
    """The map of CONFIG_FILE, if there is one. Raises SettingsError."""
    file = settings_file(environ)
    return file.read().models if file else NO_MAP


def running_proxy(settings: Settings) -> str | None:
    """The base URL of the proxy that runs already, if one does."""
    address = address_of(settings, settings.port)
    return address if settings.port and proxy_version(address) else None


def known_limits(settings: Settings, environ: Mapping[str, str]) -> Limits:
    """The limits of the model of the settings, if these tell the backend."""
    if not environ.get("OPENAI_API_BASE"):
        return Limits()
    return asyncio.run(limits_of(settings, settings.reasoning_model or settings.model))


def claude(program: str, arguments: list[str], environ: Mapping[str, str]) -> int:
    """Runs Claude Code, and returns its exit code; not at all where a proxy runs already, whose place it takes.

    Raises SettingsError and CannotStart.
    """
    settings = own_settings(environ)
    found = running_proxy(settings)
    if found is not None:
        limits = known_limits(settings, environ)
        _note(unknown_window(settings, limits, environ))
        values = variables(settings, found, limits, environ, model_map(environ))
        os.execve(program, [program, *arguments], changed(values))
    # Nobody else is to depend on servers that end with this session, so they get ports of their own.
    alone = {**environ, "PORT": "0", "HOST": "127.0.0.1", "LITELLM_PORT": "0", "METRICS": "off"}
    # Claude Code would not trust a certificate made for another name.
    alone |= {"TLS_CERT_FILE": "", "TLS_KEY_FILE": ""}
    plan = plan_serve(alone) if environ.get("OPENAI_API_BASE") else plan_up(alone, _config(environ))
    # Their lines must not fall into Claude Code's screen.
    descriptor, path = tempfile.mkstemp(prefix="anthropic-proxy-", suffix=".log")
    with open(descriptor, "w") as log:
        try:
            code = asyncio.run(_with_servers(plan, Screen(log, plan.secrets), [program, *arguments], environ))
        except CannotStart as error:
            raise CannotStart(f"{error}; what it wrote is in {path}") from None
    os.unlink(path)
    return code


def _config(environ: Mapping[str, str]) -> Path:
    """LiteLLM's configuration: that of the clone first, for we are in somebody's project."""
    if named := environ.get("LITELLM_CONFIG"):
        return Path(named)
    return (clone() or Path.cwd()) / "config.yaml"


async def _with_servers(plan: Plan, log: Screen, command: list[str], environ: Mapping[str, str]) -> int:
    code = 1

    async def session() -> None:
        nonlocal code
        settings = plan.settings
        limits = await limits_of(settings, settings.reasoning_model or settings.model)
        _note(unknown_window(settings, limits, environ))
        values = variables(settings, address_of(settings, plan.port), limits, environ, model_map(environ))
        code = await _foreground(command, changed(values))

    progress = Screen(sys.stderr, plan.secrets)
    for notice in plan.notices:
        _note(notice)
    await run(plan, log, session, PATIENCE, progress=progress)
    return code


def _note(text: str | None) -> None:
    if text is not None:
        print(f"note: {text}", file=sys.stderr, flush=True)


async def _foreground(command: list[str], environ: dict[str, str]) -> int:
    """Runs a program that has the terminal, and returns its exit code. Told to stop, it tells the program."""
    # Ctrl-C is for the program from here on. Not SIG_IGN, which it would inherit.
    asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
    signal.signal(signal.SIGINT, lambda number, frame: None)
    process = await asyncio.create_subprocess_exec(*command, env=environ)
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    return code if code >= 0 else 128 - code


def changed(values: Mapping[str, str | None]) -> dict[str, str]:
    """Our environment with these changes."""
    kept = {name: value for name, value in os.environ.items() if name not in values}
    return {**kept, **{name: value for name, value in values.items() if value is not None}}
