"""Single facts of a dialect as text: what is read, what is refused, and that all comes back as it was."""

import re
from dataclasses import fields
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.dialects import DIALECTS, Dialect
from anthropic_proxy.dialects.overrides import overrides_text, parse_overrides

READ = {
    "a word": ("max_tokens_field=max_completion_tokens", {"max_tokens_field": "max_completion_tokens"}),
    "flags": ("tool_images=true vision=false", {"tool_images": True, "vision": False}),
    "a flag in capitals": ("tool_images=True", {"tool_images": True}),
    "a whole number": ("stop_max=0", {"stop_max": 0}),
    "a number": ("max_temperature=1.5", {"max_temperature": 1.5}),
    "no number": ("context_window=none", {"context_window": None}),
    "several words in their order": ("efforts=low,high", {"efforts": ("low", "high")}),
    "a set of words": ("sampling=top_k,temperature", {"sampling": frozenset({"temperature", "top_k"})}),
    "none of several": ("sampling=none efforts=", {"sampling": frozenset(), "efforts": ()}),
    "pairs": ("headers=X-A:1,X-B:2", {"headers": (("X-A", "1"), ("X-B", "2"))}),
    "a pair with a URL in it": (
        "headers=Referer:https://example.test/a",
        {"headers": (("Referer", "https://example.test/a"),)},
    ),
    "a flag in a pair": (
        'extra_body=a:true,b:"true",c:1',
        {"extra_body": (("a", True), ("b", "true"), ("c", "1"))},
    ),
    "a quoted space": ('reasoning_placeholder=" "', {"reasoning_placeholder": " "}),
    "an escaped space": (r'reasoning_placeholder="\u0020"', {"reasoning_placeholder": " "}),
    "an empty text": ('reasoning_placeholder="" effort_off=""', {"reasoning_placeholder": "", "effort_off": ""}),
    "no text, and the text that says so": (
        'reasoning_placeholder=none name="none"',
        {"reasoning_placeholder": None, "name": "none"},
    ),
    "quoted commas and colons": ('headers="A:B":"1,2"', {"headers": (("A:B", "1,2"),)}),
    "white space of any kind between": (
        "  stop_max=1\n\ttool_images=true ",
        {"stop_max": 1, "tool_images": True},
    ),
    "nothing": ("", {}),
}


@pytest.mark.parametrize(("text", "expected"), READ.values(), ids=READ.keys())
def test_read(text: str, expected: dict[str, object]) -> None:
    assert parse_overrides(text) == expected


REFUSED = {
    "a flag that is none": ("tool_images=maybe", "tool_images: 'maybe' is not true or false"),
    "a word that is not allowed": ("cache=big", "cache: 'big' is not one of implicit, anthropic, copilot"),
    "a negative number": ("stop_max=-1", "stop_max: '-1' is not a whole number"),
    "a fraction": ("tool_id_max=1.5", "tool_id_max: '1.5' is not a whole number"),
    "a number without end": ("max_temperature=inf", "max_temperature: 'inf' is not a number"),
    "an unknown level": (
        "efforts=low,huge",
        "efforts: 'low,huge' is not one of minimal, low, medium, high, xhigh, max; several with commas between",
    ),
    "half a pair, whose text may be a key": (
        "headers=secret",
        "headers: the value is not a text and a text with a colon between; several with commas between, or none",
    ),
    "a quote that does not close": (
        'reasoning_placeholder="a',
        "reasoning_placeholder: '\"a' is not a text, or none",
    ),
    "JSON that is no text": ('name=["a"]', "name: '[\"a\"]' is not a text"),
    "a field without a value": ("tool_images", "tool_images: has no value; write tool_images=…, true or false"),
    "a field twice": ("stop_max=1 stop_max=2", "stop_max: stands there twice"),
    "a misspelt field": (
        "tool_image=true",
        "tool_image: a dialect has no such field; did you mean tool_images?",
    ),
    "an unknown field": ("xyz=1", "xyz: a dialect has no such field; its fields are name, auth, headers"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        parse_overrides(text)


SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(min_value=0),
    float: st.floats(min_value=0, allow_infinity=False),
    str: st.text() | st.sampled_from(["none", "true", "False", "a b", '"', "\\", "\u0085", "\u3000", "𝄞"]),
    NoneType: st.none(),
}

MEMBERS = {
    "sampling": frozenset[Literal["temperature", "top_p", "top_k"]],
    "efforts": tuple[Literal["minimal", "low", "medium", "high", "xhigh", "max"], ...],
}

HINTS = get_type_hints(Dialect) | MEMBERS


def legal_values(annotation: Any) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is UnionType:
        return st.one_of(*map(legal_values, arguments))
    if origin is frozenset:
        return st.frozensets(legal_values(arguments[0]), max_size=4)
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(legal_values(arguments[0]), max_size=4).map(tuple)
    if origin is tuple:
        return st.tuples(*map(legal_values, arguments))
    return SIMPLE[annotation]


ALL_FIELDS = st.fixed_dictionaries({}, optional={name: legal_values(HINTS[name]) for name in HINTS})


@given(ALL_FIELDS)
def test_any_legal_values_printed_and_read_are_the_same(values: dict[str, object]) -> None:
    assert parse_overrides(overrides_text(values)) == values


@given(ALL_FIELDS)
def test_no_printed_value_holds_white_space(values: dict[str, object]) -> None:
    assert len(overrides_text(values).split()) == len(values)


@pytest.mark.parametrize("entry", DIALECTS, ids=lambda entry: entry.dialect.name)
def test_every_dialect_printed_and_read_is_the_same(entry: Any) -> None:
    values = {field.name: getattr(entry.dialect, field.name) for field in fields(Dialect)}
    assert Dialect(**parse_overrides(overrides_text(values))) == entry.dialect  # type: ignore[arg-type]
