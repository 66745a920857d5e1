"""Framing: bytes to payloads, events to bytes."""

import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.wire.json import loads
from anthropic_proxy.wire.sse import PING, SSEDecoder, SSETooLong, encode_event, encode_events


def decoded(*reads: bytes, limit: int = 2**20) -> list[bytes]:
    """All payloads of a stream that comes in these reads and then ends."""
    decoder = SSEDecoder(limit)
    return [payload for read in reads for payload in decoder.feed(read)] + decoder.close()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` cut at these places, each taken modulo its length."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


STREAMS = {
    "an event gives its data": (b'data: {"a":1}\n\n', [b'{"a":1}']),
    "several events in one read come in order": (b'data: {"a":1}\n\ndata: {"a":2}\n\n', [b'{"a":1}', b'{"a":2}']),
    "the space after the colon may be missing": (b'data:{"a":1}\n\n', [b'{"a":1}']),
    "[DONE] is a payload": (b"data: {}\n\ndata: [DONE]\n\n", [b"{}", b"[DONE]"]),
    "[DONE] with more space around it is still [DONE]": (b"data:   [DONE] \n\n", [b"[DONE]"]),
    "lines may end with CRLF": (b'data: {"a":1}\r\n\r\ndata: {"a":2}\r\n\r\n', [b'{"a":1}', b'{"a":2}']),
    "lines may end with CR": (b'data: {"a":1}\r\rdata: {"a":2}\r\r', [b'{"a":1}', b'{"a":2}']),
    "line ends may be mixed": (b'data: {"a":1}\r\n\ndata: {"a":2}\n\r', [b'{"a":1}', b'{"a":2}']),
    "a byte order mark is skipped": (b'\xef\xbb\xbfdata: {"a":1}\n\n', [b'{"a":1}']),
    "comments say nothing": (b': OPENROUTER PROCESSING\n\n: x\ndata: {"a":1}\n: y\n\n', [b'{"a":1}']),
    "event, id and retry lines are skipped": (b'event: e\nid: 1\nretry: 5\ndata: {"a":1}\nid: 2\n\n', [b'{"a":1}']),
    "a field that only begins like data is skipped": (b"database: {}\n\n", []),
    "an event without data gives nothing": (b"event: ping\n\ndata\n\ndata:\n\ndata: \n\n", []),
    "blank lines in a row give nothing": (b'\n\n\n\ndata: {"a":1}\n\n\n\n', [b'{"a":1}']),
    "one JSON value over several lines is one payload": (b'data: {\ndata: "a": 1\ndata: }\n\n', [b'{\n"a": 1\n}']),
    "a value whose every line begins with { is still one": (b'data: {"a":\ndata: {}}\n\n', [b'{"a":\n{}}']),
    "an object on each line is a payload on each line": (b'data: {"a":1}\ndata: {"a":2}\n\n', [b'{"a":1}', b'{"a":2}']),
    "[DONE] may share the last event": (b'data: {"a":1}\ndata: [DONE]\n\n', [b'{"a":1}', b"[DONE]"]),
    "an event without blank lines at all is cut by its lines at the end": (
        b'data: {"a":1}\ndata:  {"a":2}\ndata: [DONE]\n',
        [b'{"a":1}', b'{"a":2}', b"[DONE]"],
    ),
    "prose over several lines is joined by line feeds": (b"data: one\ndata:  two\n\n", [b"one\n two"]),
    "line ends inside JSON text are escaped and harmless": (b'data: {"a":"\\r\\n"}\n\n', [b'{"a":"\\r\\n"}']),
    "U+2028 is no line end": ('data: {"a":"\u2028"}\n\n'.encode(), ['{"a":"\u2028"}'.encode()]),
    "a last object without its blank line counts": (b'data: {}\n\ndata: {"a":1}\n', [b"{}", b'{"a":1}']),
    "a last object without its line end counts": (b'data: {}\n\ndata: {"a":1}', [b"{}", b'{"a":1}']),
    "a last [DONE] without its line end counts": (b"data: [DONE]", [b"[DONE]"]),
    "a last object that was cut off does not count": (b'data: {}\n\ndata: {"a":', [b"{}"]),
    "a last text that is no object may be cut off and does not count": (b"data: 12", []),
    "of last lines those before the cut count": (b'data: {"a":1}\ndata: {"a":2}\ndata: {"a', [b'{"a":1}', b'{"a":2}']),
    "nothing gives nothing": (b"", []),
}  # fmt: skip


@pytest.mark.parametrize(("stream", "payloads"), STREAMS.values(), ids=STREAMS.keys())
def test_payloads(stream: bytes, payloads: list[bytes]) -> None:
    assert decoded(stream) == payloads
    assert decoded(*cut(stream, list(range(len(stream))))) == payloads


def test_an_event_is_given_as_soon_as_its_blank_line_is_there() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b'data: {"a":1}\n') == []
    assert decoder.feed(b'\ndata: {"a":2}\r') == [b'{"a":1}']
    assert decoder.feed(b"\r") == [b'{"a":2}']
    assert decoder.close() == []


WORDS = [b"data", b"data: ", b"data: {", b"id: 1", b":", b" ", b"{", b"}", b'"x"', b"[DONE]", "é😀".encode()]
ODD_BYTES = [b"\n", b"\n\n", b"\r", b"\r\n", b"\xef\xbb\xbf", b"\xff"]
TOKENS = st.sampled_from([*WORDS, *ODD_BYTES])
STREAM = st.lists(TOKENS, max_size=40).map(b"".join)
PLACES = st.lists(st.integers(min_value=0, max_value=10_000), max_size=10)


def plain_payloads(stream: bytes) -> list[bytes]:
    """What the standard says, the plain way: split all lines first, then look at each."""
    payloads, data = [], list[bytes]()
    for line in re.split(rb"\r\n|\r|\n", stream)[:-1]:
        field, _, value = line.removeprefix(b"\xef\xbb\xbf").partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        if not line:
            payloads.append(b"\n".join(data).strip())
            data = []
    return [payload for payload in payloads if payload]


@given(STREAM, PLACES)
def test_how_the_bytes_were_cut_changes_nothing(stream: bytes, places: list[int]) -> None:
    assert decoded(*cut(stream, places)) == decoded(stream)


@given(STREAM)
def test_complete_events_are_as_the_standard_says(stream: bytes) -> None:
    assert lines_of(SSEDecoder().feed(stream)) == lines_of(plain_payloads(stream))


def lines_of(payloads: list[bytes]) -> list[bytes]:
    """The payloads by their lines, since this decoder parts lines that the standard joins."""
    return [line.strip() for payload in payloads for line in payload.split(b"\n")]


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers())), PLACES, st.sampled_from(["\n", "\r\n", "\r"]))
def test_every_object_sent_arrives(values: list[dict[str, Any]], places: list[int], line_end: str) -> None:
    stream = b"".join(encode_event({**value, "type": "x"}) for value in values).replace(b"\n", line_end.encode())
    assert [loads(payload) for payload in decoded(*cut(stream, places))] == [{**value, "type": "x"} for value in values]


LONG = {
    "one long line": b"data: {" + b"x" * 100 + b"}\n\n",
    "many lines of one event": b"data: {}\n" * 20,
    "a long comment": b": " + b"x" * 100 + b"\n\n",
    "a line that never ends": b"data: " + b"x" * 100,
}


@pytest.mark.parametrize("stream", LONG.values(), ids=LONG.keys())
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_event_over_the_limit_is_refused(stream: bytes, size: int) -> None:
    with pytest.raises(SSETooLong, match="longer than 90 bytes"):
        decoded(*(stream[at : at + size] for at in range(0, len(stream), size)), limit=90)


@given(STREAM, PLACES)
def test_the_limit_does_not_depend_on_the_cut(stream: bytes, places: list[int]) -> None:
    assert is_refused([stream]) == is_refused(cut(stream, places))


def is_refused(reads: list[bytes]) -> bool:
    try:
        decoded(*reads, limit=12)
    except SSETooLong:
        return True
    return False


def test_many_short_events_are_no_long_one() -> None:
    assert decoded(b"data: {}\n\n" * 50, limit=90) == [b"{}"] * 50


def test_an_event_has_its_name_and_compact_json() -> None:
    event = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 'é\n"'}}
    assert encode_event(event) == (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"\xc3\xa9\\n\\""}}\n\n'
    )


def test_an_event_of_a_type_nobody_knew_is_named_too() -> None:
    assert encode_event({"type": "later"}) == b'event: later\ndata: {"type":"later"}\n\n'


def test_a_ping_is_an_event_like_others() -> None:
    assert encode_event({"type": "ping"}) == PING


@given(st.lists(st.builds(lambda kind, text: {"type": kind, "text": text}, st.sampled_from(["error", "x"]), st.text())))
def test_several_events_are_the_bytes_of_each(events: list[dict[str, Any]]) -> None:
    assert encode_events(events) == b"".join(map(encode_event, events))
