"""How a connection to a backend fails, in the words that the client is told."""

from typing import NamedTuple

from anthropic_proxy.errors import BreakKind, UpstreamBroke
from anthropic_proxy.upstream.base import Timeouts

MESSAGES: dict[BreakKind, str] = {
    "refused": "cannot connect to {peer}: {reason}",
    "dns": "cannot find {peer}: {reason}; is the base URL right?",
    "tls": "no secure connection to {peer}: {reason}; name your own certificate authority in SSL_CERT_FILE",
    "connect_timeout": "no connection to {peer} within {timeouts.connect:g} s (setting CONNECT_TIMEOUT)",
    "first_byte_timeout": "{peer} did not begin its answer in {timeouts.first_byte:g} s (setting FIRST_BYTE_TIMEOUT)",
    "silence_timeout": "{peer} fell silent in mid-reply for {timeouts.silence:g} s (setting SILENCE_TIMEOUT)",
    "reset": "{peer} closed the connection without an answer",
    "closed_early": "the upstream closed the stream early ({peer})",
    "protocol": "{peer} sent what is not proper HTTP: {reason}",
    "too_large": "the reply of {peer} is longer than {reason} bytes",
}
"""Nothing in here can hold a key: no URL, no header, no body."""

MALFORMED_BODY = "the body is malformed"
UNREADABLE_BODY = "the body cannot be decompressed"
"""Reasons of a `protocol` break."""


class Peer(NamedTuple):
    """Whom we talk to, for messages."""

    address: str
    """`host:port`."""
    timeouts: Timeouts

    def broke(self, kind: BreakKind, reason: str = "", address: str = "") -> UpstreamBroke:
        """The error to raise. `address` names another than the peer, such as a proxy."""
        message = MESSAGES[kind].format(peer=address or self.address, reason=reason, timeouts=self.timeouts)
        return UpstreamBroke(message, kind=kind)
