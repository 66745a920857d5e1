"""Conversations as Claude Code leaves them, before backends that take nothing but what their rules allow.

tests/chat_rules.py has the rules: the system prompt first and alone, results straight after their calls and none
missing, roles that alternate, no field nobody knows.
"""

import base64
import copy
import json
from typing import Any

import pytest

from tests.chat_rules import faults
from tests.claude_code.files import png
from tests.servers import Reply, refused
from tests.talking import BOTH, Body, Talk, assistant, result, said, talking, tool, user

TOOLS: dict[str, Any] = {"tools": [tool("a"), tool("b"), tool("c")]}


def strict(body: Body) -> Reply:
    found = faults(body)
    return refused(400, found[0]) if found else said(body, {"content": "Fine."})


def use(id: str, name: str = "a") -> Body:
    return {"type": "tool_use", "id": id, "name": name, "input": {}}


def text(words: str) -> Body:
    return {"type": "text", "text": words}


PICTURE = base64.b64encode(png()).decode()
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}
SHOWN = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}


async def sent(talk: Talk, stream: bool, **fields: Any) -> list[Body]:
    """The messages the backend got, which found no fault with them at the first attempt."""
    before = len(talk.asked)
    message = await talk.ask(stream, **fields)
    assert message["content"] == [text("Fine.")]
    (body,) = talk.asked[before:]
    messages: list[Body] = body["messages"]
    return messages


# Results


@BOTH
async def test_results_follow_their_calls_in_order_and_none_is_missing(stream: bool) -> None:
    turn = assistant(use("toolu_a"), use("toolu_b", "b"), use("toolu_c", "c"))
    answers = user(text("stop"), result("toolu_b", "B"), IMAGE, result("toolu_a", "A"))
    async with talking(strict) as talk:
        messages = await sent(talk, stream, **TOOLS, messages=[user("Go."), turn, answers])
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool", "tool", "user"]
    assert [message["tool_call_id"] for message in messages[2:5]] == [call["id"] for call in messages[1]["tool_calls"]]
    assert [message["content"] for message in messages[2:4]] == ["A", "B"]
    assert "interrupted" in messages[4]["content"].lower()
    assert messages[5]["content"] == [text("stop"), SHOWN]


@BOTH
async def test_results_that_fit_nowhere_are_told_in_words(stream: bool) -> None:
    turn = assistant(use("toolu_a"))
    answers = user(result("toolu_a", "old"), result("toolu_a", "new"), result("toolu_z", "stray"))
    async with talking(strict) as talk:
        messages = await sent(talk, stream, **TOOLS, messages=[user("Go."), turn, answers])
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "user"]
    assert messages[2]["content"] == "old\nnew"
    assert "stray" in json.dumps(messages[3]["content"])


@BOTH
async def test_a_failure_of_a_tool_is_told_in_words(stream: bool) -> None:
    failed = {**result("toolu_a", "no such file"), "is_error": True}
    async with talking(strict) as talk:
        messages = await sent(talk, stream, **TOOLS, messages=[user("Go."), assistant(use("toolu_a")), user(failed)])
    assert messages[2]["content"] == "Error: no such file"


@BOTH
async def test_pictures_in_results_follow_all_results(stream: bool) -> None:
    turn = assistant(use("toolu_a"), use("toolu_b", "b"))
    answers = user(result("toolu_a", [text("A"), IMAGE]), result("toolu_b", [IMAGE]))
    async with talking(strict) as talk:
        messages = await sent(talk, stream, **TOOLS, messages=[user("Go."), turn, answers])
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool", "user"]
    parts = messages[4]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url", "text", "image_url"]
    assert parts[1] == parts[3] == SHOWN
    for part, call in zip(parts[::2], messages[1]["tool_calls"], strict=True):
        assert call["id"] in part["text"]


# System messages in mid-conversation


HOOK = {"role": "system", "content": "hook says X"}
SYSTEM_PLACES: dict[str, list[Body]] = {
    "after a result": [user("Go."), assistant(use("toolu_a")), user(result("toolu_a")), HOOK, user("Next.")],
    "between a call and its result": [user("Go."), assistant(use("toolu_a")), HOOK, user(result("toolu_a"))],
    "at the end": [user("Go."), assistant(use("toolu_a")), user(result("toolu_a")), HOOK],
}


