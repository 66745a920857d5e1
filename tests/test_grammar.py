"""The grammar checker lets legal streams through and finds each kind of fault."""

from typing import Any

import pytest

from tests.grammar import Event, Malformed, parse_stream, violations

USAGE = {"input_tokens": 9, "output_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
MESSAGE: Event = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "my-model",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": USAGE,
}
PING: Event = {"type": "ping"}
STOP: Event = {"type": "message_stop"}


def start(**changes: Any) -> Event:
    return {"type": "message_start", "message": {**MESSAGE, **changes}}


def end(stop_reason: Any = "end_turn", stop_sequence: Any = None, usage: Any = None, **delta: Any) -> Event:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason, "stop_sequence": stop_sequence, **delta},
        "usage": USAGE if usage is None else usage,
    }


def opened(index: Any, block: Any) -> Event:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: Any, kind: str, **fields: Any) -> Event:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def closed(index: Any) -> Event:
    return {"type": "content_block_stop", "index": index}


def error(kind: Any = "api_error", message: Any = "the upstream closed the stream early") -> Event:
    return {"type": "error", "error": {"type": kind, "message": message}}


def text(index: int = 0, *pieces: str) -> list[Event]:
    deltas = [delta(index, "text_delta", text=piece) for piece in pieces or ("Hi",)]
    return [opened(index, {"type": "text", "text": ""}), *deltas, closed(index)]


def thinking(index: int, *deltas: Event) -> list[Event]:
    return [opened(index, {"type": "thinking", "thinking": "", "signature": ""}), *deltas, closed(index)]


def tool(index: int = 0, *arguments: Any, id: str = "toolu_1", kind: str = "tool_use") -> list[Event]:
    deltas = [delta(index, "input_json_delta", partial_json=piece) for piece in arguments]
    return [opened(index, {"type": kind, "id": id, "name": "weather", "input": {}}), *deltas, closed(index)]


SIGNED = delta(0, "signature_delta", signature="px1.")
RESULT = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}

LEGAL: dict[str, list[Event]] = {
    "a text": [start(), *text(), end(), STOP],
    "no content at all": [start(), end(), STOP],
    "pings anywhere": [PING, start(), PING, *text()[:2], PING, closed(0), PING, end(), PING, STOP],
    "thinking, text and two tools": [
        start(),
        *thinking(0, delta(0, "thinking_delta", thinking="Hm"), SIGNED),
        *text(1, "I ", "look."),
        *tool(2, '{"city":', '"Rome"}'),
        *tool(3, id="toolu_2"),
        end("tool_use"),
        STOP,
    ],
    "thinking whose text is omitted": [start(), *thinking(0, SIGNED), end(), STOP],
    "thinking that only gives a sign of life": [
        start(),
        *thinking(0, delta(0, "thinking_delta", thinking="", estimated_tokens=12), SIGNED),
        end(),
        STOP,
    ],
    "redacted thinking": [start(), opened(0, {"type": "redacted_thinking", "data": "px1.x"}), closed(0), end(), STOP],
    "a server's tool with its result": [
        start(),
        *tool(0, '{"query":"x"}', id="srvtoolu_1", kind="server_tool_use"),
        opened(1, RESULT),
        closed(1),
        *text(2),
        end(),
        STOP,
    ],
    "a citation": [
        start(),
        opened(0, {"type": "text", "text": "", "citations": []}),
        delta(0, "citations_delta", citation={"type": "web_search_result_location"}),
        closed(0),
        end(),
        STOP,
    ],
    "a stop sequence": [start(), *text(), end("stop_sequence", "END"), STOP],
    "a stop sequence after a tool": [start(), *tool(), end("stop_sequence", "END"), STOP],
    "a refusal with its details": [
        start(),
        end("refusal", stop_details={"type": "refusal", "category": None, "explanation": None}),
        STOP,
    ],
    "arguments cut off by the token limit": [start(), *tool(0, '{"city":"Ro'), end("max_tokens"), STOP],
    "an error instead of a message": [error()],
    "an error in the middle of a block": [start(), *text()[:2], error()],
    "details of usage": [
        start(),
        end(usage={**USAGE, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}, "service_tier": None}),
        STOP,
    ],
}


