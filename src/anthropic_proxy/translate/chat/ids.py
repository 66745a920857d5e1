"""Ids: of tool calls, on the way to a backend and back. Derived, never drawn, so that prompts stay byte-stable."""

import base64
import binascii
import hashlib
import re

from anthropic_proxy.dialects import Dialect

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LEGAL = re.compile(r"[A-Za-z0-9_-]+")
_NINE = re.compile(r"[A-Za-z0-9]{9}")
_CLIENT_LEGAL = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WRAPPED = "tpx_"
"""Begins an id that holds the upstream's own: `tpx_`, six random characters, `_`, base64url."""


def base62(seed: str, length: int) -> str:
    """`length` letters and digits, 40 at most, that depend on `seed` alone."""
    number = int.from_bytes(_digest(seed), "big")
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(digits)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def sent_call_id(call_id: str, dialect: Dialect, suffix: str = "") -> str:
    """The id a backend is told for the client's `call_id`, on the call and on its result alike.

    `suffix` tells it from an earlier call of the same id.
    """
    if dialect.tool_id == "verbatim" and call_id:
        return _unwrapped(call_id) + suffix
    call_id += suffix
    if dialect.tool_id == "alnum9":
        return call_id if _NINE.fullmatch(call_id) else base62(call_id, 9)
    if len(call_id) <= dialect.tool_id_max and _LEGAL.fullmatch(call_id):
        return call_id
    return "call_" + _digest(call_id).hex()[:24]


def _unwrapped(call_id: str) -> str:
    """The upstream's own id in one that `CallIds` wrapped; any other as it is."""
    if not call_id.startswith(_WRAPPED):
        return call_id
    packed = call_id[len(_WRAPPED) + 7 :]
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), b"-_", validate=True).decode() or call_id
    except (binascii.Error, ValueError):
        return call_id


class CallIds:
    """Ids for the calls of one reply, in the client's terms: unique in the whole conversation.

    Claude Code drops the result of a call whose id it has seen before, and then loops.
    """

    def __init__(self, dialect: Dialect, message_id: str, used: frozenset[str]) -> None:
        """`used`: the ids of the calls in the request's history."""
        self._dialect = dialect
        self._message_id = message_id
        self._used = set(used)

    def received(self, call_id: str) -> str:
        """The client's id for the upstream's `call_id`, which may be empty."""
        if self._dialect.tool_id == "verbatim" and call_id:
            packed = base64.urlsafe_b64encode(call_id.encode("utf-8", "replace")).decode().rstrip("=")
            received = f"{_WRAPPED}{self._fresh(6)}_{packed}"
        elif _CLIENT_LEGAL.fullmatch(call_id) and call_id not in self._used:
            received = call_id
        else:
            received = "toolu_" + self._fresh(24)
        self._used.add(received)
        return received

    def _fresh(self, length: int) -> str:
        return base62(f"{self._message_id}/{len(self._used)}", length)
