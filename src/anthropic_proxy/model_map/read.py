"""Reads a settings file: the map of its models, and the settings it holds beside."""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, SecretStr, ValidationError

from anthropic_proxy.addresses import base_url, is_private
from anthropic_proxy.config import Settings
from anthropic_proxy.dialects import dialect_named
from anthropic_proxy.dialects.overrides import parse_overrides
from anthropic_proxy.model_map.document import Document, Path, parse
from anthropic_proxy.model_map.map import LongContext, ModelMap, Overrides, Rule, Target
from anthropic_proxy.model_map.specs import BackendSpec, FileSpec, RouteSpec
from anthropic_proxy.translate.body_fields import KEPT, OURS, BodyFields

SECTIONS = frozenset(FileSpec.model_fields)


class Read(NamedTuple):
    """What a file says."""

    models: ModelMap
    settings: dict[str, str]
    """Settings by the names of their variables, as those would hold them."""
    lines: dict[str, int]
    """Where each of them stands."""
    document: Document


def read(text: str, name: str, environ: Mapping[str, str]) -> Read:
    """What the file `name` with this text says; keys are taken from `environ`.

    Raises FileError, which names the line and the key.
    """
    document = parse(text, name)
    sections = {key: value for key, value in document.values.items() if key in SECTIONS}
    settings = {key: value for key, value in document.values.items() if key not in SECTIONS}
    try:
        spec = FileSpec.model_validate(sections)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path, problem = _place(first["loc"]), _problem(first)
        raise document.error(path, problem) from None
    return Read(
        _Reader(document, spec, environ).models(),
        {key.upper(): _setting(document, key, value) for key, value in settings.items()},
        {key.upper(): document.line((key,)) for key in settings},
        document,
    )


def _place(location: tuple[int | str, ...]) -> Path:
    """Where it is in the file: pydantic marks keys by a word of its own."""
    return tuple(part for part in location if part != "[key]")


_UNKNOWN, _MISSING = "extra_forbidden", "missing"


def _problem(error: Any) -> str:
    if error["type"] == _UNKNOWN:
        *around, key = error["loc"]
        known = _fields_at(tuple(around))
        near = get_close_matches(str(key), known, n=1)
        return f"unknown; did you mean {near[0]}?" if near else f"unknown; it may be {', '.join(known)}"
    if error["type"] == _MISSING:
        return "missing"
    message: str = error["msg"].removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _fields_at(path: Path) -> list[str]:
    """The keys that may stand at `path`."""
    spec: type[BaseModel] = FileSpec
    for part in path:
        field = spec.model_fields.get(str(part))
        if field is not None:
            found = [one for one in (field.annotation, *get_args(field.annotation)) if isinstance(one, type)]
            spec = next((one for one in found if issubclass(one, BaseModel)), spec)
    return list(spec.model_fields)


