"""Hypothesis strategies from the official SDK's own parameter types: whatever they allow can be drawn."""

import os
import types
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import (
    IO,
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
from pydantic import BaseModel
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
    IO[bytes]: TEXTS,
    os.PathLike: TEXTS,
}


@cache
def drawn_from(annotation: Any) -> SearchStrategy[Any]:
    """What JSON can hold of this type. Files, which the SDK reads for its user, are drawn as the text they become."""
    if annotation in SIMPLE:
        return SIMPLE[annotation]
    if is_object(annotation):
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
    raise TypeError(f"nothing is known of {annotation!r}")


def _object(annotation: Any) -> SearchStrategy[dict[str, Any]]:
    """All required fields, and mostly few of the others."""
    fields, required = fields_of(annotation)
    return st.fixed_dictionaries(
        {name: drawn_from(fields[name]) for name in sorted(required)},
        optional={name: drawn_from(fields[name]) for name in sorted(fields.keys() - required)},
    )


def fields_of(annotation: Any) -> tuple[dict[str, Any], set[str]]:
    """The fields of an object by name, and which of them are required."""
    if is_typeddict(annotation):
        fields = get_type_hints(annotation, include_extras=True)
        return fields, {name for name, kind in fields.items() if get_origin(kind) is Required}
    named = {field.alias or name: field for name, field in annotation.model_fields.items()}
    return (
        {name: field.annotation for name, field in named.items()},
        {name for name, field in named.items() if field.is_required()},
    )


def is_object(annotation: Any) -> bool:
    """Is it an object with fields: a parameter, or a block of an answer, which clients may send back as it is?"""
    is_block = isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, BaseModel)
    return is_block or is_typeddict(annotation)


def reached_from(annotation: Any) -> set[Any]:
    """All objects that can stand somewhere in this one, itself too."""
    found: set[Any] = set()
    waiting = [annotation]
    while waiting:
        kind = waiting.pop()
        if is_object(kind):
            if kind not in found:
                found.add(kind)
                waiting += fields_of(kind)[0].values()
        else:
            waiting += [inside for inside in get_args(kind) if not isinstance(inside, str)]
    return found
