"""The door: keys, sizes, encodings, JSON."""

import gzip
import zlib
from collections.abc import Sequence

import pytest
from pydantic import SecretStr
from starlette.types import Message, Receive

from anthropic_proxy.config import Settings
from anthropic_proxy.errors import InvalidRequest, ProxyError
from anthropic_proxy.server.disconnect import ClientGone
from anthropic_proxy.server.door import BodyTooLarge, admit, caller, json_body, read_body

Headers = dict[bytes, bytes]

OPEN = Settings(openai_api_base="http://127.0.0.1:4000/v1")
LOCKED = OPEN.model_copy(update={"proxy_api_key": SecretStr("right")})
FORWARDING = Settings(openai_api_base="https://api.example.com/v1", forward_key=True)
LENDING = FORWARDING.model_copy(update={"openai_api_key": SecretStr("own")})
SHARED = OPEN.model_copy(update={"proxy_api_key": SecretStr("right,another")})
LOCKED_FORWARDING = FORWARDING.model_copy(update={"proxy_api_key": SecretStr("right")})

ADMITTED: dict[str, tuple[Settings, Headers, str | None]] = {
    "an open door asks for nothing": (OPEN, {}, None),
    "an open door forwards nothing": (OPEN, {b"x-api-key": b"theirs"}, None),
    "the right key as x-api-key": (LOCKED, {b"x-api-key": b"right"}, None),
    "the right key as bearer": (LOCKED, {b"authorization": b"Bearer right"}, None),
    "the right key as bearer, in other letters": (LOCKED, {b"authorization": b"bearer  right "}, None),
    "a wrong key beside the right one": (LOCKED, {b"x-api-key": b"wrong", b"authorization": b"Bearer right"}, None),
    "the right key beside a wrong one": (LOCKED, {b"x-api-key": b"right", b"authorization": b"Bearer wrong"}, None),
    "the first of several keys": (SHARED, {b"x-api-key": b"right"}, None),
    "the last of several keys": (SHARED, {b"authorization": b"Bearer another"}, None),
    "the client's key goes upstream": (FORWARDING, {b"x-api-key": b"theirs"}, "theirs"),
    "the client's bearer goes upstream": (FORWARDING, {b"authorization": b"Bearer theirs"}, "theirs"),
    "a client without a key gets the proxy's, if it has one": (LENDING, {}, None),
    "the proxy's key is not the one to forward": (
        LOCKED_FORWARDING,
        {b"x-api-key": b"right", b"authorization": b"Bearer theirs"},
        "theirs",
    ),
}


@pytest.mark.parametrize(("settings", "headers", "key"), ADMITTED.values(), ids=ADMITTED.keys())
def test_admitted(settings: Settings, headers: Headers, key: str | None) -> None:
    assert admit(headers, settings) == key


TURNED_AWAY: dict[str, tuple[Settings, Headers]] = {
    "no key": (LOCKED, {}),
    "a wrong key": (LOCKED, {b"x-api-key": b"wrong"}),
    "the beginning of the right key": (LOCKED, {b"x-api-key": b"righ"}),
    "a key that is not ASCII": (LOCKED, {b"x-api-key": b"right\xff"}),
    "an empty key": (LOCKED, {b"x-api-key": b"", b"authorization": b"Bearer "}),
    "the right key in another scheme": (LOCKED, {b"authorization": b"Basic right"}),
    "all of several keys at once": (SHARED, {b"x-api-key": b"right,another"}),
    "nothing to forward": (FORWARDING, {}),
    "nothing to forward but the proxy's own key": (LOCKED_FORWARDING, {b"x-api-key": b"right"}),
}


@pytest.mark.parametrize(("settings", "headers"), TURNED_AWAY.values(), ids=TURNED_AWAY.keys())
def test_turned_away(settings: Settings, headers: Headers) -> None:
    with pytest.raises(ProxyError, match=r"^key: missing") as caught:
        admit(headers, settings)
    assert (caught.value.type, caught.value.status) == ("authentication_error", 401)
    assert caught.value.headers == {"x-should-retry": "false"}
    # At these words Claude Code asks for a log-in, and does not show the error.
    assert "x-api-key" not in caught.value.message
    assert "right" not in caught.value.message


CALLERS: dict[str, tuple[Settings, Headers, str]] = {
    "by their key, which is not told": (LOCKED, {b"x-api-key": b"right"}, "27042f4e6eca7d0b"),
    "by the same key in the other header": (LOCKED, {b"authorization": b"Bearer right"}, "27042f4e6eca7d0b"),
    "by the key that let them in": (
        SHARED,
        {b"x-api-key": b"wrong", b"authorization": b"Bearer right"},
        "27042f4e6eca7d0b",
    ),
    "by their address, where any key will do": (OPEN, {b"x-api-key": b"right"}, "10.0.0.1"),
    "by their address, where their key is for the backend": (FORWARDING, {b"x-api-key": b"right"}, "10.0.0.1"),
}


@pytest.mark.parametrize(("settings", "headers", "expected"), CALLERS.values(), ids=CALLERS.keys())
def test_who_asks_is_known(settings: Settings, headers: Headers, expected: str) -> None:
    assert caller(headers, settings, "10.0.0.1") == expected


def arriving(parts: Sequence[bytes], then: Message | None = None) -> Receive:
    """A client that sends `parts`, and then says no more, or `then`."""
    messages: list[Message] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if then is not None:
        messages.append(then)
    elif messages:
        messages[-1]["more_body"] = False
    waiting = iter(messages)

    async def receive() -> Message:
        return next(waiting)

    return receive


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


