"""ModelMap: rules from names of models to backends, and which of them a name meets."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property
from typing import NamedTuple

from pydantic import SecretStr

from anthropic_proxy.model_map.names import TIERS, plain_name, tier_of
from anthropic_proxy.translate.body_fields import BodyFields

ANY = "*"
"""The pattern for all the rest."""

Overrides = tuple[tuple[str, object], ...]
"""Fields of a Dialect with their values."""


class Target(NamedTuple):
    """A backend that the map names. Two that are equal are one."""

    name: str
    """Its key under `backends:`, else the host."""
    base_url: str
    key: SecretStr | None
    dialect_name: str | None
    """If its URL does not tell."""
    overrides: Overrides
    """What is different about its dialect, whatever the model."""


class Rule(NamedTuple):
    """One entry of `models:`."""

    pattern: str
    target: Target | None
    """None: the backend of OPENAI_API_BASE."""
    model: str | None
    """What is asked for upstream. `*` in it stands for what the pattern's `*` met; None: the client's own words."""
    overrides: Overrides = ()
    """What is different about the dialect for this rule's model."""
    reasoning: bool = False
    """Does the model understand effort levels?"""
    fields: BodyFields | None = None
    fallbacks: tuple[str, ...] = ()
    """Names, as clients would write them, to try in this order."""

    @property
    def is_glob(self) -> bool:
        return any(char in self.pattern for char in "*?[")


class Found(NamedTuple):
    """What a name has met."""

    rule: Rule
    model: str
    """What is asked for upstream."""
    how: str
    """Why this rule, in words that follow the pattern: `exactly`."""


class LongContext(NamedTuple):
    """Where prompts go that are too long for the model they would go to."""

    above: int
    """Tokens, by our estimate, from which on a prompt is long."""
    model: str
    """A name, as clients would write it."""


@dataclass(frozen=True)
class ModelMap:
    """All rules, in the order of the file, and what else the file says of routing."""

    rules: tuple[Rule, ...] = ()
    long_context: LongContext | None = None
    safety_check: str | None = None
    """Name of the model that answers Claude Code's safety checks."""
    cool_down: float = 30.0
    """Seconds for which a model that failed is left in peace, where others can stand in."""

    def find(self, name: str) -> Found | None:
        """The rule for a client's `name`: its own, else the first glob, else its tier's, else that of `*`.

        Dates, `[1m]` and capitals do not count, unless a rule is for exactly that name.
        """
        if not self.rules:
            return None
        plain = plain_name(name)
        if rule := self._exact.get(name):
            return self._found(rule, name, "exactly")
        if rule := self._plain.get(plain):
            return self._found(rule, name, "by its name without date and variant")
        for rule, pattern in self._globs:
            if pattern.fullmatch(name.lower()) or pattern.fullmatch(plain):
                return self._found(rule, name, "by its pattern")
        tier = tier_of(plain)
        if tier and (rule := self._exact.get(tier)):
            return self._found(rule, name, f"by the word {tier}")
        if rule := self._exact.get(ANY):
            return self._found(rule, name, "as all that nothing else fits")
        return None

    @property
    def targets(self) -> frozenset[Target]:
        """All backends but that of the settings."""
        return frozenset(rule.target for rule in self.rules if rule.target is not None)

    @property
    def names(self) -> list[str]:
        """The models that are called by their names here."""
        return [rule.pattern for rule in self.rules if not rule.is_glob and rule.pattern not in TIERS]

    @property
    def secrets(self) -> list[str]:
        """The backends' keys, for the log to blot out."""
        return [target.key.get_secret_value() for target in self.targets if target.key is not None]

    @cached_property
    def _exact(self) -> dict[str, Rule]:
        return {rule.pattern: rule for rule in self.rules}

    @cached_property
    def _plain(self) -> dict[str, Rule]:
        """By the plain form of their names. One that is written so comes before one that has to be made so."""
        named = [rule for rule in self.rules if not rule.is_glob]
        return {plain_name(rule.pattern): rule for rule in sorted(named, key=_is_plain)}

    @cached_property
    def _globs(self) -> list[tuple[Rule, re.Pattern[str]]]:
        globs = (rule for rule in self.rules if rule.is_glob and rule.pattern != ANY)
        return [(rule, re.compile(translate(rule.pattern.lower()))) for rule in globs]

    def _found(self, rule: Rule, name: str, how: str) -> Found:
        if rule.model is None:
            return Found(rule, name, how)
        return Found(rule, rule.model.replace(ANY, _rest(rule.pattern, name)), how)


NO_MAP = ModelMap()
"""Every name is left to the settings."""


def _is_plain(rule: Rule) -> bool:
    return rule.pattern == plain_name(rule.pattern)


def _rest(pattern: str, name: str) -> str:
    """What the first `*` of `pattern` stands for in `name`. Capitals stay, for some backends mind them."""
    before, star, after = pattern.partition(ANY)
    if not star:
        return name
    met = re.fullmatch(_groups((before, after)), name, re.IGNORECASE | re.DOTALL)
    return met[1] if met else name


def _groups(parts: Iterable[str]) -> str:
    """A regular expression for globs with a group between them."""
    return "(.*)".join(translate(part).removesuffix(r"\Z").removesuffix(r"\z") for part in parts)
