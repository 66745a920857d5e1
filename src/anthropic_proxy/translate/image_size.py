"""How large an image is, from its first bytes in base64, and how many tokens that makes."""

import binascii
from base64 import b64decode
from collections.abc import Callable

MOST_TOKENS = 1600
"""Tokens of the largest image: Anthropic scales down what is larger. Also what an image counts whose size is hidden.
Source: Anthropic's guide to vision, read 2026-11-22."""

PIXELS_PER_TOKEN = 750
"""Source: the same."""

MOST_SEGMENTS = 200
"""Segments of a JPEG that are passed over in search of its size. Cameras write some ten."""


def image_tokens(data: str) -> int:
    """Tokens of the image in `data`, base64 text. Only the bytes that tell its size are decoded."""
    size = image_size(data)
    if size is None:
        return MOST_TOKENS
    width, height = size
    return min(MOST_TOKENS, -(-width * height // PIXELS_PER_TOKEN))


def image_size(data: str) -> tuple[int, int] | None:
    """Width and height in pixels of a PNG, JPEG, GIF or WebP; None for anything else, or if it breaks off."""
    try:
        start = _bytes_at(data, 0, 32)
        size = next((size(data, start) for magic, size in _SIZES if start.startswith(magic)), None)
    except (binascii.Error, ValueError):
        return None
    return size if size and all(size) else None


def _bytes_at(data: str, position: int, count: int) -> bytes:
    """`count` bytes from `position` on, fewer at the end. Four characters are three bytes."""
    first = position // 3
    last = (position + count + 2) // 3
    return b64decode(data[4 * first : 4 * last])[position - 3 * first :][:count]


def _png(data: str, start: bytes) -> tuple[int, int]:
    return _big(start[16:20]), _big(start[20:24])


def _gif(data: str, start: bytes) -> tuple[int, int]:
    return _little(start[6:8]), _little(start[8:10])


def _webp(data: str, start: bytes) -> tuple[int, int] | None:
    """The three forms of WebP: lossy, lossless and extended. Source: RFC 9649, sections 2.5 to 2.7."""
    kind = start[8:16]
    if kind == b"WEBPVP8 ":
        return _little(start[26:28]) & 0x3FFF, _little(start[28:30]) & 0x3FFF
    if kind == b"WEBPVP8L":
        bits = _little(start[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"WEBPVP8X":
        return _little(start[24:27]) + 1, _little(start[27:30]) + 1
    return None


def _jpeg(data: str, start: bytes) -> tuple[int, int] | None:
    """The size stands in the frame header, behind segments of any kind and length, among them a camera's preview."""
    position = 2
    for _ in range(MOST_SEGMENTS):
        marker, kind, *rest = _bytes_at(data, position, 9)
        if marker != 0xFF:
            return None
        if kind in _FRAMES:
            return _big(bytes(rest[5:7])), _big(bytes(rest[3:5]))
        # A marker may be padded, and some stand alone; the others tell their length.
        position += 1 if kind == 0xFF else 2 if kind in _LONELY else 2 + _big(bytes(rest[:2]))
    return None


_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of frame headers. The three left out are tables. Source: ITU T.81, table B.1."""

_LONELY = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length after them."""

_SIZES: tuple[tuple[bytes, Callable[[str, bytes], tuple[int, int] | None]], ...] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8\xff", _jpeg),
    (b"GIF8", _gif),
    (b"RIFF", _webp),
)


def _big(number: bytes) -> int:
    return int.from_bytes(number, "big")


def _little(number: bytes) -> int:
    return int.from_bytes(number, "little")
