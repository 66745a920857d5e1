"""Walking JSON schemas: what cleaning has in common, whatever is taken out.

Schemas are the client's own JSON of any shape, so every value is looked at before it is believed.
"""

from collections.abc import Callable
from typing import Any, TypeAlias
from urllib.parse import unquote

from anthropic_proxy.wire.json import dumps

Schema: TypeAlias = dict[str, Any]

DEEPEST = 40
"""Levels of a schema that are walked. Real ones have fewer than twenty; deeper ones are attacks."""

LONGEST_NOTE = 300
"""Characters of a removed constraint that the model is told."""

_SILENT = frozenset(
    {"$schema", "$id", "$anchor", "$comment", "$defs", "definitions", "title", "default", "examples", "example"}
    | {"additionalProperties", "unevaluatedProperties", "additionalItems", "unevaluatedItems"}
    | {"readOnly", "writeOnly", "deprecated"}
)
"""Keywords that leave no note: they do not say what an argument must look like."""

_ONE_SCHEMA = frozenset(
    {"items", "additionalItems", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else"}
    | {"unevaluatedItems", "unevaluatedProperties"}
)
_SCHEMA_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems", "items"})
_SCHEMA_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Where schemas sit inside a schema: as a value, in a list, under names of the client's own."""

Visit: TypeAlias = Callable[[Schema], Schema]


def below(keyword: str, value: Any, visit: Visit) -> Any:
    """A keyword's value, with `visit` applied to the schemas in it."""
    if isinstance(value, dict):
        if keyword in _SCHEMA_MAPS:
            return {name: visit(inner) if isinstance(inner, dict) else inner for name, inner in value.items()}
        if keyword in _ONE_SCHEMA:
            return visit(value)
    elif isinstance(value, list) and keyword in _SCHEMA_LISTS:
        return [visit(inner) if isinstance(inner, dict) else inner for inner in value]
    return value


def without(schema: Schema, drops: Callable[[str, Any], bool], depth: int = 0) -> Schema:
    """A copy of `schema` without the keywords that `drops(keyword, value)` names, on every level."""
    if depth > DEEPEST:
        return schema
    kept: Schema = {}
    notes = []
    for keyword, value in schema.items():
        if drops(keyword, value):
            notes += note(keyword, value)
        else:
            kept[keyword] = below(keyword, value, lambda inner: without(inner, drops, depth + 1))
    return described(kept, notes)


def note(keyword: str, value: Any) -> list[str]:
    """What the model is told of a keyword taken out; empty where there is nothing to tell."""
    if keyword in _SILENT and not (keyword == "additionalProperties" and isinstance(value, dict)):
        return []
    text = value if isinstance(value, str) else dumps(value).decode()
    return [f"{keyword}: {text if len(text) <= LONGEST_NOTE else text[:LONGEST_NOTE] + '…'}"]


def described(schema: Schema, notes: list[str]) -> Schema:
    """`schema` with `notes` added to its description."""
    if not notes:
        return schema
    description = schema.get("description")
    added = ", ".join(notes)
    told = f"{description} ({added})" if isinstance(description, str) and description else added
    return {**schema, "description": told}


def completed(schema: Schema) -> Schema:
    """A tool's schema as OpenAI demands it: with `type` and `properties`, and no null `required`.

    The same object, where that is so already.
    """
    has_properties = isinstance(schema.get("properties"), dict)
    if has_properties and schema.get("type") is not None and schema.get("required", ()) is not None:
        return schema
    whole = {keyword: value for keyword, value in schema.items() if value is not None}
    whole.setdefault("type", "object")
    if not has_properties:
        whole["properties"] = {}
    return whole


def local_target(root: Schema, reference: str) -> Schema | None:
    """The schema that a reference such as `#/$defs/Item` points to, if it is in `root`."""
    if not reference.startswith("#"):
        return None
    found: Any = root
    for part in reference[1:].split("/")[1:]:
        step = unquote(part).replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or step not in found:
            return None
        found = found[step]
    return found if isinstance(found, dict) and reference[1:2] in ("", "/") else None


def all_properties(root: Schema) -> dict[str, Any]:
    """The arguments `root` names, its own first, then those that only a branch of a union names."""
    found: dict[str, Any] = {}
    followed: set[str] = set()
    waiting = [root]
    for schema in waiting:
        properties = schema.get("properties")
        for name, value in properties.items() if isinstance(properties, dict) else ():
            found.setdefault(name, value)
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference not in followed:
            followed.add(reference)
            target = local_target(root, reference)
            waiting += [] if target is None else [target]
        for union in ("allOf", "anyOf", "oneOf"):
            branches = schema.get(union)
            if isinstance(branches, list):
                waiting += [branch for branch in branches if isinstance(branch, dict)]
    return found
