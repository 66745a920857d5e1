"""An instance of a JSON schema, made of what a text offers."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from anthropic_proxy.demo.clues import Clues

Schema = Mapping[str, Any]

DEEPEST = 8
"""Levels that are filled in. A schema may contain itself."""

LONGEST = 2000
"""Characters of a string."""

MOST_ITEMS = 20
"""Items of an array, though a schema may ask for more."""


def instance(schema: object, clues: Clues, turn: int = 0) -> Any:
    """A value that `schema` allows, with values from `clues` where some fit.

    With several values to choose from, the one numbered `turn` is taken, and after the last the first
    again. Patterns and the rarer keywords are not looked at.
    """
    root = schema if isinstance(schema, dict) else {}
    return _Filler(root, clues, turn).value(root, "", DEEPEST)


class _Filler:
    def __init__(self, root: Schema, clues: Clues, turn: int) -> None:
        self._root = root
        self._clues = clues
        self._turn = turn

    def value(self, schema: object, name: str, depth: int) -> Any:
        """A value for the property of that name."""
        schema = self._resolved(schema, DEEPEST)
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return self._told_in_text(schema["enum"])
        if "default" in schema:
            return schema["default"]
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        maker = _SCALARS.get(kind)
        return maker(self, schema, name) if maker else None

    def string(self, schema: Schema, name: str) -> str:
        if (form := str(schema.get("format"))) in _FORMATS:
            return _FORMATS[form]
        told = self._pick(_sources(name.lower(), self._clues)) or f"demo {name}".strip()
        told = told.ljust(min(_count(schema, "minLength", 0), LONGEST), ".")
        return told[: _count(schema, "maxLength", LONGEST)]

    def number(self, schema: Schema, name: str) -> float:
        numbers = self._clues.numbers
        value: float = int(self._pick(tuple(n for n in numbers if "." not in n)) or "1")
        if _kind(schema) == "number":
            value = float(self._pick(numbers) or "1")
        lowest, highest = schema.get("minimum"), schema.get("maximum")
        if isinstance(lowest, int | float):
            value = max(value, lowest)
        return min(value, highest) if isinstance(highest, int | float) else value

    def _pick(self, found: tuple[str, ...]) -> str | None:
        return found[self._turn % len(found)] if found else None

    def _told_in_text(self, values: list[Any]) -> Any:
        """The first of these that the text names, else the first of all."""
        return next((v for v in values if re.search(rf"\b{re.escape(str(v))}\b", self._clues.text, re.I)), values[0])

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties = _mapping(schema.get("properties"))
        required = schema.get("required")
        # Where nothing is required, all is filled in: an empty object would show nothing.
        names = required if isinstance(required, list) and required else list(properties)
        return {name: self.value(properties.get(name), str(name), depth - 1) for name in names if depth > 0}

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        count = min(max(_count(schema, "minItems", 1), 1), MOST_ITEMS) if depth > 0 else 0
        return [
            _Filler(self._root, self._clues, turn).value(schema.get("items"), name, depth - 1) for turn in range(count)
        ]

    def _resolved(self, schema: object, depth: int) -> Schema:
        """`schema` with its references followed and its alternatives chosen."""
        if not isinstance(schema, dict) or not depth:
            return {}
        if isinstance(schema.get("$ref"), str):
            return self._resolved(self._at(schema["$ref"]), depth - 1)
        if isinstance(schema.get("allOf"), list):
            rest = {key: value for key, value in schema.items() if key != "allOf"}
            return _merged([rest, *(self._resolved(part, depth - 1) for part in schema["allOf"])])
        choices = schema.get("anyOf") or schema.get("oneOf")
        if isinstance(choices, list):
            return self._resolved(next((c for c in choices if _kind(c) != "null"), choices[0]), depth - 1)
        return schema

    def _at(self, reference: str) -> object:
        """What a reference inside the schema, such as `#/$defs/city`, points to."""
        place: object = self._root
        for step in filter(None, reference.removeprefix("#").split("/")):
            place = _mapping(place).get(step.replace("~1", "/").replace("~0", "~"))
        return place


_SCALARS: dict[str, Callable[[_Filler, Schema, str], object]] = {
    "string": _Filler.string,
    "integer": _Filler.number,
    "number": _Filler.number,
    "boolean": lambda filler, schema, name: True,
}

_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "demo@example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "127.0.0.1",
}


def _sources(name: str, clues: Clues) -> tuple[str, ...]:
    """The words of the text that suit a string property of that name."""
    for words, sources in (
        (("url", "uri", "link", "href"), (*clues.urls, "https://example.com/")),
        (("path", "file"), clues.paths or clues.quoted),
        (("command", "code", "script"), clues.quoted or ("echo demo",)),
        (("pattern", "regex", "glob"), clues.quoted or ("*",)),
        (("prompt", "query", "question", "text", "message", "content"), clues.quoted or (clues.text,)),
    ):
        if any(word in name for word in words):
            return tuple(filter(None, sources))
    return clues.quoted or clues.names


def _kind(schema: object) -> str:
    """The type of a schema's instances, the first that is not null where it names several."""
    if not isinstance(schema, dict):
        return ""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else "string"


def _count(schema: Schema, keyword: str, otherwise: int) -> int:
    value = schema.get(keyword)
    return value if isinstance(value, int) else otherwise


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _merged(schemas: Iterable[Schema]) -> dict[str, Any]:
    """All of `allOf` at once, as far as their properties and required names go."""
    merged: dict[str, Any] = {}
    for schema in schemas:
        properties = {**_mapping(merged.get("properties")), **_mapping(schema.get("properties"))}
        required = [*(merged.get("required") or ()), *(schema.get("required") or ())]
        merged |= schema
        merged |= {"properties": properties} if properties else {}
        merged |= {"required": required} if required else {}
    return merged
