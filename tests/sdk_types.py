"""Hypothesis strategies from the official SDK's own parameter types: whatever they allow can be drawn."""

import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from typing_extensions import is_typeddict

TEXTS = st.sampled_from(["", " ", "a", "text/plain", "image/png", "application/pdf", "toolu_1", "get_weather", "aGk="])
"""Words that stand in many places and mean something there. JSON has no use for more of the alphabet here."""

json_values: SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)

SIMPLE: dict[Any, SearchStrategy[Any]] = {
    str: TEXTS | st.text(max_size=6),
    bool: st.booleans(),
    int: st.integers(-1, 3) | st.integers(1000, 100_000),
    float: st.floats(-1, 2),
    type(None): st.none(),
    object: json_values,
    Any: json_values,
}


@cache
def drawn_from(annotation: Any) -> SearchStrategy[Any]:
    """What JSON can hold of this type. Files, which the SDK reads for its user, are drawn as the text they become."""
    if annotation in SIMPLE:
        return SIMPLE[annotation]
    if is_typeddict(annotation):
        return st.deferred(lambda: _object(annotation))
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin in (Required, NotRequired, Annotated):
        return drawn_from(inside[0])
    if origin is Literal:
        return st.sampled_from(inside)
    if origin in (Union, types.UnionType):
        return st.one_of(*(drawn_from(one) for one in inside))
    if origin in (dict, Mapping):
        return st.dictionaries(TEXTS, drawn_from(inside[1]), max_size=2)
    if origin in (list, Iterable, Sequence) or getattr(origin, "__name__", "") == "SequenceNotStr":
        return st.deferred(lambda: st.lists(drawn_from(inside[0]), max_size=3))
    return TEXTS


def _object(annotation: Any) -> SearchStrategy[dict[str, Any]]:
    """A TypedDict: all its required fields, and mostly few of the others."""
    fields = get_type_hints(annotation, include_extras=True, localns=vars(typing))
    required = {name for name, kind in fields.items() if get_origin(kind) is Required}
    return st.fixed_dictionaries(
        {name: drawn_from(fields[name]) for name in sorted(required)},
        optional={name: drawn_from(fields[name]) for name in sorted(fields.keys() - required)},
    )
