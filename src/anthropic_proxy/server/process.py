"""The server process: sockets, uvicorn and its settings."""

import errno
import gc
import logging
import os
import socket
import ssl
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import NoReturn

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from anthropic_proxy.config import Settings
from anthropic_proxy.server.extras import rate_limit
from anthropic_proxy.server.logs import configure
from anthropic_proxy.server.protocol import protocol_for
from anthropic_proxy.server.record_folder import prepare
from anthropic_proxy.server.running import Running
from anthropic_proxy.upstream.outbound import os_reason

try:
    import resource
except ImportError:  # on Windows
    resource = None  # type: ignore[assignment]

KEEP_ALIVE = 120
"""Seconds an idle connection is kept. Clients reuse theirs for up to 90 s; who closes first causes a
reset now and then, so it had better be the client."""

BACKLOG = 2048
"""Connections that may wait to be accepted."""

SPARE_FILES = 64
"""Open files beside connections: sockets that listen, the log, libraries."""

CANNOT_LISTEN = 1
"""Exit code."""

CAN_SHARE = sys.platform == "linux"
"""Other systems have SO_REUSEPORT as well, but give all connections to one of the sockets, or none to it."""


def listen(host: str, port: int, *, shared: bool = False) -> list[socket.socket]:
    """Sockets bound to every address of `host`, IPv4 first, all on one port. Raises OSError.

    `shared`: other processes of this user may have sockets of theirs there, too.
    """
    # As bytes, for Python looks at any string as a name beyond ASCII first, with tables that take 5 ms to import.
    name = host.encode() if host.isascii() else host
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    for family, address in sorted({(family, str(address[0])) for family, _, _, _, address in found}):
        try:
            bound = socket.create_server((address, port), family=family, backlog=BACKLOG, reuse_port=shared)
        except OSError as error:
            # `localhost` may name an IPv6 address on a machine that has no IPv6.
            if error.errno == errno.EADDRNOTAVAIL and sockets:
                continue
            for opened in sockets:
                opened.close()
            raise
        # Accepted connections inherit it. asyncio's own event loop does not set it where the socket is ours,
        # and a reply of two writes then waits 40 ms for the client's acknowledgement.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets.append(bound)
        port = bound.getsockname()[1]
    return sockets


EXTRAS = (
    ("RATE_LIMIT", "limits", "limits", lambda settings: bool(settings.rate_limit)),
    ("METRICS", "prometheus_client", "metrics", lambda settings: settings.metrics != "off"),
    ("TRACES", "opentelemetry.sdk", "otel", lambda settings: settings.traces == "on"),
)
"""Settings that need a library which is not always installed: that library, its extra, and when it is needed."""


def check(settings: Settings) -> None:
    """Raises ValueError where files, a folder or libraries that the settings ask for cannot be used."""
    for variable, library, extra, wanted in EXTRAS:
        if wanted(settings) and not _is_installed(library):
            raise ValueError(f"{variable}: needs more libraries; pip install 'anthropic-proxy[{extra}]'")
    rate_limit(settings)
    if settings.record_dir is not None:
        prepare(Path(settings.record_dir))
    if settings.tls_cert_file is not None and settings.tls_key_file is not None:
        _check_certificate(settings.tls_cert_file, settings.tls_key_file)


def _is_installed(library: str) -> bool:
    try:
        return find_spec(library) is not None
    except ModuleNotFoundError:  # of the package it is in
        return False


def _check_certificate(cert_file: str, key_file: str) -> None:
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        # Without an answer of ours, OpenSSL would ask for a passphrase on the terminal.
        context.load_cert_chain(cert_file, key_file, password=lambda: b"")
    except ssl.SSLError as error:
        raise ValueError(
            f"TLS_CERT_FILE and TLS_KEY_FILE are not a certificate and its key in PEM: {os_reason(error)}"
        ) from None
    except OSError as error:
        raise ValueError(f"TLS_CERT_FILE or TLS_KEY_FILE cannot be read: {os_reason(error)}") from None


