"""What is to run, made of the user's settings and LiteLLM's configuration, before anything is started."""

import errno
import os
import secrets
import shlex
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from anthropic_proxy.config import Settings, SettingsError, corrections
from anthropic_proxy.copilot.tokens import CopilotError, needs_login, store_from_environment
from anthropic_proxy.up import litellm, ports
from anthropic_proxy.up.child import Service
from anthropic_proxy.up.failure import CannotStart

LITELLM_PORT = 4000

MODELS = ("MODEL", "REASONING_MODEL", "COMPLETION_MODEL")

COMMAND = "anthropic-proxy"

LITELLM_GRACE = 10.0
"""Seconds for LiteLLM to stop. Nothing runs through it any more by then."""

PROXY_GRACE = 5.0
"""Seconds for the proxy to stop, beyond SHUTDOWN_GRACE for its requests."""


class Plan(NamedTuple):
    """What is to run."""

    settings: Settings
    """The proxy's."""
    services: list[Service]
    """In the order in which they start."""
    sockets: list[socket.socket]
    """The proxy's, bound."""
    notices: list[str]
    """What the user ought to know, a line each."""
    demo: socket.socket | None = None
    """Where the demo backend is to listen, if a model needs it."""
    found: litellm.Found | None = None

    @property
    def port(self) -> int:
        number: int = self.sockets[0].getsockname()[1]
        return number

    @property
    def secrets(self) -> list[str]:
        return self.settings.secrets


def plan_serve(environ: Mapping[str, str]) -> Plan:
    """The proxy alone, before the backend that OPENAI_API_BASE names. Raises SettingsError and CannotStart."""
    settings = Settings.from_env(environ)
    sockets = _bound(settings)
    return Plan(settings, [_proxy(settings, environ, sockets)], sockets, corrections(settings, environ))


def plan_up(environ: Mapping[str, str], config: Path, debug: bool = False) -> Plan:
    """LiteLLM with that configuration, and the proxy before it. Raises SettingsError and CannotStart."""
    wanted_port = _port(environ.get("LITELLM_PORT", "").strip())
    python = litellm.interpreter(environ)
    found = litellm.read_config(python, config)
    key = found.master_key(environ) or f"sk-{secrets.token_hex(24)}"
    # A wrong setting is better known before any port is taken.
    ours = _proxy_environment(environ, found, wanted_port, key)
    settings = Settings.from_env(ours)
    litellm_port = _free_port(wanted_port)
    address = f"127.0.0.1:{litellm_port}"
    ours["OPENAI_API_BASE"] = f"http://{address}/v1"
    settings = Settings.from_env(ours)
    notices = [*_notices(environ, found, settings, address), *_sign_in(environ, found)]
    sockets = _bound(settings)
    theirs = litellm.environment(environ, found, key, address)
    if debug:
        theirs["LITELLM_LOG"] = "DEBUG"
    demo = None
    if found.wants_demo and not environ.get(litellm.DEMO_API_BASE):
        demo = socket.create_server(("127.0.0.1", 0))
        theirs[litellm.DEMO_API_BASE] = f"http://127.0.0.1:{demo.getsockname()[1]}/v1"
    service = Service(
        name="litellm",
        python=python,
        target=litellm.SERVER,
        arguments=litellm.arguments(config, litellm_port),
        environ=theirs,
        address=("127.0.0.1", litellm_port),
        health="/health/liveliness",
        grace=LITELLM_GRACE,
        # The proxy's last replies still come through it.
        leash=settings.shutdown_grace + PROXY_GRACE + LITELLM_GRACE,
    )
    return Plan(settings, [service, _proxy(settings, ours, sockets)], sockets, notices, demo, found)