def _setting(document: Document, key: str, value: Any) -> str:
    """A setting's value as its variable would hold it."""
    field = Settings.model_fields.get(key)
    if field is None:
        known = [*SECTIONS, *Settings.model_fields]
        near = get_close_matches(key, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ", and no setting is called so"
        raise document.error((key,), f"unknown{hint}")
    if SecretStr in (field.annotation, *get_args(field.annotation)):
        raise document.error((key,), f"is no place for a key; put {key.upper()} into the environment or .env")
    if key == "config_file":
        raise document.error((key,), "a file cannot name another")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    raise document.error((key,), "must be a text, a number, true or false, or a list of texts")


class _Reader:
    """Makes rules of what is known to have the right shape."""

    def __init__(self, document: Document, spec: FileSpec, environ: Mapping[str, str]) -> None:
        self._document = document
        self._spec = spec
        self._environ = environ
        self._targets = {
            name: self._target(name, backend, ("backends", name)) for name, backend in spec.backends.items()
        }

    def models(self) -> ModelMap:
        """The map. Raises FileError."""
        spec = self._spec
        found = ModelMap(
            tuple(self._rule(pattern, route) for pattern, route in spec.models.items()),
            LongContext(spec.long_context.above, spec.long_context.model) if spec.long_context else None,
            spec.safety_check,
            spec.cool_down,
        )
        for pattern, route in spec.models.items():
            for number, name in enumerate(route.fallbacks):
                self._demand_known(found, name, ("models", pattern, "fallbacks", number))
        if found.long_context:
            self._demand_known(found, found.long_context.model, ("long_context", "model"))
        if found.safety_check:
            self._demand_known(found, found.safety_check, ("safety_check",))
        return found

    def _demand_known(self, found: ModelMap, name: str, path: Path) -> None:
        if found.find(name) is None:
            raise self._document.error(path, f"no entry of models: is for {name!r}")

    def _rule(self, pattern: str, route: RouteSpec) -> Rule:
        path = ("models", pattern)
        own = dict(self._overrides(route.dialect, (*path, "dialect")))
        if own.pop("name", None):
            problem = "belongs to the whole backend: put it under backends:"
            raise self._document.error((*path, "dialect", "name"), problem)
        own |= {
            name: value
            for name in ("max_output_tokens", "context_window")
            if (value := getattr(route, name)) is not None
        }
        target = self._target_of(route, path)
        if route.headers:
            # A field given twice counts once, the second time.
            general = dict(target.overrides).get("headers", ()) if target else ()
            own["headers"] = _joined(general, own.get("headers", ()), self._headers(route.headers, path))
        return Rule(
            pattern=pattern,
            target=target,
            model=route.model,
            overrides=tuple(own.items()),
            reasoning=route.reasoning,
            fields=self._fields(route, path),
            fallbacks=tuple(route.fallbacks),
        )

    def _target_of(self, route: RouteSpec, path: Path) -> Target | None:
        if route.backend is not None and route.base_url is not None:
            raise self._document.error((*path, "base_url"), "there is a backend already; name one of the two")
        if route.backend is not None:
            if route.backend not in self._targets:
                names = ", ".join(self._targets) or "empty"
                raise self._document.error((*path, "backend"), f"{route.backend!r} is not under backends: ({names})")
            if route.key_variable is not None:
                raise self._document.error((*path, "key_variable"), "belongs to the backend: put it under backends:")
            return self._targets[route.backend]
        if route.base_url is not None:
            bare = BackendSpec(base_url=route.base_url, key_variable=route.key_variable)
            return self._target("", bare, path)
        if route.key_variable is not None:
            raise self._document.error((*path, "key_variable"), "needs a base_url beside it")
        return None

    def _target(self, name: str, backend: BackendSpec, path: Path) -> Target:
        try:
            url = base_url(backend.base_url)
        except ValueError:
            problem = "must be an http:// or https:// URL without credentials in it"
            raise self._document.error((*path, "base_url"), problem) from None
        overrides = dict(self._overrides(backend.dialect, (*path, "dialect")))
        chosen = overrides.pop("name", None)
        if chosen is not None:
            try:
                dialect_named(str(chosen))
            except ValueError as error:
                raise self._document.error((*path, "dialect", "name"), str(error)) from None
        if backend.headers:
            overrides["headers"] = _joined(overrides.get("headers", ()), self._headers(backend.headers, path))
        return Target(
            name=name or url.partition("//")[2].partition("/")[0],
            base_url=url,
            key=self._key(backend, url, path),
            dialect_name=str(chosen) if chosen is not None else None,
            overrides=tuple(overrides.items()),
        )

    def _key(self, backend: BackendSpec, url: str, path: Path) -> SecretStr | None:
        if backend.key_variable is None:
            if is_private(url):
                return None
            raise self._document.error(path, f"{url} needs a key; name the variable that holds it as key_variable")
        key = self._environ.get(backend.key_variable, "").strip()
        if not key:
            problem = f"the variable {backend.key_variable} is not set, neither in the environment nor in .env"
            raise self._document.error((*path, "key_variable"), problem)
        if not all("!" <= char <= "~" for char in key):
            problem = f"the key in {backend.key_variable} must be ASCII characters without spaces or line breaks"
            raise self._document.error((*path, "key_variable"), problem)
        return SecretStr(key)

    def _headers(self, headers: Mapping[str, str], path: Path) -> list[tuple[str, str]]:
        """`headers` with the variables that they name."""
        known = []
        for name, value in headers.items():
            place = (*path, "headers", name)
            for variable in _VARIABLE.findall(value):
                if not self._environ.get(variable):
                    raise self._document.error(place, f"the variable {variable} is not set")
            value = _VARIABLE.sub(lambda match: self._environ[match[1]].strip(), value)
            if not _HEADER_NAME.fullmatch(name) or not (value.isascii() and value.isprintable()):
                raise self._document.error(place, "is no header: its name is one word, its value one line of ASCII")
            known.append((name, value))
        return known

    def _overrides(self, facts: Mapping[str, Any], path: Path) -> Overrides:
        """Facts of a dialect, each read as the setting DIALECT would have it."""
        found: dict[str, object] = {}
        for name, value in facts.items():
            try:
                found |= parse_overrides(f"{name}={_fact(value)}")
            except ValueError as error:
                raise self._document.error((*path, name), str(error).removeprefix(f"{name}: ")) from None
        return tuple(found.items())

    def _fields(self, route: RouteSpec, path: Path) -> BodyFields | None:
        if not (route.set or route.default or route.drop):
            return None
        self._demand_free([*((("set", name), name) for name in route.set)], OURS, path)
        self._demand_free([*((("default", name), name) for name in route.default)], OURS, path)
        self._demand_free([(("drop", number), name) for number, name in enumerate(route.drop)], KEPT, path)
        return BodyFields(route.set, route.default, tuple(route.drop))

    def _demand_free(self, names: list[tuple[Path, str]], owned: Collection[str], path: Path) -> None:
        for place, name in names:
            if name in owned:
                hint = "; the cap is max_output_tokens" if name.startswith("max_") else ""
                raise self._document.error((*path, *place), f"{name} is the proxy's own{hint}")


def _joined(*headers: Any) -> tuple[tuple[str, str], ...]:
    """Headers, of which later ones replace earlier ones of the same name."""
    by_name = {name.lower(): (name, value) for group in headers for name, value in group}
    return tuple(by_name.values())


_VARIABLE = re.compile(r"\$\{(\w+)\}")
_HEADER_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_BARE = re.compile(r'[^\s,:"]+')


def _fact(value: Any) -> str:
    """A value of YAML or TOML as `parse_overrides` reads it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if _BARE.fullmatch(value) else f'"{_escaped(value)}"'
    if isinstance(value, list):
        return ",".join(map(_fact, value)) or "none"
    if isinstance(value, dict):
        return ",".join(f"{_fact(name)}:{_fact(inner)}" for name, inner in value.items()) or "none"
    return str(value)


def _escaped(text: str) -> str:
    r"""In JSON's quotes, without white space: `\u0020`."""
    return "".join(
        f"\\{char}" if char in '"\\' else f"\\u{ord(char):04x}" if char.isspace() or char < " " else char
        for char in text
    )
