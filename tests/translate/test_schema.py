"""Schemas: untouched where they may be, cleaned by family or after a refusal, never changed in place."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.translate.chat.schema import (
    LARGEST_KEPT,
    MOST_KEPT,
    Family,
    Schema,
    _cleaned,
    _kept,
    clean_schema,
    fits_strict,
)
from anthropic_proxy.wire.json import dumps

FAMILIES: tuple[Family, ...] = ("raw", "gemini", "mistral", "grammar")


def of(**properties: Any) -> Schema:
    return {"type": "object", "properties": properties}


RAW: dict[str, Schema] = {
    "a whole schema": of(path={"type": "string", "format": "uri", "pattern": "^a"}),
    "with everything Claude Code uses": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"n": {"type": "integer", "exclusiveMinimum": 0, "default": 3}},
        "required": ["n"],
        "additionalProperties": False,
    },
}


@pytest.mark.parametrize("schema", RAW.values(), ids=RAW.keys())
def test_a_raw_schema_is_the_same_object(schema: Schema) -> None:
    assert clean_schema(schema, "raw") is schema


COMPLETED: dict[str, tuple[Schema, Schema]] = {
    "an empty schema": ({}, {"type": "object", "properties": {}}),
    "without properties": ({"type": "object"}, {"type": "object", "properties": {}}),
    "without a type": ({"properties": {"a": {}}}, {"properties": {"a": {}}, "type": "object"}),
    "with nulls, which Anthropic allows": (
        {"type": "object", "properties": None, "required": None},
        {"type": "object", "properties": {}},
    ),
    "with null as its type": ({"type": None, "properties": {}}, {"properties": {}, "type": "object"}),
}


@pytest.mark.parametrize(("schema", "expected"), COMPLETED.values(), ids=COMPLETED.keys())
def test_what_openai_demands_is_added(schema: Schema, expected: Schema) -> None:
    assert clean_schema(schema, "raw") == expected


MISTRAL: dict[str, tuple[Schema, Schema]] = {
    "$schema and $id go": (
        {"$schema": "x", "$id": "y", **of(a={"type": "string", "$id": "z"})},
        of(a={"type": "string"}),
    ),
    "additionalProperties goes where it is false": (
        {**of(a={"type": "object", "additionalProperties": {"type": "string"}}), "additionalProperties": False},
        of(a={"type": "object", "additionalProperties": {"type": "string"}}),
    ),
    "what looks like a schema and is a value stays": (
        of(a={"type": "object", "default": {"$id": "z"}}),
        of(a={"type": "object", "default": {"$id": "z"}}),
    ),
    "an argument called $id stays": (of(**{"$id": {"type": "string"}}), of(**{"$id": {"type": "string"}})),
}

GRAMMAR: dict[str, tuple[Schema, Schema]] = {
    "a format goes and is told": (
        of(url={"type": "string", "format": "uri", "description": "Where."}),
        of(url={"type": "string", "description": "Where. (format: uri)"}),
    ),
    "a pattern anchored at both ends stays": (
        of(a={"type": "string", "pattern": "^[a-z]+(-[0-9]{2}|\\.)$"}),
        of(a={"type": "string", "pattern": "^[a-z]+(-[0-9]{2}|\\.)$"}),
    ),
    "one that is not goes": (
        of(a={"type": "string", "pattern": "[a-z]+"}),
        of(a={"type": "string", "description": "pattern: [a-z]+"}),
    ),
    "so does a look-ahead": (
        of(a={"type": "string", "pattern": "^(?!x)a$"}),
        of(a={"type": "string", "description": "pattern: ^(?!x)a$"}),
    ),
    "and a character class by letter": (
        of(a={"type": "array", "items": {"type": "string", "pattern": "^\\d+$"}}),
        of(a={"type": "array", "items": {"type": "string", "description": "pattern: ^\\d+$"}}),
    ),
    "arguments called format and pattern stay": (
        of(format={"type": "string"}, pattern={"type": "string"}),
        of(format={"type": "string"}, pattern={"type": "string"}),
    ),
}

NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "name": {"type": "string"}}}

GEMINI: dict[str, tuple[Schema, Schema]] = {
    "unknown keywords go; those that constrain are told": (
        {
            "$schema": "x",
            "additionalProperties": False,
            **of(n={"type": "integer", "exclusiveMinimum": 0, "multipleOf": 5, "description": "A number."}),
        },
        of(n={"type": "integer", "description": "A number. (exclusiveMinimum: 0, multipleOf: 5)"}),
    ),
    "formats other than date-time go": (
        of(a={"type": "string", "format": "uri"}, b={"type": "string", "format": "date-time"}),
        of(a={"type": "string", "description": "format: uri"}, b={"type": "string", "format": "date-time"}),
    ),
    "a constant string is an enum of one": (of(a={"const": "x"}), of(a={"type": "string", "enum": ["x"]})),
    "a constant number is told": (of(a={"const": 5}), of(a={"type": "integer", "description": "enum: [5]"})),
    "an enum of strings gets its type": (of(a={"enum": ["x", "y"]}), of(a={"type": "string", "enum": ["x", "y"]})),
    "an enum with null is nullable": (
        of(a={"type": ["string", "null"], "enum": ["x", None]}),
        of(a={"type": "string", "nullable": True, "enum": ["x"]}),
    ),
    "an enum of numbers is told": (
        of(a={"type": "integer", "enum": [1, 2]}),
        of(a={"type": "integer", "description": "enum: [1,2]"}),
    ),
    "an enum with an empty string is told": (
        of(a={"type": "string", "enum": ["", "x"]}),
        of(a={"type": "string", "description": 'enum: ["","x"]'}),
    ),
    "a type or null is nullable": (
        of(a={"type": ["integer", "null"]}),
        of(a={"type": "integer", "nullable": True}),
    ),
    "several types are a union": (
        of(a={"type": ["string", "array"], "items": {"type": "string"}, "minLength": 1, "description": "One or more."}),
        of(
            a={
                "description": "One or more.",
                "anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string"}}],
            }
        ),
    ),
    "a union with null is nullable": (
        of(a={"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}),
        of(a={"type": "string", "default": None, "nullable": True}),
    ),
    "a union of two and null keeps the two": (
        of(a={"anyOf": [{"type": "string"}, {"type": "null"}, {"type": "integer"}]}),
        of(a={"nullable": True, "anyOf": [{"type": "string"}, {"type": "integer"}]}),
    ),
    "a type of null alone is nullable": (of(a={"type": "null"}), of(a={"nullable": True})),
    "several types beside a union: the union says it": (
        of(a={"type": ["string", "integer"], "anyOf": [{"type": "string"}, {"type": "integer"}]}),
        of(a={"anyOf": [{"type": "string"}, {"type": "integer"}]}),
    ),
    "oneOf is anyOf": (
        of(a={"oneOf": [{"const": "x"}, {"type": "number"}]}),
        of(a={"anyOf": [{"type": "string", "enum": ["x"]}, {"type": "number"}]}),
    ),
    "a union beside a type only narrows, and is told": (
        of(a={"type": "object", "properties": {"b": {"type": "string"}}, "anyOf": [{"required": ["b"]}, {}]}),
        of(
            a={
                "type": "object",
                "properties": {"b": {"type": "string"}},
                "description": 'anyOf: [{"required":["b"]},{}]',
            }
        ),
    ),
    "allOf is one schema with the properties of all": (
        of(
            a={
                "allOf": [
                    {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]},
                    {"properties": {"c": {"type": "string"}}, "required": ["c"]},
                ]
            }
        ),
        of(
            a={
                "type": "object",
                "properties": {"b": {"type": "string"}, "c": {"type": "string"}},
                "required": ["b", "c"],
            }
        ),
    ),
    "a local reference is written out, its neighbours win": (
        {
            "$defs": {"A": {"type": "string", "description": "Any."}},
            **of(a={"$ref": "#/$defs/A", "description": "This."}),
        },
        of(a={"type": "string", "description": "This."}),
    ),
    "a reference at the root": (
        {"$ref": "#/definitions/A", "definitions": {"A": of(b={"type": "string"})}},
        of(b={"type": "string"}),
    ),
    "a recursive reference ends at its second turn": (
        {"$defs": {"Node": NODE}, **of(a={"$ref": "#/$defs/Node"})},
        of(
            a={
                "type": "object",
                "properties": {
                    "next": {"type": "object", "description": "like #/$defs/Node"},
                    "name": {"type": "string"},
                },
            }
        ),
    ),
    "references that only go round": (
        {"$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}, **of(a={"$ref": "#/$defs/A"})},
        of(a={"type": "object", "description": "like #/$defs/A"}),
    ),
    "a reference that leads nowhere is told": (
        of(a={"$ref": "https://example.com/a.json"}, b={"$ref": "#/$defs/gone"}, c={"$ref": "#anchor"}),
        of(
            a={"description": "$ref: https://example.com/a.json"},
            b={"description": "$ref: #/$defs/gone"},
            c={"description": "$ref: #anchor"},
        ),
    ),
    "names in a reference may be escaped": (
        {"$defs": {"a/b c": {"type": "integer"}}, **of(a={"$ref": "#/$defs/a~1b%20c"})},
        of(a={"type": "integer"}),
    ),
    "items by position become one schema": (
        of(a={"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}], "minItems": 2}),
        of(a={"type": "array", "minItems": 2, "items": {"type": "number"}}),
    ),
    "or a union, and the positions are told": (
        of(a={"type": "array", "items": [{"type": "number"}, {"type": "string"}]}),
        of(
            a={
                "type": "array",
                "items": {"anyOf": [{"type": "number"}, {"type": "string"}]},
                "description": 'prefixItems: [{"type":"number"},{"type":"string"}]',
            }
        ),
    ),
    "an array without items is one of strings": (
        of(a={"type": "array"}, b={"type": "array", "items": {}}, c={"type": "array", "items": True}),
        of(
            a={"type": "array", "items": {"type": "string"}},
            b={"type": "array", "items": {"type": "string"}},
            c={"type": "array", "description": "items: true", "items": {"type": "string"}},
        ),
    ),
    "only properties that are there are required": (
        {**of(a={"type": "string"}), "required": ["a", "gone"]},
        {**of(a={"type": "string"}), "required": ["a"]},
    ),
    "a map of names to values is told": (
        of(a={"type": "object", "additionalProperties": {"type": "string"}}),
        of(a={"type": "object", "description": 'additionalProperties: {"type":"string"}'}),
    ),
    "a union at the root becomes one object": (
        {"anyOf": [of(a={"type": "string"}), of(b={"type": "string"})]},
        {
            **of(a={"type": "string"}, b={"type": "string"}),
            "description": "anyOf: "
            '[{"type":"object","properties":{"a":{"type":"string"}}},{"type":"object","properties":{"b":{"type":"string"}}}]',
        },
    ),
    "true as a schema is any value": (of(a=True), of(a={})),
    "items may be nullable": (
        of(a={"type": "array", "items": {"type": "string", "nullable": True}}),
        of(a={"type": "array", "items": {"type": "string", "nullable": True}}),
    ),
    "arguments may be called like keywords": (
        of(const={"type": "string"}, **{"$ref": {"type": "string"}}),
        of(const={"type": "string"}, **{"$ref": {"type": "string"}}),
    ),
}

CLEANED: list[tuple[str, Family, Schema, Schema]] = [
    *((f"mistral: {name}", "mistral", *case) for name, case in MISTRAL.items()),
    *((f"grammar: {name}", "grammar", *case) for name, case in GRAMMAR.items()),
    *((f"gemini: {name}", "gemini", *case) for name, case in GEMINI.items()),
]


@pytest.mark.parametrize(("family", "schema", "expected"), [c[1:] for c in CLEANED], ids=[c[0] for c in CLEANED])
def test_family(family: Family, schema: Schema, expected: Schema) -> None:
    before = copy.deepcopy(schema)
    assert clean_schema(schema, family) == expected
    assert schema == before


WEATHER: Schema = {
    "type": "object",
    "description": "Where and when.",
    "properties": {
        "city": {"type": "string", "pattern": "^\\p{L}+$", "minLength": 1, "description": "A city."},
        "days": {"type": ["integer", "null"], "maximum": 7, "uniqueItems": True},
        "urls": {"type": "array", "items": {"type": "string", "format": "uri"}},
        "any": True,
    },
    "required": ["city"],
}

STEPS: dict[str, tuple[int, str, Schema]] = {
    "the keyword that was named goes first": (
        1,
        "minLength",
        {
            **WEATHER["properties"],
            "city": {"type": "string", "pattern": "^\\p{L}+$", "description": "A city. (minLength: 1)"},
        },
    ),
    "a step without a keyword changes nothing": (1, "", WEATHER["properties"]),
    "what gives a schema its meaning stays, whatever was named": (1, "items", WEATHER["properties"]),
    "then pattern and format": (
        2,
        "uniqueItems",
        {
            "city": {"type": "string", "minLength": 1, "description": "A city. (pattern: ^\\p{L}+$)"},
            "days": {"type": ["integer", "null"], "maximum": 7, "description": "uniqueItems: true"},
            "urls": {"type": "array", "items": {"type": "string", "description": "format: uri"}},
            "any": True,
        },
    ),
    "then all but names and plain types": (
        3,
        "",
        {
            "city": {"type": "string", "description": "A city. (required, pattern: ^\\p{L}+$, minLength: 1)"},
            "days": {"description": 'type: ["integer","null"], maximum: 7, uniqueItems: true'},
            "urls": {"description": 'type: array, items: {"type":"string","format":"uri"}'},
            "any": {},
        },
    ),
}


@pytest.mark.parametrize(("step", "keyword", "properties"), STEPS.values(), ids=STEPS.keys())
def test_step(step: int, keyword: str, properties: Schema) -> None:
    before = copy.deepcopy(WEATHER)
    cleaned = clean_schema(WEATHER, "raw", step, keyword)
    assert cleaned["properties"] == properties
    assert cleaned["description"] == "Where and when."
    assert cleaned["type"] == "object"
    assert cleaned.get("required") == (None if step == 3 else ["city"])
    assert before == WEATHER


def test_the_last_step_finds_arguments_that_only_a_branch_names() -> None:
    schema = {"oneOf": [{"$ref": "#/$defs/A"}, of(b={"type": "number"})], "$defs": {"A": of(a={"type": "string"})}}
    assert clean_schema(schema, "raw", 3) == of(b={"type": "number"}, a={"type": "string"})


def test_a_long_constraint_is_told_in_part() -> None:
    schema = of(a={"type": "string", "pattern": "(x|" * 200})
    told = clean_schema(schema, "grammar")["properties"]["a"]["description"]
    assert told.startswith("pattern: (x|(x|")
    assert told.endswith("…")
    assert len(told) < 320


def nested(levels: int) -> Schema:
    schema: Schema = {"type": "string", "format": "uri"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return of(a=schema)


def joined(levels: int) -> Schema:
    schema: Schema = {"type": "string", "format": "uri"}
    for _ in range(levels):
        schema = {"allOf": [schema]}
    return of(a=schema)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_schema_nested_beyond_reason_is_no_error(family: Family) -> None:
    assert clean_schema(nested(400), family)["properties"].keys() == {"a"}
    assert clean_schema(joined(400), family)["properties"].keys() == {"a"}
    assert not fits_strict(nested(400))


def test_references_that_double_at_every_step_stay_small() -> None:
    doubling = {f"D{n}": of(a={"$ref": f"#/$defs/D{n + 1}"}, b={"$ref": f"#/$defs/D{n + 1}"}) for n in range(38)}
    together = {f"T{n}": {"allOf": [{"$ref": f"#/$defs/T{n + 1}"}] * 2} for n in range(38)}
    schema = {"$defs": doubling | together, **of(a={"$ref": "#/$defs/D0"}, b={"$ref": "#/$defs/T0"})}
    assert len(dumps(clean_schema(schema, "gemini"))) < 2_000_000


def strict(**properties: Any) -> Schema:
    return {**of(**properties), "required": list(properties), "additionalProperties": False}


TEXT = {"type": "string"}

STRICT: dict[str, tuple[Schema, bool]] = {
    "a closed object with all properties required": (strict(a=TEXT), True),
    "an empty one": (strict(), True),
    "nested, with arrays and references": (
        {**strict(a={"type": "array", "items": strict(b={"$ref": "#/$defs/B"})}), "$defs": {"B": {"enum": ["x", 1]}}},
        True,
    ),
    "null as a second type": (strict(a={"type": ["string", "null"]}), True),
    "a union": (strict(a={"anyOf": [TEXT, {"type": "null"}]}), True),
    "a union of objects with different first properties": (strict(a={"anyOf": [strict(b=TEXT), strict(c=TEXT)]}), True),
    "a union told apart by a constant": (
        strict(a={"anyOf": [strict(kind={"const": "b"}), strict(kind={"const": "c"})]}),
        True,
    ),
    "a union of objects with the same first property": (
        strict(a={"anyOf": [strict(b=TEXT, c=TEXT), strict(b=TEXT, d=TEXT)]}),
        False,
    ),
    "a known format and a range": (
        strict(a={"type": "string", "format": "date"}, b={"type": "integer", "minimum": 1}),
        True,
    ),
    "the dialect's name at the top": ({"$schema": "x", **strict(a=TEXT)}, True),
    "an optional property": ({**strict(a=TEXT, b=TEXT), "required": ["a"]}, False),
    "a required property that is not there": ({**strict(a=TEXT), "required": ["a", "b"]}, False),
    "an open object": ({**of(a=TEXT), "required": ["a"]}, False),
    "an open object inside": (strict(a=of()), False),
    "a default": (strict(a={**TEXT, "default": "x"}), False),
    "a shortest length": (strict(a={**TEXT, "minLength": 1}), False),
    "an unknown format": (strict(a={**TEXT, "format": "uri"}), False),
    "a format that is no string": (strict(a={**TEXT, "format": ["date"]}), False),
    "a property without a type": (strict(a={}), False),
    "a type that does not exist": (strict(a={"type": "text"}), False),
    "a list with one": (strict(a={"type": ["string", ["null"]]}), False),
    "an array without items": (strict(a={"type": "array"}), False),
    "an array of anything": (strict(a={"type": "array", "items": True}), False),
    "a union at the root": ({**strict(a=TEXT), "anyOf": [strict(a=TEXT)]}, False),
    "a union that is no list": (strict(a={"anyOf": TEXT}), False),
    "a root that is no object": ({"type": "array", "items": TEXT}, False),
    "no properties": ({"type": "object", "required": [], "additionalProperties": False}, False),
    "definitions that do not fit": ({**strict(a=TEXT), "$defs": {"A": of()}}, False),
    "definitions that are no map": ({**strict(a=TEXT), "$defs": []}, False),
}


@pytest.mark.parametrize(("schema", "expected"), STRICT.values(), ids=STRICT.keys())
def test_fits_strict(schema: Schema, expected: bool) -> None:
    assert fits_strict(schema) is expected


# --- Properties

SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=3)
NAMES = st.sampled_from(["a", "b", "type", "$ref", "properties"])
REFERENCES = st.sampled_from(["#", "#/$defs/a", "#/$defs/b", "#/properties/a", "#/nowhere", "https://example.com"])
TYPES = st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null", "odd"])


def keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Schema]:
    schemas = st.one_of(inner, st.booleans(), SCALARS)
    lists = st.lists(schemas, max_size=3)
    maps = st.dictionaries(NAMES, schemas, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.one_of(TYPES, st.lists(TYPES, max_size=3), SCALARS),
            "$ref": REFERENCES,
            "$defs": maps,
            "properties": st.one_of(maps, SCALARS),
            "required": st.one_of(st.lists(NAMES, max_size=3), SCALARS),
            "additionalProperties": schemas,
            "items": st.one_of(schemas, lists),
            "prefixItems": lists,
            "anyOf": st.one_of(lists, SCALARS),
            "oneOf": lists,
            "allOf": lists,
            "not": schemas,
            "enum": st.one_of(st.lists(SCALARS, max_size=3), SCALARS),
            "const": SCALARS,
            "format": st.sampled_from(["uri", "date-time", "enum"]) | SCALARS,
            "pattern": st.sampled_from(["^a$", "a", "^\\d$"]) | SCALARS,
            "minimum": SCALARS,
            "minItems": SCALARS,
            "nullable": SCALARS,
            "description": SCALARS,
            "title": SCALARS,
            "$schema": SCALARS,
        },
    )


SCHEMAS = st.recursive(keywords(st.nothing()), keywords, max_leaves=8)
KEYWORDS = st.sampled_from(["", "enum", "minimum", "anyOf", "type", "description", "properties"])


@given(SCHEMAS, st.sampled_from(FAMILIES), st.integers(0, 3), KEYWORDS)
def test_cleaning_twice_is_cleaning_once_and_harms_nothing(
    schema: Schema, family: Family, step: int, keyword: str
) -> None:
    before = copy.deepcopy(schema)
    once = clean_schema(schema, family, step, keyword)
    assert dumps(clean_schema(once, family, step, keyword)) == dumps(once)
    assert schema == before
    assert once["type"] is not None
    assert isinstance(once["properties"], dict)


GEMINI_FIELDS = {
    *("type", "format", "title", "description", "nullable", "enum", "items", "minItems", "maxItems", "properties"),
    *("required", "minProperties", "maxProperties", "minLength", "maxLength", "pattern", "example", "anyOf"),
    *("propertyOrdering", "default", "minimum", "maximum"),
}


def gemini_faults(schema: Schema, path: str = "root") -> list[str]:
    """What Gemini's API would refuse in a schema."""
    faults = [f"{path}.{name}" for name in schema.keys() - GEMINI_FIELDS]
    if schema.get("type") == "array" and not schema.get("items"):
        faults.append(f"{path}: an array without items")
    if "enum" in schema and not (schema.get("type") == "string" and all(v and type(v) is str for v in schema["enum"])):
        faults.append(f"{path}: an enum of other things than strings")
    if not isinstance(schema.get("type", ""), str) or schema.get("type") == "null":
        faults.append(f"{path}: type {schema['type']}")
    if "anyOf" in schema and ("type" in schema or "properties" in schema):
        faults.append(f"{path}: a union beside something else")
    if not set(schema.get("required", [])) <= schema.get("properties", {}).keys():
        faults.append(f"{path}: requires what is not there")
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
    inner += [schema["items"]] if "items" in schema else []
    for place, value in enumerate(inner):
        if isinstance(value, dict):
            faults += gemini_faults(value, f"{path}.{place}")
        else:
            faults.append(f"{path}.{place}: no schema")
    return faults


@given(SCHEMAS, st.sampled_from(FAMILIES), st.integers(0, 3), KEYWORDS)
def test_what_is_kept_is_what_cleaning_gives(schema: Schema, family: Family, step: int, keyword: str) -> None:
    for _ in range(2):
        assert clean_schema(copy.deepcopy(schema), family, step, keyword) == _cleaned(schema, family, step, keyword)


def test_not_all_schemas_are_kept() -> None:
    _kept.clear()
    for number in range(MOST_KEPT + 1):
        clean_schema({"title": str(number)}, "mistral")
    clean_schema({"title": "x" * LARGEST_KEPT}, "mistral")
    assert len(_kept) == 1


@given(SCHEMAS)
def test_gemini_has_nothing_to_refuse(schema: Schema) -> None:
    assert gemini_faults(clean_schema(schema, "gemini")) == []


@given(SCHEMAS)
def test_any_schema_fits_strict_or_not_without_an_error(schema: Schema) -> None:
    assert fits_strict(schema) in (True, False)
