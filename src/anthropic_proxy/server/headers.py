"""Response headers: what a reply says of the way it came."""

from collections.abc import Mapping
from typing import TypeAlias

from anthropic_proxy.config import Settings
from anthropic_proxy.exchange import Exchange

RawHeaders: TypeAlias = list[tuple[bytes, bytes]]

LONGEST = 2000
"""Characters of a header's value that are sent. Clients and servers limit all headers together, some to 8 KB."""


def header_value(text: str) -> bytes:
    """`text` fit for a header: printable ASCII, all else replaced by `?`, cut to LONGEST characters.

    What is sent may come from a client's names or a backend's ids, and a line break in it would
    begin a header of theirs.
    """
    text = text[:LONGEST]
    if not (text.isascii() and text.isprintable()):
        text = "".join(char if " " <= char <= "~" else "?" for char in text)
    return text.encode()


def raw_headers(headers: Mapping[str, str]) -> RawHeaders:
    """Headers as ASGI takes them."""
    return [(name.lower().encode(), header_value(value)) for name, value in headers.items()]


def exchange_headers(exchange: Exchange, settings: Settings, elapsed: float) -> RawHeaders:
    """Which model answers and where, what could not be sent to it, what was changed on the way, how long both
    sides took, the backend's own id of the request, and its limits.

    Of what was dropped only the places are named; the log has the reasons. `elapsed`: seconds since the request
    came.
    """
    said: RawHeaders = []
    if exchange.upstream_model:
        said.append((b"x-upstream-model", header_value(exchange.upstream_model)))
        said.append((b"x-upstream-backend", header_value(exchange.backend_name)))
    if exchange.calls:
        own, theirs = max(elapsed - exchange.waited, 0) * 1000, exchange.waited * 1000
        said.append((b"server-timing", b"proxy;dur=%.1f, upstream;dur=%.1f" % (own, theirs)))
    if exchange.fallbacks or exchange.learned:
        said.append((b"x-proxy-changed", header_value("; ".join([*exchange.fallbacks, *exchange.learned]))))
    if exchange.dropped:
        said.append((b"x-proxy-dropped", header_value(", ".join(map(place, exchange.dropped)))))
    if exchange.upstream_id:
        said.append((b"x-upstream-id", header_value(exchange.upstream_id)))
    if exchange.rate_limits:
        said += raw_headers(allowed_headers(exchange.rate_limits, settings))
    return said


def place(dropped: str) -> str:
    """The place in `place: reason`."""
    return dropped.partition(":")[0]


def allowed_headers(headers: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """`headers` without the backend's limits, where RATE_LIMIT_HEADERS hides them."""
    shown = settings.rate_limit_headers == "show"
    return {name: value for name, value in headers.items() if shown or not name.startswith("anthropic-ratelimit-")}
