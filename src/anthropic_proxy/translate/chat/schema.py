"""Schemas of tools, made acceptable to the backend, and otherwise left alone.

A schema goes out as the very object that came in, unless its dialect's family or a refusal asks for
less. What is taken out is told to the model in the description beside it.
"""

import re
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from anthropic_proxy.translate.chat.gemini_schema import gemini_schema
from anthropic_proxy.translate.chat.schema_walk import (
    Schema,
    all_properties,
    completed,
    described,
    note,
    without,
)
from anthropic_proxy.wire.json import dumps

__all__ = ["Family", "Schema", "clean_schema", "fits_strict"]

Family: TypeAlias = Literal["raw", "gemini", "mistral", "grammar"]

_STRUCTURE = frozenset({"type", "properties", "items", "required", "description"})
"""Keywords that no refusal takes out: without them a schema says nothing."""

_GUESSED = frozenset({"pattern", "format"})
"""Keywords taken out where a backend refuses a schema and what it named did not help."""


def clean_schema(schema: Schema, family: Family, step: int = 0, keyword: str = "") -> Schema:
    """The schema to send. With `raw` and no step, and nothing missing, it is the same object.

    `step` says how often the backend has refused this schema: 1 takes out the `keyword` it named, 2
    `pattern` and `format` as well, 3 all but the names and plain types of the arguments.

    What was cleaned is kept and given again, for an agent sends the same tools with every request: to look
    it up takes a sixth of the time (2 us instead of 14 for a Gemini schema of 600 bytes).
    """
    if family == "raw" and not step:
        return completed(schema)
    asked = (dumps(schema), family, step, keyword)
    kept = _kept.get(asked)
    if kept is not None:
        return kept
    cleaned = _cleaned(schema, family, step, keyword)
    if max(len(asked[0]), len(dumps(cleaned))) <= LARGEST_KEPT:
        if len(_kept) >= MOST_KEPT:
            _kept.clear()
        _kept[asked] = cleaned
    return cleaned


MOST_KEPT, LARGEST_KEPT = 512, 8192
"""Cleaned schemas that are kept, and the JSON of the largest one in bytes. Together some 30 MB at the very most."""

_kept: dict[tuple[bytes, Family, int, str], Schema] = {}


def _cleaned(schema: Schema, family: Family, step: int, keyword: str) -> Schema:
    if step >= 3:
        return _names_only(schema)
    schema = _FAMILIES[family](schema)
    if step == 0:
        return completed(schema)
    refused = ({keyword} | (_GUESSED if step >= 2 else frozenset())) - _STRUCTURE
    if refused:
        schema = without(schema, lambda found, value: found in refused)
    return completed(schema)


def _raw(schema: Schema) -> Schema:
    return schema


def _mistral(schema: Schema) -> Schema:
    return without(
        schema,
        lambda keyword, value: keyword in ("$schema", "$id") or (keyword == "additionalProperties" and value is False),
    )


_COMPILES = re.compile(r"\^(?:[^\\(]|\((?!\?)|\\[^a-zA-Z0-9]|\\[tnr])*\$", re.DOTALL)
"""Patterns that llama.cpp can make a grammar of: anchored at both ends, without `(?…)`, classes such as
`\\d` and back references. Source: its json-schema-to-grammar, read 2026-11-25."""


def _grammar(schema: Schema) -> Schema:
    """llama.cpp turns schemas into grammars and fails on what it cannot turn."""
    return without(
        schema,
        lambda keyword, value: (
            keyword == "format"
            or (keyword == "pattern" and not (isinstance(value, str) and _COMPILES.fullmatch(value)))
        ),
    )


_FAMILIES: dict[Family, Callable[[Schema], Schema]] = {
    "raw": _raw,
    "gemini": gemini_schema,
    "mistral": _mistral,
    "grammar": _grammar,
}

_PLAIN_TYPES = ("string", "integer", "number", "boolean")


def _names_only(schema: Schema) -> Schema:
    """The last resort: names and plain types; the rest of each argument's schema goes to its description."""
    listed = schema.get("required")
    required = listed if isinstance(listed, list) else []
    properties = {name: _hint(value, name in required) for name, value in all_properties(schema).items()}
    description = schema.get("description")
    about = {"description": description} if isinstance(description, str) else {}
    return {"type": "object", **about, "properties": properties}


def _hint(argument: Any, required: bool) -> Schema:
    if not isinstance(argument, dict):
        return {}
    kept = {key: argument[key] for key in ("description",) if isinstance(argument.get(key), str)}
    if argument.get("type") in _PLAIN_TYPES:
        kept = {"type": argument["type"], **kept}
    notes = ["required"] if required else []
    for keyword, value in argument.items():
        if keyword not in kept:
            notes += note(keyword, value)
    return described(kept, notes)


# --- OpenAI's strict subset

_STRICT_KEYWORDS = frozenset(
    {"$schema", "$defs", "definitions", "$ref", "title", "description", "type", "enum", "const", "anyOf"}
    | {"properties", "required", "additionalProperties", "items", "minItems", "maxItems", "pattern", "format"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
)
"""Keywords of OpenAI's strict schemas, of its guide to structured outputs, read 2026-11-25. Others are
refused, `default` too; what is in doubt (`minLength`) counts as refused."""

_STRICT_FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")
_STRICT_TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")

_STRICT_NESTING = 10
"""Steps from the root to the innermost schema. OpenAI allows ten objects within each other, old deployments five."""


def fits_strict(schema: Schema) -> bool:
    """Can the schema go out with `strict: true` as it is? Nothing is ever rewritten to make it fit."""
    return schema.get("type") == "object" and "anyOf" not in schema and _is_strict(schema, 0)


def _is_strict(schema: Any, depth: int) -> bool:
    if not isinstance(schema, dict) or depth > _STRICT_NESTING or not schema.keys() <= _STRICT_KEYWORDS:
        return False
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if not _is_typed(schema, kinds) or schema.get("format", "date") not in _STRICT_FORMATS:
        return False
    if "object" in kinds and not _is_closed(schema):
        return False
    if "array" in kinds and "items" not in schema:
        return False
    inner = [
        *([schema["items"]] if "items" in schema else []),
        *(found for keyword in ("properties", "$defs", "definitions") for found in _values(schema, keyword)),
    ]
    return all(_is_strict(found, depth + 1) for found in inner) and _is_strict_union(schema.get("anyOf", []), depth + 1)


def _is_typed(schema: Schema, kinds: list[Any]) -> bool:
    if kinds == [None]:
        return not schema.keys().isdisjoint({"anyOf", "$ref", "enum", "const"})
    return all(kind in _STRICT_TYPES for kind in kinds)


def _is_closed(schema: Schema) -> bool:
    """Does an object name all its properties, and require each?"""
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict) or not isinstance(required, list):
        return False
    return schema.get("additionalProperties") is False and sorted(properties) == sorted(map(str, required))


def _is_strict_union(branches: Any, depth: int) -> bool:
    """OpenAI tells the objects of a union apart by their first property, so those must differ."""
    if not isinstance(branches, list) or not all(_is_strict(branch, depth) for branch in branches):
        return False
    firsts = [dumps(list(branch["properties"].items())[:1]) for branch in branches if branch.get("type") == "object"]
    return len(firsts) == len(set(firsts))


def _values(schema: Schema, keyword: str) -> list[Any]:
    """The schemas of a map, or one that fits nowhere."""
    schemas = schema.get(keyword, {})
    return list(schemas.values()) if isinstance(schemas, dict) else [None]