@BOTH
@pytest.mark.parametrize("system", ["Be brief.", [text("Be brief."), text("Be kind.")]], ids=["string", "blocks"])
@pytest.mark.parametrize("place", SYSTEM_PLACES.values(), ids=SYSTEM_PLACES.keys())
async def test_a_system_message_in_the_middle_is_told_once_after_the_results(
    place: list[Body], system: object, stream: bool
) -> None:
    before = [message for message in place if message is not HOOK][:3]
    async with talking(strict) as talk:
        earlier = await sent(talk, stream, **TOOLS, system=system, messages=before)
        messages = await sent(talk, stream, **TOOLS, system=system, messages=place)
    told = [number for number, message in enumerate(messages) if "hook says X" in json.dumps(message)]
    results = [number for number, message in enumerate(messages) if message["role"] == "tool"]
    assert len(told) == 1
    assert told[0] > results[-1]
    assert json.dumps(messages).count("hook says X") == 1
    assert messages[: len(earlier)] == earlier


# What caches find again


FIRST_BLOCK = "x-anthropic-billing-header: cc_version=2.1.180.{}; cc_entrypoint=cli; cch={};"
MARK = {"cache_control": {"type": "ephemeral"}}

SYSTEMS: dict[str, Any] = {
    "a string": lambda print: FIRST_BLOCK.format(print, print) + "\nYou are an agent.",
    "blocks": lambda print: [text(FIRST_BLOCK.format(print, print)), text("You are an agent."), text("Rules.")],
    "marked blocks": lambda print: [
        text(FIRST_BLOCK.format(print, print)),
        {**text("You are an agent."), **MARK},
        {**text("Rules."), **MARK},
    ],
}


@BOTH
@pytest.mark.parametrize("dialect", ["plain", "openai", "deepseek", "vllm", "gemini"])
@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS.keys())
async def test_a_turn_later_what_was_sent_begins_with_the_same_bytes(system: Any, dialect: str, stream: bool) -> None:
    turns = [user(text("Go.")), assistant(text("Hm."), use("toolu_a")), user(result("toolu_a"), text("On."))]
    marked = copy.deepcopy(turns)
    turns[0]["content"][0] |= MARK
    marked[2]["content"][1] |= MARK
    later = [*marked, assistant(text("Done.")), user({**text("More."), **MARK})]
    async with talking(lambda body: said(body, {"content": "Fine."}), BACKEND=dialect, MODEL="m") as talk:
        await talk.ask(stream, **TOOLS, system=system("a1b"), messages=turns)
        await talk.ask(stream, **TOOLS, system=system("c2d"), messages=later)
    first, second = talk.asked
    assert "billing-header" not in json.dumps(talk.asked)
    assert json.dumps(first["tools"]) == json.dumps(second["tools"])
    messages = json.dumps(first["messages"])
    assert json.dumps(second["messages"]).startswith(messages.removesuffix("]"))
    assert [list(body) for body in talk.asked] == [list(first)] * 2


# What nobody knew yet

FUTURE = {"x_future": {"a": 1}}
UNKNOWN: dict[str, Any] = {
    **FUTURE,
    "context_management": {"edits": [{"type": "clear_from_the_future_20270101", **FUTURE}]},
    "output_config": {"effort": "high", "task_budget": {"type": "tokens", "total": 9}, **FUTURE},
    "diagnostics": {"previous_message_id": None},
    "safeguards": [{"type": "dangerous_tool_use"}],
    "speed": "standard",
    "metadata": {"user_id": "u", **FUTURE},
    "thinking": {"type": "adaptive", **FUTURE},
    "tool_choice": {"type": "auto", **FUTURE},
    "system": [{**text("You are an agent."), "cache_control": {"type": "ephemeral", "scope": "global", **FUTURE}}],
    "tools": [
        {**tool("a"), **FUTURE, "eager_input_streaming": True, "defer_loading": False, "cache_control": FUTURE},
        {**tool("b"), "strict": False, "input_examples": [{}], "allowed_callers": ["direct"]},
    ],
    "messages": [
        {**user({**text("Go."), **FUTURE, "cache_control": {"type": "ephemeral", **FUTURE}}), **FUTURE},
        assistant({**text("Hm."), **FUTURE}, {**use("toolu_a"), **FUTURE, "caller": {"type": "direct"}}),
        user({**result("toolu_a", [{**text("done"), **FUTURE}]), **FUTURE}),
    ],
}


@BOTH
async def test_what_nobody_knew_yet_is_left_out_and_named(stream: bool) -> None:
    async with talking(strict) as talk:
        message = await talk.ask(stream, {"anthropic-beta": "from-the-future-2027-01-01"}, **UNKNOWN)
        named = talk.headers["x-proxy-dropped"]
    assert message["content"] == [text("Fine.")]
    (body,) = talk.asked
    assert "future" not in json.dumps(body)
    assert "x_future" in named
