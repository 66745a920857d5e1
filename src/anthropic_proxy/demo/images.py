"""The format and the size of an image, read from its first bytes."""

import base64
import binascii
import struct
from collections.abc import Callable, Iterator

HEAD = 96 * 1024
"""Bytes of an image that are looked at. A JPEG may carry as much before it tells its size."""


def describe_image(url: str) -> str:
    """`PNG, 640 x 480 pixels, 1234 bytes` for a data URL, or the address of another one."""
    head, comma, data = url.partition(",")
    if not head.startswith("data:") or not comma:
        return f"at {url[:200]}"
    try:
        raw = base64.b64decode(data[: HEAD * 4 // 3], validate=False)
    except (binascii.Error, ValueError):
        return "not readable"
    size = len(data) * 3 // 4 - data[-2:].count("=")
    for name, begins, measure in _FORMATS:
        if begins(raw):
            pixels = measure(raw)
            return f"{name}, {pixels[0]} x {pixels[1]} pixels, {size} bytes" if pixels else f"{name}, {size} bytes"
    return f"of an unknown format, {size} bytes"


Pixels = tuple[int, ...] | None


def _unpacked(form: str, data: bytes, offset: int) -> Pixels:
    return struct.unpack_from(form, data, offset) if len(data) >= offset + struct.calcsize(form) else None


def _png(data: bytes) -> Pixels:
    return _unpacked(">II", data, 16)


def _gif(data: bytes) -> Pixels:
    return _unpacked("<HH", data, 6)


def _webp(data: bytes) -> Pixels:
    if data[12:16] == b"VP8X" and len(data) >= 30:
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if data[12:16] == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    sides = _unpacked("<HH", data, 26)
    return tuple(side & 0x3FFF for side in sides) if sides else None


def _jpeg(data: bytes) -> Pixels:
    for marker, offset in _jpeg_segments(data):
        # The start of a frame, of any kind of coding: C4, C8 and CC in between are something else.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height_width = _unpacked(">HH", data, offset + 5)
            return height_width[::-1] if height_width else None
    return None


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """The marker of each segment, and where the segment begins."""
    offset = 2
    while offset + 4 <= len(data) and data[offset] == 0xFF:
        yield data[offset + 1], offset
        offset += 2 + int.from_bytes(data[offset + 2 : offset + 4], "big")


_FORMATS: tuple[tuple[str, Callable[[bytes], bool], Callable[[bytes], Pixels]], ...] = (
    ("PNG", lambda data: data.startswith(b"\x89PNG"), _png),
    ("JPEG", lambda data: data.startswith(b"\xff\xd8"), _jpeg),
    ("GIF", lambda data: data.startswith(b"GIF8"), _gif),
    ("WebP", lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP", _webp),
)