def _with_port_of_metrics(settings: Settings, sockets: list[socket.socket]) -> list[socket.socket]:
    """`sockets`, and those of METRICS, if it is a port. Ends the program where they are taken."""
    if settings.metrics_port is None:
        return sockets
    try:
        return [*sockets, *listen(settings.host, settings.metrics_port)]
    except OSError as error:
        no_port_for_metrics(settings, error)


def no_port_for_metrics(settings: Settings, error: OSError) -> NoReturn:
    """Ends the program, with the reason."""
    reason = str(error.strerror).partition(" (while")[0]
    print(f"anthropic-proxy: METRICS: cannot listen on port {settings.metrics_port}: {reason}", file=sys.stderr)
    sys.exit(CANNOT_LISTEN)


def worker_count(settings: Settings) -> int:
    """How many processes WORKERS stands for. Raises ValueError where this system has no way to share a port."""
    number = settings.workers or (len(os.sched_getaffinity(0)) if CAN_SHARE else os.cpu_count() or 1)
    if number > 1 and not CAN_SHARE:
        raise ValueError(
            "WORKERS: more than one needs Linux, which spreads connections over processes; "
            "start several proxies behind a load balancer instead"
        )
    return number


class Server(uvicorn.Server):
    """uvicorn's server, which tells the application of a shutdown as soon as the signal comes."""

    def __init__(self, config: uvicorn.Config, running: Running) -> None:
        super().__init__(config)
        self._running = running

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._running.draining = True
        super().handle_exit(sig, frame)


def server_for(settings: Settings, app: FastAPI, kind: type[Server] = Server) -> Server:
    """The server, configured."""
    return kind(config_for(settings, app), app.state.running)


def config_for(settings: Settings, app: ASGIApp) -> uvicorn.Config:
    """How uvicorn is to serve."""
    return uvicorn.Config(
        app,
        http=protocol_for(settings),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        ssl_certfile=settings.tls_cert_file,
        ssl_keyfile=settings.tls_key_file,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=settings.shutdown_grace,
    )


def run(settings: Settings, app: FastAPI, sockets: list[socket.socket], notices: list[str]) -> None:
    """Serves until a signal says stop. Then running requests get SHUTDOWN_GRACE seconds to finish."""
    sockets = _with_port_of_metrics(settings, sockets)
    configure(settings, sys.stderr, app.state.secrets)
    if settings.workers != 1:
        notices = [*notices, f"WORKERS={settings.workers}: only `serve` starts several; here one process serves"]
    tell(settings, notices)
    calm_collector()
    with suppress(KeyboardInterrupt):
        server_for(settings, app).run(sockets)


def tell(settings: Settings, notices: list[str]) -> None:
    """Logs what the user ought to know at the start."""
    if settings.record_dir is not None:
        notices = [*notices, f"RECORD_DIR: prompts and replies are written to {settings.record_dir}"]
    for notice in [*notices, *allow_files(settings)]:
        logging.getLogger("anthropic_proxy").warning(notice)


def allow_files(settings: Settings) -> list[str]:
    """Lets this process open as many files as it may, and says so if that is too few for MAX_CONCURRENT.

    A running request needs two, its client's connection and its backend's.
    """
    if resource is None:
        return []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # A hard limit of "unlimited" may be more than the system grants; some thousand more will do.
        soft = min(hard, max(soft, 65536)) if hard != resource.RLIM_INFINITY else max(soft, 65536)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * settings.max_concurrent + SPARE_FILES
    if not settings.max_concurrent or soft == resource.RLIM_INFINITY or soft >= needed:
        return []
    return [f"MAX_CONCURRENT={settings.max_concurrent} needs {needed} open files, and {soft} are allowed (ulimit -n)"]


YOUNG = 20_000
"""Objects made and not freed before the collector looks for cycles among them; CPython's own figure is 700."""


def calm_collector() -> None:
    """Takes what was imported out of the collector's sight, and lets it look less often.

    Requests leave few cycles behind, and are freed by reference count. The collector still walked all of
    the program with each few hundred chunks: 15 to 70 µs of a small request's CPU, a seventh of a
    burst's (measured 2026-11-26, beside the same server without this).
    """
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
    gc.enable()
