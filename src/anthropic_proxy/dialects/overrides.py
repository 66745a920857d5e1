"""Single facts of a dialect as text, `field=value` with spaces between: read, printed, and said in words.

A value is written by the type of its field:

    tool_images=true  stop_max=8  max_temperature=1.5  cache=anthropic      one value
    context_window=none                                                     no value, where the field allows it
    efforts=low,high  sampling=none                                         several, or none of them
    headers=X-A:1,X-B:2  extra_body=reasoning_split:true                    pairs
    reasoning_placeholder="\\u0020"  headers="X-A":"a,b"                      any text, quoted as in JSON
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from anthropic_proxy.dialects.dialect import Dialect
from anthropic_proxy.wire.json import loads

NONE = "none"
"""No value, or no values. A text that spells the same is quoted."""

_SECRET = {"headers"}
"""Fields whose values may hold a key, and stay out of messages."""


def parse_overrides(text: str) -> dict[str, object]:
    """Fields of a Dialect with their values, from `field=value field=value`.

    Raises ValueError, which names the field, its value, and what is allowed.
    """
    fields: dict[str, object] = {}
    for pair in _split(text, str.isspace):
        name, equals, value = pair.partition("=")
        if not pair:
            continue
        if name not in _KINDS:
            raise ValueError(f"{name}: a dialect has no such field; {_near(name)}")
        if not equals:
            raise ValueError(f"{name}: has no value; write {name}=…, {allowed(name)}")
        if name in fields:
            raise ValueError(f"{name}: stands there twice")
        try:
            fields[name] = _KINDS[name].read(value)
        except ValueError:
            shown = "the value" if name in _SECRET else repr(value)
            raise ValueError(f"{name}: {shown} is not {allowed(name)}") from None
    return fields


def _near(name: str) -> str:
    near = get_close_matches(name, _KINDS, n=1, cutoff=0.7)
    return f"did you mean {near[0]}?" if near else f"its fields are {', '.join(_KINDS)}"


def overrides_text(fields: Mapping[str, object]) -> str:
    """`fields` as text that `parse_overrides` reads back. No value in it holds white space."""
    return " ".join(f"{name}={value_text(name, value)}" for name, value in fields.items())


def value_text(name: str, value: object) -> str:
    """One field's value as it stands behind the equals sign."""
    return _KINDS[name].show(value)


def allowed(name: str) -> str:
    """Which values the field takes, in words."""
    return _KINDS[name].words


class _Kind(NamedTuple):
    """One type of value. `read` raises ValueError for what is not of it."""

    read: Callable[[str], object]
    show: Callable[[Any], str]
    words: str


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|.', re.DOTALL)
_BARE = re.compile(r'[^\s,:"]+')
_RESERVED = {NONE, "true", "false"}
"""Words that are not texts everywhere, and quoted where they are."""


def _split(text: str, is_separator: Callable[[str], bool]) -> Iterator[str]:
    """The pieces of `text` between separators that stand outside quotes."""
    start = 0
    for token in _TOKEN.finditer(text):
        if is_separator(token[0]):
            yield text[start : token.start()]
            start = token.end()
    yield text[start:]


def _read_text(text: str) -> str:
    if '"' not in text:
        return text
    value = loads(text.encode())
    _demand(isinstance(value, str))
    return str(value)


def _show_text(value: str) -> str:
    if _BARE.fullmatch(value) and value.lower() not in _RESERVED:
        return value
    return f'"{"".join(map(_escaped, value))}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return f"\\u{ord(character):04x}" if character.isspace() or character < " " else character


def _demand(legal: bool) -> None:
    if not legal:
        raise ValueError


_FLAGS = {"true": True, "false": False}


def _read_flag(text: str) -> bool:
    _demand(text.lower() in _FLAGS)
    return _FLAGS[text.lower()]


def _show_flag(value: bool) -> str:
    return "true" if value else "false"


def _read_count(text: str) -> int:
    _demand(text.isascii() and text.isdigit())
    return int(text)


def _read_number(text: str) -> float:
    number = float(text)
    _demand(math.isfinite(number) and number >= 0)
    return number


_SIMPLE = {
    bool: _Kind(_read_flag, _show_flag, "true or false"),
    int: _Kind(_read_count, str, "a whole number"),
    float: _Kind(_read_number, repr, "a number"),
    str: _Kind(_read_text, _show_text, "a text"),
}


def _kind(annotation: Any) -> _Kind:
    """How values of that type are written."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _literal(arguments)
    if origin is UnionType:
        return _union([NoneType if argument is None else argument for argument in arguments])
    if origin is frozenset:
        return _several(_kind(arguments[0]), frozenset, sorted)
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return _several(_kind(arguments[0]), tuple, list)
        return _record([_kind(argument) for argument in arguments])
    return _SIMPLE[annotation]


def _literal(values: tuple[str, ...]) -> _Kind:
    def read(text: str) -> str:
        value = _read_text(text)
        _demand(value in values)
        return value

    def show(value: str) -> str:
        return value or '""'

    return _Kind(read, show, "one of " + ", ".join(map(show, values)))


def _union(types: list[Any]) -> _Kind:
    """Something or None; or a text or a flag, which quotes tell apart."""
    if NoneType in types:
        kind = _kind(next(one for one in types if one is not NoneType))
        return _Kind(
            lambda text: None if text.lower() == NONE else kind.read(text),
            lambda value: NONE if value is None else kind.show(value),
            f"{kind.words}, or {NONE}",
        )
    return _Kind(
        lambda text: _read_flag(text) if text.lower() in _FLAGS else _read_text(text),
        lambda value: _show_flag(value) if isinstance(value, bool) else _show_text(value),
        "a text or a flag",
    )


def _several(kind: _Kind, collect: Callable[[Any], object], ordered: Callable[[Any], list[Any]]) -> _Kind:
    def read(text: str) -> object:
        return collect(() if text.lower() in ("", NONE) else map(kind.read, _split(text, ",".__eq__)))

    def show(values: Any) -> str:
        return ",".join(map(kind.show, ordered(values))) or NONE

    return _Kind(read, show, f"{kind.words}; several with commas between, or {NONE}")


def _record(kinds: list[_Kind]) -> _Kind:
    """Values with colons between. Colons beyond them belong to the last, so that URLs need no quotes."""

    def read(text: str) -> object:
        *parts, last = _first(list(_split(text, ":".__eq__)), len(kinds))
        _demand(len(parts) == len(kinds) - 1)
        return tuple(kind.read(part) for kind, part in zip(kinds, [*parts, last], strict=True))

    def show(values: Any) -> str:
        return ":".join(kind.show(value) for kind, value in zip(kinds, values, strict=True))

    return _Kind(read, show, f"{' and '.join(kind.words for kind in kinds)} with a colon between")


def _first(parts: list[str], most: int) -> list[str]:
    return [*parts[: most - 1], ":".join(parts[most - 1 :])] if len(parts) > most else parts


_NARROWER = {
    "sampling": frozenset[Literal["temperature", "top_p", "top_k"]],
    "efforts": tuple[Literal["minimal", "low", "medium", "high", "xhigh", "max"], ...],
}
"""Fields that take fewer values than their annotation says."""

_KINDS = {name: _kind(annotation) for name, annotation in (get_type_hints(Dialect) | _NARROWER).items()}
