"""JsonEnd has the same idea of where a value ends as a parser."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.translate.json_end import JsonEnd

words = st.text(max_size=6) | st.sampled_from(['"', "\\", '\\"', "{", "}", "[]", "\n", '\\\\"}'])
values = st.recursive(
    words | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
containers = st.lists(values, max_size=3) | st.dictionaries(words, values, max_size=3)
spellings = st.sampled_from([{}, {"indent": 1}, {"ensure_ascii": False}, {"separators": (",", ":")}])


@given(containers, spellings, st.text(max_size=4), st.data())
def test_the_end_is_where_a_parser_finds_it(
    value: Any, spelling: dict[str, Any], beyond: str, data: st.DataObject
) -> None:
    text = json.dumps(value, **spelling)
    _, end = json.JSONDecoder().raw_decode(text + beyond)
    whole = text + beyond
    ends = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    follow, taken = JsonEnd(), 0
    for start, stop in zip([0, *ends], [*ends, len(whole)], strict=True):
        taken += follow.feed(whole[start:stop])
        assert follow.complete == (taken == end)
    assert taken == end


PLACES: dict[str, tuple[str, bool, str, bool]] = {
    "nothing": ("", False, "", False),
    "a string holds brackets": ('{"a": "}', False, "}", True),
    "an escaped quote ends no string": ('{"a": "\\"', False, "}", True),
    "an escape may be cut": ('{"a": "\\', False, "}", True),
    "a key": ('{"a', False, "}", True),
    "brackets nest": ('{"a": [{', False, "}]}", False),
    "a word never ends": ("null", False, "", False),
    "the end": ('{"a": []}', True, "", False),
    "a bracket that closes nothing": ("]}", False, "", False),
}


@pytest.mark.parametrize(("text", "complete", "closers", "in_string"), PLACES.values(), ids=PLACES.keys())
def test_what_is_still_open(text: str, complete: bool, closers: str, in_string: bool) -> None:
    follow = JsonEnd()
    follow.feed(text)
    found = (follow.complete, "".join(reversed(follow.open)), follow.in_string)
    assert found == (complete, closers, in_string)


def test_a_copy_goes_its_own_way() -> None:
    follow = JsonEnd()
    follow.feed('{"a": "\\')
    other = follow.copy()
    assert (other.feed('""}'), other.complete) == (3, True)
    assert (follow.in_string, follow.complete, follow.open) == (True, False, ["}"])
