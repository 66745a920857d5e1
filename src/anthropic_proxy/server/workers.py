"""WORKERS: several processes that serve one port, each with sockets of its own, and share nothing."""

import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

from fastapi import FastAPI

from anthropic_proxy.config import Settings
from anthropic_proxy.server import process
from anthropic_proxy.server.crew import STOP, Crew
from anthropic_proxy.server.logs import configure
from anthropic_proxy.server.shared_figures import shared_metrics
from anthropic_proxy.server.whole_lines import WholeLines


class Port:
    """A port that several processes have sockets on, among which the system spreads the connections.

    A connection is given to one of them for good, by a hash of its addresses, whatever each has to do. Sockets
    that do not listen keep the port from others, and its number, while there is no process.
    """

    def __init__(self, host: str, number: int) -> None:
        """Raises OSError, also where another proxy of this user's would share the port."""
        alone = process.listen(host, number)
        addresses = [(bound.family, bound.getsockname()) for bound in alone]
        for bound in alone:
            bound.close()
        self._host = host
        self.number: int = addresses[0][1][1]
        self._kept = [_bound(family, address) for family, address in addresses]

    def listen(self) -> list[socket.socket]:
        """Sockets for one process. Raises OSError."""
        return process.listen(self._host, self.number, shared=True)

    def leave(self) -> None:
        """What a process does whose part it is not to keep the port."""
        for bound in self._kept:
            bound.close()


def _bound(family: int, address: tuple[str, int]) -> socket.socket:
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    bound.bind(address)
    return bound


class _WorkerServer(process.Server):
    """Leaves Ctrl-C, which all processes of a terminal get, to the parent."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig != signal.SIGINT:
            super().handle_exit(sig, frame)


def run(
    settings: Settings,
    make_app: Callable[[], FastAPI],
    port: Port,
    notices: list[str],
    started: Callable[[], None],
) -> int:
    """Serves with all workers until a signal says stop, and returns the exit code.

    Each worker makes an application of its own, for that may start threads. `started` is called in the
    parent, once there is somebody to connect to.
    """
    ports = [port]
    if settings.metrics_port is not None:
        try:
            ports.append(Port(settings.host, settings.metrics_port))
        except OSError as error:
            process.no_port_for_metrics(settings, error)
    lines = WholeLines(sys.stderr)
    configure(settings, sys.stderr, shared=lines)
    process.tell(settings, [*notices, *_notices(settings)])
    process.calm_collector()

    def listen() -> list[socket.socket]:
        return [bound for port in ports for bound in port.listen()]

    def work(sockets: list[socket.socket]) -> None:
        for port in ports:
            port.leave()
        app = make_app()
        configure(settings, sys.stderr, app.state.secrets, lines)
        process.calm_collector()
        process.server_for(settings, app, _WorkerServer).run(sockets)

    with shared_metrics(settings) as forget:
        end = Crew(process.worker_count(settings), listen, work, forget, settings.shutdown_grace).run(started)
    if end == signal.SIGTERM:
        # As a single process ends of it.
        signal.raise_signal(signal.SIGTERM)
    return 0 if end in STOP else end


def _notices(settings: Settings) -> list[str]:
    if not settings.rate_limit or settings.rate_limit_store is not None:
        return []
    number = process.worker_count(settings)
    return [
        f"RATE_LIMIT: each of {number} workers counts for itself, so a client may get in up to {number} times as "
        "often; RATE_LIMIT_STORE makes them count together"
    ]
