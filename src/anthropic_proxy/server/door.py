"""The door: who may come in, and what they bring, as bytes and then as JSON."""

import asyncio
import hashlib
import hmac
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeAlias

from starlette.types import Receive

from anthropic_proxy.addresses import is_private
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import InvalidRequest, ProxyError
from anthropic_proxy.server.cycle import cycle_of
from anthropic_proxy.server.disconnect import ClientGone
from anthropic_proxy.wire.json import InvalidJson, loads

LINGER = 2.0
"""Seconds for which the rest of a body that is too large is read and forgotten. Closing at once would
reset the connection under a client that is still sending, and it might never see the answer."""

FOR_GOOD = {"x-should-retry": "false"}
"""Told with a key that will never do. Claude Code (2.1.330) tries a 401 without it for three minutes. The header
`x-api-key` must not be named in such an error: Claude Code would then show a request to log in, and not the error."""


MOST_FILES = 100
"""gzip files that may be joined into one body. Empty ones take 20 bytes, and each costs a look at all that follow."""

Body: TypeAlias = bytes | bytearray


class BodyTooLarge(ProxyError):
    """The body is larger than MAX_BODY_MB. What is left of it has not been read: `forget_rest` does."""

    type = "request_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(_too_large(limit), headers={"connection": "close"})


def admit(headers: Mapping[bytes, bytes], settings: Settings) -> str | None:
    """The key to use upstream in place of the proxy's own (FORWARD_KEY), or None.

    Clients send `x-api-key`, `Authorization: Bearer`, or both with different values; where the
    proxy wants its own key, either may hold it, and the other is the one to forward.

    Raises ProxyError where a key is wrong or missing.
    """
    offered = check_key(headers, settings)
    if not settings.forward_key:
        return None
    if offered:
        return offered[0].decode("latin-1")
    if settings.openai_api_key is None and not is_private(settings.openai_api_base):
        raise ProxyError(
            "key: missing; this proxy sends the client's own to the backend (FORWARD_KEY)",
            type="authentication_error",
            headers=FOR_GOOD,
        )
    return None


def check_key(headers: Mapping[bytes, bytes], settings: Settings) -> list[bytes]:
    """The keys that are not the proxy's own. Raises ProxyError where one of those is wanted, and none is there."""
    offered = credentials(headers)
    own = settings.proxy_keys
    if not own:
        return offered
    right = [_is_one_of(own, key) for key in offered]
    if not any(right):
        raise ProxyError(
            "key: missing, or not this proxy's PROXY_API_KEY; send that as Authorization: Bearer or as the API key",
            type="authentication_error",
            headers=FOR_GOOD,
        )
    return [key for key, is_own in zip(offered, right, strict=True) if not is_own]


def caller(headers: Mapping[bytes, bytes], settings: Settings, address: str) -> str:
    """Who asks, as one who is counted: a short hash of the key they were admitted by, else their address."""
    for key in credentials(headers):
        if _is_one_of(settings.proxy_keys, key):
            return hashlib.sha256(key).hexdigest()[:16]
    return address


def _is_one_of(own: Sequence[str], offered: bytes) -> bool:
    """Compares with all of them, so that the time taken does not tell which one was right, or how far."""
    return sum(hmac.compare_digest(offered, key.encode()) for key in own) > 0


