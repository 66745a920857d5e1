"""Ports: free ones, and who holds the others."""

import errno
import json
import os
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

from anthropic_proxy.up.failure import CannotStart

PROC = Path("/proc")

LISTENING = "0A"
"""State of a socket in /proc/net/tcp (Linux, include/net/tcp_states.h)."""

PATIENCE = 1.0
"""Seconds to wait for somebody to say who they are."""


class Holder(NamedTuple):
    """The process that listens on a port."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to every address of `host`, IPv4 first, all on one port, and not listening yet.

    Whoever comes before they listen is refused, and nobody else gets the port. Raises OSError.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    for family, address in sorted({(family, str(address[0])) for family, _, _, _, address in found}):
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind((address, port))
        except OSError as error:
            bound.close()
            # `localhost` may name an IPv6 address on a machine that has no IPv6.
            if error.errno == errno.EADDRNOTAVAIL and sockets:
                continue
            for opened in sockets:
                opened.close()
            raise
        sockets.append(bound)
        port = bound.getsockname()[1]
    return sockets


def free_port(wanted: int) -> int | None:
    """`wanted` if it is free on 127.0.0.1, any free port if it is 0, and None if it is taken."""
    try:
        with socket.create_server(("127.0.0.1", wanted)) as bound:
            port: int = bound.getsockname()[1]
            return port
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return None
        raise


def next_free_port(after: int) -> int:
    """A free port near `after`, to offer in its place."""
    above = range(after + 1, min(after + 100, 65536))
    return next((port for port in above if free_port(port)), 0)


def taken(what: str, port: int, variable: str) -> CannotStart:
    """Says that `port`, on which `what` was to listen, is taken, by whom, and that `variable` chooses another."""
    way_out = f"choose another one with {variable}={next_free_port(port)}"
    if version := proxy_version(f"http://127.0.0.1:{port}"):
        who = _who(port)
        return CannotStart(
            f"port {port} is taken: anthropic-proxy {version} already runs there{who}; use it, or {way_out}"
        )
    holder = holder_of(port)
    stop = f"stop it (kill {holder.pid}), or " if holder else ""
    return CannotStart(
        f"port {port}, where {what} should listen, is taken by {holder or 'another program'}; {stop}{way_out}"
    )


def _who(port: int) -> str:
    holder = holder_of(port)
    return f" (pid {holder.pid})" if holder else ""


def proxy_version(base_url: str) -> str | None:
    """The version of the anthropic-proxy that answers at `base_url`; None if none does."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{base_url}/health", timeout=PATIENCE) as answer:
            told = json.loads(answer.read(4096))
    except (OSError, ValueError, HTTPException):
        return None
    if not isinstance(told, dict) or told.get("status") != "ok" or not isinstance(told.get("version"), str):
        return None
    version: str = told["version"]
    return version


def holder_of(port: int) -> Holder | None:
    """Who listens on that port of this machine, where Linux tells and lets us know."""
    wanted = {f"socket:[{inode}]" for inode in _listeners(port)}
    if not wanted:
        return None
    for process in PROC.glob("[0-9]*"):
        # Other users' processes, and those that end while we look.
        with suppress(OSError):
            if any(os.readlink(link) in wanted for link in (process / "fd").iterdir()):
                return Holder(int(process.name), _name(process))
    return None


def _listeners(port: int) -> Iterator[str]:
    """The inodes of the sockets that listen there."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                    yield columns[9]


def _name(process: Path) -> str:
    """What the process is called. Of its arguments, the program that an interpreter runs and no more: they may
    hold keys."""
    name = (process / "comm").read_text().strip()
    words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    if not name.startswith("python"):
        return name
    if len(words) > 2 and words[1] == "-m":
        return f"{name} -m {words[2]}"
    return name if len(words) < 2 or words[1].startswith("-") else f"{name} {Path(words[1]).name}"
