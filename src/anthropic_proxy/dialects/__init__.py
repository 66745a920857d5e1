"""How backends differ, as data. The translator reads a `Dialect`; it never asks for a backend's name."""

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from anthropic_proxy.dialects.dialect import PLAIN, Dialect
from anthropic_proxy.dialects.models import MODEL_RULES, Rule
from anthropic_proxy.dialects.overrides import parse_overrides
from anthropic_proxy.dialects.table import DIALECTS, Entry

__all__ = [
    "DIALECTS",
    "MODEL_RULES",
    "PLAIN",
    "Dialect",
    "Entry",
    "Rule",
    "dialect_for",
    "dialect_named",
    "entry_for",
    "parse_overrides",
    "rules_for",
]


def _key(name: str) -> str:
    """What counts of a name, so that `llama.cpp` and `LM Studio` are understood too."""
    return "".join(filter(str.isalnum, name.lower()))


_BY_KEY = {_key(entry.dialect.name): entry.dialect for entry in DIALECTS}


def dialect_named(name: str) -> Dialect:
    """The dialect of that name; capitals, dots, hyphens and spaces do not count.

    Raises ValueError, which lists the names.
    """
    dialect = _BY_KEY.get(_key(name))
    if dialect is None:
        names = ", ".join(entry.dialect.name for entry in DIALECTS)
        raise ValueError(f"{name!r} is not the name of a backend; the names are {names}")
    return dialect


def entry_for(base_url: str) -> Entry:
    """The first entry of DIALECTS that the base URL matches. The last one matches all."""
    url = urlsplit(base_url if "://" in base_url else f"//{base_url}")
    host = (url.hostname or "").rstrip(".")
    return next(entry for entry in DIALECTS if any(_host_matches(glob, host, url.path) for glob in entry.hosts))


def _host_matches(glob: str, host: str, path: str) -> bool:
    return fnmatchcase(f"{host}{path}" if "/" in glob else host, glob)


def dialect_for(base_url: str, model: str, *, name: str | None = None, overrides: Mapping[str, object] = {}) -> Dialect:
    """The dialect spoken at `base_url`, as it is for `model`.

    `name`, from the settings or from `recognise`, beats the host. MODEL_RULES come on top, then `overrides`
    as `parse_overrides` gives them; a `name` among these beats everything.

    Raises ValueError for an unknown name.
    """
    changes: dict[str, Any] = dict(overrides)
    chosen = changes.pop("name", None) or name
    return replace(_resolved(base_url, model.lower(), str(chosen) if chosen else None), **changes)


@lru_cache(maxsize=1024)
def _resolved(base_url: str, model: str, name: str | None) -> Dialect:
    """Without overrides. Kept, because each request asks and the rules are many globs."""
    dialect = dialect_named(name) if name else entry_for(base_url).dialect
    changes: dict[str, Any] = {}
    for rule in rules_for(dialect.name, model):
        changes |= rule.fields
    return replace(dialect, **changes)


def rules_for(name: str, model: str) -> list[Rule]:
    """The rules for a model of the backend of that name, in their order."""
    return [rule for rule in MODEL_RULES if _matches(rule.dialect, name) and _matches(rule.model, model.lower())]


def _matches(globs: str, text: str) -> bool:
    last = text.rpartition("/")[2]
    return any(fnmatchcase(text if "/" in glob else last, glob) for glob in globs.split("|"))
