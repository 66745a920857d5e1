"""Ids of calls: what the client sees, what the backend sees again."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.dialects import PLAIN, Dialect
from anthropic_proxy.translate.chat.ids import CallIds, base62, sent_call_id

VERBATIM = replace(PLAIN, tool_id="verbatim")
ALNUM9 = replace(PLAIN, tool_id="alnum9")
SHORT = replace(PLAIN, tool_id_max=40)

FRESH = "toolu_8O5jFLETJulMCJ0EdHidRZPg"

RECEIVED: dict[str, tuple[str, Dialect, frozenset[str], str]] = {
    "an ordinary id is kept": ("call_1", PLAIN, frozenset(), "call_1"),
    "64 characters are": ("x" * 64, PLAIN, frozenset(), "x" * 64),
    "65 are too many": ("x" * 65, PLAIN, frozenset(), FRESH),
    "no id": ("", PLAIN, frozenset(), FRESH),
    "no id where ids are kept verbatim": ("", VERBATIM, frozenset(), FRESH),
    "a letter that is no id's": ("functions.weather:0", PLAIN, frozenset(), FRESH),
    "a line break at the end": ("call_1\n", PLAIN, frozenset(), FRESH),
    "an id of the history": ("call_1", PLAIN, frozenset({"call_1"}), "toolu_kDVpsEa4dECeUJOb2JAsCdvg"),
    "verbatim ids are wrapped": (
        "functions.weather:0",
        VERBATIM,
        frozenset(),
        "tpx_8O5jFL_ZnVuY3Rpb25zLndlYXRoZXI6MA",
    ),
}


@pytest.mark.parametrize(("call_id", "dialect", "used", "expected"), RECEIVED.values(), ids=RECEIVED.keys())
def test_the_id_a_client_sees(call_id: str, dialect: Dialect, used: frozenset[str], expected: str) -> None:
    assert CallIds(dialect, "msg_golden", used).received(call_id) == expected


HASHED = r"call_[0-9a-f]{24}"
"""A pattern."""

SENT: dict[str, tuple[str, Dialect, str]] = {
    "an ordinary id is kept": ("toolu_1", PLAIN, "toolu_1"),
    "a long one is hashed": ("x" * 65, PLAIN, HASHED),
    "a backend may take less": ("x" * 41, SHORT, HASHED),
    "an odd letter is hashed": ("a:b", PLAIN, HASHED),
    "nine letters and digits are kept": ("Ab3456789", ALNUM9, "Ab3456789"),
    "what is wrapped is taken out": ("tpx_8O5jFL_ZnVuY3Rpb25zLndlYXRoZXI6MA", VERBATIM, "functions.weather:0"),
    "what only looks wrapped stays": ("tpx_8O5jFL_!", VERBATIM, "tpx_8O5jFL_!"),
    "any other id goes as it is": ("toolu_1", VERBATIM, "toolu_1"),
    "another backend sees the wrapped one": ("tpx_8O5jFL_Zg", PLAIN, "tpx_8O5jFL_Zg"),
}


@pytest.mark.parametrize(("call_id", "dialect", "expected"), SENT.values(), ids=SENT.keys())
def test_the_id_a_backend_sees(call_id: str, dialect: Dialect, expected: str) -> None:
    assert re.fullmatch(expected if expected == HASHED else re.escape(expected), sent_call_id(call_id, dialect))


def test_mistral_gets_nine_letters_and_digits() -> None:
    sent = sent_call_id("toolu_1", ALNUM9)
    assert (len(sent), sent.isalnum(), sent.isascii()) == (9, True, True)
    assert sent != sent_call_id("toolu_2", ALNUM9)


@pytest.mark.parametrize("dialect", [PLAIN, VERBATIM, ALNUM9], ids=lambda dialect: dialect.tool_id)
def test_a_suffix_makes_another_id(dialect: Dialect) -> None:
    assert sent_call_id("toolu_1", dialect, "_2") != sent_call_id("toolu_1", dialect)


texts = st.text(max_size=70)


@given(st.lists(texts, max_size=6), st.frozensets(texts, max_size=3), st.booleans())
def test_no_two_calls_of_a_conversation_have_one_id(call_ids: list[str], used: frozenset[str], verbatim: bool) -> None:
    ids = CallIds(VERBATIM if verbatim else PLAIN, "msg_1", used)
    received = [ids.received(call_id) for call_id in call_ids]
    assert len(set(received) | used) == len(received) + len(used)


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_verbatim_id_comes_back_as_it_was(call_id: str) -> None:
    assert sent_call_id(CallIds(VERBATIM, "msg_1", frozenset()).received(call_id), VERBATIM) == call_id


@given(st.text(), st.integers(1, 40))
def test_base62_depends_on_its_seed_alone(seed: str, length: int) -> None:
    made = base62(seed, length)
    assert (len(made), made.isalnum(), made) == (length, True, base62(seed, length))
