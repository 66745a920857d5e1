"""ChatReader: a Chat Completions reply, streamed or whole, becomes pieces."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.dialects import PLAIN, Dialect
from anthropic_proxy.translate.carriers import unpack
from anthropic_proxy.translate.chat.expected import Expected
from anthropic_proxy.translate.chat.reply import MOST_LEFT_OUT, ChatReader
from anthropic_proxy.translate.chat.tool_names import ToolNames
from anthropic_proxy.translate.failures import Asked
from anthropic_proxy.translate.fold import fold
from anthropic_proxy.translate.pieces import Block, Failure, Finish, Piece, Signature, Text, Thinking, ToolCall, Usage
from anthropic_proxy.translate.writer import MessageWriter
from anthropic_proxy.wire.anthropic import StreamEvent
from anthropic_proxy.wire.sse import SSEDecoder, encode_events
from tests.grammar import parse_stream, violations
from tests.translate.upstream_streams import (
    Spoken,
    any_chunks,
    chunk,
    deltas,
    spoken,
    streams,
    whole_reply,
)

ASKED = Asked("http://replay.invalid/v1", "my-model")


def reader(dialect: Dialect = PLAIN, **expected: Any) -> ChatReader:
    given_ = {"dialect": dialect, "model": "my-model", "names": ToolNames(dialect), "show": "text", **expected}
    return ChatReader(Expected(**given_), "msg_1", ASKED)


def data(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def read(reader: ChatReader, *chunks: Any) -> list[Piece]:
    return [piece for one in chunks for piece in reader.read(data(one))]


def closed(reader: ChatReader, *chunks: Any) -> list[Piece]:
    return [*read(reader, *chunks), *reader.close()]


def call(**fields: Any) -> dict[str, Any]:
    return chunk({"tool_calls": [fields]})


ROME = {"index": 0, "id": "call_1", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
SLOT = (0, 0, 0)
STOP = chunk({}, finish_reason="stop")
DONE = b"[DONE]"
END = Finish("end_turn")

PIECES: dict[str, tuple[dict[str, Any], list[Any], list[Piece]]] = {
    "text": ({}, [chunk({"content": "a"}), STOP], [Text("a"), END]),
    "every chunk is answered by its own pieces, the end by the rest": (
        {"stop_sequences": ("END",)},
        [chunk({"content": "a E"}), chunk({"content": "N"}), STOP],
        [Text("a "), Text("EN"), END],
    ),
    "a call ends what was held of the text before it": (
        {"stop_sequences": ("END",)},
        [chunk({"content": "a E"}), call(**ROME), STOP],
        [Text("a "), Text("E"), ToolCall(SLOT, "call_1", "weather", '{"city":"Rome"}'), Finish("tool_use")],
    ),
    "after a stop sequence nothing counts": (
        {"stop_sequences": ("END",)},
        [chunk({"content": "a END b"}), call(**ROME), chunk({"content": "c"}), STOP],
        [Text("a "), Finish("stop_sequence", "END")],
    ),
    "nor in the chunk that has it": (
        {"stop_sequences": ("END",)},
        [chunk({"content": "a END b", "tool_calls": [ROME]}), STOP],
        [Text("a "), Finish("stop_sequence", "END")],
    ),
    "a stop sequence needs no finish reason": (
        {"stop_sequences": ("END",)},
        [chunk({"content": "END"})],
        [Finish("stop_sequence", "END")],
    ),
    "white space does not end reasoning": (
        {},
        [chunk({"reasoning": "a"}), chunk({"content": "\n"}), chunk({"reasoning": "b"}), chunk({"content": "c"}), STOP],
        [Thinking("a"), Text("\n"), Thinking("b"), Signature("px1."), Text("c"), END],
    ),
    "a prompt whose cache was to be filled, and no more": (
        {"discard": True},
        [
            chunk({"content": "a", "tool_calls": [ROME]}),
            {"choices": [{"text": "a"}]},
            chunk({}, finish_reason="length"),
        ],
        [Finish("max_tokens")],
    ),
    "token counts of several chunks are merged": (
        {},
        [{"usage": {"prompt_tokens": 9}}, chunk({"content": "a"}), STOP | {"usage": {"completion_tokens": 4}}],
        [Usage(9, None), Text("a"), Usage(9, 4), END],
    ),
    "a tier stands beside the counts": (
        {},
        [STOP | {"usage": {"prompt_tokens": 9, "completion_tokens": 4}, "service_tier": "priority"}],
        [Usage(9, 4, service_tier="priority"), END],
    ),
    "a prefill that is said again is left out": (
        {"prefill": "The"},
        [chunk({"content": "Th"}), chunk({"content": "e end"}), STOP],
        [Text(" end"), END],
    ),
    "parts of content that have no place in a reply are left out": (
        {},
        [chunk({"content": [{"type": "image_url"}, "a", 7, {"type": "text", "text": ""}, {"text": "b"}]}), STOP],
        [Text("a"), Text("b"), END],
    ),
    "a refusal among the parts": (
        {},
        [chunk({"content": [{"type": "refusal", "refusal": "No."}]}), STOP],
        [Text("No."), Finish("refusal", None, {"type": "refusal", "category": None, "explanation": "No."})],
    ),
}


@pytest.mark.parametrize(("expected", "chunks", "pieces"), PIECES.values(), ids=PIECES.keys())
def test_pieces(expected: dict[str, Any], chunks: list[Any], pieces: list[Piece]) -> None:
    assert closed(reader(**expected), *chunks) == pieces


CUT = Failure("api_error", "the upstream closed the stream early", 502)
EMPTY = Failure("api_error", "the upstream's reply is empty", 502)
EOF_IS_END = replace(PLAIN, eof_is_end=True)
OPEN = {**ROME, "function": {"name": "weather", "arguments": '{"city":'}}

ENDS: dict[str, tuple[Dialect, list[Any], Piece]] = {
    "a finish reason": (PLAIN, [STOP], END),
    "a finish reason without the mark, and text after it": (PLAIN, [STOP, chunk({"content": "a"})], END),
    "the mark after text": (PLAIN, [chunk({"content": "a"}), DONE], END),
    "the mark after reasoning": (PLAIN, [chunk({"reasoning": "a"}), DONE], END),
    "the mark after a whole call": (PLAIN, [call(**ROME), DONE], Finish("tool_use")),
    "the mark in mid-call": (PLAIN, [call(**OPEN), DONE], CUT),
    "the mark after nothing": (PLAIN, [chunk({"content": ""}), DONE], CUT),
    "nothing": (PLAIN, [], CUT),
    "text alone": (PLAIN, [chunk({"content": "a"})], CUT),
    "text alone where that is enough": (EOF_IS_END, [chunk({"content": "a"})], END),
    "half a call, where the rest would be enough": (EOF_IS_END, [call(**OPEN)], CUT),
    "nothing where text would be enough": (EOF_IS_END, [], CUT),
    "a finish reason in mid-call: the call is closed": (PLAIN, [call(**OPEN), STOP], Finish("tool_use")),
}


@pytest.mark.parametrize(("dialect", "chunks", "last"), ENDS.values(), ids=ENDS.keys())
def test_the_end_of_a_stream(dialect: Dialect, chunks: list[Any], last: Piece) -> None:
    assert closed(reader(dialect), *chunks)[-1] == last


WHOLE: dict[str, tuple[Any, list[Piece]]] = {
    "text": ({"choices": [{"message": {"content": "a"}}]}, [Text("a"), END]),
    "nothing, but it was said that it ended": (
        {"choices": [{"message": {"content": None}, "finish_reason": "stop"}]},
        [END],
    ),
    "nothing, and nothing counted": ({"choices": [{"message": {}}]}, [END]),
    "nothing, though something was counted": (
        {"choices": [{"message": {}}], "usage": {"prompt_tokens": 9, "completion_tokens": 4}},
        [Usage(9, 4), END],
    ),
    "nothing, and so it was counted": (
        {"choices": [{"message": {}}], "usage": {"prompt_tokens": 9, "completion_tokens": 0}},
        [Usage(9, 0), EMPTY],
    ),
    "no choices": ({"choices": []}, [EMPTY]),
    "no choices, though something was counted": (
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}},
        [Usage(9, 4), END],
    ),
    "an empty object": ({}, [EMPTY]),
    "half a call": (
        {"choices": [{"message": {"tool_calls": [OPEN]}}]},
        [
            ToolCall(SLOT, "call_1", "weather"),
            ToolCall(SLOT, arguments='{"city":null}'),
            Finish("tool_use"),
        ],
    ),
    "a call whose arguments are no JSON": (
        {
            "choices": [
                {"message": {"tool_calls": [{**OPEN, "function": {"name": "weather", "arguments": "{'city':"}}]}}
            ]
        },
        [
            ToolCall(SLOT, "call_1", "weather"),
            ToolCall(SLOT, arguments='{"__unparsed_arguments":"{\'city\':"}'),
            Finish("tool_use"),
        ],
    ),
}


@pytest.mark.parametrize(("body", "pieces"), WHOLE.values(), ids=WHOLE.keys())
def test_a_whole_reply(body: Any, pieces: list[Piece]) -> None:
    whole = reader()
    assert [*whole.read_reply(data(body)), *whole.close()] == pieces


NO_JSON = "the upstream sent what is not JSON"

FAILURES: dict[str, tuple[list[Any], Failure]] = {
    "an error": ([{"error": {"message": "Busy", "code": 503}}], Failure("overloaded_error", "Busy", 529)),
    "an error on a choice": (
        [{"choices": [{"error": {"message": "Gone", "code": 502}, "finish_reason": "error"}]}],
        Failure("api_error", "Gone", 502),
    ),
    "a failure instead of an end": (
        [chunk({}, finish_reason="network_error")],
        Failure("api_error", "the model stopped with 'network_error'", 500),
    ),
    "no JSON": ([b"oops"], Failure("api_error", f"{NO_JSON}: JSON is malformed: invalid character (byte 0)", 502)),
    "a number": ([b"7"], Failure("api_error", f"{NO_JSON}: expected an object, found int", 502)),
}


@pytest.mark.parametrize(("chunks", "failure"), FAILURES.values(), ids=FAILURES.keys())
def test_a_failure_is_the_last_piece(chunks: list[Any], failure: Failure) -> None:
    broken = reader()
    assert closed(broken, chunk({"content": "a"}), *chunks)[-1] == failure
    assert (broken.finished, broken.ending, broken.close()) == (True, True, [])


def test_what_a_turn_may_wait_for() -> None:
    streamed = reader()
    states = []
    for one in (chunk({"content": "a"}), STOP, DONE):
        streamed.read(data(one))
        states.append((streamed.ending, streamed.finished, streamed.done))
    assert states == [(False, False, False), (True, False, False), (True, True, True)]


def test_a_stop_match_ends_the_wait() -> None:
    streamed = reader(stop_sequences=("END", "ENDING"))
    read(streamed, chunk({"content": "END"}))
    assert (streamed.ending, streamed.finished) == (False, False)
    read(streamed, chunk({"content": " "}))
    assert (streamed.ending, streamed.finished, streamed.done) == (True, True, False)


def test_the_upstreams_id_is_the_first_that_is_told() -> None:
    streamed = reader()
    read(streamed, {"id": "", "choices": []}, {"id": 7, "choices": []}, chunk({"content": "a"}), {"id": "other"})
    assert streamed.upstream_id == "chatcmpl-1"


def test_several_objects_in_one_event_are_read_one_by_one() -> None:
    pieces = closed(reader(), data(chunk({"content": "a"})) + b" " + data(chunk({"content": "b"})), STOP)
    assert pieces == [Text("a"), Text("b"), END]


def test_mended_arguments_are_a_warning() -> None:
    streamed = reader()
    closed(streamed, call(**OPEN), STOP)
    assert streamed.warnings == ["the arguments of a tool call broke off and were closed"]


def test_what_has_no_place_in_a_reply_is_named() -> None:
    streamed = reader()
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    parts = [image, {"type": "text", "text": "a"}, image, {"type": "text"}, {"type": 7}, {}, 7]
    assert closed(streamed, chunk({"content": parts}), STOP) == [Text("a"), END]
    assert streamed.warnings == ["'image_url' in the reply was left out"]


def test_of_many_strange_parts_a_few_are_named_in_short() -> None:
    streamed = reader()
    closed(streamed, chunk({"content": [{"type": f"{number}" * 100} for number in range(9)]}), STOP)
    assert len(streamed.warnings) == MOST_LEFT_OUT
    assert len(streamed.warnings[0]) < 80


REPORTS: dict[str, tuple[str, dict[str, Any], Finish]] = {
    "vLLM": ("stop_reason", {"stop_reason": "END"}, Finish("stop_sequence", "END")),
    "SGLang": ("matched_stop", {"matched_stop": "END"}, Finish("stop_sequence", "END")),
    "a token": ("stop_reason", {"stop_reason": 128009}, END),
    "no match": ("stop_reason", {"stop_reason": None}, END),
    "a stop sequence of the backend's own": ("stop_reason", {"stop_reason": "<|im_end|>"}, END),
    "a field of another backend": ("stop_reason", {"matched_stop": "END"}, END),
    "a backend that does not report": ("none", {"stop_reason": "END"}, END),
}


@pytest.mark.parametrize(("report", "fields", "finish"), REPORTS.values(), ids=REPORTS.keys())
def test_a_reported_stop_sequence(report: Any, fields: dict[str, Any], finish: Finish) -> None:
    streamed = reader(replace(PLAIN, stop_report=report), sent_stops=("END",))
    assert closed(streamed, chunk({"content": "a"}), chunk({}, finish_reason="stop", **fields))[-1] == finish


OVERFLOWS: dict[str, tuple[int | None, list[Any], Piece]] = {
    "a prompt that fills the window": (
        8192,
        [chunk({}, finish_reason="length"), {"usage": {"prompt_tokens": 8200, "completion_tokens": 0}}],
        Failure("invalid_request_error", "prompt is too long: 8200 tokens > 8192 maximum", 400),
    ),
    "nearly": (
        8192,
        [chunk({}, finish_reason="length"), {"usage": {"prompt_tokens": 8190, "completion_tokens": 0}}],
        Failure("invalid_request_error", "prompt is too long", 400),
    ),
    "a shorter one": (
        8192,
        [chunk({}, finish_reason="length"), {"usage": {"prompt_tokens": 4000, "completion_tokens": 0}}],
        Finish("max_tokens"),
    ),
    "after some output": (
        8192,
        [chunk({"content": "a"}, finish_reason="length"), {"usage": {"prompt_tokens": 8200, "completion_tokens": 1}}],
        Finish("max_tokens"),
    ),
    "a window nobody knows": (
        None,
        [chunk({}, finish_reason="length"), {"usage": {"prompt_tokens": 8200, "completion_tokens": 0}}],
        Finish("max_tokens"),
    ),
    "a prompt nobody counted": (8192, [chunk({}, finish_reason="length")], Finish("max_tokens")),
}


@pytest.mark.parametrize(("window", "chunks", "last"), OVERFLOWS.values(), ids=OVERFLOWS.keys())
def test_a_reply_without_output_may_be_an_overflow(window: int | None, chunks: list[Any], last: Piece) -> None:
    assert closed(reader(replace(PLAIN, context_window=window)), *chunks)[-1] == last


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

MISFITS: dict[str, tuple[list[Any], str]] = {
    "it fits": ([chunk({"content": '```json\n{"city": "Rome"}\n```'}), STOP], ""),
    "it is no JSON": ([chunk({"content": "Rome"}), STOP], "the reply is not JSON"),
    "it does not fit": ([chunk({"content": '{"city": 7}'}), STOP], "the reply does not fit the schema at city"),
    "it was cut off, which its end tells": ([chunk({"content": '{"ci'}), chunk({}, finish_reason="length")], ""),
    "it called a tool instead": ([call(**ROME), chunk({}, finish_reason="tool_calls")], ""),
}


@pytest.mark.parametrize(("chunks", "misfit"), MISFITS.values(), ids=MISFITS.keys())
def test_structured_output_is_checked(chunks: list[Any], misfit: str) -> None:
    checked = reader(schema=SCHEMA)
    closed(checked, *chunks)
    assert checked.misfit == misfit


# State that comes late

LATE = replace(PLAIN, late_state=True, reasoning_back_field="reasoning_opaque")


def order(pieces: Iterable[Piece]) -> list[str]:
    """The pieces' kinds, calls with their ids and carriers with the field or the call they belong to."""
    return [_kind(piece) for piece in pieces]