def _proxy(settings: Settings, environ: Mapping[str, str], sockets: list[socket.socket]) -> Service:
    host, port = sockets[0].getsockname()[:2]
    grace = settings.shutdown_grace + PROXY_GRACE
    # Its lines stand among others, for people to read.
    log_format = "text" if settings.log_format == "auto" else settings.log_format
    return Service(
        name="proxy",
        python=sys.executable,
        target="anthropic_proxy.up.proxied:main",
        arguments=[str(bound.fileno()) for bound in sockets],
        environ={**environ, "PYTHONUNBUFFERED": "1", "LOG_FORMAT": log_format},
        address=(host, port),
        health="/health",
        grace=grace,
        leash=grace,
        sockets=[bound.fileno() for bound in sockets],
        tls=settings.tls_cert_file is not None,
    )


def _proxy_environment(environ: Mapping[str, str], found: litellm.Found, port: int, key: str) -> dict[str, str]:
    ours = {
        **environ,
        "OPENAI_API_BASE": f"http://127.0.0.1:{port or LITELLM_PORT}/v1",
        "OPENAI_API_KEY": key,
        "BACKEND": "litellm",
        "FORWARD_KEY": "false",
    }
    if not environ.get("MODEL"):
        if not any(environ.get(name) for name in MODELS) and not environ.get("CLIENT_MODELS"):
            ours["CLIENT_MODELS"] = ",".join(found.models)
        ours["MODEL"] = next((name for name in found.models if "*" not in name), "")
    if found.names_copilot and "initiator" not in environ.get("DIALECT", ""):
        # Copilot bills by it, and LiteLLM does not say it by itself (1.105.2).
        ours["DIALECT"] = f"{environ.get('DIALECT', '')} initiator_in_body=true".strip()
    return ours


def _notices(environ: Mapping[str, str], found: litellm.Found, settings: Settings, address: str) -> list[str]:
    notices = []
    base = environ.get("OPENAI_API_BASE", "")
    if base and not litellm.same_place(base, address):
        notices.append(
            f"OPENAI_API_BASE={base} is for LiteLLM's own use here; `anthropic-proxy serve` asks it directly"
        )
    if environ.get("FORWARD_KEY", "").lower() in ("1", "true", "yes", "on"):
        notices.append("FORWARD_KEY does nothing here: clients' keys are not for LiteLLM, which has a key of its own")
    for name in MODELS:
        model = getattr(settings, name.lower())
        if model and model not in found.models and not found.any_name:
            notices.append(f"{name}={model} is not in the configuration, which has: {', '.join(found.models)}")
    return notices


def _sign_in(environ: Mapping[str, str], found: litellm.Found) -> list[str]:
    """What to do where a Copilot model is configured and nobody is signed in."""
    try:
        if found.names_copilot:
            store_from_environment(environ)
        if not needs_login(found.config, environ):
            return []
    except CopilotError as error:
        return [f"GitHub Copilot: {error}"]
    command = shlex.quote(sys.argv[0] if os.path.basename(sys.argv[0]) == COMMAND else COMMAND)
    names = ", ".join(found.copilot_models)
    return [
        f"nobody is signed in to GitHub Copilot, so these models will not answer: {names}",
        f"to sign in: {command} login copilot; then start this again",
    ]


def _bound(settings: Settings) -> list[socket.socket]:
    try:
        return ports.bind(settings.host, settings.port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ports.taken("the proxy", settings.port, "PORT") from None
        reason = str(error.strerror).partition(" (while")[0]
        raise CannotStart(f"cannot listen on {settings.host} port {settings.port}: {reason}") from None


def _free_port(wanted: int) -> int:
    try:
        port = ports.free_port(wanted)
    except OSError as error:
        raise CannotStart(f"cannot listen on 127.0.0.1 port {wanted} (LITELLM_PORT): {error.strerror}") from None
    if port is None:
        raise ports.taken("LiteLLM", wanted, "LITELLM_PORT")
    return port


def _port(text: str) -> int:
    if not text:
        return LITELLM_PORT
    if not text.isdecimal() or int(text) > 65535:
        raise SettingsError("LITELLM_PORT", f"={text!r}: must be a whole number from 0 to 65535")
    return int(text)
