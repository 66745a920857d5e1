"""Server-sent events: an upstream's bytes to payloads, our events to bytes.

Framing is done on bytes, so that a read which ends inside a character harms nothing.
"""

from itertools import takewhile

from anthropic_proxy.wire.anthropic import StreamEvent
from anthropic_proxy.wire.json import InvalidJson, dumps, encode, loads

DONE = b"[DONE]"
"""The payload with which Chat Completions ends a stream."""

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
"""Keeps a silent stream alive. Allowed anywhere, before `message_start` too."""

_BOM = b"\xef\xbb\xbf"
_LF = 10  # as numbers, for `in` finds a number in bytes several times faster than bytes in bytes
_CR = 13


class SSETooLong(ValueError):
    """An event or a line is longer than the limit. What was read with it is lost, and the decoder of no more use."""


class SSEDecoder:
    """Takes a stream's bytes in any portions and gives the payloads of its events.

    Feed it with `feed`, end with `close`. How the network cut the bytes changes nothing. `limit` is
    the longest event accepted, in bytes.
    """

    def __init__(self, limit: int = 64 * 2**20) -> None:
        self._limit = limit
        self._held = bytearray()
        """The line that is still coming in."""
        self._after_cr = False
        """The last byte was a carriage return: a line feed now belongs to it."""
        self._only: bytes | None = None
        """The event's one line so far, if it is `data: {…`."""
        self._event: list[bytes] = []
        """The values of the event's `data` lines so far, if it is no such simple one."""
        self._size = 0
        """Bytes in `_event`."""

    def feed(self, data: bytes) -> list[bytes]:
        """The payload of each event that `data` completes, in order; `[DONE]` is one like any other.

        A payload is what the event's `data:` lines say, joined by line feeds. Events without any,
        comments and other fields give nothing. Where the lines of an event are JSON objects of
        their own, each is a payload.

        Raises SSETooLong.
        """
        if self._after_cr or _CR in data:
            data = self._with_line_feeds(data)
        if self._held:
            data = self._after_held(data)
        lines = data.split(b"\n")
        rest = lines.pop()
        if rest:
            self._held += rest
        if len(data) > self._limit:
            self._check(max(map(len, [*lines, rest])))
        payloads: list[bytes] = []
        only = self._only
        for line in lines:
            if not line:
                if only is not None:
                    payloads.append(only[6:])
                    only = None
                elif self._event:
                    payloads += self._end_event()
            elif only is None and not self._event and line.startswith(b"data: {"):
                # Nearly every event is one such line and a blank one.
                only = line
            else:
                if only is not None:
                    self._add_line(only)
                    only = None
                self._add_line(line)
        self._only = only
        return payloads

    def close(self) -> list[bytes]:
        """The payloads of a last event whose blank line never came, as far as they are whole.

        Whole is a JSON object that parses, or `[DONE]`. Anything else may have been cut off, and
        from the first such payload on nothing is given.
        """
        return list(takewhile(_is_whole, self.feed(b"\n\n")))

    def _with_line_feeds(self, data: bytes) -> bytes:
        """`data` with CRLF and CR replaced by LF, the pair also where the cut went through it."""
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._after_cr = False
        if data:
            self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _after_held(self, data: bytes) -> bytes:
        """The held bytes and `data`, if a line ends in there; else all is held, and nothing returned."""
        if _LF not in data:
            self._held += data
            self._check(len(self._held))
            return b""
        data = bytes(self._held) + data
        self._held.clear()
        return data

    def _add_line(self, line: bytes) -> None:
        field, _, value = line.removeprefix(_BOM).partition(b":")
        if field == b"data":
            self._event.append(value.removeprefix(b" "))
            self._size += len(line)
            self._check(self._size)

    def _end_event(self) -> list[bytes]:
        lines, self._event, self._size = self._event, [], 0
        payload = b"\n".join(lines).strip()
        if len(lines) > 1 and _is_one_each(lines) and not _is_json(payload):
            return [line.strip() for line in lines]
        return [payload] if payload else []

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise SSETooLong(f"an event of the stream is longer than {self._limit} bytes")


def _is_one_each(lines: list[bytes]) -> bool:
    """Whether each line looks like a payload of its own."""
    return all(line.startswith(b"{") or line == DONE for line in map(bytes.strip, lines))


def _is_whole(payload: bytes) -> bool:
    return payload == DONE or (payload.startswith(b"{") and _is_json(payload))


def _is_json(text: bytes) -> bool:
    try:
        loads(text)
    except InvalidJson:
        return False
    return True


class _Headings(dict[str, bytes]):
    """What goes before an event's data, by the event's type."""

    def __missing__(self, kind: str) -> bytes:
        return b"event: %b\ndata: " % kind.encode()


_HEADINGS = _Headings()
for _kind in (
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "ping",
    "error",
):
    _HEADINGS[_kind] = _HEADINGS[_kind]


def encode_event(event: StreamEvent) -> bytes:
    """One event of Anthropic's stream."""
    return _HEADINGS[event["type"]] + dumps(event) + b"\n\n"


def encode_events(events: list[StreamEvent]) -> bytes:
    """Several events, for one write.

    Splicing only a delta's text into a prepared line was measured (2026-11-25, msgspec 0.22): with
    the checks that it needs it gained under 15 % of encoding, so there is no such path.
    """
    try:
        return b"".join([_HEADINGS[event["type"]] + encode(event) + b"\n\n" for event in events])
    except UnicodeEncodeError:
        return b"".join([encode_event(event) for event in events])