def _kind(piece: Piece) -> str:
    match piece:
        case ToolCall(id=call_id):
            return call_id or "more"
        case Block(block):
            carrier = unpack(block["data"])
            return f"carrier of {carrier.call_id or carrier.field}" if carrier else "carrier"
        case _:
            return type(piece).__name__


SIGNED = {**ROME, "extra_content": {"google": {"thought_signature": "sig"}}}
OPAQUE = chunk({"reasoning_opaque": "x"})

ORDERS: dict[str, tuple[Dialect, list[Any], list[str]]] = {
    "calls wait for late state": (
        LATE,
        [chunk({"content": "a"}), call(**ROME), OPAQUE, STOP],
        ["Text", "carrier of reasoning_opaque", "call_1", "Finish"],
    ),
    "with a signature of their own": (
        LATE,
        [call(**SIGNED), OPAQUE, STOP],
        ["carrier of reasoning_opaque", "carrier of call_1", "call_1", "Finish"],
    ),
    "text after a call that waits goes before it": (
        LATE,
        [call(**ROME), chunk({"content": "a"}), STOP],
        ["Text", "call_1", "Finish"],
    ),
    "where nobody expects it, late state comes last": (
        replace(LATE, late_state=False),
        [call(**ROME), OPAQUE, STOP],
        ["call_1", "carrier of reasoning_opaque", "Finish"],
    ),
    "so does a signature": (
        PLAIN,
        [call(**ROME), call(**{**SIGNED, "function": {}}), STOP],
        ["call_1", "carrier of call_1", "Finish"],
    ),
    "a signature that comes before the name goes before the call": (
        PLAIN,
        [call(**{**SIGNED, "function": {}}), call(**ROME), STOP],
        ["carrier of call_1", "call_1", "Finish"],
    ),
    "one that comes between the arguments and the name goes behind it": (
        PLAIN,
        [call(index=0, function={"arguments": '{"a"'}), call(**{**SIGNED, "function": {"name": "clock"}}), STOP],
        ["more", "call_1", "more", "carrier of call_1", "Finish"],
    ),
}


