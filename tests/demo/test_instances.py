"""Values for a schema, made of what a text offers."""

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.demo.clues import Clues, clues_in
from anthropic_proxy.demo.instances import instance

TEXT = "Please open https://example.org/a, then ./src/main.py at `ls -l` for Oslo and New York, 3 or 2.5 times"

CASES: dict[str, tuple[Any, Any]] = {
    "a constant": ({"const": 7}, 7),
    "the first of an enumeration": ({"enum": ["x", "y"]}, "x"),
    "the one of an enumeration that the text names": ({"enum": ["bergen", "oslo"]}, "oslo"),
    "a default": ({"type": "string", "default": "d"}, "d"),
    "a string without a name": ({"type": "string"}, "ls -l"),
    "a URL": ({"properties": {"page_url": {"type": "string"}}}, {"page_url": "https://example.org/a"}),
    "a path": ({"properties": {"file_path": {"type": "string"}}}, {"file_path": "./src/main.py"}),
    "a command": ({"properties": {"command": {"type": "string"}}}, {"command": "ls -l"}),
    "a date": ({"type": "string", "format": "date"}, "2026-01-31"),
    "a length at least": ({"type": "string", "minLength": 8}, "ls -l..."),
    "a length at most": ({"type": "string", "maxLength": 2}, "ls"),
    "a whole number": ({"type": "integer"}, 3),
    "a number within limits": ({"type": "number", "minimum": 5, "maximum": 9}, 5),
    "a number below a limit": ({"type": "integer", "maximum": 2}, 2),
    "yes": ({"type": "boolean"}, True),
    "nothing": ({"type": "null"}, None),
    "what is not null": ({"type": ["null", "integer"]}, 3),
    "the first choice that is not null": ({"anyOf": [{"type": "null"}, {"type": "boolean"}]}, True),
    "a list of one": ({"type": "array", "items": {"type": "string"}}, ["ls -l"]),
    "a list as long as it must be": ({"type": "array", "items": {"type": "integer"}, "minItems": 3}, [3, 3, 3]),
    "what is required": ({"properties": {"a": {"const": 1}, "b": {}}, "required": ["a"]}, {"a": 1}),
    "everything where nothing is required": ({"properties": {"a": {"const": 1}, "b": {"const": 2}}}, {"a": 1, "b": 2}),
    "what a reference points to": (
        {"properties": {"a": {"$ref": "#/$defs/x~1y"}}, "$defs": {"x/y": {"const": 1}}},
        {"a": 1},
    ),
    "all at once": (
        {"allOf": [{"properties": {"a": {"const": 1}}}, {"required": ["b"], "properties": {"b": {"const": 2}}}]},
        {"b": 2},
    ),
    "an object of nothing": ({"type": "object"}, {}),
}


@pytest.mark.parametrize(("schema", "expected"), CASES.values(), ids=CASES.keys())
def test_a_value(schema: Any, expected: Any) -> None:
    assert instance(schema, clues_in(TEXT)) == expected


def test_the_next_turn_takes_the_next_value() -> None:
    clues = clues_in("Compare Oslo, Rome and Paris")
    assert [instance({"type": "string"}, clues, turn) for turn in range(4)] == ["Oslo", "Rome", "Paris", "Oslo"]


ENDLESS: dict[str, Any] = {
    "a schema of itself": {"properties": {"next": {"$ref": "#"}}, "required": ["next"]},
    "a reference to itself": {"$ref": "#"},
    "a part of itself": {"allOf": [{"$ref": "#"}]},
    "a list of itself": {"type": "array", "items": {"$ref": "#"}},
}


@pytest.mark.parametrize("schema", ENDLESS.values(), ids=ENDLESS.keys())
def test_what_has_no_end_is_ended(schema: Any) -> None:
    assert len(str(instance(schema, clues_in("")))) < 1000


def test_a_text_is_searched_for_clues() -> None:
    assert clues_in(f'{TEXT} and "so on"') == Clues(
        text=f'{TEXT} and "so on"',
        quoted=("ls -l", "so on"),
        names=("Oslo", "New York"),
        paths=("./src/main.py",),
        urls=("https://example.org/a",),
        numbers=("3", "2.5"),
    )


SCALARS = st.sampled_from(
    (
        {"type": "string"},
        {"type": "string", "maxLength": 3},
        {"type": "string", "format": "date"},
        {"type": "integer", "minimum": 10},
        {"type": "number", "maximum": 1},
        {"type": "boolean"},
        {"type": "null"},
        {"enum": ["a", 1, None]},
        {"type": ["string", "null"]},
    )
)
NAMES = st.sampled_from(("city", "file_path", "url", "query", "count"))
SCHEMAS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.dictionaries(NAMES, inner, max_size=3).map(
            lambda found: {
                "type": "object",
                "properties": found,
                "required": list(found),
                "additionalProperties": False,
            }
        ),
        st.builds(lambda items, least: {"type": "array", "items": items, "minItems": least}, inner, st.integers(0, 3)),
        st.lists(inner, min_size=1, max_size=3).map(lambda choices: {"anyOf": choices}),
    ),
    max_leaves=8,
)


@given(SCHEMAS, st.sampled_from((TEXT, "", "Hello")))
def test_the_value_is_one_that_the_schema_allows(schema: dict[str, Any], text: str) -> None:
    assert jsonschema_rs.is_valid(schema, instance(schema, clues_in(text)))
