"""Event streams in a form that is quick to write and to read."""

from collections.abc import Iterable
from typing import Any

from anthropic_proxy.translate.fold import fold
from anthropic_proxy.translate.pieces import Piece
from anthropic_proxy.translate.writer import MessageWriter
from anthropic_proxy.wire.anthropic import StreamEvent
from anthropic_proxy.wire.sse import encode_events
from tests.grammar import parse_stream, violations

DELTA_FIELDS = ("text", "thinking", "signature", "partial_json", "citation")


def brief(events: Iterable[StreamEvent]) -> list[str]:
    """One line an event: `0 + text 'Hello'`. The start and the end of the message are one word each."""
    return [_line(event) for event in events]


def _line(event: StreamEvent) -> str:
    match event["type"]:
        case "content_block_start":
            block = event["content_block"]
            return " ".join([f"{event['index']} [", block["type"], *filter(None, (block.get("id"), block.get("name")))])
        case "content_block_delta":
            delta = event["delta"]
            value = next(delta[name] for name in DELTA_FIELDS if name in delta)
            return f"{event['index']} + {delta['type'].removesuffix('_delta')} {value!r}"
        case "content_block_stop":
            return f"{event['index']} ]"
        case "message_delta":
            return f"end {event['delta']['stop_reason']}"
        case "error":
            return f"error {event['error']['type']}: {event['error']['message']}"
        case kind:
            return str(kind)


def written(pieces: Iterable[Piece], estimate: int = 0) -> list[StreamEvent]:
    """All events that a writer makes of `pieces`, found legal."""
    writer = MessageWriter("msg_1", "my-model", estimate)
    events = [event for piece in pieces for event in writer.write(piece)] + writer.close()
    assert violations(parse_stream(encode_events(events))) == []
    return events


def message(events: Iterable[StreamEvent]) -> Any:
    """The Message, or the error, that `events` build up to."""
    return fold(events)