@pytest.mark.parametrize(("dialect", "chunks", "expected"), ORDERS.values(), ids=ORDERS.keys())
def test_where_state_goes(dialect: Dialect, chunks: list[Any], expected: list[str]) -> None:
    assert order(closed(reader(dialect), *chunks)) == expected


# Anthropic's own

NATIVE: dict[str, Any] = {
    "id": "msg_upstream",
    "type": "message",
    "role": "assistant",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "text", "text": "a END b"},
        {"type": "text", "text": ""},
        {"type": "text", "text": "c", "citations": [{"type": "char_location"}]},
        {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Rome"}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 9, "output_tokens": 4},
}
THOUGHT, HIDDEN, _, _, CITED, _ = NATIVE["content"]
CALL = ToolCall((0, 5, 0), "call_1", "weather", '{"city":"Rome"}')

NATIVES: dict[str, tuple[dict[str, Any], dict[str, Any], list[Piece]]] = {
    "all of it": (
        {},
        {},
        [Usage(9, 4), Block(THOUGHT), Block(HIDDEN), Text("a END b"), Block(CITED), CALL, Finish("tool_use")],
    ),
    "thinking that nobody asked for": (
        {"show": "none"},
        {},
        [Usage(9, 4), Text("a END b"), Block(CITED), CALL, Finish("tool_use")],
    ),
    "thinking that is not shown": (
        {"show": "omitted"},
        {"content": [THOUGHT]},
        [Usage(9, 4), Block({**THOUGHT, "thinking": ""}), Finish("end_turn")],
    ),
    "a stop sequence": (
        {"stop_sequences": ("END",)},
        {},
        [Usage(9, 4), Block(THOUGHT), Block(HIDDEN), Text("a "), Finish("stop_sequence", "END")],
    ),
    "a stop sequence it found itself": (
        {},
        {"content": [], "stop_reason": "stop_sequence", "stop_sequence": "END"},
        [Usage(9, 4), Finish("stop_sequence", "END")],
    ),
    "a refusal": (
        {},
        {"content": [], "stop_reason": "refusal", "stop_details": {"type": "refusal", "explanation": "No."}},
        [Usage(9, 4), Finish("refusal", None, {"type": "refusal", "category": None, "explanation": "No."})],
    ),
    "only its prompt was to be cached": ({"discard": True}, {}, [Usage(9, 4), Finish("max_tokens")]),
    "nothing that can be read": ({}, {"content": None, "stop_reason": None, "usage": None}, [END]),
}


