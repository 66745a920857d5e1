"""The safety check of Claude Code's auto mode: a whole request, 64 tokens, a stop sequence, no thinking, no tools.

Where it fails, every command is refused. No verdict is ever made up: a model gives it, or there is none.
"""

import json
from typing import Any

import pytest

from tests.proxying import ask
from tests.server.asgi import question
from tests.servers import Reply
from tests.talking import BOTH, Body, said, talking

CHECK: dict[str, Any] = {
    "max_tokens": 64,
    "system": "Judge the action. " * 6000,
    "thinking": {"type": "disabled"},
    "stop_sequences": ["</block>"],
}
VERDICT = {"content": "<block>no</block><reason>It only lists files.</reason>"}

SWITCHED_OFF: dict[str, dict[str, Any]] = {
    "reasoning=effort": {"reasoning_effort": "none"},
    "reasoning=thinking_object": {"thinking": {"type": "disabled"}},
    "reasoning=enable_thinking": {"enable_thinking": False},
    "reasoning=reasoning_object": {"reasoning": {"effort": "none"}},
    "reasoning=template": {"chat_template_kwargs": {"enable_thinking": False}},
}
"""Dialects, each with what it is told."""


@BOTH
@pytest.mark.parametrize(("dialect", "told"), SWITCHED_OFF.items(), ids=SWITCHED_OFF.keys())
async def test_a_backend_that_goes_on_is_cut_at_the_verdict(dialect: str, told: dict[str, Any], stream: bool) -> None:
    async with talking(lambda body: said(body, VERDICT), DIALECT=dialect) as talk:
        message = await talk.ask(stream, **CHECK)
    assert message["content"] == [{"type": "text", "text": "<block>no"}]
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "</block>")
    (asked,) = talk.asked
    assert {name: asked.get(name) for name in told} == told
    assert "tools" not in asked
    assert asked["max_tokens"] == 64


@BOTH
async def test_a_backend_that_tells_which_one_matched_is_sent_the_stop_sequence(stream: bool) -> None:
    def obeys(body: Body) -> Reply:
        (stop,) = body["stop"]
        choice = {"index": 0, "finish_reason": "stop", "stop_reason": stop}
        text = {"role": "assistant", "content": VERDICT["content"].partition(stop)[0]}
        if body.get("stream"):
            line = json.dumps({"choices": [{**choice, "delta": text}]}).encode()
            return Reply([b"data: " + line + b"\n\n", b"data: [DONE]\n\n"], "text/event-stream")
        return Reply([json.dumps({"choices": [{**choice, "message": text}]}).encode()])

    async with talking(obeys, DIALECT="stop_report=stop_reason") as talk:
        message = await talk.ask(stream, **CHECK)
    assert message["content"] == [{"type": "text", "text": "<block>no"}]
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "</block>")


@pytest.mark.parametrize(("tokens", "status"), [(5, 200), (0, 502)], ids=["that counts some output", "or anything"])
async def test_a_reply_without_choices(tokens: int, status: int) -> None:
    """One that says nothing at all is an error that the client tries again: an empty message would be a refusal."""
    usage = {"prompt_tokens": 9, "completion_tokens": tokens}
    nothing = json.dumps({"id": "1", "object": "chat.completion", "choices": [], "usage": usage}).encode()
    async with talking(lambda body: Reply([nothing])) as talk:
        answer = await ask(talk.url, question(**{**CHECK, "stop_sequences": []}))
    assert answer.status == status
    assert "x-should-retry" not in answer.headers


def thinks_always(body: Body) -> Reply:
    """Thinks before the verdict, whatever it is told, and stops at the cap."""
    thought = 3000
    if body.get("max_tokens", 0) < thought:
        return said(body, {"reasoning_content": "Hm. " * 60}, finish_reason="length")
    return said(body, {"reasoning_content": "Hm. " * 60}, VERDICT)


@BOTH
async def test_a_model_that_cannot_stop_thinking_has_room_for_the_verdict(stream: bool) -> None:
    async with talking(thinks_always, DIALECT="reasoning=effort effort_off=") as talk:
        message = await talk.ask(stream, **CHECK)
    assert message["content"] == [{"type": "text", "text": "<block>no"}]


@BOTH
async def test_no_verdict_is_made_up(stream: bool) -> None:
    async with talking(lambda body: said(body, {"content": "Hello."})) as talk:
        message = await talk.ask(
            stream,
            headers={"anthropic-beta": "dangerous-tool-use-2026-09-03"},
            safeguards=[{"type": "dangerous_tool_use", "cwd": "/a/private/path"}],
        )
    assert "safeguards" not in talk.asked[0]
    assert "/a/private/path" not in str(talk.asked)
    assert "safeguard_results" not in str(message)
