"""Token counts: a backend's `usage` in Anthropic's terms, where cached tokens stand beside the prompt's, not in it."""

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from msgspec.structs import replace

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.translate.pieces import Usage

Place: TypeAlias = tuple[str, str | None]
"""A field, and the field in it where the value is an object."""

CACHE_READ: tuple[Place, ...] = (
    ("prompt_tokens_details", "cached_tokens"),
    ("prompt_cache_hit_tokens", None),
    ("cached_tokens", None),
    ("cache_read_input_tokens", None),
    ("input_tokens_details", "cached_tokens"),
)
"""Where backends say how much of the prompt came from a cache, most trusted first."""

CACHE_WRITE: tuple[Place, ...] = (
    ("prompt_tokens_details", "cache_write_tokens"),
    ("prompt_tokens_details", "cache_creation_tokens"),
    ("cache_creation_input_tokens", None),
)
"""Where they say how much was written to one."""

REASONING: tuple[Place, ...] = (("completion_tokens_details", "reasoning_tokens"), ("reasoning_tokens", None))

PROMPT: tuple[Place, ...] = (("prompt_tokens", None), ("input_tokens", None))
COMPLETION: tuple[Place, ...] = (("completion_tokens", None), ("output_tokens", None))

SERVICE_TIERS = {
    "default": "standard",
    "flex": "standard",
    "scale": "standard",
    "priority": "priority",
    "fast": "priority",
}


def chat_usage(usage: object, dialect: Dialect, service_tier: object = None) -> Usage | None:
    """The figures in `usage`; None where there are none.

    Gateways send strings, floats, nulls and negative numbers; each is made a count or ignored.
    """
    if not isinstance(usage, dict) or not usage:
        return None
    prompt, output = _figure(usage, PROMPT), _figure(usage, COMPLETION)
    if prompt is None and output is None:
        return None
    reasoning = _figure(usage, REASONING)
    if dialect.reasoning_outside and output is not None:
        output += reasoning or 0
    whole = prompt or 0
    read = min(_figure(usage, CACHE_READ, above=0) or 0, whole)
    written = min(_figure(usage, CACHE_WRITE, above=0) or 0, whole - read)
    return Usage(
        input_tokens=None if prompt is None else whole - read - written,
        output_tokens=output,
        cache_read_input_tokens=read,
        cache_creation_input_tokens=written,
        thinking_tokens=None if reasoning is None else min(reasoning, output or 0),
        service_tier=SERVICE_TIERS.get(service_tier) if isinstance(service_tier, str) else None,
        cost=_price(usage.get("cost")),
    )


def merged_usage(earlier: Usage | None, later: Usage) -> Usage:
    """`later`, and what only `earlier` said: some backends count the prompt first and the reply last."""
    if earlier is None:
        return later
    if later.input_tokens is None:
        later = replace(
            later,
            input_tokens=earlier.input_tokens,
            cache_read_input_tokens=earlier.cache_read_input_tokens,
            cache_creation_input_tokens=earlier.cache_creation_input_tokens,
        )
    if later.output_tokens is None:
        later = replace(later, output_tokens=earlier.output_tokens, thinking_tokens=earlier.thinking_tokens)
    cost = earlier.cost if later.cost is None else later.cost
    return replace(later, service_tier=later.service_tier or earlier.service_tier, cost=cost)


def _figure(usage: Mapping[str, Any], places: tuple[Place, ...], above: int = -1) -> int | None:
    """The first count in `places` that is more than `above`: gateways fill the places they do not use with zeros."""
    for name, inner in places:
        value = usage.get(name)
        if value is None:
            continue
        if inner is not None:
            value = value.get(inner) if isinstance(value, dict) else None
        count = _count(value)
        if count is not None and count > above:
            return count
    return None


def _price(value: object) -> float | None:
    """OpenRouter's `cost`, in US dollars."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value < math.inf else None


def _count(value: object) -> int | None:
    if type(value) is int:
        return max(0, value)
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, float):
        value = int(value) if value == value and abs(value) < 1e15 else None
    return max(0, value) if isinstance(value, int) else None
