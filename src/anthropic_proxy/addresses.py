"""Addresses: is there anybody but us who can reach them?"""

from ipaddress import ip_address
from urllib.parse import urlsplit

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
