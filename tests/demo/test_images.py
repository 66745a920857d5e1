"""What an image's first bytes say."""

import base64
import struct

import pytest

from anthropic_proxy.demo.images import HEAD, describe_image


def data_url(data: bytes) -> str:
    return "data:image/x;base64," + base64.b64encode(data).decode()


def riff(kind: bytes, head: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + kind + b"\0\0\0\0" + head


CASES = {
    "PNG": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 640, 480), "PNG, 640 x 480 pixels, 24 bytes"),
    "a PNG that is cut off": (b"\x89PNG\r\n\x1a\n", "PNG, 8 bytes"),
    "GIF": (b"GIF89a" + struct.pack("<HH", 320, 200), "GIF, 320 x 200 pixels, 10 bytes"),
    "JPEG, after other segments": (
        b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc4\x00\x02\xff\xc2\x00\x0b\x08" + struct.pack(">HH", 30, 40),
        "JPEG, 40 x 30 pixels, 21 bytes",
    ),
    "JPEG without a frame": (b"\xff\xd8\xff\xe0\x00\x04ab\xff\xda", "JPEG, 10 bytes"),
    "a JPEG that is cut off": (b"\xff\xd8\xff\xc0\x00\x0b\x08", "JPEG, 7 bytes"),
    "lossy WebP": (riff(b"VP8 ", b"\0" * 6 + struct.pack("<HH", 550, 368)), "WebP, 550 x 368 pixels, 30 bytes"),
    "lossless WebP": (
        riff(b"VP8L", b"\x2f" + (399 | 299 << 14).to_bytes(4, "little")),
        "WebP, 400 x 300 pixels, 25 bytes",
    ),
    "extended WebP": (
        riff(b"VP8X", b"\0" * 4 + (799).to_bytes(3, "little") + (599).to_bytes(3, "little")),
        "WebP, 800 x 600 pixels, 30 bytes",
    ),
    "anything else": (b"BM1234", "of an unknown format, 6 bytes"),
    "a large one": (
        b"GIF89a" + struct.pack("<HH", 1, 2) + b"x" * 2 * HEAD,
        f"GIF, 1 x 2 pixels, {10 + 2 * HEAD} bytes",
    ),
}


@pytest.mark.parametrize(("data", "said"), CASES.values(), ids=CASES.keys())
def test_an_image(data: bytes, said: str) -> None:
    assert describe_image(data_url(data)) == said


URLS = {
    "an address": ("https://example.com/a.png", "at https://example.com/a.png"),
    "no base64": ("data:image/png;base64,a", "not readable"),
    "no data": ("data:image/png", "at data:image/png"),
}


@pytest.mark.parametrize(("url", "said"), URLS.values(), ids=URLS.keys())
def test_what_is_no_image(url: str, said: str) -> None:
    assert describe_image(url) == said