@pytest.mark.parametrize("events", LEGAL.values(), ids=LEGAL.keys())
def test_a_legal_stream_has_no_violations(events: list[Event]) -> None:
    assert violations(events) == []


def only(events: list[Any], end_event: Event | None = None) -> list[Event]:
    """A whole stream round `events`, so that they are all that is wrong with it."""
    return [start(), *events, end() if end_event is None else end_event, STOP]


def without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != name}


BAD: dict[str, tuple[list[Any], str]] = {
    # The order of events
    "nothing": ([], "end: the stream ends without message_stop or error"),
    "no message_stop": ([start(), *text(), end()], "end: the stream ends without message_stop or error"),
    "no message_start": ([end(), STOP], "event 0: message_delta in the stage start"),
    "message_start twice": (
        [start(), start(), end(), STOP],
        "event 1: message_start is not the first event, or comes twice",
    ),
    "a block before message_start": ([*text(), end(), STOP], "event 0: a block begins in the stage start"),
    "a block after message_delta": ([start(), end(), *text(), STOP], "event 2: a block begins in the stage delta"),
    "no message_delta": ([start(), STOP], "event 1: message_stop in the stage message"),
    "message_delta twice": ([start(), end(), end(), STOP], "event 2: message_delta in the stage delta"),
    "message_delta in an open block": (
        [start(), *text()[:2], end(), STOP],
        "event 3: message_delta while a block is open",
    ),
    "a ping after the end": ([start(), end(), STOP, PING], "event 3: ping after the stream ended"),
    "an event after an error": ([error(), PING], "event 1: ping after the stream ended"),
    "an error after message_delta": ([start(), end(), error()], "event 2: error after message_delta"),
    "an unknown event": (only([{"type": "done"}]), "event 1: unknown event done"),
    "something that is no object": (only([7]), "event 1: is not an object with a type: 7"),
    "an event without a type": (only([{}]), "event 1: is not an object with a type: {}"),
    "a ping that says something": (only([{**PING, "text": "x"}]), "event 1: ping has unknown fields ['text']"),
    "a message_stop that says something": (
        [start(), end(), {**STOP, "x": 1}],
        "event 2: message_stop has unknown fields ['x']",
    ),
    # message_start
    "message_start without its message": (
        [without(start(), "message"), end(), STOP],
        "event 0: message is not an object",
    ),
    "a message of another type": ([start(type="msg"), end(), STOP], "event 0: message.type is 'msg', not 'message'"),
    "a message of another role": (
        [start(role="user"), end(), STOP],
        "event 0: message.role is 'user', not 'assistant'",
    ),
    "content already in message_start": (
        [start(content=[{"type": "text", "text": "x"}]), end(), STOP],
        "event 0: message.content is [{'type': 'text', 'text': 'x'}], not []",
    ),
    "content that is null": ([start(content=None), end(), STOP], "event 0: message.content is None, not []"),
    "a stop_reason in message_start": (
        [start(stop_reason="end_turn"), end(), STOP],
        "event 0: message.stop_reason is 'end_turn', not None",
    ),
    "a message without stop_sequence": (
        [{"type": "message_start", "message": without(MESSAGE, "stop_sequence")}, end(), STOP],
        "event 0: message.stop_sequence is 'absent', not None",
    ),
    "a message without an id": ([start(id=""), end(), STOP], "event 0: message.id is not a text"),
    "a message without a model": ([start(model=None), end(), STOP], "event 0: message.model is not a text"),
    # Usage
    "a message without usage": ([start(usage=None), end(), STOP], "event 0: message.usage is not an object"),
    "usage without a figure": (
        [start(usage=without(USAGE, "cache_read_input_tokens")), end(), STOP],
        "event 0: message.usage.cache_read_input_tokens is None, not a count",
    ),
    "a figure that is a fraction": (
        [start(), end(usage={**USAGE, "output_tokens": 1.5}), STOP],
        "event 1: usage.output_tokens is 1.5, not a count",
    ),
    "a figure that is a truth value": (
        [start(), end(usage={**USAGE, "output_tokens": True}), STOP],
        "event 1: usage.output_tokens is True, not a count",
    ),
    "a figure below zero": (
        [start(), end(usage={**USAGE, "input_tokens": -1}), STOP],
        "event 1: usage.input_tokens is -1, not a count",
    ),
    "a detail that is null": (
        [start(), end(usage={**USAGE, "output_tokens_details": {"thinking_tokens": None}}), STOP],
        "event 1: usage.output_tokens_details.thinking_tokens is None, not a count",
    ),
    "more thinking than output": (
        [start(), end(usage={**USAGE, "output_tokens_details": {"thinking_tokens": 1}}), STOP],
        "event 1: usage: more thinking_tokens than output_tokens",
    ),
    "message_delta without usage": ([start(), without(end(), "usage"), STOP], "event 1: usage is not an object"),
    "output that shrinks": (
        [start(usage={**USAGE, "output_tokens": 5}), end(), STOP],
        "event 1: output_tokens is less than at the start",
    ),
    # Blocks
    "two blocks open at once": (
        only([*text()[:1], *text(1), closed(0)]),
        "event 2: a block begins while another is open",
    ),
    "indices that begin at 1": (only(text(1)), "event 1: index 1, not 0"),
    "indices with a gap": (only([*text(), *text(2)]), "event 4: index 2, not 1"),
    "an index used twice": (only([*text(), *text()]), "event 4: index 0, not 1"),
    "an index that is no number": (only([*text()[:2], closed("0")]), "event 3: index '0', not 0"),
    "an index that is a truth value": (only([*text()[:2], closed(False)]), "event 3: index False, not 0"),
    "a delta for another block": (
        only([text()[0], delta(1, "text_delta", text="x"), closed(0)]),
        "event 2: index 1, not 0",
    ),
    "a delta outside a block": (only([delta(0, "text_delta", text="x")]), "event 1: a delta while no block is open"),
    "a stop outside a block": (only([closed(0)]), "event 1: a block ends while none is open"),
    "a block that is no object": (
        only([opened(0, None), closed(0)]),
        "event 1: content_block is not an object with a type",
    ),
    "a block of unknown type": (only([opened(0, {"type": "poem"}), closed(0)]), "event 1: unknown block 'poem'"),
    "a block start with a field too many": (
        only([{**text()[0], "x": 1}, *text()[1:]]),
        "event 1: content_block_start has unknown fields ['x']",
    ),
    "a text block without text": (
        only([opened(0, {"type": "text"}), closed(0)]),
        "event 1: text.text is 'absent' at its start, not ''",
    ),
    "text in the block's start": (
        only([opened(0, {"type": "text", "text": "Hi"}), closed(0)]),
        "event 1: text.text is 'Hi' at its start, not ''",
    ),
    "a thinking block without a signature's place": (
        only([opened(0, {"type": "thinking", "thinking": ""}), SIGNED, closed(0)]),
        "event 1: thinking.signature is 'absent' at its start, not ''",
    ),
    "input in the tool's start": (
        only(
            [opened(0, {"type": "tool_use", "id": "toolu_1", "name": "a", "input": {"a": 1}}), closed(0)],
            end("tool_use"),
        ),
        "event 1: tool_use.input is {'a': 1} at its start, not {}",
    ),
    "a tool without an id": (only(tool(id=""), end("tool_use")), "event 1: tool_use.id is not a text"),
    "a tool without a name": (
        only([opened(0, {"type": "tool_use", "id": "toolu_1", "input": {}}), closed(0)], end("tool_use")),
        "event 1: tool_use.name is not a text",
    ),
    "two tools with one id": (only([*tool(), *tool(1)], end("tool_use")), "event 3: the tool id toolu_1 comes twice"),
    "redacted thinking without data": (
        only([opened(0, {"type": "redacted_thinking", "data": ""}), closed(0)]),
        "event 1: redacted_thinking.data is not a text",
    ),
    "a result without its call": (
        only([opened(0, without(RESULT, "tool_use_id")), closed(0)]),
        "event 1: web_search_tool_result lacks tool_use_id or content",
    ),
    # Deltas
    "a delta that is no object": (
        only([text()[0], {"type": "content_block_delta", "index": 0, "delta": None}, closed(0)]),
        "event 2: delta is not an object",
    ),
    "a delta event with a field too many": (
        only([text()[0], {**text()[1], "x": 1}, closed(0)]),
        "event 2: content_block_delta has unknown fields ['x']",
    ),
    "text in a thinking block": (
        only(thinking(0, delta(0, "text_delta", text="x"), SIGNED)),
        "event 2: text_delta in a thinking block",
    ),
    "arguments in a text block": (
        only([text()[0], delta(0, "input_json_delta", partial_json="{}"), closed(0)]),
        "event 2: input_json_delta in a text block",
    ),
    "a delta in redacted thinking": (
        only([opened(0, {"type": "redacted_thinking", "data": "x"}), SIGNED, closed(0)]),
        "event 2: signature_delta in a redacted_thinking block",
    ),
    "a delta in a result": (
        only([opened(0, RESULT), delta(0, "text_delta", text="x"), closed(0)]),
        "event 2: text_delta in a web_search_tool_result block",
    ),
    "a delta of unknown type": (only([text()[0], delta(0, "rhyme"), closed(0)]), "event 2: rhyme in a text block"),
    "text that is null": (
        only([text()[0], delta(0, "text_delta", text=None), closed(0)]),
        "event 2: text_delta.text is not a string",
    ),
    "text that is empty": (only(text(0, "")), "event 2: text_delta is empty"),
    "thinking that is empty": (
        only(thinking(0, delta(0, "thinking_delta", thinking=""), SIGNED)),
        "event 2: thinking_delta is empty",
    ),
    "arguments that are empty": (only(tool(0, ""), end("tool_use")), "event 2: input_json_delta is empty"),
    "arguments that are null": (
        only(tool(0, None), end("tool_use")),
        "event 2: input_json_delta.partial_json is not a string",
    ),
    "a citation that is no object": (
        only([text()[0], delta(0, "citations_delta", citation="x"), closed(0)]),
        "event 2: citations_delta.citation is not an object",
    ),
    # Signatures
    "thinking without a signature": (
        only(thinking(0, delta(0, "thinking_delta", thinking="x"))),
        "event 3: a thinking block with 0 signatures, not 1",
    ),
    "thinking signed twice": (only(thinking(0, SIGNED, SIGNED)), "event 4: a thinking block with 2 signatures, not 1"),
    "thinking after its signature": (
        only(thinking(0, SIGNED, delta(0, "thinking_delta", thinking="x"))),
        "event 3: thinking_delta after the signature",
    ),
    "a signature that is null": (
        only(thinking(0, delta(0, "signature_delta", signature=None))),
        "event 2: signature_delta.signature is not a string",
    ),
    # Tool input
    "input that breaks off": (
        only(tool(0, '{"a":"b'), end("tool_use")),
        "event 4: a tool's input breaks off: '{\"a\":\"b'",
    ),
    "input that breaks off in a word": (
        only(tool(0, '{"a":tru'), end("tool_use")),
        "event 4: a tool's input breaks off: '{\"a\":tru'",
    ),
    "input that is two objects": (
        only(tool(0, '{}{"a":1}'), end("tool_use")),
        "event 3: a tool's input is not one JSON object: '{}{\"a\":1}'",
    ),
    "two objects, although the token limit was met": (
        only(tool(0, '{}{"a":'), end("max_tokens")),
        "event 3: a tool's input is not one JSON object: '{}{\"a\":'",
    ),
    "input that is prose": (
        only(tool(0, "Rome"), end("tool_use")),
        "event 3: a tool's input is not one JSON object: 'Rome'",
    ),
    "input that is a list": (only(tool(0, "[1]"), end("tool_use")), "event 3: a tool's input is not an object: '[1]'"),
    "input that is a string": (
        only(tool(0, '"{}"'), end("tool_use")),
        "event 3: a tool's input is not an object: '\"{}\"'",
    ),
    "input with a raw control character": (
        only(tool(0, '{"a":"\n"}'), end("max_tokens")),
        'event 3: a tool\'s input is not one JSON object: \'{"a":"\\n"}\'',
    ),
    "input that holds no JSON number": (
        only(tool(0, '{"a":NaN}'), end("max_tokens")),
        "event 3: a tool's input is not one JSON object: '{\"a\":NaN}'",
    ),
    # Why it stopped
    "no stop_reason": ([start(), end(None), STOP], "event 1: unknown stop_reason None"),
    "a stop_reason of the other API": ([start(), end("length"), STOP], "event 1: unknown stop_reason 'length'"),
    "tool_use without a tool": (
        only(text(), end("tool_use")),
        "event 4: stop_reason tool_use without a tool_use block",
    ),
    "tool_use after a server's tool": (
        only(tool(kind="server_tool_use"), end("tool_use")),
        "event 3: stop_reason tool_use without a tool_use block",
    ),
    "end_turn after a tool": (only(tool()), "event 3: stop_reason end_turn although a tool was called"),
    "stop_sequence without the sequence": (
        [start(), end("stop_sequence"), STOP],
        "event 1: stop_reason stop_sequence with stop_sequence None",
    ),
    "a sequence with another reason": (
        [start(), end("end_turn", "END"), STOP],
        "event 1: stop_reason end_turn with stop_sequence 'END'",
    ),
    "refusal details with another reason": (
        [start(), end(stop_details={"type": "refusal"}), STOP],
        "event 1: stop_reason end_turn with stop_details {'type': 'refusal'}",
    ),
    "a delta without stop_sequence": (
        [start(), {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": USAGE}, STOP],
        "event 1: delta lacks ['stop_sequence']",
    ),
    "message_delta whose delta is no object": (
        [start(), {"type": "message_delta", "delta": None, "usage": USAGE}, STOP],
        "event 1: delta is not an object",
    ),
    # Errors
    "an error of unknown type": ([error("server_error")], "event 0: unknown error type 'server_error'"),
    "an error without words": ([error(message="")], "event 0: error.message is not a text"),
    "an error that is a text": ([{"type": "error", "error": "x"}], "event 0: error.error is not an object"),
    "an error with a field too many": ([{**error(), "x": 1}], "event 0: error has unknown fields ['x']"),
}


@pytest.mark.parametrize(("events", "violation"), BAD.values(), ids=BAD.keys())
def test_a_fault_is_found(events: list[Event], violation: str) -> None:
    assert violation in violations(events)


def test_bytes_become_events_and_comments_are_left_out() -> None:
    data = b': hello\n\nevent: ping\ndata: {"type":"ping"}\n\n'
    data += b': more\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'
    assert parse_stream(data) == [PING, STOP]


MALFORMED: dict[str, tuple[bytes, str]] = {
    "a data line alone": (b"data: [DONE]\n\n", "not one event line and one data line"),
    "an event line alone": (b"event: ping\n\n", "not one event line and one data line"),
    "data in two lines": (b'event: ping\ndata: {"type":\ndata: "ping"}\n\n', "not one event line and one data line"),
    "lines in the wrong order": (b'data: {"type":"ping"}\nevent: ping\n\n', "not one event line and one data line"),
    "no empty line at the end": (b'event: ping\ndata: {"type":"ping"}\n', "the last event has no empty line after it"),
    "data that is not JSON": (b"event: done\ndata: [DONE\n\n", "the data of done is not JSON"),
    "data that is no object": (b"event: done\ndata: 7\n\n", "the event is named done, and its data is 7"),
    "a name that differs from the type": (
        b'event: pong\ndata: {"type":"ping"}\n\n',
        "the event is named pong, and its data is {'type': 'ping'}",
    ),
}


@pytest.mark.parametrize(("data", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_bytes_that_are_no_stream_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(Malformed) as raised:
        parse_stream(data)
    assert str(raised.value).startswith(message)
