"""Tool names go out legal and come back as they were."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.dialects import PLAIN, Dialect
from anthropic_proxy.translate.chat.tool_names import ToolNames

LETTER = replace(PLAIN, name_start="letter")
LONG = "mcp__a_server_with_a_name__" + "search_" * 9

SENT: dict[str, tuple[Dialect, str, str, str]] = {
    "a legal name stays": (PLAIN, "get_weather-2", "", "get_weather-2"),
    "64 characters are legal": (PLAIN, "a" * 64, "", "a" * 64),
    "65 are cut to 55 and get a hash": (PLAIN, "a" * 65, "", "a" * 55 + "_635361c4"),
    "an MCP tool's long name is cut the same way every time": (PLAIN, LONG, "", LONG[:55] + "_7cf81197"),
    "illegal characters become underscores, and a hash keeps such names apart": (PLAIN, "a.b c", "", "a_b_c_8640d2e2"),
    "a name in another script is all underscores and hash": (PLAIN, "天気", "", "___bc79d84d"),
    "a member of a toolset bears the family's name": (PLAIN, "left_click", "computer", "computer__left_click"),
    "a leading digit is fine": (PLAIN, "7zip", "", "7zip"),
    "unless the backend wants a letter": (LETTER, "7zip", "", "t_7zip_98fa304e"),
    "an underscore counts as a letter": (LETTER, "_private", "", "_private"),
}


@pytest.mark.parametrize(("dialect", "name", "toolset", "sent"), SENT.values(), ids=SENT.keys())
def test_sent(dialect: Dialect, name: str, toolset: str, sent: str) -> None:
    names = ToolNames(dialect)
    assert names.sent(name, toolset) == sent
    assert names.sent(name, toolset) == sent
    assert names.restored(sent) == (name, toolset)


RESTORED: dict[str, tuple[list[str], str, tuple[str, str]]] = {
    "a name that was sent": (["Read", "Bash"], "Bash", ("Bash", "")),
    "in another case, where one tool can be meant": (["Read", "Bash"], "bash", ("Bash", "")),
    "in another case, where two can be meant": (["Read", "READ"], "read", ("read", "")),
    "a name nobody sent": (["Read"], "Write", ("Write", "")),
    "no name": (["Read"], "", ("", "")),
    "a long name as the client spells it": ([LONG], LONG, (LONG, "")),
}


@pytest.mark.parametrize(("sent", "called", "expected"), RESTORED.values(), ids=RESTORED.keys())
def test_restored(sent: list[str], called: str, expected: tuple[str, str]) -> None:
    names = ToolNames(PLAIN)
    for name in sent:
        names.sent(name)
    assert names.restored(called) == expected


def test_a_name_made_to_look_like_another_tools_gets_a_hash_of_its_own() -> None:
    names = ToolNames(PLAIN)
    first = names.sent("a.b")
    second = names.sent(first)
    third = names.sent("left_click", "computer"), names.sent("computer__left_click")
    assert len({first, second, *third}) == 4
    assert names.restored(second) == (first, "")
    assert names.restored(third[1]) == ("computer__left_click", "")


TOOLSETS = st.sampled_from(["", "computer", "browser"])


@given(st.lists(st.tuples(st.text(), TOOLSETS), unique=True), st.sampled_from([PLAIN, LETTER]))
def test_any_names_go_out_legal_and_come_back(tools: list[tuple[str, str]], dialect: Dialect) -> None:
    names = ToolNames(dialect)
    sent = [names.sent(name, toolset) for name, toolset in tools]
    legal = r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}" if dialect is LETTER else r"[a-zA-Z0-9_-]{1,64}"
    assert all(re.fullmatch(legal, name) for name in sent)
    assert len(set(sent)) == len(tools)
    assert [names.restored(name) for name in sent] == tools


@given(st.text(), TOOLSETS)
def test_a_name_is_sent_the_same_in_every_request(name: str, toolset: str) -> None:
    assert ToolNames(PLAIN).sent(name, toolset) == ToolNames(PLAIN).sent(name, toolset)
