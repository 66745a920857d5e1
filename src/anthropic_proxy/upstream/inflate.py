"""Bodies that come compressed, though nobody asked for that."""

import zlib
from collections.abc import AsyncIterator, Callable
from typing import Self

from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.upstream.limits import LARGEST_PIECE

WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""The compressions we can undo, and what tells zlib which it is."""


class Inflated:
    """Iterates over what a compressed body holds. `fail` makes the error for one that cannot be unpacked.

    Like the body itself, it can be read on after a read that was cancelled.
    """

    def __init__(self, compressed: AsyncIterator[bytes], encoding: str, fail: Callable[[], UpstreamBroke]) -> None:
        self._compressed = compressed
        self._inflater = Inflater(encoding)
        self._fail = fail
        self._broke: UpstreamBroke | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._broke is not None:
            raise self._broke
        try:
            while not (data := self._inflater.read()):
                self._inflater.feed(await anext(self._compressed))
        except StopAsyncIteration:
            if self._inflater.is_cut_off:
                self._broke = self._fail()
                raise self._broke from None
            raise
        except zlib.error as error:
            self._broke = self._fail()
            raise self._broke from error
        return data


class Inflater:
    """Unpacks gzip (also several files in a row) or deflate. `feed` it, and `read` until nothing comes."""

    def __init__(self, encoding: str) -> None:
        self._bits = WINDOW_BITS[encoding]
        self._is_gzip = encoding == "gzip"
        self._rest = b""
        self._full = False
        """Was the last piece as long as may be? Then there may be more, even if all input is used up."""
        self._unpacker: zlib._Decompress | None = None

    def feed(self, data: bytes) -> None:
        self._rest += data

    def read(self) -> bytes:
        """The next piece; empty: nothing without more input. A small read can hold a thousand times its size.

        Raises zlib.error.
        """
        while self._rest or self._full:
            unpacker = self._unpacker or self._begin()
            piece = unpacker.decompress(self._rest, LARGEST_PIECE)
            self._full = len(piece) == LARGEST_PIECE
            self._rest = unpacker.unconsumed_tail
            if unpacker.eof:
                self._full, self._rest, self._unpacker = False, unpacker.unused_data, None
            if piece:
                return piece
        return b""

    @property
    def is_cut_off(self) -> bool:
        """Is the end missing? Of gzip that is not asked: there are servers that never write it."""
        return self._unpacker is not None and not self._is_gzip

    def _begin(self) -> "zlib._Decompress":
        # Some servers send deflate without the header that it should have, whose first byte ends in 8.
        bare = not self._is_gzip and self._rest[0] & 0xF != 8
        self._unpacker = zlib.decompressobj(-zlib.MAX_WBITS if bare else self._bits)
        return self._unpacker
