"""The writer: whatever pieces come, in whatever order, the stream is legal and nothing is lost."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.translate.fold import fold
from anthropic_proxy.translate.pieces import (
    Block,
    Citation,
    Estimate,
    Failure,
    Finish,
    Piece,
    Signature,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from anthropic_proxy.translate.writer import NAMELESS_TOOL, MessageWriter
from anthropic_proxy.wire.json import dumps
from tests.translate.events import brief, message, written

END = Finish("end_turn")
CALLED = Finish("tool_use")
CITATION = {"type": "web_search_result_location", "url": "https://example.test/a"}

STREAMS: dict[str, tuple[list[Piece], list[str]]] = {
    "text streams as it comes": (
        [Text("Hel"), Text("lo"), END],
        ["message_start", "0 [ text", "0 + text 'Hel'", "0 + text 'lo'", "0 ]", "end end_turn", "message_stop"],
    ),
    "empty text begins nothing and adds nothing": (
        [Text(""), Text("a"), Text(""), Text("b"), END],
        ["message_start", "0 [ text", "0 + text 'a'", "0 + text 'b'", "0 ]", "end end_turn", "message_stop"],
    ),
    "white space alone is no block": (
        [Text("\n"), Text(" "), END],
        ["message_start", "end end_turn", "message_stop"],
    ),
    "white space in front of text belongs to it": (
        [Text("\n"), Text(" "), Text("a"), END],
        ["message_start", "0 [ text", "0 + text '\\n a'", "0 ]", "end end_turn", "message_stop"],
    ),
    "white space between two other blocks is dropped": (
        [Thinking("a"), Text("\n"), ToolCall(0, "call_1", "weather"), Text("\n"), CALLED],
        [
            "message_start",
            "0 [ thinking",
            "0 + thinking 'a'",
            "0 + signature 'px1.'",
            "0 ]",
            "1 [ tool_use call_1 weather",
            "1 ]",
            "end tool_use",
            "message_stop",
        ],
    ),
    "white space does not end a thinking block": (
        [Thinking("a"), Text("\n"), Thinking("b"), END],
        [
            "message_start",
            "0 [ thinking",
            "0 + thinking 'a'",
            "0 + thinking 'b'",
            "0 + signature 'px1.'",
            "0 ]",
            "end end_turn",
            "message_stop",
        ],
    ),
    "a signature ends its block": (
        [Thinking("a"), Signature("sig-1"), Thinking("b"), Signature("sig-2"), END],
        [
            "message_start",
            "0 [ thinking",
            "0 + thinking 'a'",
            "0 + signature 'sig-1'",
            "0 ]",
            "1 [ thinking",
            "1 + thinking 'b'",
            "1 + signature 'sig-2'",
            "1 ]",
            "end end_turn",
            "message_stop",
        ],
    ),
    "a signature without its block is left out": (
        [Text("a"), Signature("sig-1"), END],
        ["message_start", "0 [ text", "0 + text 'a'", "0 ]", "end end_turn", "message_stop"],
    ),
    "thinking that is not shown has a signature alone": (
        [Thinking(""), Signature("sig-1"), Text("a"), END],
        [
            "message_start",
            "0 [ thinking",
            "0 + signature 'sig-1'",
            "0 ]",
            "1 [ text",
            "1 + text 'a'",
            "1 ]",
            "end end_turn",
            "message_stop",
        ],
    ),
    "of interleaved calls the first streams and the second waits for its turn": (
        [
            ToolCall(0, "call_1", "weather", '{"city"'),
            ToolCall(1, "call_2", "clock", '{"zone"'),
            ToolCall(0, arguments=':"Rome"}'),
            ToolCall(1, arguments=':"CET"}'),
            CALLED,
        ],
        [
            "message_start",
            "0 [ tool_use call_1 weather",
            "0 + input_json '{\"city\"'",
            "0 + input_json ':\"Rome\"}'",
            "0 ]",
            "1 [ tool_use call_2 clock",
            "1 + input_json '{\"zone\"'",
            "1 + input_json ':\"CET\"}'",
            "1 ]",
            "end tool_use",
            "message_stop",
        ],
    ),
    "what waited goes out as one delta": (
        [
            ToolCall(0, "call_1", "weather", "{"),
            ToolCall(1, "call_2", "clock", "{"),
            Text("a"),
            ToolCall(1, arguments='"b"'),
            Text("b"),
            ToolCall(1, arguments=":1}"),
            Finish("max_tokens"),
        ],
        [
            "message_start",
            "0 [ tool_use call_1 weather",
            "0 + input_json '{'",
            "0 ]",
            "1 [ tool_use call_2 clock",
            "1 + input_json '{\"b\":1}'",
            "1 ]",
            "2 [ text",
            "2 + text 'ab'",
            "2 ]",
            "end max_tokens",
            "message_stop",
        ],
    ),
    "text after a call closes it once its arguments have ended": (
        [ToolCall(0, "call_1", "weather", '{"a":"}"}'), Text("b"), Text("c"), CALLED],
        [
            "message_start",
            "0 [ tool_use call_1 weather",
            '0 + input_json \'{"a":"}"}\'',
            "0 ]",
            "1 [ text",
            "1 + text 'b'",
            "1 + text 'c'",
            "1 ]",
            "end tool_use",
            "message_stop",
        ],
    ),
    "a call without arguments lets what follows wait, for some may come": (
        [ToolCall(0, "call_1", "clock"), Text("b"), ToolCall(0, arguments="{}"), Text("c"), CALLED],
        [
            "message_start",
            "0 [ tool_use call_1 clock",
            "0 + input_json '{}'",
            "0 ]",
            "1 [ text",
            "1 + text 'b'",
            "1 + text 'c'",
            "1 ]",
            "end tool_use",
            "message_stop",
        ],
    ),
    "a call begins once it has an id and a name": (
        [
            ToolCall(0),
            ToolCall(0, arguments='{"a"'),
            ToolCall(0, "call_1"),
            Text("b"),
            ToolCall(0, name="weather", arguments=":1}"),
            CALLED,
        ],
        [
            "message_start",
            "0 [ tool_use call_1 weather",
            "0 + input_json '{\"a\":1}'",
            "0 ]",
            "1 [ text",
            "1 + text 'b'",
            "1 ]",
            "end tool_use",
            "message_stop",
        ],
    ),
    "a call whose name never comes is sent for the client to report": (
        [ToolCall(0, arguments='{"a":1}'), CALLED],
        [
            "message_start",
            f"0 [ tool_use toolu_msg_1_0 {NAMELESS_TOOL}",
            "0 + input_json '{\"a\":1}'",
            "0 ]",
            "end tool_use",
            "message_stop",
        ],
    ),
    "what comes for a call after its end is left out": (
        [ToolCall(0, "call_1", "clock", "{}"), Text("a"), ToolCall(0), ToolCall(0, "call_9", "weather"), CALLED],
        [
            "message_start",
            "0 [ tool_use call_1 clock",
            "0 + input_json '{}'",
            "0 ]",
            "1 [ text",
            "1 + text 'a'",
            "1 ]",
            "end tool_use",
            "message_stop",
        ],
    ),
    "a repeated id or name changes nothing": (
        [ToolCall(0, "call_1", "weather"), ToolCall(0, "call_9", "clock", "{}", "toolset"), CALLED],
        [
            "message_start",
            "0 [ tool_use call_1 weather",
            "0 + input_json '{}'",
            "0 ]",
            "end tool_use",
            "message_stop",
        ],
    ),
    "whole blocks are closed at once, and what follows is not added to them": (
        [
            Block({"type": "text", "text": "a", "citations": [CITATION]}),
            Text("b"),
            Block({"type": "thinking", "thinking": "c", "signature": "sig"}),
            Thinking("d"),
            Block({"type": "thinking", "thinking": "", "signature": ""}),
            Block({"type": "text", "text": ""}),
            Block({"type": "redacted_thinking", "data": "x"}),
            END,
        ],
        [
            "message_start",
            "0 [ text",
            "0 + text 'a'",
            f"0 + citations {CITATION!r}",
            "0 ]",
            "1 [ text",
            "1 + text 'b'",
            "1 ]",
            "2 [ thinking",
            "2 + thinking 'c'",
            "2 + signature 'sig'",
            "2 ]",
            "3 [ thinking",
            "3 + thinking 'd'",
            "3 + signature 'px1.'",
            "3 ]",
            "4 [ thinking",
            "4 + signature 'px1.'",
            "4 ]",
            "5 [ text",
            "5 ]",
            "6 [ redacted_thinking",
            "6 ]",
            "end end_turn",
            "message_stop",
        ],
    ),
    "a whole call is sent like one that streamed": (
        [
            Block({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "a"}}),
            Block({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}),
            Block({"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {}}),
            CALLED,
        ],
        [
            "message_start",
            "0 [ server_tool_use srvtoolu_1 web_search",
            '0 + input_json \'{"query":"a"}\'',
            "0 ]",
            "1 [ web_search_tool_result",
            "1 ]",
            "2 [ tool_use toolu_1 clock",
            "2 ]",
            "end tool_use",
            "message_stop",
        ],
    ),
    "a citation belongs to the text that is being written": (
        [Citation(CITATION), Text("a"), Citation(CITATION), Text("b"), END],
        [
            "message_start",
            "0 [ text",
            "0 + text 'a'",
            f"0 + citations {CITATION!r}",
            "0 + text 'b'",
            "0 ]",
            "end end_turn",
            "message_stop",
        ],
    ),
    "a failure is the last event, and leaves what is open": (
        [Text("a"), Failure("overloaded_error", "busy"), Text("b"), END, Failure("api_error", "again")],
        ["message_start", "0 [ text", "0 + text 'a'", "error overloaded_error: busy"],
    ),
    "a reply without an end is a failure": (
        [Text("a"), Usage(1, 1)],
        ["message_start", "0 [ text", "0 + text 'a'", "error api_error: the upstream closed the stream early"],
    ),
    "a failure before anything was said stands alone": (
        [Estimate(7), Failure("api_error", "gone")],
        ["error api_error: gone"],
    ),
}


@pytest.mark.parametrize(("pieces", "expected"), STREAMS.values(), ids=STREAMS.keys())
def test_pieces_become_events(pieces: list[Piece], expected: list[str]) -> None:
    assert brief(written(pieces)) == expected


def test_the_end_tells_what_was_cleared_of_the_prompt() -> None:
    edit = {"type": "clear_tool_uses_20250919", "cleared_tool_uses": 2, "cleared_input_tokens": 50}
    events = written([Estimate(7, [edit]), Text("a"), Finish("end_turn")])
    assert events[-2]["context_management"] == {"applied_edits": [edit]}
    assert fold(events)["context_management"] == {"applied_edits": [edit]}  # type: ignore[typeddict-item]
    assert "context_management" not in fold(written([Estimate(7), Text("a"), Finish("end_turn")]))


def test_each_piece_is_answered_by_what_it_makes_due() -> None:
    writer = MessageWriter("msg_1", "my-model")
    due: list[tuple[Piece, list[str]]] = [
        (ToolCall(0, "call_1", "clock"), ["message_start", "0 [ tool_use call_1 clock"]),
        (Text("a"), []),
        (ToolCall(0, arguments="{}"), ["0 + input_json '{}'", "0 ]", "1 [ text", "1 + text 'a'"]),
        (Usage(1, 1), []),
        (Finish("tool_use"), []),
        (Text("b"), ["1 + text 'b'"]),
    ]
    assert [brief(writer.write(piece)) for piece, _ in due] == [events for _, events in due]
    assert brief(writer.close()) == ["1 ]", "end tool_use", "message_stop"]
    assert (writer.close(), writer.write(Text("c")), writer.start()) == ([], [], [])


def test_nothing_is_sent_before_something_was_said() -> None:
    writer = MessageWriter("msg_1", "my-model")
    silent: list[Piece] = [Estimate(9), Usage(1, 1), Text(""), Text(" "), Signature("x")]
    assert [writer.write(piece) for piece in silent] == [[]] * 5
    assert not writer.started
    assert brief(writer.write(END)) == ["message_start"]


def test_a_sender_who_cannot_wait_starts_the_message_itself() -> None:
    writer = MessageWriter("msg_1", "my-model", 12)
    (start,) = writer.start()
    assert start["message"]["usage"]["input_tokens"] == 12
    assert writer.start() == []
    assert brief([*writer.write(Text("a")), *writer.write(END), *writer.close()]) == [
        "0 [ text",
        "0 + text 'a'",
        "0 ]",
        "end end_turn",
        "message_stop",
    ]


def test_a_toolset_is_named_with_its_tool() -> None:
    (call,) = message(written([ToolCall(0, "call_1", "navigate", "{}", "browser"), CALLED]))["content"]
    assert call == {"type": "tool_use", "id": "call_1", "name": "navigate", "input": {}, "toolset_name": "browser"}


def test_the_end_tells_why_it_stopped() -> None:
    details = {"type": "refusal", "category": None, "explanation": None}
    for finish, expected in (
        (Finish("stop_sequence", "END"), {"stop_reason": "stop_sequence", "stop_sequence": "END"}),
        (Finish("refusal", None, details), {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}),
    ):
        assert written([Text("a"), finish])[-2]["delta"] == expected


def usage_of(*pieces: Piece, estimate: int = 0) -> tuple[Any, Any]:
    """The token counts of message_start and message_delta."""
    events = written([*pieces, END], estimate)
    return events[0]["message"]["usage"], events[-2]["usage"]


NO_CACHE = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}

USAGES: dict[str, tuple[list[Piece], int, dict[str, Any], dict[str, Any]]] = {
    "known at the end: the start has the estimate": (
        [Text("a"), Usage(20, 5)],
        33,
        {"input_tokens": 33, "output_tokens": 0, "cache_creation": None, **NO_CACHE},
        {"input_tokens": 20, "output_tokens": 5, **NO_CACHE},
    ),
    "an estimate that comes as a piece counts": (
        [Estimate(44), Text("a"), Usage(20, 5)],
        33,
        {"input_tokens": 44, "output_tokens": 0, "cache_creation": None, **NO_CACHE},
        {"input_tokens": 20, "output_tokens": 5, **NO_CACHE},
    ),
    "known at the start: it is said there, and the last one counts": (
        [Usage(20, 1, 3, 4), Text("a"), Usage(20, 5, 3, 4)],
        33,
        {
            "input_tokens": 20,
            "output_tokens": 1,
            "cache_creation_input_tokens": 4,
            "cache_read_input_tokens": 3,
            "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 0},
        },
        {"input_tokens": 20, "output_tokens": 5, "cache_creation_input_tokens": 4, "cache_read_input_tokens": 3},
    ),
    "never known: both are estimated": (
        [Text("12345")],
        33,
        {"input_tokens": 33, "output_tokens": 0, "cache_creation": None, **NO_CACHE},
        {"input_tokens": 33, "output_tokens": 2, **NO_CACHE},
    ),
    "a prompt of zero tokens at the start was not counted yet": (
        [Usage(0, 0), Text("a"), Usage(20, 5)],
        33,
        {"input_tokens": 33, "output_tokens": 0, "cache_creation": None, **NO_CACHE},
        {"input_tokens": 20, "output_tokens": 5, **NO_CACHE},
    ),
    "a prompt that came wholly from the cache is no zero, which a client would skip": (
        [Text("a"), Usage(0, 5, 20)],
        33,
        {"input_tokens": 33, "output_tokens": 0, "cache_creation": None, **NO_CACHE},
        {"input_tokens": 1, "output_tokens": 5, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 20},
    ),
    "where the start said zero, zero it is": (
        [Usage(0, 1, 20), Text("a"), Usage(0, 5, 20)],
        33,
        {
            "input_tokens": 0,
            "output_tokens": 1,
            "cache_creation": None,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 20,
        },
        {"input_tokens": 0, "output_tokens": 5, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 20},
    ),
    "the output never shrinks": (
        [Usage(20, 9), Text("a"), Usage(20, None)],
        0,
        {"input_tokens": 20, "output_tokens": 9, "cache_creation": None, **NO_CACHE},
        {"input_tokens": 20, "output_tokens": 9, **NO_CACHE},
    ),
    "thinking, searches and the tier are told if known": (
        [Text("a"), Usage(20, 5, thinking_tokens=3, web_searches=1, service_tier="priority")],
        0,
        {"input_tokens": 0, "output_tokens": 0, "cache_creation": None, **NO_CACHE},
        {
            "input_tokens": 20,
            "output_tokens": 5,
            **NO_CACHE,
            "output_tokens_details": {"thinking_tokens": 3},
            "server_tool_use": {"web_search_requests": 1},
            "service_tier": "priority",
        },
    ),
}


@pytest.mark.parametrize(("pieces", "estimate", "start", "end"), USAGES.values(), ids=USAGES.keys())
def test_token_counts(pieces: list[Piece], estimate: int, start: dict[str, Any], end: dict[str, Any]) -> None:
    assert usage_of(*pieces, estimate=estimate) == (start, end)


# Any pieces

words = st.text(st.characters(codec="utf-8"), max_size=6)
counts = st.integers(0, 50)
usages = st.tuples(st.none() | counts, st.none() | counts, counts, counts).map(lambda figures: Usage(*figures))
blocks = st.sampled_from(
    [
        Block({"type": "text", "text": "whole"}),
        Block({"type": "thinking", "thinking": "whole", "signature": "sig"}),
        Block({"type": "redacted_thinking", "data": "x"}),
        Block({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}),
    ]
)
others = (
    st.builds(Text, words)
    | st.builds(Thinking, words)
    | st.builds(Signature, words.filter(bool))
    | st.just(Citation(CITATION))
    | st.builds(Estimate, counts)
    | usages
    | blocks
)


@st.composite
def cut(draw: st.DrawFn, text: str) -> list[str]:
    """`text` in fragments."""
    ends = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


@st.composite
def replies(draw: st.DrawFn) -> tuple[list[Piece], dict[str, Any]]:
    """Pieces in any order, interleaved calls among them; and the inputs of the calls by id."""
    inputs = draw(st.lists(st.dictionaries(words, words | st.lists(counts, max_size=2), max_size=2), max_size=3))
    queues: list[list[Piece]] = [draw(st.lists(others, max_size=8))]
    for slot, arguments in enumerate(inputs):
        fragments = draw(cut(dumps(arguments).decode())) if arguments else draw(st.sampled_from([[], ["{}"], [""]]))
        named_late = draw(st.booleans())
        head = ToolCall(slot, f"call_{slot}", f"tool_{slot}")
        rest: list[Piece] = [ToolCall(slot, arguments=fragment) for fragment in fragments]
        queues.append([*rest, head] if named_late else [head, *rest])
    pieces = list(_merged(draw, queues))
    called = any(piece.id for piece in pieces if isinstance(piece, ToolCall))
    pieces.append(Finish("tool_use" if called else "end_turn"))
    pieces += draw(st.lists(usages, max_size=1))
    return pieces, {f"call_{slot}": arguments for slot, arguments in enumerate(inputs)}


def _merged(draw: st.DrawFn, queues: list[list[Piece]]) -> Iterator[Piece]:
    queues = [queue for queue in queues if queue]
    while queues:
        queue = draw(st.sampled_from(queues))
        yield queue.pop(0)
        queues = [queue for queue in queues if queue]


@given(replies())
def test_any_pieces_make_a_legal_stream_with_everything_in_it(reply: tuple[list[Piece], dict[str, Any]]) -> None:
    pieces, inputs = reply
    content = message(written(pieces))["content"]
    assert {block["id"]: block["input"] for block in content if block["type"] == "tool_use"} == inputs
    said = "".join(piece.text for piece in pieces if isinstance(piece, Text))
    shown = "".join(block["text"] for block in content if block["type"] == "text" and block["text"] != "whole")
    assert "".join(shown.split()) == "".join(said.split())
    thought = "".join(piece.text for piece in pieces if isinstance(piece, Thinking))
    assert thought == "".join(b["thinking"] for b in content if b["type"] == "thinking" and b["thinking"] != "whole")


@given(replies(), st.integers(0, 20))
def test_a_failure_may_come_at_any_place(reply: tuple[list[Piece], dict[str, Any]], place: int) -> None:
    pieces, _ = reply
    events = written([*pieces[:place], Failure("api_error", "gone"), *pieces[place:]])
    assert brief(events)[-1] == "error api_error: gone"


@given(st.lists(st.text(max_size=3), min_size=1))
def test_the_fast_path_writes_what_the_plain_one_does(texts: list[str]) -> None:
    class Plain(MessageWriter):
        """A writer that never sees itself in the common case."""

        _in_text = property(lambda self: False, lambda self, value: None)

    fast, plain = MessageWriter("msg_1", "my-model"), Plain("msg_1", "my-model")
    pieces: list[Piece] = [*map(Text, texts), END]
    assert [fast.write(piece) for piece in pieces] == [plain.write(piece) for piece in pieces]
    assert fast.close() == plain.close()
