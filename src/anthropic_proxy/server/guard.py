"""The guard: turns away what a web page makes a browser send, before anything is read or looked up.

A page that somebody visits can send requests to a server on their machine, and by a name of its own that is made
to mean 127.0.0.1 (DNS rebinding) it can read the answers too. Browsers say where a request comes from (`Origin`) and
by which name they reached the server (`Host`), and ask first before they send JSON to another site.
"""

import re
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from anthropic_proxy.addresses import is_loopback
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import InvalidRequest, ProxyError
from anthropic_proxy.server.elsewhere import is_elsewhere

ANY = "*"

JSON = b"application/json"

METRICS_PATH = "/metrics"

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?(?::[0-9]{0,5})?")
_ADDRESS = re.compile(r"\[.*\]|[0-9]{1,3}(?:\.[0-9]{1,3}){3}")


class Guard:
    """A layer of the app. Raises ProxyError for the Rim to answer.

    It decides on the raw request alone: the headers and the path as they came, never on an address made of them.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._allowed = allowed_hosts(settings)
        self._metrics_port = settings.metrics_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._check(scope)
        await self.app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        host = origin = content_type = b""
        for name, value in scope["headers"]:
            if name == b"host":
                self._check_host(value)
                host = value
            elif name == b"origin":
                origin = value
            elif name == b"content-type":
                content_type = value
        if origin:
            _check_origin(origin, host)
        if scope["method"] == "POST" and content_type != JSON and not is_elsewhere(scope["path"]):
            check_content_type(content_type)
        if self._metrics_port is not None:
            self._check_port(scope)

    def _check_host(self, value: bytes) -> None:
        """A request without any `Host` is let through: no browser sends such."""
        name = host_name(value)
        if name is None:
            raise InvalidRequest("host: not the name or the address of a host")
        if ANY in self._allowed or is_address(name) or name == "localhost" or name.endswith(".localhost"):
            return
        if name not in self._allowed:
            raise ProxyError(
                f"host: this proxy is not reached as {name!r}; if it is to be, name it in ALLOWED_HOSTS",
                type="permission_error",
            )

    def _check_port(self, scope: Scope) -> None:
        """The port of the figures has them, and nothing else; the other one has all else."""
        at_metrics = scope["server"][1] == self._metrics_port
        if at_metrics != (scope["path"] == METRICS_PATH):
            raise ProxyError("nothing is served at this path on this port", type="not_found_error")


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """Names in small letters, beside those of this machine; ANY among them for all."""
    named = frozenset(filter(None, (name.strip().lower().rstrip(".") for name in settings.allowed_hosts.split(","))))
    if named or is_loopback(settings.host):
        return named
    # Others are let in, so a key is asked for, and a page does not know it.
    return frozenset({ANY})


def host_name(value: bytes) -> str | None:
    """The host of a `Host` header, in small letters, without its port; None if it is none."""
    found = _HOST.fullmatch(value.decode("latin-1").lower())
    return found[1] if found else None


def is_address(name: str) -> bool:
    """Is it an address? Such a page is its own server's, so rebinding needs a name."""
    return _ADDRESS.fullmatch(name) is not None


def _check_origin(origin: bytes, host: bytes) -> None:
    """Only a page of the proxy's own address would be no stranger. Raises ProxyError."""
    try:
        home = urlsplit(origin.decode("latin-1")).netloc
    except ValueError:
        home = ""
    if not home or home.lower() != host.decode("latin-1").lower():
        raise ProxyError("origin: requests from web pages are not served", type="permission_error")


def check_content_type(value: bytes) -> None:
    """JSON, said so: a page may send any other type without asking first. Raises InvalidRequest."""
    media_type = value.partition(b";")[0].strip().lower()
    if media_type == JSON or (media_type.startswith(b"application/") and media_type.endswith(b"+json")):
        return
    raise InvalidRequest("content-type: expected application/json", status=415)
