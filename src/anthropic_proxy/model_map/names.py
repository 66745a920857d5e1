"""What counts of a model's name, as clients write it."""

import re

TIERS = ("opus", "sonnet", "haiku", "fable")
"""Words that stand for all models of a size, whatever their version. Claude Code's aliases, sub-agents and titles use
them too."""

_VARIANT = re.compile(r"\[[^\]]*\]$")
"""Claude Code's `[1m]`, which asks for a long window."""

_DATE = re.compile(r"(?:[-@](?:19|20)\d{6}|-latest)$")
"""`-20250514`, `@20250514` (Vertex), `-latest`."""


def plain_name(name: str) -> str:
    """`name` in small letters, without `[1m]` and without the date of its version."""
    return _DATE.sub("", _VARIANT.sub("", name.strip().lower()))


def tier_of(name: str) -> str | None:
    """The tier's word in `name`, if it is one of its words: `opus` in `claude-opus-5`."""
    words = re.split(r"[^a-z0-9]+", name.lower())
    return next((tier for tier in TIERS if tier in words), None)
