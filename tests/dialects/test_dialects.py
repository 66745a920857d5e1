"""The resolved table: what each backend and model departs in, as one file whose diff shows what a change does."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from anthropic_proxy.dialects import (
    DIALECTS,
    MODEL_RULES,
    PLAIN,
    Dialect,
    Rule,
    dialect_for,
    dialect_named,
    entry_for,
    parse_overrides,
    rules_for,
)
from anthropic_proxy.dialects.overrides import overrides_text, value_text

RESOLVED = Path(__file__).parent / "resolved.json"
"""`BACKEND MODEL`, where BACKEND is a base URL or a name, to the fields that differ from PLAIN, written as
overrides. A new pair is added with `{}` and filled by `pytest --update-golden`."""

ROWS: dict[str, dict[str, str]] = json.loads(RESOLVED.read_text())


def resolved(row: str) -> Dialect:
    backend, model = row.split(" ")
    if "://" in backend:
        return dialect_for(backend, model)
    return dialect_for("http://127.0.0.1:9/v1", model, name=backend)


def departures(dialect: Dialect) -> dict[str, str]:
    names = [field.name for field in fields(Dialect)]
    return {
        name: value_text(name, getattr(dialect, name))
        for name in names
        if getattr(dialect, name) != getattr(PLAIN, name)
    }


def test_resolved_table(update_golden: bool) -> None:
    found = {row: departures(resolved(row)) for row in ROWS}
    if update_golden:
        RESOLVED.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    assert found == json.loads(RESOLVED.read_text())


def test_every_backend_has_a_row() -> None:
    assert {resolved(row).name for row in ROWS} == {entry.dialect.name for entry in DIALECTS}


def test_every_host_has_a_row() -> None:
    hosts = [glob for entry in DIALECTS for glob in entry.hosts]
    bare = {glob for glob in hosts if not any(entry_for(row.split(" ")[0]).hosts.count(glob) for row in ROWS)}
    assert bare == set()


def test_every_rule_has_a_row() -> None:
    used = [rule for row in ROWS for rule in rules_for(resolved(row).name, row.split(" ")[1])]
    assert [rule for rule in MODEL_RULES if rule not in used] == []


def test_names_are_unique() -> None:
    names = [entry.dialect.name for entry in DIALECTS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("rule", MODEL_RULES, ids=lambda rule: f"{rule.dialect} {rule.model}"[:60])
def test_a_rule_says_why_and_sets_legal_values(rule: Rule) -> None:
    assert rule.why
    assert parse_overrides(overrides_text(rule.fields)) == rule.fields


@pytest.mark.parametrize("row", ROWS)
def test_a_backend_that_takes_strings_only_is_not_sent_images(row: str) -> None:
    dialect = resolved(row)
    assert dialect.content == "parts" or not dialect.vision


HOSTS = {
    "a host is matched as a whole, not as a part of another": ("https://api.openai.com.evil.test/v1", "plain"),
    "capitals in the host do not count": ("https://API.DeepSeek.com/v1", "deepseek"),
    "a dot at its end does not count": ("https://api.groq.com./openai/v1", "groq"),
    "a port does not count": ("https://api.mistral.ai:443/v1", "mistral"),
    "the scheme may be missing": ("openrouter.ai/api/v1", "openrouter"),
    "a path can tell variants of a backend apart": ("https://api.deepseek.com/beta", "deepseek-beta"),
    "a deployment URL of Azure is Azure": (
        "https://corp.openai.azure.com/openai/deployments/main?api-version=2024-10-21",
        "azure",
    ),
    "the newer base URL of Azure is Azure": ("https://corp.services.ai.azure.com/openai/v1", "azure"),
    "a region of Copilot is Copilot": ("https://api.business.githubcopilot.com", "copilot"),
    "an address of one's own is plain": ("http://127.0.0.1:8000/v1", "plain"),
}


@pytest.mark.parametrize(("base_url", "name"), HOSTS.values(), ids=HOSTS.keys())
def test_host(base_url: str, name: str) -> None:
    assert dialect_for(base_url, "some-model").name == name


CLAUDE = {
    "claude-3-5-sonnet-20241022": True,
    "claude-3.7-sonnet": True,
    "claude-sonnet-4": True,
    "claude-sonnet-4-20250514": True,
    "claude-opus-4-1": True,
    "claude-sonnet-4.5": True,
    "claude-haiku-4-5@20251001": True,
    "anthropic.claude-opus-4-5-20251101-v1:0": True,
    "claude-opus-4.6": False,
    "claude-opus-4-7-20260416": False,
    "claude-sonnet-5": False,
    "claude-sonnet-5-5": False,
}


@pytest.mark.parametrize(("model", "continues"), CLAUDE.items(), ids=CLAUDE.keys())
def test_claude_continues_a_last_assistant_message_up_to_4_5(model: str, continues: bool) -> None:
    dialect = dialect_for("https://openrouter.ai/api/v1", f"anthropic/{model}")
    assert dialect.prefill == ("native" if continues else "none")


def test_a_name_beats_the_host() -> None:
    assert dialect_for("https://api.openai.com/v1", "m", name="vllm") == dialect_named("vllm")


def test_overrides_beat_the_rules() -> None:
    dialect = dialect_for("https://api.openai.com/v1", "gpt-5", overrides={"system_role": "system"})
    assert (dialect.system_role, dialect.stop_max) == ("system", 0)


def test_a_name_among_the_overrides_beats_all() -> None:
    overrides = parse_overrides("name=ollama tool_images=true")
    dialect = dialect_for("https://api.openai.com/v1", "m", name="vllm", overrides=overrides)
    assert (dialect.name, dialect.tool_choice, dialect.tool_images) == ("ollama", "ignored", True)


def test_the_models_case_and_organization_do_not_count() -> None:
    plain = dialect_for("https://api.openai.com/v1", "gpt-5.6")
    assert dialect_for("https://api.openai.com/v1", "OpenAI/GPT-5.6") == plain


@pytest.mark.parametrize("name", ["llamacpp", "llama.cpp", "Llama.CPP", "LLAMA CPP"])
def test_a_name_is_known_in_its_usual_spellings(name: str) -> None:
    assert dialect_named(name).name == "llamacpp"


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"^'foo' is not the name of a backend; the names are openai, azure, .*plain$"):
        dialect_named("foo")


def test_the_last_entry_matches_all_and_departs_in_nothing() -> None:
    assert DIALECTS[-1] == (("*",), PLAIN)
