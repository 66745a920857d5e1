"""JSON in and out, where msgspec alone would refuse or lose something."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.wire.json import InvalidJson, dumps, loads, texts_in, without_surrogates

READ = {
    "plain JSON": (b'{"a": [1, 2.5, null, true, "x"]}', {"a": [1, 2.5, None, True, "x"]}),
    "keys keep their order": (b'{"b":1,"a":2}', {"b": 1, "a": 2}),
    "UTF-8 text": ('"é😀"'.encode(), "é😀"),
    "an escaped surrogate pair is one character": (rb'"\ud83d\ude00"', "😀"),
    "half a surrogate pair is replaced": (rb'{"a":"x\ud83d"}', {"a": "x\ufffd"}),
    "half a surrogate pair in a key is replaced": (rb'{"\ude00":1}', {"\ufffd": 1}),
    "a byte order mark is skipped": (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
    "whole numbers of any size stay whole": (b"123456789012345678901234567890", 123456789012345678901234567890),
}


@pytest.mark.parametrize(("data", "value"), READ.values(), ids=READ.keys())
def test_loads(data: bytes, value: Any) -> None:
    found = loads(data)
    assert found == value
    assert list(found) == list(value) if isinstance(value, dict) else type(found) is type(value)


def test_a_reader_may_ask_for_half_a_surrogate_pair_as_it_is() -> None:
    assert loads(rb'["\ud83d"]', keep_surrogates=True) == ["\ud83d"]


REFUSED = {
    "nothing": (b"", "truncated"),
    "cut off": (b'{"a":', "truncated"),
    "prose, with its place": (b'{"a": oops}', "byte 6"),
    "more after the end": (b"{} {}", "trailing"),
    "NaN, which is no JSON": (b"NaN", "."),
    "Infinity, which is no JSON": (b'{"a":-Infinity}', "."),
    "bytes that are no UTF-8": (b'{"a":"\xff"}', "."),
    "nesting beyond all measure": (b"[" * 200_000, "nested too deeply"),
    "nesting beyond all measure after a byte order mark": (b"\xef\xbb\xbf" + b"[" * 200_000, "nested too deeply"),
}


@pytest.mark.parametrize(("data", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_json_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InvalidJson, match=message):
        loads(data)


def test_dumps_is_compact_and_keeps_order_and_characters() -> None:
    assert dumps({"b": [1, None], "a": "é😀\n"}) == '{"b":[1,null],"a":"é😀\\n"}'.encode()


def test_dumps_replaces_what_utf8_cannot_hold() -> None:
    assert dumps({"\ud83d": ["a\ude00"]}) == '{"\ufffd":["a\ufffd"]}'.encode()


SURROGATES = {
    "halves that belong together are joined": ("\ud83d\ude00", "😀"),
    "halves the wrong way round are replaced": ("\ude00\ud83d", "\ufffd\ufffd"),
    "the text around stays": ("a\ud83db", "a\ufffdb"),
    "lists and objects are searched": ([{"\ud83d": "\ude00"}], [{"\ufffd": "\ufffd"}]),
    "other values stay": ([1, None, 2.5], [1, None, 2.5]),
}


@pytest.mark.parametrize(("value", "expected"), SURROGATES.values(), ids=SURROGATES.keys())
def test_surrogates(value: Any, expected: Any) -> None:
    assert without_surrogates(value) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_what_is_written_reads_the_same(value: Any) -> None:
    assert loads(dumps(value)) == value


@given(st.text(st.characters(categories=["Cs", "Ll", "Cc"])))
def test_any_string_can_be_written(text: str) -> None:
    assert loads(dumps(text)) == without_surrogates(text)


TEXTS = {
    "objects back to back": (b'{"a":1}{"b":"}{"}', [b'{"a":1}', b'{"b":"}{"}']),
    "space around them goes, space inside stays": (b' {"a": 1}\n\t[2] ', [b'{"a": 1}', b"[2]"]),
    "escapes and characters stay as they are": ('{"a":"é\\u00e9"}'.encode(), ['{"a":"é\\u00e9"}'.encode()]),
    "nothing": (b"  ", []),
}


@pytest.mark.parametrize(("data", "texts"), TEXTS.values(), ids=TEXTS.keys())
def test_texts_in(data: bytes, texts: list[bytes]) -> None:
    assert texts_in(data) == texts


NO_TEXTS = {
    "prose in between": b"{} and {}",
    "cut off": b'{}{"a"',
    "no UTF-8": b'{"a":"\xff"}',
    "NaN": b"{}NaN",
    "nesting beyond all measure": b"{}" + b"[" * 200_000,
}


@pytest.mark.parametrize("data", NO_TEXTS.values(), ids=NO_TEXTS.keys())
def test_texts_in_refuses_what_is_not_all_json(data: bytes) -> None:
    with pytest.raises(InvalidJson):
        texts_in(data)
