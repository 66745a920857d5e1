"""The size of an image, from the beginning of its file."""

import struct
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.translate.image_size import MOST_TOKENS, image_size, image_tokens

REST = bytes(1000)


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + REST


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + REST


def jpeg(width: int, height: int, *segments: bytes, frame: int = 0xC0) -> bytes:
    return b"\xff\xd8" + b"".join(segments) + struct.pack(">BBHBHH", 255, frame, 17, 8, height, width) + REST


def segment(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 255, kind, len(content) + 2) + content


def riff(kind: bytes, content: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I4s4sI", 1000, b"WEBP", kind, len(content)) + content + REST


def webp_lossy(width: int, height: int) -> bytes:
    return riff(b"VP8 ", b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", width, height))


def webp_lossless(width: int, height: int) -> bytes:
    return riff(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14))


def webp_extended(width: int, height: int) -> bytes:
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return riff(b"VP8X", bytes(4) + sizes)


EXIF = segment(0xE1, b"Exif\0\0" + jpeg(160, 120))
PROFILE = segment(0xE2, b"ICC_PROFILE\0" + bytes(60_000))

IMAGES = {
    "PNG": png(640, 480),
    "GIF": gif(640, 480),
    "JPEG": jpeg(640, 480, segment(0xE0, b"JFIF\0" + bytes(9))),
    "a JPEG behind a preview, of which the size is not taken": jpeg(640, 480, EXIF, PROFILE, PROFILE),
    "a JPEG with tables before its frame": jpeg(640, 480, segment(0xDB, bytes(65)), segment(0xC4, bytes(29))),
    "a progressive JPEG with a padded marker": jpeg(640, 480, b"\xff", frame=0xC2),
    "WebP, lossy": webp_lossy(640, 480),
    "WebP, lossless": webp_lossless(640, 480),
    "WebP, extended": webp_extended(640, 480),
}


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES.keys())
def test_the_size_of_an_image(image: bytes) -> None:
    assert image_size(b64encode(image).decode()) == (640, 480)


TOKENS = {
    "a pixel": (png(1, 1), 1),
    "750 pixels are a token": (png(750, 400), 400),
    "a part of one is one": (png(751, 1), 2),
    "the largest": (png(4000, 3000), MOST_TOKENS),
    "one whose size nobody knows": (b"BM" + REST, MOST_TOKENS),
}


@pytest.mark.parametrize(("image", "tokens"), TOKENS.values(), ids=TOKENS.keys())
def test_the_tokens_of_an_image(image: bytes, tokens: int) -> None:
    assert image_tokens(b64encode(image).decode()) == tokens


HIDDEN = {
    "a PNG that breaks off": b64encode(png(640, 480)[:8]).decode(),
    "a PNG of no size": b64encode(png(0, 480)).decode(),
    "nothing": "",
    "no base64": "%%%%",
    "not of the alphabet": "é" * 40,
    "no image": b64encode(b"%PDF-1.7" + REST).decode(),
    "a JPEG that breaks off": b64encode(jpeg(640, 480, PROFILE)[:500]).decode(),
    "a JPEG without a frame": b64encode(b"\xff\xd8" + segment(0xE0, bytes(14)) * 300).decode(),
    "a JPEG with noise between segments": b64encode(b"\xff\xd8\xff\xe0\0\x04\0\0" + bytes(100)).decode(),
    "a WebP of an unknown form": b64encode(riff(b"VP9 ", bytes(30))).decode(),
}


@pytest.mark.parametrize("data", HIDDEN.values(), ids=HIDDEN.keys())
def test_an_image_that_hides_its_size(data: str) -> None:
    assert (image_size(data), image_tokens(data)) == (None, MOST_TOKENS)


@given(st.sampled_from([*IMAGES.values()]), st.integers(0, 400), st.binary(max_size=30))
def test_a_damaged_image_is_no_error(image: bytes, place: int, noise: bytes) -> None:
    data = b64encode(image[:place] + noise + image[place + len(noise) :]).decode()
    assert 1 <= image_tokens(data) <= MOST_TOKENS


@given(st.text(max_size=100))
def test_whatever_the_client_calls_base64_has_a_price(data: str) -> None:
    assert 1 <= image_tokens(data) <= MOST_TOKENS
