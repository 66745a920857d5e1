"""Addresses: is there anybody but us who can reach them? Is it one of a backend?"""

from ipaddress import ip_address
from urllib.parse import urlsplit

CHAT_PATH = "/chat/completions"

_PRIVATE_ENDINGS = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


def is_loopback(host: str) -> bool:
    """Is `host` an address of this machine that no other can reach?"""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_private(base_url: str) -> bool:
    """Is the host of `base_url` this machine or one of a private network, where keys are rarely asked for?"""
    host = urlsplit(base_url).hostname or ""
    try:
        return ip_address(host).is_private
    except ValueError:
        # A name without a dot is a container or a machine next door.
        return "." not in host or host.endswith(_PRIVATE_ENDINGS)


def base_url(value: str) -> str:
    """`value` as the base URL of a backend, without `/chat/completions` and slashes at its end. Raises ValueError."""
    try:
        url = urlsplit(value)
        whole = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        whole = False
    if not whole or "@" in url.netloc or any(map(str.isspace, value)):
        raise ValueError
    return url._replace(path=url.path.rstrip("/").removesuffix(CHAT_PATH).rstrip("/"), fragment="").geturl()
