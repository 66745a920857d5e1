"""Tokens by pairs of bytes: the quick way gives what the plain one does, and a sample what the whole does."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.translate.byte_pairs import KINDS, KINDS_BEFORE, WEIGHTS, WINDOW, WINDOWS, text_tokens


def kind_before(byte: int) -> str:
    return next((name for name, kind in KINDS_BEFORE.items() if byte in kind), "mark")


def kind(byte: int) -> int:
    return next((number for number, kind in enumerate(KINDS) if byte in kind), KINDS.index(b""))


ROWS = [WEIGHTS[kind_before(byte)] for byte in range(256)]
COLUMNS = [kind(byte) for byte in range(256)]


def plainly(data: bytes) -> float:
    """What `text_tokens` is quick at."""
    return sum(ROWS[before][COLUMNS[at]] for before, at in pairwise(data)) / 100


@given(st.binary(max_size=600) | st.text(max_size=300).map(str.encode))
def test_the_quick_way_is_the_plain_one(data: bytes) -> None:
    assert abs(text_tokens(data) - plainly(data)) < 1e-6


def test_every_pair_of_kinds_has_a_weight() -> None:
    assert WEIGHTS.keys() == KINDS_BEFORE.keys()
    assert {len(row) for row in WEIGHTS.values()} == {len(KINDS)}
    assert (len(KINDS_BEFORE), len(KINDS)) == (8, 32), "they no longer fit into one byte"


def test_each_byte_is_of_one_kind() -> None:
    for kinds in ([*KINDS_BEFORE.values()], [*KINDS]):
        listed = [byte for kind in kinds for byte in kind]
        assert len(listed) == len(set(listed))
        assert set(listed) >= set(range(0x80, 0x100))


@given(st.integers(1, 40), st.integers(0, 2**32))
def test_a_sample_tells_as_much_as_the_whole(times: int, seed: int) -> None:
    lines = [f"line {seed * number % 9973}: it says that {number} of {seed} was not found\n" for number in range(200)]
    text = "".join(lines).encode()
    assert abs(text_tokens(text * times) / (plainly(text) * times) - 1) < 0.06


@pytest.mark.parametrize("width", [16, 44, 53, 64, 100, 128, 160, 300, 1000])
def test_text_that_repeats_itself_at_the_step_is_no_trap(width: int) -> None:
    line = b"0123456789 abcdefghijklmno PQRS: the rest of the line " * 20
    data = (line[: width - 2] + b"\\n") * (WINDOW * WINDOWS // width * 4)
    for size in (len(data) // 2, len(data) * 3 // 4, len(data)):
        assert abs(text_tokens(data[:size]) / plainly(data[:size]) - 1) < 0.08
