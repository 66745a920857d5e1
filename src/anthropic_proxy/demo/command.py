"""`anthropic-proxy demo`: the proxy and the demo backend in one process."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from anthropic_proxy.config import Settings, SettingsError
from anthropic_proxy.env_file import with_keys

if TYPE_CHECKING:
    from fastapi import FastAPI

BACKEND_SETTINGS = frozenset(
    {
        *("openai_api_base", "openai_api_key", "forward_key", "backend", "dialect"),
        *("model", "reasoning_model", "completion_model"),
    }
)
"""Settings that say what is behind the proxy. The demo chooses them itself."""

WRONG_SETTING = 2
CANNOT_LISTEN = 1


def demo(
    port: Annotated[int | None, typer.Option(help="Port of the proxy. PORT says it too.", min=0, max=65535)] = None,
    pause: Annotated[float, typer.Option(help="Seconds between the words of a reply.", min=0, max=60)] = 0.03,
    backend_only: Annotated[
        bool, typer.Option("--backend-only", help="Serve the scripted backend alone, for another proxy.")
    ] = False,
) -> None:
    """Try the proxy without a backend: a script answers, and shows text, tools, thinking, images and errors."""
    try:
        if backend_only:
            asyncio.run(_serve_backend(port or 0, pause))
        else:
            run_demo(os.environ if port is None else {**os.environ, "PORT": str(port)}, pause)
    except SettingsError as error:
        _give_up(str(error), WRONG_SETTING)
    except KeyboardInterrupt:
        return


def run_demo(environ: Mapping[str, str], pause: float) -> None:
    """Serves the proxy with the demo backend behind it until a signal says stop.

    Of the environment, what is about the proxy itself counts: HOST, PORT, LOG_LEVEL. Raises
    SettingsError, and ends the program where the port is taken.
    """
    # Here and not above, because FastAPI and the HTTP client take half a second to import.
    from anthropic_proxy.demo.server import base_url, serve_demo
    from anthropic_proxy.server import process
    from anthropic_proxy.server.app import create_app

    with socket.create_server(("127.0.0.1", 0)) as behind:
        settings = demo_settings(environ, base_url(behind))
        try:
            sockets = process.listen(settings.host, settings.port)
        except OSError as error:
            _cannot_listen(settings.host, settings.port, error)
        app = create_app(settings)
        lifespan = app.router.lifespan_context

        @asynccontextmanager
        async def with_backend(app: "FastAPI") -> AsyncIterator[None]:
            # The backend stops after the proxy, whose last streams still need it.
            async with serve_demo(bound=behind, pause=pause), lifespan(app):
                yield

        app.router.lifespan_context = with_backend
        typer.echo(banner(*sockets[0].getsockname()[:2]))
        sys.stdout.flush()
        process.run(settings, app, sockets, [])


def demo_settings(environ: Mapping[str, str], backend_url: str) -> Settings:
    """Settings of a proxy in front of the demo backend at that base URL. Raises SettingsError."""
    own = {name: value for name, value in environ.items() if name.lower() not in BACKEND_SETTINGS}
    behind = {"OPENAI_API_BASE": backend_url, "MODEL": "demo", "REASONING_MODEL": "demo-thinking"}
    return Settings.from_env(with_keys({**own, **behind}))


def banner(host: str, port: int) -> str:
    """What the user reads at the start: where the demo is, and what to do with it."""
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    return f"""anthropic-proxy demo: {address}  (a script answers; Ctrl-C stops it)

  curl -N {address}/v1/messages -H 'content-type: application/json' -d '{{
    "model": "demo", "max_tokens": 500, "stream": true,
    "messages": [{{"role": "user", "content": "Who are you?"}}]}}'

Claude Code and the SDKs:
  export ANTHROPIC_BASE_URL={address}
  export ANTHROPIC_AUTH_TOKEN=anything
"""


async def _serve_backend(port: int, pause: float) -> None:
    from anthropic_proxy.demo.server import base_url, serve_demo

    try:
        bound = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        _cannot_listen("127.0.0.1", port, error)
    async with serve_demo(bound=bound, pause=pause):
        typer.echo(f"demo backend: {base_url(bound)}  (models demo and demo-thinking; Ctrl-C stops it)")
        sys.stdout.flush()
        await asyncio.Event().wait()


def _cannot_listen(host: str, port: int, error: OSError) -> NoReturn:
    # Python adds the address to the system's words.
    reason = str(error.strerror).partition(" (while")[0]
    _give_up(f"cannot listen on {host} port {port}: {reason}; --port names another one", CANNOT_LISTEN)


def _give_up(message: str, code: int) -> NoReturn:
    print(f"anthropic-proxy: {message}", file=sys.stderr)
    raise typer.Exit(code)
