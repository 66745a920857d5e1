"""What is counted and billed: cached tokens, cache marks, whose session it is, and who asks."""

import hashlib
import json
from typing import Any

import pytest

from tests.servers import Reply
from tests.talking import BOTH, Body, assistant, fine, result, talking, tool, user

# Counts

PROMPT = "The quick brown fox jumps over the lazy dog and runs away. " * 77
"""About 1,000 tokens for any tokenizer."""

USAGES: dict[str, Body] = {
    "OpenAI's": {
        "prompt_tokens": 1000,
        "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 800},
        "completion_tokens_details": {"reasoning_tokens": 30},
    },
    "DeepSeek's": {
        "prompt_tokens": 1000,
        "completion_tokens": 50,
        "prompt_cache_hit_tokens": 800,
        "prompt_cache_miss_tokens": 200,
        "completion_tokens_details": {"reasoning_tokens": 30},
    },
}


@BOTH
@pytest.mark.parametrize("usage", USAGES.values(), ids=USAGES.keys())
async def test_cached_tokens_are_counted_once(usage: Body, stream: bool) -> None:
    def counting(body: Body) -> Reply:
        reply = fine(body)
        ours = b'"usage": {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19}'
        theirs = b'"usage": ' + json.dumps(usage).encode()
        return reply._replace(parts=[part.replace(ours, theirs) for part in reply.parts])

    async with talking(counting) as talk:
        message = await talk.ask(stream, messages=[user(PROMPT)])
        if stream:
            (start,) = [event["message"]["usage"] for event in talk.events if event["type"] == "message_start"]
            assert start["input_tokens"] == pytest.approx(1000, rel=0.25)
    counted = message["usage"]
    assert (counted["input_tokens"], counted["cache_read_input_tokens"], counted["output_tokens"]) == (200, 800, 50)


# What costs and what does not

EPHEMERAL = {"cache_control": {"type": "ephemeral"}}


def marked(text: str) -> Body:
    return {"type": "text", "text": text, **EPHEMERAL}


SIX_MARKS: dict[str, Any] = {
    "system": [marked("One."), marked("Two.")],
    "tools": [{**tool("a"), **EPHEMERAL}],
    "messages": [user(marked("Three.")), assistant(marked("Four.")), user(marked("Five."))],
}


@BOTH
@pytest.mark.parametrize(
    ("backend", "model", "marks"),
    [("openrouter", "anthropic/claude-sonnet-4.5", 4), ("plain", "m", 0), ("openai", "gpt-4o", 0)],
)
async def test_cache_marks_go_where_they_pay(backend: str, model: str, marks: int, stream: bool) -> None:
    async with talking(fine, BACKEND=backend, MODEL=model) as talk:
        await talk.ask(stream, **SIX_MARKS)
        await talk.ask(stream, messages=[user({"type": "text", "text": "One."}, marked("Two."))])
    assert json.dumps(talk.asked[0]).count("cache_control") == marks
    if marks:
        parts = talk.asked[1]["messages"][-1]["content"]
        assert ["cache_control" in part for part in parts] == [False, True]


@BOTH
async def test_a_session_is_told_by_one_key_and_a_user_by_none(stream: bool) -> None:
    user_id = "user_" + "a" * 300
    async with talking(fine, BACKEND="openai", MODEL="gpt-4o") as talk:
        for session in ("s1", "s1", "s2"):
            await talk.ask(stream, {"x-claude-code-session-id": session}, metadata={"user_id": user_id})
    keys = [body["prompt_cache_key"] for body in talk.asked]
    assert keys[0] == keys[1] != keys[2]
    assert "a" * 65 not in json.dumps(talk.asked)
    assert all(not {"user", "safety_identifier"} & body.keys() for body in talk.asked)


@BOTH
async def test_a_user_is_a_short_hash_where_the_settings_say_so(stream: bool) -> None:
    user_id = "user_" + "a" * 300
    async with talking(fine, FORWARD_USER_ID="hash") as talk:
        await talk.ask(stream, metadata={"user_id": user_id})
    assert talk.asked[0]["user"] == hashlib.sha256(user_id.encode()).hexdigest()[:32]


# Who asks, where that is billed

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
CALLED = [user("Go."), assistant({"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}})]

ASKERS: dict[str, tuple[list[Body], dict[str, str], str, bool]] = {
    "the user": ([user("Go.")], {}, "user", False),
    "the user, with a picture": ([user({"type": "text", "text": "Go."}, IMAGE)], {}, "user", True),
    "a tool": ([*CALLED, user(result("toolu_1"))], {}, "agent", False),
    "a tool, with a reminder": (
        [*CALLED, user(result("toolu_1"), {"type": "text", "text": "<system-reminder>x</system-reminder>"})],
        {},
        "agent",
        False,
    ),
    "another agent": ([user("Go.")], {"x-claude-code-agent-id": "a1"}, "agent", False),
}


@BOTH
@pytest.mark.parametrize(("messages", "headers", "initiator", "images"), ASKERS.values(), ids=ASKERS.keys())
async def test_copilot_hears_who_asks(
    messages: list[Body], headers: dict[str, str], initiator: str, images: bool, stream: bool
) -> None:
    async with talking(fine, BACKEND="copilot", MODEL="gpt-4o") as talk:
        await talk.ask(stream, headers, messages=messages, tools=[tool("read")])
    sent = talk.backend.requests[0].headers
    assert sent["x-initiator"] == initiator
    assert ("copilot-vision-request" in sent) is images
    assert {"editor-version", "editor-plugin-version", "copilot-integration-id"} <= sent.keys()
