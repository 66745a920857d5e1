"""Carriers: what a backend wants back in a later turn, packed into a signature that clients return.

Anthropic's clients send `thinking` and `redacted_thinking` blocks back byte for byte. So a backend's
reasoning state travels in the client's own history, and survives a restart of the proxy. A carrier
is `px1.` and the base64url of zlib-packed JSON. It holds no secret, and is not sealed: a user can
only deceive their own conversation.
"""

import base64
import binascii
import zlib
from typing import Any, NamedTuple

from anthropic_proxy.wire.json import InvalidJson, dumps, loads

PREFIX = "px1."
EMPTY_SIGNATURE = PREFIX
"""The signature of a thinking block that carries nothing. Never absent, and not empty either."""

LARGEST = 8 * 2**20
"""Bytes that a carrier may unpack to; a larger one is not read."""


class Carrier(NamedTuple):
    """State for one turn: the upstream `field` it came in, the `model` that made it, and its value.

    `call_id` names the tool_use it belongs to; `text` is reasoning text that the block itself does
    not show.
    """

    field: str
    model: str
    value: object = None
    call_id: str = ""
    text: str = ""


def pack(carrier: Carrier) -> str:
    """`carrier` as a signature."""
    content: dict[str, object] = {"f": carrier.field, "m": carrier.model}
    if carrier.value is not None:
        content["v"] = carrier.value
    if carrier.call_id:
        content["c"] = carrier.call_id
    if carrier.text:
        content["t"] = carrier.text
    return PREFIX + base64.urlsafe_b64encode(zlib.compress(dumps(content), 6)).decode().rstrip("=")


def is_ours(signature: object) -> bool:
    """Was `signature` made here, whether it carries something or not?"""
    return isinstance(signature, str) and signature.startswith(PREFIX)


def unpack(signature: object) -> Carrier | None:
    """The carrier in `signature`; None if it is foreign, empty or damaged, none of which is an error."""
    if not isinstance(signature, str) or not signature.startswith(PREFIX) or signature == EMPTY_SIGNATURE:
        return None
    packed = signature[len(PREFIX) :]
    try:
        stream = zlib.decompressobj()
        unpacked = stream.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)), LARGEST)
        if not stream.eof:
            return None
        content: Any = loads(unpacked)
        return _carrier(content)
    except (binascii.Error, ValueError, zlib.error, InvalidJson):
        return None


def _carrier(content: object) -> Carrier | None:
    if not isinstance(content, dict):
        return None
    field, model = content.get("f"), content.get("m")
    call_id, text = content.get("c", ""), content.get("t", "")
    if not all(isinstance(item, str) for item in (field, model, call_id, text)):
        return None
    return Carrier(str(field), str(model), content.get("v"), call_id, text)