@pytest.mark.parametrize(("expected", "changes", "pieces"), NATIVES.values(), ids=NATIVES.keys())
def test_a_reply_that_is_anthropics_already(expected: Any, changes: dict[str, Any], pieces: list[Piece]) -> None:
    native = reader(**expected)
    assert [*native.read_reply(data({**NATIVE, **changes})), *native.close()] == pieces
    assert native.upstream_id == "msg_upstream"


def test_one_in_a_list_is_none() -> None:
    native = reader()
    assert [*native.read_reply(data([NATIVE])), *native.close()] == [EMPTY]


# Any stream

DIALECTS = [
    PLAIN,
    LATE,
    replace(PLAIN, think_tags=True, tool_id="verbatim", eof_is_end=True),
    replace(PLAIN, reasoning_back="all", reasoning_back_field="reasoning_details", stop_report="stop_reason"),
]
WISHES: list[dict[str, Any]] = [
    {},
    {"show": "none", "stop_sequences": ("a", "7B")},
    {"show": "omitted", "only_one_call": True},
    {"search_query": "a", "schema": SCHEMA},
    {"prefill": "aB", "whole_arguments": frozenset({"a"})},
]


def events_of(payloads: Iterable[bytes], translator: ChatReader, whole: bool = False) -> list[StreamEvent]:
    """The events a client is sent, found legal."""
    writer = MessageWriter("msg_1", "my-model")
    pieces = [piece for one in payloads for piece in (translator.read_reply if whole else translator.read)(one)]
    pieces += translator.close()
    events = [event for piece in pieces for event in writer.write(piece)] + writer.close()
    assert violations(parse_stream(encode_events(events))) == []
    return events


