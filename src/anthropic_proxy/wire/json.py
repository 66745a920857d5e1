"""JSON in and out: the only import of a JSON library."""

import json as standard_json
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()
encode = _encoder.encode
"""`dumps` for where that is called for every few characters of a reply. Raises UnicodeEncodeError for halves of
surrogate pairs, which `dumps` replaces."""
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


class InvalidJson(ValueError):
    """The text is not JSON. The message says what was met and at which byte."""


def loads(data: bytes | bytearray, *, keep_surrogates: bool = False) -> Any:
    """The value in `data`, UTF-8 JSON text.

    JSON may spell half a surrogate pair (`"\\ud83d"`), which no UTF-8 text can hold. It becomes
    U+FFFD, unless `keep_surrogates` asks for it as it is, for a reader that expects the other half.

    Raises InvalidJson.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _loads_leniently(data, keep_surrogates, error)
    except RecursionError:
        raise InvalidJson("JSON is nested too deeply") from None


def indented(value: object) -> bytes:
    """`value` as JSON that people read."""
    return msgspec.json.format(_encoder.encode(value), indent=2) + b"\n"


def _loads_leniently(data: bytes | bytearray, keep_surrogates: bool, first: Exception) -> Any:
    """What msgspec refuses and others send: a byte order mark and halves of surrogate pairs."""
    try:
        value = standard_json.loads(data.removeprefix(b"\xef\xbb\xbf"), parse_constant=_no_constant)
    except RecursionError:
        raise InvalidJson("JSON is nested too deeply") from None
    except ValueError:
        raise InvalidJson(str(first)) from None
    return value if keep_surrogates else without_surrogates(value)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_scanner = standard_json.JSONDecoder(parse_constant=_no_constant)


def texts_in(data: bytes) -> list[bytes]:
    """The JSON texts that stand one after another in `data`, each as it is, without space around it.

    Raises InvalidJson where something in between or at the end is not JSON.
    """
    texts = []
    try:
        rest = data.decode().rstrip()
        end = 0
        while end < len(rest):
            start = end
            while rest[start].isspace():
                start += 1
            _, end = _scanner.raw_decode(rest, start)
            texts.append(rest[start:end].encode())
    except RecursionError:
        raise InvalidJson("JSON is nested too deeply") from None
    except ValueError as error:
        raise InvalidJson(str(error)) from None
    return texts


def dumps(value: Any) -> bytes:
    """`value` as compact UTF-8 JSON, keys in their own order."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(without_surrogates(value))


def without_surrogates(value: Any) -> Any:
    """`value` with every lone surrogate in its strings replaced by U+FFFD, and pairs joined."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
    return value
