"""A backend's own web search, asked for in its words."""

from dataclasses import replace
from typing import Any

import pytest

from anthropic_proxy.dialects import PLAIN
from anthropic_proxy.translate.chat.web_search import search_fields, unsearched

OPENROUTER = replace(PLAIN, web_search="openrouter")
OPENAI = replace(PLAIN, web_search="openai")

BONN = {"type": "approximate", "city": "Bonn", "country": "DE", "street": "x"}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[str]]] = {
    "nothing said": ({}, {}, {}, []),
    "nulls and empty lists": ({"allowed_domains": [], "blocked_domains": None, "max_uses": None}, {}, {}, []),
    "sites to keep to": (
        {"allowed_domains": ["a.example"]},
        {"include_domains": ["a.example"]},
        {},
        ["allowed_domains"],
    ),
    "sites to leave out": (
        {"blocked_domains": ["a.example"]},
        {"exclude_domains": ["a.example"]},
        {},
        ["blocked_domains"],
    ),
    "what is no site": ({"allowed_domains": [1, None]}, {}, {}, ["allowed_domains"]),
    "a place": (
        {"user_location": BONN},
        {"user_location": {"type": "approximate", "city": "Bonn", "country": "DE"}},
        {"user_location": {"type": "approximate", "approximate": {"city": "Bonn", "country": "DE"}}},
        [],
    ),
    "a place that says nothing": ({"user_location": {"type": "approximate"}}, {}, {}, []),
    "so many searches": ({"max_uses": 3}, {"max_uses": 3}, {}, []),
    "no number of searches": ({"max_uses": "3"}, {}, {}, []),
}


@pytest.mark.parametrize(("tool", "plugin", "options", "unknown"), CASES.values(), ids=CASES.keys())
def test_search(tool: dict[str, Any], plugin: dict[str, Any], options: dict[str, Any], unknown: list[str]) -> None:
    assert search_fields(tool, OPENROUTER) == {"plugins": [{"id": "web", **plugin}]}
    assert search_fields(tool, OPENAI) == {"web_search_options": options}
    assert unsearched(tool, OPENROUTER) == []
    assert unsearched(tool, OPENAI) == unknown
