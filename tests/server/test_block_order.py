"""However a backend mixes reasoning, text and calls, the official SDK builds a message of whole blocks from it."""

import json
from typing import Any

import pytest

from tests.servers import Reply, refused
from tests.talking import BOTH, Body, call, said, talking, tool

TOOLS: dict[str, Any] = {"tools": [tool("weather"), tool("clock")], "thinking": {"type": "adaptive"}}


def arguments(text: str, index: int = 0) -> Body:
    return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}


MIXED: list[Body] = [
    {"reasoning_content": "a"},
    {"content": "b"},
    {"reasoning_content": "c"},
    call("weather", "", "call_rome"),
    {"content": "d"},
    arguments('{"city":"Rome"}'),
    call("clock", '{"zone":"CET"}', "call_clock", 1),
]


def brief(message: Body) -> list[Any]:
    """Its blocks: of each its type and what it says."""
    said = {"thinking": "thinking", "text": "text", "tool_use": "input"}
    return [(block["type"], block[said[block["type"]]]) for block in message["content"]]


async def test_mixed_up() -> None:
    async with talking(lambda body: said(body, *MIXED, finish_reason="tool_calls")) as talk:
        message = await talk.ask(stream=True, **TOOLS)
        events = talk.events
    assert brief(message) == [
        ("thinking", "a"),
        ("text", "b"),
        ("thinking", "c"),
        ("tool_use", {"city": "Rome"}),
        ("text", "d"),
        ("tool_use", {"zone": "CET"}),
    ]
    assert message["stop_reason"] == "tool_use"
    for kind in ("content_block_start", "content_block_stop"):
        assert [event["index"] for event in events if event["type"] == kind] == [0, 1, 2, 3, 4, 5]
    assert [event["type"] for event in events].count("message_start") == 1
    assert [event["type"] for event in events][-2:] == ["message_delta", "message_stop"]


async def test_reasoning_comes_first_signed_and_closed() -> None:
    async with talking(lambda body: said(body, {"reasoning_content": "Hm."}, {"content": "Yes."})) as talk:
        message = await talk.ask(stream=True, **TOOLS)
        events = talk.events
    deltas = [
        (event["type"], event.get("delta", {}).get("type"), event.get("index"))
        for event in events
        if event["type"].startswith("content_block")
    ]
    assert deltas == [
        ("content_block_start", None, 0),
        ("content_block_delta", "thinking_delta", 0),
        ("content_block_delta", "signature_delta", 0),
        ("content_block_stop", None, 0),
        ("content_block_start", None, 1),
        ("content_block_delta", "text_delta", 1),
        ("content_block_stop", None, 1),
    ]
    assert message["content"][0]["signature"]


@BOTH
@pytest.mark.parametrize("thinking", [None, {"type": "disabled"}], ids=["unsaid", "off"])
async def test_reasoning_that_nobody_asked_for_is_not_shown(stream: bool, thinking: Body | None) -> None:
    asked: dict[str, Any] = {"thinking": thinking} if thinking else {}
    async with talking(lambda body: said(body, {"reasoning_content": "Hm."}, {"content": "Yes."})) as talk:
        message = await talk.ask(stream, **asked)
    assert brief(message) == [("text", "Yes.")]


ENDS: dict[str, tuple[list[Body], str, str, list[str]]] = {
    "a call that ends with stop": ([{"content": ""}, call("clock")], "stop", "tool_use", ["tool_use"]),
    "a call that ends with function_call": ([call("clock")], "function_call", "tool_use", ["tool_use"]),
    "a call and no reason": ([call("clock")], "", "tool_use", ["tool_use"]),
    "a call after text": ([{"content": "Hm."}, call("clock")], "stop", "tool_use", ["text", "tool_use"]),
    "a call that is cut off": ([call("clock", '{"zone": "C')], "length", "max_tokens", ["tool_use"]),
    "a filter": ([{"content": "Hm."}], "content_filter", "refusal", ["text"]),
    "a filter before anything": ([{"content": ""}], "content_filter", "refusal", []),
    "a reason of calls without any": ([{"content": "Hm."}], "tool_calls", "end_turn", ["text"]),
}
"""Deltas and finish reason, and the stop reason and blocks they make."""


@BOTH
@pytest.mark.parametrize(("deltas", "finish", "reason", "blocks"), ENDS.values(), ids=ENDS.keys())
async def test_why_it_stopped(deltas: list[Body], finish: str, reason: str, blocks: list[str], stream: bool) -> None:
    async with talking(lambda body: said(body, *deltas, finish_reason=finish)) as talk:
        message = await talk.ask(stream, **TOOLS)
    assert (message["stop_reason"], [block["type"] for block in message["content"]]) == (reason, blocks)


COUNTS: dict[str, tuple[Any, Any]] = {
    "nowhere": ({}, {}),
    "null": ({"usage": None}, {"usage": None}),
    "in a chunk of its own": ({}, {"usage": {"prompt_tokens": 9, "completion_tokens": 4}}),
    "in every chunk": ({"usage": {"prompt_tokens": 9, "completion_tokens": 1}},) * 2,
    "in part": ({}, {"usage": {"prompt_tokens": None, "completion_tokens": 4, "prompt_tokens_details": None}}),
}
"""What each chunk says of it, and the last one."""

SAYS: dict[str, tuple[Body, str]] = {
    "text": ({"content": "Hi."}, "stop"),
    "nothing": ({"content": ""}, "stop"),
    "a refusal": ({"refusal": "No."}, "stop"),
    "a call": (call("clock"), "tool_calls"),
}


@BOTH
@pytest.mark.parametrize(("delta", "finish"), SAYS.values(), ids=SAYS.keys())
@pytest.mark.parametrize(("each", "last"), COUNTS.values(), ids=COUNTS.keys())
async def test_tokens_are_numbers(each: Body, last: Body, delta: Body, finish: str, stream: bool) -> None:
    def counting(body: Body) -> Reply:
        if not body.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", **delta}, "finish_reason": finish}
            return Reply([json.dumps({"id": "1", "choices": [choice], **each, **last}).encode()])
        chunks = [
            {"choices": [{"index": 0, "delta": delta, "finish_reason": None}], **each},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}], **each},
            {"choices": [], **last},
        ]
        lines = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
        return Reply([*lines, b"data: [DONE]\n\n"], "text/event-stream")

    async with talking(counting) as talk:
        message = await talk.ask(stream, **TOOLS)
        stated = [message["usage"]]
        if stream:
            (start,) = [event["message"]["usage"] for event in talk.events if event["type"] == "message_start"]
            (end,) = [event["usage"] for event in talk.events if event["type"] == "message_delta"]
            stated += [start, end]
            assert start["input_tokens"] > 0
    for usage in stated:
        for name in ("input_tokens", "output_tokens"):
            assert type(usage[name]) is int
            assert usage[name] >= 0


async def test_counts_are_asked_for_until_that_is_refused() -> None:
    def refusing(body: Body) -> Reply:
        if "stream_options" in body:
            return refused(400, "Unknown parameter: 'stream_options'.")
        return said(body, {"content": "Hi."})

    async with talking(refusing) as talk:
        for _ in range(2):
            message = await talk.ask(stream=True)
            assert brief(message) == [("text", "Hi.")]
    assert ["stream_options" in body for body in talk.asked] == [True, False, False]
