"""Which rule a name meets."""

import pytest

from anthropic_proxy.model_map import ModelMap, read
from anthropic_proxy.model_map.names import plain_name, tier_of

FILE = """
models:
  "*": all-else
  gpt-*: a-glob
  gpt-5*: never-reached
  openrouter/*: "*"
  local/*: models/*-instruct
  opus: tier-opus
  haiku: tier-haiku
  claude-opus-4-1: exact
  claude-opus-4-1-20250805: dated
  Claude-Sonnet-4-20250514: a-dated-key
"""

MAP = read(FILE, "models.yaml", {}).models

LEADS: dict[str, tuple[str, str]] = {
    "its own name": ("claude-opus-4-1", "exact"),
    "its own name with a date": ("claude-opus-4-1-20250805", "dated"),
    "a date that no rule names": ("claude-opus-4-1-20251231", "exact"),
    "Vertex's way to write a date": ("claude-opus-4-1@20251231", "exact"),
    "the newest of all": ("claude-opus-4-1-latest", "exact"),
    "Claude Code's long window": ("claude-opus-4-1[1m]", "exact"),
    "both": ("claude-opus-4-1-20251231[1m]", "exact"),
    "capitals": ("Claude-Opus-4-1", "exact"),
    "no date where the rule has one": ("claude-sonnet-4", "a-dated-key"),
    "a glob": ("gpt-4o", "a-glob"),
    "the first glob of the file": ("gpt-5", "a-glob"),
    "a glob, in capitals": ("GPT-4o", "a-glob"),
    "a provider and its model, which goes on as it is": ("openrouter/Qwen/qwen3-coder:free", "Qwen/qwen3-coder:free"),
    "what the star stood for, inside other words": ("local/llama", "models/llama-instruct"),
    "a tier's word": ("claude-opus-5", "tier-opus"),
    "a tier's word, date and window": ("claude-haiku-4-5-20251001[1m]", "tier-haiku"),
    "the bare word": ("opus", "tier-opus"),
    "an older order of the words": ("claude-3-opus-20240229", "tier-opus"),
    "a tier without a rule": ("claude-sonnet-5", "all-else"),
    "no word of a tier": ("opusculum", "all-else"),
    "anything": ("foo", "all-else"),
}


@pytest.mark.parametrize(("name", "model"), LEADS.values(), ids=LEADS.keys())
def test_a_name_leads_to(name: str, model: str) -> None:
    found = MAP.find(name)
    assert found is not None
    assert found.model == model


def test_what_no_rule_is_for_is_left_to_the_settings() -> None:
    assert read("models: {opus: m}", "m.yaml", {}).models.find("gpt-4o") is None
    assert ModelMap().find("opus") is None


def test_a_rule_without_a_model_passes_the_name_on() -> None:
    found = read('models: {"gpt-*": {}}', "m.yaml", {}).models.find("GPT-4o[1m]")
    assert found is not None
    assert found.model == "GPT-4o[1m]"


WHY = {
    "claude-opus-4-1": "exactly",
    "claude-opus-4-1[1m]": "by its name without date and variant",
    "gpt-4o": "by its pattern",
    "claude-opus-5": "by the word opus",
    "foo": "as all that nothing else fits",
}


@pytest.mark.parametrize(("name", "how"), WHY.items(), ids=WHY.keys())
def test_it_says_why(name: str, how: str) -> None:
    found = MAP.find(name)
    assert found is not None
    assert found.how == how


def test_only_names_are_listed() -> None:
    assert MAP.names == ["claude-opus-4-1", "claude-opus-4-1-20250805", "Claude-Sonnet-4-20250514"]


@pytest.mark.parametrize("name", ["gpt-4o-2024", "qwen3-235b", "model-123456789", "model-99999999"])
def test_other_numbers_are_no_dates(name: str) -> None:
    assert plain_name(name) == name


def test_words_of_tiers_are_whole_words() -> None:
    assert [tier_of(name) for name in ("us.anthropic.claude-opus-4", "claude_haiku", "haikus", "fable-5")] == [
        "opus",
        "haiku",
        None,
        "fable",
    ]
