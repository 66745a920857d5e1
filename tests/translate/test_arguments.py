"""A call's arguments: nothing at all or one JSON object, whatever the backend sends."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from anthropic_proxy.translate.chat.arguments import UNPARSED, Arguments


def unparsed(text: str) -> str:
    return json.dumps({UNPARSED: text}, separators=(",", ":"))


def fed(fragments: list[Any], cut_off: bool = False) -> tuple[list[str], str, str]:
    """What each fragment passes on, what is owed at the end, and the flaw."""
    arguments = Arguments()
    passed = [arguments.feed(fragment) for fragment in fragments]
    return passed, arguments.close(cut_off), arguments.flaw


FRAGMENTS: dict[str, tuple[list[Any], list[str], str, str]] = {
    "an object passes as it comes": (['{"a', '":', "1}"], ['{"a', '":', "1}"], "", ""),
    "nothing is nothing": ([None, "", None], ["", "", ""], "", ""),
    "white space alone is nothing": ([" ", "\n"], ["", ""], "", ""),
    "white space in front is left out": (["\n ", ' {"a": 1}'], ["", '{"a": 1}'], "", ""),
    "a bare object is held, and says nothing at the end": (["{", " ", "}"], ["", "", ""], "", ""),
    "a bare object gives way to the real one": (["{}", '{"a": 1}'], ["", '{"a": 1}'], "", ""),
    "so it does where that comes in fragments": (["{ }", "\n{", '"a": 1}'], ["", "", '{"a": 1}'], "", ""),
    "the beginning is held until more is there": (["{", '"a": {', "}}"], ["", '{"a": {', "}}"], "", ""),
    "an empty object inside is not held": (['{"a":', "{}", "}"], ['{"a":', "{}", "}"], "", ""),
    "an object is written as text": ([{"a": [1]}], ['{"a":[1]}'], "", ""),
    "an empty object is held like its text": ([{}, {"a": 1}], ["", '{"a":1}'], "", ""),
    "an object that comes again says nothing new": ([{"a": 1}, {"a": 1}], ['{"a":1}', ""], "", ""),
    "an object after its text says nothing new": (['{"a": 1}', {"a": 1}], ['{"a": 1}', ""], "", ""),
    "snapshots give their new ends": (
        ['{"a', '{"a": "b', '{"a": "b"}', '{"a": "b"}'],
        ['{"a', '": "b', '"}', ""],
        "",
        "",
    ),
    "snapshots may begin with the bracket alone": (["{", '{"a": 1', '{"a": 1}'], ["", '{"a": 1', "}"], "", ""),
    "once seen, a snapshot is one where a value is due too": (
        ['{"a', '{"a": ', '{"a": 1}'],
        ['{"a', '": ', "1}"],
        "",
        "",
    ),
    "an object inside may begin like the outer one": (
        ['{"a": ', '{"a": 1}}'],
        ['{"a": ', '{"a": 1}}'],
        "",
        "",
    ),
    "so may one in a list": (['{"a": [', '{"a": [', "]}]}"], ['{"a": [', '{"a": [', "]}]}"], "", ""),
    "control characters in strings are escaped": (
        ['{"a": "\n\x00', '\t"}'],
        ['{"a": "\\n\\u0000', '\\t"}'],
        "",
        "",
    ),
    "control characters between them are not": (['{\n"a":\t1\r\n}'], ['{\n"a":\t1\r\n}'], "", ""),
    "halves of a character are joined": (['{"a": "\ud83c', '\udf0d"}'], ['{"a": "', '🌍"}'], "", ""),
    "what follows the end is left out": (['{"a": 1}}', "<|end|>"], ['{"a": 1}', ""], "", "went on after their end"),
    "white space after the end is no flaw": (['{"a": 1}\n', " "], ['{"a": 1}', ""], "", ""),
    "a second object is left out": (['{"a": 1}', '{"b": 2}'], ['{"a": 1}', ""], "", "went on after their end"),
    "JSON in a string is taken out": (['"{\\"a\\"', ': 1}"'], ["", ""], '{"a":1}', ""),
    "an empty object in a string says nothing": (['"{}"'], [""], "", ""),
    "an empty string in a string says nothing": (['""'], [""], "", ""),
    "null says nothing": (["nu", "ll"], ["", ""], "", ""),
    "prose is kept as text": (["Rome, ", "please"], ["", ""], unparsed("Rome, please"), "are no JSON object"),
    "a list is kept as text": (["[1, 2]"], [""], unparsed("[1, 2]"), "are no JSON object"),
    "a list that is no text is kept as text": ([[1, 2]], [""], unparsed("[1,2]"), "are no JSON object"),
    "a number is kept as text": ([7], [""], unparsed("7"), "are no JSON object"),
    "a string that is cut off is kept as text": (
        ['"{\\"a'],
        [""],
        unparsed('"{\\"a'),
        "are no JSON object",
    ),
    "an object that is no JSON is kept as text": (["{'a': 1}"], [unparsed("{'a': 1}")], "", "are no JSON"),
    "where its beginning has passed, its end does not": (["{'a':", "1}"], ["{'a':", ""], "", "are no JSON"),
}


@pytest.mark.parametrize(("fragments", "passed", "owed", "flaw"), FRAGMENTS.values(), ids=FRAGMENTS.keys())
def test_fragments(fragments: list[Any], passed: list[str], owed: str, flaw: str) -> None:
    assert fed(fragments) == (passed, owed, flaw)


BROKEN: dict[str, tuple[str, str]] = {
    "in a value's string": ('{"a": "b', '"}'),
    "in an escape": ('{"a": "b\\', '\\"}'),
    "in a number of an escape": ('{"a": "\\u00e', '0"}'),
    "in a key": ('{"a', '": null}'),
    "after a key": ('{"a"', ": null}"),
    "before a value": ('{"a": ', "null}"),
    "after a comma": ('{"a": 1,', '"": null}'),
    "in a word": ('{"a": tr', "ue}"),
    "in a number": ('{"a": -', "0}"),
    "in a list": ('{"a": [1, {"b": "c', '"}]}'),
    "after the bracket": ("{", "}"),
    "in a string with raw line breaks": ('{"a": "b\n', '"}'),
}


@pytest.mark.parametrize(("text", "closing"), BROKEN.values(), ids=BROKEN.keys())
def test_an_object_that_breaks_off_is_closed(text: str, closing: str) -> None:
    passed, owed, flaw = fed([text])
    assert owed.endswith(closing)
    assert isinstance(json.loads("".join(passed) + owed), dict)
    assert flaw == "broke off and were closed"


@pytest.mark.parametrize("text", ["{'a", '{"a": 1 "b', "{a"])
def test_what_nothing_can_close_is_left_alone(text: str) -> None:
    assert fed([text]) == ([text], "", "are no JSON")


@pytest.mark.parametrize(("text", "owed"), [('{"a": "b', ""), ("{", "{"), ("{}", ""), ('"{', unparsed('"{'))])
def test_a_token_limit_leaves_arguments_truncated(text: str, owed: str) -> None:
    assert fed([text], cut_off=True)[1] == owed


SPOILED: dict[str, tuple[list[Any], bool]] = {
    "an object": (['{"a":', "1}"], False),
    "no JSON, of which nothing has passed": (["{'a':1}"], False),
    "no JSON, whose beginning has": (["{'a':", "1}"], True),
    "what breaks off and can be closed": (['{"a":'], False),
    "what breaks off and cannot": (["{'a':"], True),
    "an object with more behind it": (['{"a":', "1}}"], False),
    "no JSON with more behind it": (['{"a":', '{"b":1}"c"}}'], True),
}


@pytest.mark.parametrize(("fragments", "spoiled"), SPOILED.values(), ids=SPOILED.keys())
def test_spoiled(fragments: list[Any], spoiled: bool) -> None:
    arguments = Arguments()
    for fragment in fragments:
        arguments.feed(fragment)
    arguments.close(cut_off=False)
    assert arguments.spoiled is spoiled


STATES: dict[str, tuple[list[Any], tuple[bool, bool, bool]]] = {
    "nothing came": ([None, ""], (True, False, False)),
    "an object is open": (['{"a'], (False, False, True)),
    "an object has ended": (['{"a": 1}'], (False, True, False)),
    "a bare object may not be all": (["{}"], (False, False, False)),
    "a string that holds JSON": (['"{}"'], (False, False, False)),
    "a string that is open": (['"{'], (False, False, True)),
}


@pytest.mark.parametrize(("fragments", "state"), STATES.values(), ids=STATES.keys())
def test_how_far_it_is(fragments: list[Any], state: tuple[bool, bool, bool]) -> None:
    arguments = Arguments()
    for fragment in fragments:
        arguments.feed(fragment)
    assert (arguments.empty, arguments.complete, arguments.broken_off) == state


words = st.text(max_size=5) | st.sampled_from(['"', "\\", "\n", "🌍", "{", "a"])
keys = words.filter(lambda key: not key.startswith("{"))
"""A key that begins with a bracket, cut right before that, is taken for a snapshot: `{"` and `{"`."""

inputs = st.dictionaries(
    keys,
    st.recursive(
        words | st.integers() | st.booleans() | st.none(),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
        max_leaves=5,
    ),
    max_size=3,
)
spellings = st.sampled_from([{}, {"indent": 2}, {"ensure_ascii": False}, {"separators": (",", ":")}])


def fragments_of(text: str, data: st.DataObject) -> list[str]:
    ends = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


@given(inputs, spellings, st.data())
def test_any_object_comes_through_whole_however_it_is_cut(value: Any, spelling: Any, data: st.DataObject) -> None:
    passed, owed, flaw = fed(fragments_of(json.dumps(value, **spelling), data))
    assert json.loads("".join(passed) + owed or "{}") == value
    assert flaw == ""


@given(inputs.filter(bool), st.data())
def test_snapshots_come_through_whole(value: Any, data: st.DataObject) -> None:
    text = json.dumps(value)
    ends = sorted(data.draw(st.lists(st.integers(1, len(text)), max_size=5)))
    # Where the first one ends before a value, the second may as well be that value.
    assume(not ends or text[: ends[0]].rstrip()[-1] not in ":,[")
    passed, owed, _ = fed([text[:end] for end in [*ends, len(text)]])
    assert json.loads("".join(passed) + owed) == value


@given(inputs, st.integers(0, 40))
def test_any_beginning_can_be_closed(value: Any, length: int) -> None:
    beginning = json.dumps(value)[:length]
    passed, owed, _ = fed([beginning])
    assert isinstance(json.loads("".join(passed) + owed or "{}"), dict)


@given(
    st.lists(st.none() | st.text(max_size=8) | inputs | st.integers() | st.lists(words, max_size=2), max_size=5),
    st.booleans(),
)
def test_nothing_makes_it_fail(fragments: list[Any], cut_off: bool) -> None:
    passed, owed, _ = fed(fragments, cut_off)
    said = "".join(passed) + owed
    assert said == "" or said.startswith("{")
