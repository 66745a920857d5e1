"""Folding: the whole reply is what a client builds from the stream."""

from typing import Any

import pytest
from anthropic.types import Message as SdkMessage

from anthropic_proxy.translate.fold import fold
from anthropic_proxy.translate.pieces import (
    Block,
    Citation,
    Failure,
    Finish,
    Piece,
    Signature,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from tests.translate.events import message, written

SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "a"}}
RESULT = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
CITATION = {
    "type": "web_search_result_location",
    "url": "https://example.test/a",
    "title": None,
    "encrypted_index": "",
    "cited_text": "a",
}

CONTENTS: dict[str, tuple[list[Piece], list[dict[str, Any]]]] = {
    "deltas of a text are joined": ([Text("a"), Text("b")], [{"type": "text", "text": "ab"}]),
    "citations gather in their text": (
        [Text("a"), Citation(CITATION), Citation(CITATION)],
        [{"type": "text", "text": "a", "citations": [CITATION, CITATION]}],
    ),
    "thinking has its text and its signature": (
        [Thinking("a"), Thinking("b"), Signature("sig")],
        [{"type": "thinking", "thinking": "ab", "signature": "sig"}],
    ),
    "arguments are parsed": (
        [ToolCall(0, "call_1", "weather", '{"city": '), ToolCall(0, arguments='"Rome"}')],
        [{"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Rome"}}],
    ),
    "no arguments are an empty object": (
        [ToolCall(0, "call_1", "clock")],
        [{"type": "tool_use", "id": "call_1", "name": "clock", "input": {}}],
    ),
    "arguments that break off are kept as text": (
        [ToolCall(0, "call_1", "weather", '{"city": "Ro')],
        [{"type": "tool_use", "id": "call_1", "name": "weather", "input": {"__unparsed_arguments": '{"city": "Ro'}}],
    ),
    "whole blocks come back as they went in": (
        [
            Block(SEARCH),
            Block(RESULT),
            Block({"type": "text", "text": "a", "citations": [CITATION]}),
            Block({"type": "redacted_thinking", "data": "x"}),
            Block({"type": "thinking", "thinking": "b", "signature": "sig"}),
        ],
        [
            SEARCH,
            RESULT,
            {"type": "text", "text": "a", "citations": [CITATION]},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "thinking", "thinking": "b", "signature": "sig"},
        ],
    ),
}


@pytest.mark.parametrize(("pieces", "content"), CONTENTS.values(), ids=CONTENTS.keys())
def test_content(pieces: list[Piece], content: list[dict[str, Any]]) -> None:
    called = any(isinstance(piece, ToolCall) for piece in pieces)
    cut = any(isinstance(piece, ToolCall) and piece.arguments.endswith("Ro") for piece in pieces)
    end = Finish("max_tokens" if cut else "tool_use" if called else "end_turn")
    folded = message(written([*pieces, end]))
    assert folded["content"] == content
    SdkMessage.model_validate(folded, strict=False)


def test_a_message_says_all_that_its_stream_said() -> None:
    details = {"type": "refusal", "category": None, "explanation": "no"}
    pieces: list[Piece] = [Text("a"), Usage(20, 5, 3, 4), Finish("refusal", None, details)]
    assert message(written(pieces, estimate=33)) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "my-model",
        "content": [{"type": "text", "text": "a"}],
        "stop_reason": "refusal",
        "stop_sequence": None,
        "stop_details": details,
        "usage": {
            "input_tokens": 20,
            "output_tokens": 5,
            "cache_read_input_tokens": 3,
            "cache_creation_input_tokens": 4,
            "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 0},
        },
    }


def test_a_stream_that_failed_folds_to_its_error() -> None:
    assert message(written([Text("a"), Failure("api_error", "gone")])) == {
        "type": "error",
        "error": {"type": "api_error", "message": "gone"},
    }


def test_folding_leaves_the_events_alone() -> None:
    events = written([ToolCall(0, "call_1", "weather", '{"a": 1}'), Finish("tool_use")])
    assert fold(events) == fold(events)
