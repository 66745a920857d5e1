"""`anthropic-proxy up`: LiteLLM and the proxy, with one command."""

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from anthropic_proxy.config import SettingsError
from anthropic_proxy.env_file import read_env_file
from anthropic_proxy.server.banner import banner as server_banner
from anthropic_proxy.settings_file import complete
from anthropic_proxy.up.failure import CannotStart
from anthropic_proxy.up.litellm import config_file, debugging

if TYPE_CHECKING:
    from anthropic_proxy.up.plan import Plan

WRONG_SETTING = 2
CANNOT_START = 1
"""Exit codes."""

PATIENCE = 180.0
"""Seconds that a server gets to answer for the first time. LiteLLM takes about 7, more on a loaded machine."""


def up(
    model: Annotated[str | None, typer.Option(help="MODEL: the model of config.yaml that answers.")] = None,
    reasoning_model: Annotated[str | None, typer.Option(help="REASONING_MODEL: for requests with thinking.")] = None,
    completion_model: Annotated[str | None, typer.Option(help="COMPLETION_MODEL: for all others.")] = None,
    port: Annotated[str | None, typer.Option(help="PORT of the proxy; 0 takes any.  [default: 3000]")] = None,
    litellm_port: Annotated[str | None, typer.Option(help="LITELLM_PORT; 0 takes any.  [default: 4000]")] = None,
    config: Annotated[
        Path | None, typer.Option(help="LITELLM_CONFIG: LiteLLM's configuration.  [default: config.yaml]")
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Let LiteLLM log everything it does, prompts too (LITELLM_LOG=DEBUG).")
    ] = False,
    wait: Annotated[float, typer.Option(help="Seconds for LiteLLM to answer at its start.", min=1)] = PATIENCE,
) -> None:
    """Start LiteLLM and the proxy before it. Settings are environment variables; options win over them."""
    if sys.platform == "win32":
        _give_up(
            "up needs Linux or macOS, or WSL; else start LiteLLM yourself, and `anthropic-proxy serve`", CANNOT_START
        )
    flags = {
        "MODEL": model,
        "REASONING_MODEL": reasoning_model,
        "COMPLETION_MODEL": completion_model,
        "PORT": port,
        "LITELLM_PORT": litellm_port,
    }
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        environ = complete({**env_file(Path(".env")), **os.environ, **given})
        asyncio.run(_up(environ, config or config_file(environ), debug, wait))
    except SettingsError as error:
        _give_up(str(error), WRONG_SETTING)
    except CannotStart as error:
        _give_up(str(error), CANNOT_START)


def env_file(path: Path) -> dict[str, str]:
    """The variables of a `.env` file. Raises SettingsError."""
    return {name: value for name, (value, _) in read_env_file(path, os.environ).items()}


async def _up(environ: dict[str, str], config: Path, debug: bool, wait: float) -> None:
    # Here and not above: it takes a while, and the other commands do not need it.
    from anthropic_proxy.up.plan import plan_up
    from anthropic_proxy.up.run import run
    from anthropic_proxy.up.screen import Screen
    from anthropic_proxy.up.supervisor import for_ever

    debug = debug or debugging(environ)
    plan = plan_up(environ, config, debug)
    screen = Screen(sys.stderr, plan.secrets)
    for notice in plan.notices:
        screen.say(f"note: {notice}")

    async def ready() -> None:
        print(banner(plan), flush=True)
        await for_ever()

    await run(plan, screen, ready, wait, held=not debug)
    screen.say("stopped")


def banner(plan: "Plan") -> str:
    """What the user reads once both servers answer."""
    settings = plan.settings
    first, models, *rest = server_banner(settings, plan.port, behind="LiteLLM ").splitlines()
    by_name = f"; by name: {settings.client_models.replace(',', ', ')}" if settings.client_models else ""
    return "\n".join([first, f"{models}{by_name}", *rest, "Ctrl-C stops both."])


def _give_up(message: str, code: int) -> NoReturn:
    print(f"anthropic-proxy: {message}", file=sys.stderr)
    raise typer.Exit(code)