def credentials(headers: Mapping[bytes, bytes]) -> list[bytes]:
    """The keys that a request brings."""
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    bearer = token.strip() if scheme.lower() == b"bearer" else b""
    return [key for key in (headers.get(b"x-api-key", b"").strip(), bearer) if key]


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int, patience: float = 0) -> Body:
    """The request's body, decompressed, of at most `limit` bytes, if it comes within `patience` seconds; 0 waits
    for ever.

    Raises BodyTooLarge as soon as it is known to be, ProxyError if it is once unpacked or comes too
    slowly, InvalidRequest for an encoding that is not understood or broken, ClientGone.
    """
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1").strip().lower()
    if encoding not in DECODERS:
        raise InvalidRequest(
            f"content-encoding: {encoding[:40]!r} is not understood; send gzip, deflate or none",
            error_code="request_body_encoding_unsupported",
        )
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and (len(declared) > 18 or int(declared) > limit):
        raise BodyTooLarge(limit)
    cycle = cycle_of(receive)
    if cycle is not None and not cycle.more_body:
        body = await _received(receive, limit)  # Most are all there, and to set the clock takes 4 us (2026-11-26).
    else:
        body = await _received_in_time(receive, limit, patience)
    return DECODERS[encoding](body, limit)


async def _received_in_time(receive: Receive, limit: int, patience: float) -> Body:
    try:
        async with asyncio.timeout(patience or None):
            return await _received(receive, limit)
    except TimeoutError:
        raise ProxyError(
            f"the body did not arrive within {patience:g} s (setting BODY_TIMEOUT)",
            type="timeout_error",
            status=408,
            headers={"connection": "close"},
        ) from None


async def _received(receive: Receive, limit: int) -> Body:
    body: Body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        if not body:
            body = chunk
        else:
            # A list of pieces, joined at the end, would need the memory twice.
            body = bytearray(body) if isinstance(body, bytes) else body
            body += chunk
        if len(body) > limit:
            raise BodyTooLarge(limit)
    return body


def _too_large(limit: int) -> str:
    return f"the request is larger than {limit / 1024 / 1024:g} MiB (setting MAX_BODY_MB)"


def _inflated(body: Body, limit: int, window: int) -> bytes:
    """`body` decompressed, stopping at `limit`. Raises zlib.error."""
    decoded = b""
    for _ in range(MOST_FILES):
        inflater = zlib.decompressobj(window)
        decoded += inflater.decompress(body, limit + 1 - len(decoded))
        if len(decoded) > limit:
            raise ProxyError(
                _too_large(limit), type="request_too_large", error_code="request_body_too_large_after_decoding"
            )
        if not inflater.eof:
            raise zlib.error("it breaks off")
        body = inflater.unused_data  # gzip files may be joined into one
        if not body:
            return decoded
    raise zlib.error(f"it is made of more than {MOST_FILES} files")


def _gunzip(body: Body, limit: int) -> bytes:
    try:
        return _inflated(body, limit, zlib.MAX_WBITS | 16)
    except zlib.error as error:
        raise InvalidRequest(f"content-encoding: the body is not valid gzip: {error}") from None


def _inflate(body: Body, limit: int) -> bytes:
    """Deflate as HTTP defines it, in zlib's frame, or bare, as many send it."""
    try:
        return _inflated(body, limit, zlib.MAX_WBITS)
    except zlib.error:
        pass
    try:
        return _inflated(body, limit, -zlib.MAX_WBITS)
    except zlib.error as error:
        raise InvalidRequest(f"content-encoding: the body is not valid deflate: {error}") from None


DECODERS: dict[str, Callable[[Body, int], Body]] = {
    "": lambda body, limit: body,
    "identity": lambda body, limit: body,
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
}


def json_body(body: Body) -> object:
    """The JSON value in `body`. Raises InvalidRequest, naming the byte where it ceases to be JSON."""
    if not body or body.isspace():
        raise InvalidRequest("body: empty; expected a JSON object")
    try:
        value: object = loads(body)
    except InvalidJson as error:
        raise InvalidRequest(f"body: {_not_utf8(body) or error}") from None
    return value


def _not_utf8(body: Body) -> str:
    """Where `body` ceases to be UTF-8, if it does. The JSON library counts from the string's beginning."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8 (byte {error.start})"
    return ""


async def forget_rest(receive: Receive) -> None:
    """Reads what is left of a body that is too large, for LINGER seconds at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            message = await receive()
            while message["type"] == "http.request" and message.get("more_body", False):
                message = await receive()
