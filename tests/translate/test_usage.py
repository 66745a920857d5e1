"""Token counts: each backend's figures, in Anthropic's terms."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from anthropic_proxy.dialects import PLAIN
from anthropic_proxy.translate.chat.usage import SERVICE_TIERS, chat_usage, merged_usage
from anthropic_proxy.translate.pieces import Usage

OUTSIDE = replace(PLAIN, reasoning_outside=True)

USAGES: dict[str, tuple[object, Usage | None]] = {
    "OpenAI: cached tokens are part of the prompt": (
        {
            "prompt_tokens": 1000,
            "completion_tokens": 50,
            "prompt_tokens_details": {"cached_tokens": 800},
            "completion_tokens_details": {"reasoning_tokens": 30},
        },
        Usage(200, 50, 800, 0, 30),
    ),
    "DeepSeek": (
        {
            "prompt_tokens": 1000,
            "completion_tokens": 50,
            "prompt_cache_hit_tokens": 800,
            "prompt_cache_miss_tokens": 200,
        },
        Usage(200, 50, 800),
    ),
    "Kimi": ({"prompt_tokens": 1000, "completion_tokens": 50, "cached_tokens": 800}, Usage(200, 50, 800)),
    "LiteLLM for Claude": (
        {
            "prompt_tokens": 1000,
            "completion_tokens": 50,
            "cache_read_input_tokens": 800,
            "cache_creation_input_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_creation_tokens": 0},
        },
        Usage(50, 50, 800, 150),
    ),
    "LiteLLM, nested": (
        {"prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": {"cache_creation_tokens": 4}},
        Usage(5, 5, 0, 4),
    ),
    "OpenRouter": (
        {
            "prompt_tokens": 9,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 3},
        },
        Usage(4, 5, 2, 3),
    ),
    "OpenRouter's price": ({"prompt_tokens": 9, "completion_tokens": 5, "cost": 0.01}, Usage(9, 5, cost=0.01)),
    "a call that costs nothing": ({"prompt_tokens": 9, "completion_tokens": 5, "cost": 0}, Usage(9, 5, cost=0.0)),
    "what is no price": ({"prompt_tokens": 9, "completion_tokens": 5, "cost": "much"}, Usage(9, 5)),
    "a price without end": ({"prompt_tokens": 9, "completion_tokens": 5, "cost": float("inf")}, Usage(9, 5)),
    "names of the Responses API": (
        {"input_tokens": 9, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 2}},
        Usage(7, 5, 2),
    ),
    "reasoning at the top": ({"prompt_tokens": 9, "completion_tokens": 5, "reasoning_tokens": 3}, Usage(9, 5, 0, 0, 3)),
    "more reasoning than output is all of it": (
        {"prompt_tokens": 9, "completion_tokens": 5, "reasoning_tokens": 30},
        Usage(9, 5, 0, 0, 5),
    ),
    "more from the cache than there is": (
        {"prompt_tokens": 9, "completion_tokens": 5, "cached_tokens": 30},
        Usage(0, 5, 9),
    ),
    "more to the cache than is left": (
        {"prompt_tokens": 9, "completion_tokens": 5, "cached_tokens": 3, "cache_creation_input_tokens": 30},
        Usage(0, 5, 3, 6),
    ),
    "strings, floats and negative numbers": (
        {"prompt_tokens": "9", "completion_tokens": 5.7, "cached_tokens": -2, "reasoning_tokens": "1e1"},
        Usage(9, 5, 0, 0, 5),
    ),
    "what is no number is not there": (
        {
            "prompt_tokens": "many",
            "completion_tokens": True,
            "input_tokens": 9,
            "output_tokens": [5],
            "reasoning_tokens": {},
        },
        Usage(9, None),
    ),
    "too large to be true": ({"prompt_tokens": 1e300, "completion_tokens": 5, "input_tokens": "nan"}, Usage(None, 5)),
    "the prompt alone": ({"prompt_tokens": 9}, Usage(9, None)),
    "the reply alone": ({"completion_tokens": 5, "cached_tokens": 3}, Usage(None, 5)),
    "the sum alone says too little": ({"total_tokens": 14}, None),
    "null": (None, None),
    "empty": ({}, None),
    "no object": ([1, 2], None),
}


@pytest.mark.parametrize(("usage", "expected"), USAGES.values(), ids=USAGES.keys())
def test_usage(usage: object, expected: Usage | None) -> None:
    assert chat_usage(usage, PLAIN) == expected


def test_reasoning_that_is_counted_outside_is_added() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 30}}
    assert chat_usage(usage, OUTSIDE) == Usage(9, 35, 0, 0, 30)
    assert chat_usage({"prompt_tokens": 9, "completion_tokens": 5}, OUTSIDE) == Usage(9, 5)
    assert chat_usage({"prompt_tokens": 9}, OUTSIDE) == Usage(9, None)


@pytest.mark.parametrize("tier", [*SERVICE_TIERS, "unknown", 7, None])
def test_service_tier(tier: object) -> None:
    usage = chat_usage({"prompt_tokens": 9}, PLAIN, tier)
    assert usage is not None
    assert usage.service_tier == SERVICE_TIERS.get(tier if isinstance(tier, str) else "")


MERGED: dict[str, tuple[Usage | None, Usage, Usage]] = {
    "the first one": (None, Usage(9, None), Usage(9, None)),
    "the later one counts": (Usage(9, 5, 1, 2, 3), Usage(8, 4), Usage(8, 4)),
    "a prompt that only the earlier one counted": (Usage(9, 1, 2, 3), Usage(None, 4), Usage(9, 4, 2, 3)),
    "a reply that only the earlier one counted": (
        Usage(9, 5, thinking_tokens=2),
        Usage(8, None),
        Usage(8, 5, thinking_tokens=2),
    ),
    "a tier stays": (Usage(9, 5, service_tier="priority"), Usage(8, 4), Usage(8, 4, service_tier="priority")),
}


@pytest.mark.parametrize(("earlier", "later", "expected"), MERGED.values(), ids=MERGED.keys())
def test_of_several_the_last_counts(earlier: Usage | None, later: Usage, expected: Usage) -> None:
    assert merged_usage(earlier, later) == expected


figures = st.none() | st.integers() | st.floats() | st.text(max_size=4) | st.booleans() | st.just({"cached_tokens": 3})
FIELDS = (
    *("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"),
    *("prompt_cache_hit_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "total_tokens"),
    *("prompt_tokens_details", "completion_tokens_details", "input_tokens_details"),
)


@given(st.dictionaries(st.sampled_from(FIELDS), figures), st.booleans())
def test_any_figures_make_counts_that_fit_together(usage: dict[str, Any], outside: bool) -> None:
    counted = chat_usage(usage, OUTSIDE if outside else PLAIN)
    if counted is None:
        return
    known = [figure for figure in astuple(counted) if figure is not None]
    assert all(type(figure) is int and figure >= 0 for figure in known)
    assert (counted.thinking_tokens or 0) <= (counted.output_tokens or 0)
    if counted.input_tokens is None:
        assert counted.prompt_tokens == 0