def stripped(text: str) -> str:
    """`text` without the white space that a reply may lose where a block would hold nothing else."""
    return "".join(text.split())


def said_in(events: list[StreamEvent]) -> Spoken:
    content: list[dict[str, Any]] = fold(events)["content"]  # type: ignore[typeddict-item]
    return Spoken(
        "".join(block["thinking"] for block in content if block["type"] == "thinking"),
        stripped("".join(block["text"] for block in content if block["type"] == "text")),
        in_order([(block["name"], block["input"]) for block in content if block["type"] == "tool_use"]),
    )


def in_order(calls: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """`calls` sorted: a call has its place by its first fragment that says something, which chance decides."""
    return sorted(calls, key=repr)


@given(spoken(), st.data())
def test_whatever_the_backends_habits_everything_comes_through(said: Spoken, data_: st.DataObject) -> None:
    chunks = data_.draw(streams(said))
    events = events_of(map(data, chunks), reader())
    assert said_in(events) == said._replace(text=stripped(said.text), calls=in_order(said.calls))
    assert events[-2]["delta"]["stop_reason"] == ("tool_use" if said.calls else "end_turn")


@given(spoken(), st.data())
def test_nothing_depends_on_how_the_bytes_are_cut(said: Spoken, data_: st.DataObject) -> None:
    chunks = data_.draw(streams(said))
    stream = b"".join(b"data: " + data(one) + b"\n\n" for one in [*chunks, DONE])
    ends = sorted(data_.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = SSEDecoder()
    reads = [stream[start:end] for start, end in zip([0, *ends], [*ends, len(stream)], strict=True)]
    payloads = [payload for part in reads for payload in decoder.feed(part)] + decoder.close()
    assert events_of(payloads, reader()) == events_of(map(data, chunks), reader())


@given(spoken(), st.data())
def test_a_streamed_reply_says_the_same_as_a_whole_one(said: Spoken, data_: st.DataObject) -> None:
    chunks = data_.draw(streams(said, mixed=False))
    streamed = fold(events_of(map(data, chunks), reader()))
    whole = fold(events_of([data(whole_reply(said))], reader(), whole=True))
    assert without_ids(streamed) == without_ids(whole)


@given(spoken(), st.data(), st.sampled_from(WISHES))
def test_the_fast_paths_say_what_the_plain_ones_do(said: Spoken, data_: st.DataObject, wishes: dict[str, Any]) -> None:
    chunks = data_.draw(streams(said))
    fast, plain = reader(**wishes), reader(**wishes)
    assert closed(fast, *chunks) == closed(plain, *map(roundabout, chunks))


def roundabout(one: dict[str, Any]) -> dict[str, Any]:
    """A chunk that says the same and takes no fast path, for it says a little more."""
    again: dict[str, Any] = json.loads(json.dumps({"usage": {}, **one}))
    for choice in again.get("choices") or []:
        for entry in (choice.get("delta") or {}).get("tool_calls") or []:
            entry["type"] = "function"
    return again


def without_ids(message: Any) -> Any:
    """A Message without the ids of its calls, and these in any order."""
    return {**message, "content": sorted([{**block, "id": None} for block in message["content"]], key=repr)}


@given(
    st.lists(any_chunks | deltas.map(chunk), max_size=6),
    st.sampled_from(DIALECTS),
    st.sampled_from(WISHES),
    st.booleans(),
)
def test_no_chunk_makes_it_fail(chunks: list[Any], dialect: Dialect, wishes: dict[str, Any], whole: bool) -> None:
    translator, writer = reader(dialect, **wishes), MessageWriter("msg_1", "my-model")
    pieces = [piece for one in chunks for piece in (translator.read_reply if whole else translator.read)(data(one))]
    pieces += translator.close()
    events = [event for piece in pieces for event in writer.write(piece)] + writer.close()
    wrong = violations(parse_stream(encode_events(events)))
    assert [what for what in wrong if "a tool's input" not in what] == [], "arguments of no sense pass as they are"
    assert events[-1]["type"] in ("message_stop", "error")
    fold(events)
