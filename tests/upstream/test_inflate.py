"""Compressed bodies come out whole, a piece at a time, and broken ones are noticed."""

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.upstream.inflate import Inflater
from anthropic_proxy.upstream.limits import LARGEST_PIECE


def bare(data: bytes) -> bytes:
    """Deflate without its header."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "gzip in two files": ("gzip", lambda data: gzip.compress(data[:3]) + gzip.compress(data[3:])),
    "deflate": ("deflate", zlib.compress),
    "deflate without its header": ("deflate", bare),
}


def unpacked(inflater: Inflater, *parts: bytes) -> list[bytes]:
    pieces = []
    for part in parts:
        inflater.feed(part)
        while piece := inflater.read():
            pieces.append(piece)
    return pieces


@pytest.mark.parametrize(("encoding", "pack"), PACKED.values(), ids=PACKED.keys())
@given(data=st.binary(max_size=2000), cut=st.integers(0, 2000))
def test_what_was_packed_comes_out_whole(encoding: str, pack: Callable[[bytes], bytes], data: bytes, cut: int) -> None:
    packed = pack(data)
    inflater = Inflater(encoding)
    assert b"".join(unpacked(inflater, packed[:cut], packed[cut:])) == data
    assert not inflater.is_cut_off


@pytest.mark.parametrize(("encoding", "pack"), PACKED.values(), ids=PACKED.keys())
def test_a_small_body_that_holds_much_comes_in_pieces(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    sizes = [len(piece) for piece in unpacked(Inflater(encoding), pack(bytes(2**23)))]
    assert sum(sizes) == 2**23
    assert max(sizes) <= LARGEST_PIECE


def test_deflate_that_breaks_off_is_noticed() -> None:
    inflater = Inflater("deflate")
    assert unpacked(inflater, zlib.compress(b"abcd")[:-4]) == [b"abcd"]
    assert inflater.is_cut_off


def test_gzip_may_lack_its_end() -> None:
    inflater = Inflater("gzip")
    assert unpacked(inflater, gzip.compress(b"abcd")[:-8]) == [b"abcd"]
    assert not inflater.is_cut_off


def test_what_is_not_packed_is_refused() -> None:
    with pytest.raises(zlib.error):
        unpacked(Inflater("gzip"), b"not packed")
