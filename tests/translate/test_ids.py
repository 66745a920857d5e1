"""Ids of calls: what a backend accepts, the same every time, and unique for the client."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.dialects import PLAIN, Dialect
from anthropic_proxy.translate.chat.ids import CallIds, base62, sent_call_id

FORTY = replace(PLAIN, tool_id_max=40)
NINE = replace(PLAIN, tool_id="alnum9")
VERBATIM = replace(PLAIN, tool_id="verbatim")

WRAPPED = "tpx_0aB9cZ_ZnVuY3Rpb25zLmdldF93ZWF0aGVyOjA"
"""`functions.get_weather:0`, as the client knows it."""

SENT: dict[str, tuple[str, Dialect, str, str]] = {
    "a legal id stays": ("toolu_01A-b", PLAIN, "", "toolu_01A-b"),
    "so does one of 64 characters": ("a" * 64, PLAIN, "", "a" * 64),
    "a longer one is hashed": ("a" * 65, PLAIN, "", "call_635361c48bb9eab14198e76e"),
    "forty may be the most": ("a" * 41, FORTY, "", "call_c0f8bd4dbc2b0c03107c1c37"),
    "odd characters are hashed": ("functions.Bash:0", PLAIN, "", "call_"),
    "an empty id is hashed": ("", PLAIN, "", "call_e3b0c44298fc1c149afbf4c8"),
    "Mistral wants nine letters and digits": ("toolu_01A", NINE, "", "xAGoDept3"),
    "which may be there already": ("a1B2c3D4e", NINE, "", "a1B2c3D4e"),
    "letters of other scripts do not count": ("ä1B2c3D4e", NINE, "", "cGXl2c3pI"),
    "a suffix tells a repeated id apart": ("call_0", PLAIN, "_2", "call_0_2"),
    "it may make an id too long": ("a" * 39, FORTY, "_2", "call_"),
    "a wrapped id becomes the upstream's own": (WRAPPED, VERBATIM, "", "functions.get_weather:0"),
    "no call is without an id": ("", VERBATIM, "", "call_e3b0c44298fc1c149afbf4c8"),
    "with its suffix": (WRAPPED, VERBATIM, "_2", "functions.get_weather:0_2"),
    "any other stays as it is": ("functions.Bash:0", VERBATIM, "", "functions.Bash:0"),
    "however long": ("a" * 900, VERBATIM, "", "a" * 900),
    "what only looks wrapped stays": ("tpx_0aB9cZ_x", VERBATIM, "", "tpx_0aB9cZ_x"),
    "so does what is no text inside": ("tpx_0aB9cZ_gICA", VERBATIM, "", "tpx_0aB9cZ_gICA"),
    "elsewhere a wrapped id is one like any other": (WRAPPED, PLAIN, "", WRAPPED),
}


@pytest.mark.parametrize(("call_id", "dialect", "suffix", "expected"), SENT.values(), ids=SENT.keys())
def test_the_id_a_backend_is_told(call_id: str, dialect: Dialect, suffix: str, expected: str) -> None:
    sent = sent_call_id(call_id, dialect, suffix)
    assert sent.startswith(expected)
    assert sent == sent_call_id(call_id, dialect, suffix)


@given(st.text(), st.sampled_from([PLAIN, FORTY, NINE]))
def test_whatever_the_client_calls_it_the_backend_accepts_it(call_id: str, dialect: Dialect) -> None:
    sent = sent_call_id(call_id, dialect)
    assert re.fullmatch(f"[A-Za-z0-9_-]{{1,{dialect.tool_id_max}}}", sent)
    assert dialect is not NINE or re.fullmatch("[A-Za-z0-9]{9}", sent)


@given(st.text(min_size=1))
def test_what_was_wrapped_comes_back_as_it_was(call_id: str) -> None:
    received = CallIds(VERBATIM, "msg_1", frozenset()).received(call_id)
    assert sent_call_id(received, VERBATIM) == call_id.encode("utf-8", "replace").decode()


@given(
    st.lists(st.sampled_from(["", "call_0", "call_1", "functions.x:0", "a" * 70])), st.sampled_from([PLAIN, VERBATIM])
)
def test_the_client_never_sees_an_id_twice(upstream_ids: list[str], dialect: Dialect) -> None:
    used = frozenset({"call_0"})
    ids = CallIds(dialect, "msg_1", used)
    received = [ids.received(call_id) for call_id in upstream_ids]
    assert len({*received, *used}) == len(received) + 1
    assert all(re.fullmatch("[A-Za-z0-9_-]+", call_id) for call_id in received)


def test_a_good_id_is_kept_and_another_minted() -> None:
    ids = CallIds(PLAIN, "msg_1", frozenset({"call_0"}))
    assert ids.received("call_1") == "call_1"
    minted = ids.received("call_0")
    assert minted.startswith("toolu_")
    assert len(minted) == len("toolu_") + 24
    assert minted == "toolu_" + base62("msg_1/2", 24)
