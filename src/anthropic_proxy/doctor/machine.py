"""What the doctor looks at on this machine: the port the proxy is to listen on."""

import asyncio
import errno
import socket

from anthropic_proxy.config import Settings
from anthropic_proxy.doctor.diagnosis import Diagnosis
from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.upstream.base import Upstream

PATIENCE = 3.0
"""Seconds that whatever has the port gets to say who it is."""

NEXT_PORTS = 20
"""How many ports after a taken one are tried."""


def cannot_listen(host: str, port: int) -> OSError | None:
    """Why the proxy could not listen there, if it could not."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server(address[:2], family=family).close()
    except OSError as error:
        return error
    return None


def of_port(settings: Settings) -> Diagnosis | None:
    """What is wrong with HOST and PORT. That the proxy may be there already is for `is_the_proxy` to see."""
    host, port = settings.host, settings.port
    error = cannot_listen(host, port)
    if error is None:
        return None
    if error.errno == errno.EADDRINUSE:
        free = next((other for other in _next_ports(port) if cannot_listen(host, other) is None), None)
        remedy = f"set PORT={free}, or stop it" if free else "set PORT to a free one"
        return Diagnosis("port_in_use", f"port {port} is taken by another program", remedy)
    if error.errno == errno.EACCES:
        return Diagnosis("port_forbidden", f"port {port} is not for everybody", "set PORT to one above 1023")
    return Diagnosis("host", f"this machine has no address {host}", "set HOST=127.0.0.1")


def _next_ports(port: int) -> range:
    return range(port + 1, min(port + NEXT_PORTS, 65535) + 1)


async def is_the_proxy(upstream: Upstream) -> bool:
    """Does a proxy of this kind answer there?"""
    try:
        async with asyncio.timeout(PATIENCE), upstream.get("/health") as reply:
            return reply.headers.get("request-id", "").startswith("req_")
    except (UpstreamBroke, TimeoutError):
        return False
