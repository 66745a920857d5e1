"""Turns: neighbours merged, the silent taken out, and each block with its place."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given

from anthropic_proxy.dialects import PLAIN
from anthropic_proxy.translate.chat.turns import turns
from anthropic_proxy.translate.validate import messages_request
from tests.translate.conversations import histories

KEEPS = replace(PLAIN, mid_system="keep")

CALL = {"type": "tool_use", "id": "t", "name": "x", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "ok"}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": ""}
SEARCH = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def assistant(*content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(content)}


def system(content: str, **more: Any) -> dict[str, Any]:
    return {"role": "system", "content": content, **more}


def seen(messages: list[dict[str, Any]], dialect: Any = PLAIN) -> tuple[list[str], list[str]]:
    """Each turn as its role and the places of its blocks, and what was dropped."""
    dropped: list[str] = []
    request = messages_request({"model": "m", "max_tokens": 1, "messages": messages})
    found = turns(request, dialect, dropped)
    return [f"{turn.role} {' '.join(f'{p.message}.{p.number}' for p in turn.blocks)}" for turn in found], dropped


MERGED: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "roles that alternate stay": (
        [user(text("a")), assistant(text("b")), user(text("c"))],
        ["user 0.0", "assistant 1.0", "user 2.0"],
    ),
    "neighbours of one role are one turn": (
        [user(text("a")), user(text("b"), text("c")), assistant(text("d")), assistant(text("e"))],
        ["user 0.0 1.0 1.1", "assistant 2.0 3.0"],
    ),
    "white space is silent, and its neighbours meet": (
        [user(text("a")), assistant(text(" \n")), user(text("b"))],
        ["user 0.0 2.0"],
    ),
    "so is a user who says nothing": (
        [assistant(text("a")), user(text("")), assistant(text("b"))],
        ["assistant 0.0 2.0"],
    ),
    "thinking alone is silent": (
        [user(text("a")), assistant(THOUGHT), user(text("b"))],
        ["user 0.0 2.0"],
    ),
    "thinking beside a call is not": ([user(text("a")), assistant(THOUGHT, CALL)], ["user 0.0", "assistant 1.0 1.1"]),
    "a call of a server's tool may be answered in the next message": (
        [user(text("a")), assistant(SEARCH), assistant(FOUND, text("b"))],
        ["user 0.0", "assistant 1.0 2.0 2.1"],
    ),
    "a system message joins the user's turn before it": (
        [user(text("a")), system("be kind"), assistant(text("b"))],
        ["user 0.0 1.0", "assistant 2.0"],
    ),
    "and after it": ([system("be kind"), user(text("a"))], ["user 0.0 1.0"]),
    "a summary is the user's": (
        [
            user(text("a")),
            assistant(text("b"), {"type": "compaction", "content": "Long ago."}, text("c")),
            user(text("d")),
        ],
        ["user 0.0", "assistant 1.0", "user 1.1", "assistant 1.2", "user 2.0"],
    ),
    "a summary that failed is silent": (
        [user(text("a")), assistant({"type": "compaction", "content": None}), user(text("b"))],
        ["user 0.0 2.0"],
    ),
    "a tool that is offered is silent": (
        [user(text("a")), assistant({"type": "tool_addition", "tool": {}}), user(text("b"))],
        ["user 0.0 2.0"],
    ),
}


@pytest.mark.parametrize(("messages", "expected"), MERGED.values(), ids=MERGED.keys())
def test_turns(messages: list[dict[str, Any]], expected: list[str]) -> None:
    assert seen(messages) == (expected, [])


KEPT: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "a system message keeps its place": (
        [user(text("a")), system("be kind"), assistant(text("b"))],
        ["user 0.0", "system 1.0", "assistant 2.0"],
    ),
    "but never between a call and its result": (
        [user(text("a")), assistant(CALL), system("be kind"), user(RESULT, text("b"))],
        ["user 0.0", "assistant 1.0", "user 3.0 3.1", "system 2.0"],
    ),
    "nor do two of them": (
        [assistant(CALL), system("be kind"), system("be brief"), user(RESULT)],
        ["assistant 0.0", "user 3.0", "system 1.0 2.0"],
    ),
    "a word that is no result stays behind it": (
        [assistant(CALL), system("be kind"), user(text("b"))],
        ["assistant 0.0", "system 1.0", "user 2.0"],
    ),
    "one that says nothing is silent": (
        [user(text("a")), system("  "), user(text("b"))],
        ["user 0.0 2.0"],
    ),
}


@pytest.mark.parametrize(("messages", "expected"), KEPT.values(), ids=KEPT.keys())
def test_turns_where_system_messages_are_kept(messages: list[dict[str, Any]], expected: list[str]) -> None:
    assert seen(messages, KEEPS) == (expected, [])


ONCE = {"clear_at": "next_user_message"}

CLEARED: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "it is there for the turn it follows": ([user(text("a")), system("now", **ONCE)], ["user 0.0 1.0"]),
    "a result does not clear it": (
        [user(text("a")), system("now", **ONCE), assistant(CALL), user(RESULT)],
        ["user 0.0 1.0", "assistant 2.0", "user 3.0"],
    ),
    "the user's next word does": (
        [user(text("a")), system("now", **ONCE), assistant(CALL), user(RESULT, text("b"))],
        ["user 0.0", "assistant 2.0", "user 3.0 3.1"],
    ),
    "one that stays is not cleared": (
        [user(text("a")), system("now", clear_at="never"), assistant(text("b")), user(text("c"))],
        ["user 0.0 1.0", "assistant 2.0", "user 3.0"],
    ),
}


@pytest.mark.parametrize(("messages", "expected"), CLEARED.values(), ids=CLEARED.keys())
def test_a_system_message_for_one_turn(messages: list[dict[str, Any]], expected: list[str]) -> None:
    assert seen(messages) == (expected, [])


LOST: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "a server's call without its result": (
        assistant(text("a"), SEARCH),
        ["assistant 0.0"],
        ["messages.0.content.1.server_tool_use: its result is missing"],
    ),
    "a server's result without its call": (
        assistant(FOUND, text("a")),
        ["assistant 0.1"],
        ["messages.0.content.0.web_search_tool_result: its call is missing"],
    ),
    "debris": (
        assistant({"type": "from_the_future"}, {"type": "fallback"}, text("a")),
        ["assistant 0.2"],
        [
            "messages.0.content.0.from_the_future: not known to this proxy",
            "messages.0.content.1.fallback: names a model of another server",
        ],
    ),
    "a PDF of the assistant's": (
        assistant(
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "x"}}, text("a")
        ),
        ["assistant 0.1"],
        ["messages.0.content.0.document: an assistant message holds text only"],
    ),
    "what says nothing to another model": (
        user({"type": "advisor_tool_result", "tool_use_id": "s", "content": {}}, text("a")),
        ["user 0.1"],
        ["messages.0.content.0.advisor_tool_result: says nothing to another model"],
    ),
}


@pytest.mark.parametrize(("message", "expected", "dropped"), LOST.values(), ids=LOST.keys())
def test_what_is_left_out_is_named(message: dict[str, Any], expected: list[str], dropped: list[str]) -> None:
    assert seen([message]) == (expected, dropped)


@given(histories)
def test_roles_alternate_and_no_turn_is_empty(messages: list[dict[str, Any]]) -> None:
    found = turns(messages_request({"model": "m", "max_tokens": 1, "messages": messages}), PLAIN, [])
    roles = [turn.role for turn in found]
    assert all(role != following for role, following in pairwise(roles))
    assert set(roles) <= {"user", "assistant"}
    assert all(turn.blocks for turn in found)
