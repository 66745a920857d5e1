"""JSON Schema in the subset that Gemini's function declarations know.

Gemini parses a schema into a message of fixed fields and refuses the request at the first keyword
it has no field for, so what is kept is a list and everything else goes. Source: the fields of
`Schema` in Gemini's API reference, and refusals seen in users' reports, read 2026-11-25.
"""

from collections.abc import Callable
from itertools import chain
from typing import Any

from anthropic_proxy.translate.chat.schema_walk import (
    DEEPEST,
    Schema,
    all_properties,
    completed,
    described,
    local_target,
    note,
)
from anthropic_proxy.wire.json import dumps

_MOST_VISITS = 5_000
"""Schemas visited before references stay unresolved: references can double a schema at every step."""

_TYPES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
}

_OF_TYPE: dict[str, frozenset[str]] = {
    "string": frozenset({"enum", "const", "format", "pattern", "minLength", "maxLength"}),
    "integer": frozenset({"enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "number": frozenset({"enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "boolean": frozenset({"const"}),
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems", "uniqueItems"}),
    "object": frozenset({"properties", "required", "additionalProperties", "minProperties", "maxProperties"}),
}
"""Gemini's types, and the keywords that go with each where a schema names several."""


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_count(value) or isinstance(value, float)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_KEPT: dict[str, Callable[[Any], bool]] = {
    "type": lambda value: isinstance(value, str) and value in _OF_TYPE,
    "format": lambda value: value in ("enum", "date-time"),
    "title": _is_text,
    "description": _is_text,
    "pattern": _is_text,
    "nullable": lambda value: isinstance(value, bool),
    "enum": lambda value: isinstance(value, list),
    "default": lambda value: True,
    "example": lambda value: True,
    "items": lambda value: isinstance(value, dict),
    "properties": lambda value: isinstance(value, dict),
    "required": lambda value: isinstance(value, list),
    "anyOf": lambda value: isinstance(value, list) and bool(value),
    "propertyOrdering": lambda value: isinstance(value, list),
    "minItems": _is_count,
    "maxItems": _is_count,
    "minLength": _is_count,
    "maxLength": _is_count,
    "minProperties": _is_count,
    "maxProperties": _is_count,
    "minimum": _is_number,
    "maximum": _is_number,
}
"""Keywords kept, each with what its value must be."""

Refs = tuple[str, ...]
"""References being followed: meeting one again is recursion, which Gemini cannot express."""


def gemini_schema(schema: Schema) -> Schema:
    """`schema`, the root of a tool's input, as Gemini takes it. A union at the root becomes one object."""
    return _Conversion(schema).whole()


class _Conversion:
    def __init__(self, root: Schema) -> None:
        self._root = root
        self._visits = 0

    def whole(self) -> Schema:
        root, refs = self._plain(self._root, (), 0)
        return self._limited({**completed(root), "properties": all_properties(root)}, refs, 0)

    def _converted(self, schema: Schema, refs: Refs, depth: int) -> Schema:
        if depth > DEEPEST:
            return _consistent({key: schema[key] for key in ("type", "description") if _KEPT[key](schema.get(key))})
        self._visits += 1
        return self._limited(*self._plain(schema, refs, depth), depth)

    def _plain(self, schema: Schema, refs: Refs, depth: int) -> tuple[Schema, Refs]:
        """`schema` with references, `allOf`, `oneOf`, null branches and lists of types written out."""
        while True:
            if _is_text(schema.get("$ref")):
                schema, refs = self._followed(schema, refs)
            elif isinstance(schema.get("allOf"), list):
                schema = self._joined(schema, refs, depth)
            elif isinstance(schema.get("oneOf"), list) and "anyOf" not in schema:
                schema = {"anyOf" if key == "oneOf" else key: value for key, value in schema.items()}
            elif _is_narrow(schema):
                schema = _narrowed(schema)
            elif isinstance(schema.get("type"), list) or schema.get("type") == "null":
                schema = _one_type(schema)
            else:
                return schema, refs

    def _followed(self, schema: Schema, refs: Refs) -> tuple[Schema, Refs]:
        reference = schema["$ref"]
        rest = _less(schema, "$ref")
        target = local_target(self._root, reference)
        self._visits += 1
        if target is None:
            return described(rest, note("$ref", reference)), refs
        if reference in refs or len(refs) > DEEPEST or self._visits > _MOST_VISITS:
            kind = target.get("type")
            return described({"type": kind if _is_text(kind) else "object", **rest}, [f"like {reference}"]), refs
        return {**target, **rest}, (*refs, reference)

    def _joined(self, schema: Schema, refs: Refs, depth: int) -> Schema:
        """`allOf` as one schema: the properties of all parts; otherwise the first to say something wins."""
        own = _less(schema, "allOf")
        if depth > DEEPEST:
            return own
        parts = [self._plain(part, refs, depth + 1)[0] for part in schema["allOf"] if isinstance(part, dict)]
        joined: Schema = {}
        properties: Schema = {}
        required: dict[str, None] = {}
        for keyword, value in chain.from_iterable(part.items() for part in [own, *parts]):
            if keyword == "properties" and isinstance(value, dict):
                for name, inner in value.items():
                    properties.setdefault(name, inner)
            elif keyword == "required" and isinstance(value, list):
                required |= dict.fromkeys(filter(_is_text, value))
            else:
                joined.setdefault(keyword, value)
        found = {"properties": properties, "required": list(required)}
        return joined | {keyword: value for keyword, value in found.items() if value}

    def _limited(self, schema: Schema, refs: Refs, depth: int) -> Schema:
        """`schema`, with its own unions and references written out, down to what Gemini has fields for."""
        notes: list[str] = []
        for rule in (_enumerated, _itemised, _one_shape):
            schema, found = rule(schema)
            notes += found
        kept: Schema = {}
        for keyword, value in schema.items():
            accepts = _KEPT.get(keyword)
            if accepts is None or not accepts(value):
                notes += note(keyword, value)
            elif keyword == "items":
                kept[keyword] = self._converted(value, refs, depth + 1)
            elif keyword == "anyOf":
                kept[keyword] = [self._converted(_schema(inner), refs, depth + 1) for inner in value]
            elif keyword == "properties":
                kept[keyword] = {
                    name: self._converted(_schema(inner), refs, depth + 1) for name, inner in value.items()
                }
            else:
                kept[keyword] = value
        return described(_consistent(kept), notes)


def _less(schema: Schema, keyword: str) -> Schema:
    return {key: value for key, value in schema.items() if key != keyword}


def _schema(value: Any) -> Schema:
    """`true` is a schema too, which takes anything; Gemini's word for it is an empty one."""
    return value if isinstance(value, dict) else {}


def _is_null(branch: Any) -> bool:
    return branch in ({"type": "null"}, {"const": None}, {"enum": [None]})


def _is_narrow(schema: Schema) -> bool:
    """Is there a union with a null branch, or with one branch only?"""
    branches = schema.get("anyOf")
    if not isinstance(branches, list) or "type" in schema or "properties" in schema:
        return False
    return len(branches) < 2 or any(_is_null(branch) for branch in branches)


def _narrowed(schema: Schema) -> Schema:
    branches = [branch for branch in schema["anyOf"] if not _is_null(branch)]
    rest = _less(schema, "anyOf")
    if len(branches) < len(schema["anyOf"]):
        rest["nullable"] = True
    if len(branches) > 1:
        return {**rest, "anyOf": branches}
    return {**branches[0], **rest} if branches and isinstance(branches[0], dict) else rest


def _one_type(schema: Schema) -> Schema:
    """A list of types as `nullable` and a union."""
    listed = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    types = [kind for kind in listed if _is_text(kind) and kind != "null"]
    rest = _less(schema, "type")
    if "null" in listed:
        rest["nullable"] = True
    if len(types) == 1:
        return {"type": types[0], **rest}
    if not types or "anyOf" in rest:
        return rest
    moved = frozenset[str]().union(*(_OF_TYPE.get(kind, frozenset()) for kind in types))
    branches = [
        {"type": kind, **{key: value for key, value in rest.items() if key in _OF_TYPE.get(kind, ())}} for kind in types
    ]
    return {**{key: value for key, value in rest.items() if key not in moved}, "anyOf": branches}


Ruled = tuple[Schema, list[str]]
"""A schema after a rule, and notes on what the rule took out."""


def _enumerated(schema: Schema) -> Ruled:
    """`const` as `enum`; and `enum` only for strings that are not empty, as Gemini has it."""
    if "const" in schema:
        schema = {"enum": [schema["const"]], **_less(schema, "const")}
    values = schema.get("enum")
    if not isinstance(values, list):
        return schema, []
    kinds = {_TYPES.get(type(value), "") for value in values if value is not None}
    if None in values:
        schema = {**schema, "enum": [value for value in values if value is not None], "nullable": True}
    if len(kinds) == 1 and "type" not in schema and "anyOf" not in schema:
        schema = {"type": kinds.pop(), **schema}
    if schema.get("type") == "string" and schema["enum"] and all(_is_text(value) and value for value in schema["enum"]):
        return schema, []
    return _less(schema, "enum"), note("enum", values)


def _itemised(schema: Schema) -> Ruled:
    """Schemas by position as one schema for all items, which every array must have."""
    by_position = schema.get("prefixItems", schema.get("items"))
    notes = []
    if isinstance(by_position, list):
        branches = list({dumps(branch): branch for branch in by_position if isinstance(branch, dict)}.values())
        if len(branches) > 1:
            notes = note("prefixItems", by_position)
        items = {"anyOf": branches} if len(branches) > 1 else branches[0] if branches else {}
        schema = {**_less(schema, "prefixItems"), "items": items}
    return schema, notes


def _one_shape(schema: Schema) -> Ruled:
    """A union must stand alone; beside a type of its own it only narrows."""
    if "anyOf" in schema and ("type" in schema or "properties" in schema):
        return _less(schema, "anyOf"), note("anyOf", schema["anyOf"])
    return schema, []


def _consistent(schema: Schema) -> Schema:
    """Requires only properties that are there, and gives an array without items strings."""
    if "required" in schema:
        properties = schema.get("properties", {})
        required = [name for name in schema["required"] if _is_text(name) and name in properties]
        schema = {**schema, "required": required} if required else _less(schema, "required")
    if schema.get("type") == "array" and not schema.get("items"):
        schema = {**schema, "items": {"type": "string"}}
    return schema