TEXT = b'{"model": "m"}' * 3

BODIES: dict[str, tuple[Headers, Sequence[bytes], bytes]] = {
    "in one piece": ({}, [TEXT], TEXT),
    "in pieces": ({}, [TEXT[:5], b"", TEXT[5:]], TEXT),
    "empty": ({}, [b""], b""),
    "identity": ({b"content-encoding": b"identity"}, [TEXT], TEXT),
    "gzip": ({b"content-encoding": b"gzip"}, [gzip.compress(TEXT)], TEXT),
    "gzip in capitals": ({b"content-encoding": b"GZip"}, [gzip.compress(TEXT)], TEXT),
    "two gzip files in a row": (
        {b"content-encoding": b"gzip"},
        [gzip.compress(TEXT), gzip.compress(b"!")],
        TEXT + b"!",
    ),
    "deflate": ({b"content-encoding": b"deflate"}, [zlib.compress(TEXT)], TEXT),
    "deflate without its frame": ({b"content-encoding": b"deflate"}, [raw_deflate(TEXT)], TEXT),
    "exactly as large as allowed": ({b"content-length": b"100"}, [b" " * 100], b" " * 100),
}


@pytest.mark.parametrize(("headers", "parts", "expected"), BODIES.values(), ids=BODIES.keys())
async def test_body(headers: Headers, parts: Sequence[bytes], expected: bytes) -> None:
    assert await read_body(headers, arriving(parts), 100) == expected


REFUSED_BODIES: dict[str, tuple[Headers, Sequence[bytes], type[ProxyError], str]] = {
    "too large, by its own account, before a byte is read": ({b"content-length": b"101"}, [], BodyTooLarge, "the req"),
    "too large for a number": ({b"content-length": b"9" * 5000}, [], BodyTooLarge, "the request is larger than"),
    "too large, as it turns out": ({}, [b" " * 60, b" " * 60], BodyTooLarge, "MAX_BODY_MB"),
    "too large once unpacked": (
        {b"content-encoding": b"gzip"},
        [gzip.compress(b" " * 10**6)[:100], gzip.compress(b" " * 10**6)[100:1000]],
        ProxyError,
        "MAX_BODY_MB",
    ),
    "an encoding nobody taught us": ({b"content-encoding": b"br"}, [], InvalidRequest, "content-encoding: 'br'"),
    "two encodings": ({b"content-encoding": b"gzip, gzip"}, [], InvalidRequest, "content-encoding: 'gzip, gzip'"),
    "no gzip at all": ({b"content-encoding": b"gzip"}, [TEXT], InvalidRequest, "not valid gzip"),
    "gzip that breaks off": ({b"content-encoding": b"gzip"}, [gzip.compress(TEXT)[:-3]], InvalidRequest, "breaks off"),
    "no deflate at all": ({b"content-encoding": b"deflate"}, [b"\xff\xff"], InvalidRequest, "not valid deflate"),
}


@pytest.mark.parametrize(("headers", "parts", "error", "words"), REFUSED_BODIES.values(), ids=REFUSED_BODIES.keys())
async def test_refused_body(headers: Headers, parts: Sequence[bytes], error: type[ProxyError], words: str) -> None:
    limit = 2000 if "gzip" in str(headers) else 100
    with pytest.raises(error, match=words):
        await read_body(headers, arriving(parts), limit)


CODES: dict[str, tuple[Headers, Sequence[bytes], str]] = {
    "of an encoding": ({b"content-encoding": b"zstd"}, [], "request_body_encoding_unsupported"),
    "of a body that unpacks to too much": (
        {b"content-encoding": b"deflate"},
        [zlib.compress(b" " * 10**6)],
        "request_body_too_large_after_decoding",
    ),
}


@pytest.mark.parametrize(("headers", "parts", "code"), CODES.values(), ids=CODES.keys())
async def test_error_code(headers: Headers, parts: Sequence[bytes], code: str) -> None:
    with pytest.raises(ProxyError) as caught:
        await read_body(headers, arriving(parts), 2000)
    assert caught.value.error_code == code


async def test_a_client_that_goes_in_the_middle_of_its_body() -> None:
    with pytest.raises(ClientGone):
        await read_body({}, arriving([b"{"], {"type": "http.disconnect"}), 100)


NO_JSON: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "body: empty; expected a JSON object"),
    "white space": (b" \n", "body: empty; expected a JSON object"),
    "a misplaced comma": (b'{"model": "m",}', r"body: .*byte 14\b"),
    "an end too soon": (b'{"model": ', "body: .*truncated"),
    "bytes that are no UTF-8": (b'{"model": "\xff"}', r"body: not UTF-8 \(byte 11\)"),
    "nesting without end": (b"[" * 100_000, "body: .*deep"),
    "a number that is none": (b'{"max_tokens": NaN}', r"body: .*byte 15\b"),
}


@pytest.mark.parametrize(("body", "words"), NO_JSON.values(), ids=NO_JSON.keys())
def test_no_json(body: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        json_body(body)


ANY_JSON: dict[str, tuple[bytes, object]] = {
    "an object": (b'{"a": 1}', {"a": 1}),
    "a byte order mark before it": (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    "half a surrogate pair": (b'{"a": "\\ud83d"}', {"a": "\ufffd"}),
    "something else, for the validator to refuse": (b"[1]", [1]),
}


@pytest.mark.parametrize(("body", "expected"), ANY_JSON.values(), ids=ANY_JSON.keys())
def test_json(body: bytes, expected: object) -> None:
    assert json_body(body) == expected
