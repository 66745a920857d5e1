"""Marks: what the upstream writes into its replies, so that the client can tell that all of it arrived, and when.

A mark stands in the text of a reply, `~00017@0000001764000000;`: its number within the reply, and the time at
which it was sent, in microseconds. No proxy changes text, so marks survive every translation. Nothing else in a
reply holds a tilde, by which they are found quickly.
"""

import re
import time
from collections.abc import Sequence

MARK = re.compile(rb"~(\d{5})@(\d{16});")
LONGEST = 24
"""Bytes of a mark."""

END = re.compile(rb"~end(\d{5});")
"""Ends a stream: how many marks came before it."""


def now() -> int:
    """The time in microseconds, of a clock that only measures spans."""
    return time.perf_counter_ns() // 1000


def mark(number: int, sent: int = 0) -> bytes:
    return b"~%05d@%016d;" % (number, sent)


def end(marks: int) -> bytes:
    return b"~end%05d;" % marks


def flaw(body: bytes, numbers: Sequence[bytes] | None = None) -> str:
    """What is wrong with a reply, in a few words; empty if it is whole. `numbers` are its marks', if already read."""
    ends = END.findall(body)
    if len(ends) != 1:
        return "its end is missing" if not ends else "it ends twice"
    if numbers is None:
        numbers = [number for number, _ in MARK.findall(body)]
    expected = int(ends[0])
    if len(numbers) != expected:
        return f"{len(numbers)} of {expected} marks"
    if any(int(number) != position for position, number in enumerate(numbers)):
        return "marks out of order"
    return ""
