"""A script for each fault of the matrix: what a raw-socket backend does, byte for byte."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.scripted import LAST_CHUNK, Await, Close, Pause, Reset, Send, Stall, Step, chunk, head

TEXT = "Grüße, 世界 🌍"
ARGUMENTS = '{"city": "Zürich", "days": 3}'
CONTENT = [TEXT, ARGUMENTS]
"""What the client of a good reply has in its blocks."""

USAGE = {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19}


def event(value: object) -> bytes:
    """One event of a stream, in UTF-8."""
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def delta(finish_reason: str | None = None, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": fields, "finish_reason": finish_reason}
    return event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]})


def call(arguments: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    name = {"name": fields.pop("name")} if fields else {}
    return {"index": index, **fields, "function": {**name, "arguments": arguments}}


OPENING = delta(role="assistant", content="")
"""Says nothing yet."""
FIRST_TEXT = delta(content=TEXT[:9])
TEXTS = FIRST_TEXT + delta(content=TEXT[9:])
FIRST_ARGUMENTS = delta(tool_calls=[call(ARGUMENTS[:13], id="call_1", type="function", name="weather")])
CALL = FIRST_ARGUMENTS + delta(tool_calls=[call(ARGUMENTS[13:])])
FINISH = delta("tool_calls")
COUNTS = event({"id": "chatcmpl-1", "choices": [], "usage": USAGE})
DONE = b"data: [DONE]\n\n"
STREAM = OPENING + TEXTS + CALL + FINISH + COUNTS + DONE

MESSAGE = {
    "role": "assistant",
    "content": TEXT,
    "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}}],
}
CHOICE = {"index": 0, "message": MESSAGE, "finish_reason": "tool_calls"}
REPLY = {"id": "chatcmpl-1", "object": "chat.completion", "choices": [CHOICE], "usage": USAGE}
WHOLE = json.dumps(REPLY, ensure_ascii=False).encode()

LABELS = {True: "text/event-stream", False: "application/json"}


@dataclass(frozen=True)
class Moment:
    """Where a fault strikes."""

    stream: bool
    midway: bool
    thorough: bool = False
    """Is there time for the long form?"""
    elsewhere: str = ""
    """Base URL of another server."""
    begun: asyncio.Event | None = None
    """Set when the client has the beginning of a stream."""

    @property
    def body(self) -> bytes:
        """A good reply."""
        return STREAM if self.stream else WHOLE

    @property
    def beginning(self) -> bytes:
        """What of it has come when the fault strikes."""
        if self.stream:
            return OPENING + FIRST_TEXT if self.midway else OPENING
        return WHOLE[: WHOLE.index("世".encode())] if self.midway else b""

    @property
    def rest(self) -> bytes:
        """What would have followed."""
        return self.body[len(self.beginning) :]

    def head(self, status: str = "200 OK", **headers: str) -> Send:
        """Chunked, unless `headers` say otherwise; they are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        framing = {} if "content-length" in named or "connection" in named else {"transfer-encoding": "chunked"}
        return Send(head(status, {"content-type": LABELS[self.stream], **framing, **named}))

    def up_to_here(self) -> list[Step]:
        """Headers and beginning, and no more until the client has what is to be had of it."""
        return [self.head(), *_chunks(self.beginning), *self.once_seen()]

    def once_seen(self) -> list[Step]:
        return [Await(self.begun)] if self.midway and self.stream and self.begun is not None else []


def _chunks(*parts: bytes) -> list[Step]:
    """Each in a chunk and a write of its own; a chunk of nothing would be the end."""
    return [Send(chunk(part)) for part in parts if part]


def good(moment: Moment) -> list[Step]:
    return [moment.head(), *_chunks(moment.body), Send(LAST_CHUNK)]


def good_in_words(moment: Moment, status: str = "200 OK", **headers: str) -> list[Step]:
    """With its length."""
    return [moment.head(status, content_length=str(len(moment.body)), **headers), Send(moment.body)]


def _cut(moment: Moment, *, after: bytes, stream_after: bytes | None = None) -> bytes:
    """The reply up to the end of what is named."""
    mark = stream_after if stream_after is not None and moment.stream else after
    return moment.body[: moment.body.index(mark) + len(mark)]


def _inside_character(moment: Moment) -> bytes:
    return _cut(moment, after="世".encode()[:2], stream_after="🌍".encode()[:2])


def _inside_arguments(moment: Moment) -> bytes:
    return _cut(moment, after=b'{\\"city\\": \\"Z')


def _ended(moment: Moment, body: bytes) -> list[Step]:
    return [moment.head(), *_chunks(body), Send(LAST_CHUNK)]


def _answer(body: bytes, status: str = "200 OK", content_type: str = "application/json", **headers: str) -> list[Step]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return [Send(head(status, {"content-type": content_type, "content-length": str(len(body)), **named}) + body)]


def _squeezed(moment: Moment) -> list[Step]:
    squeezed = gzip.compress(moment.body)
    half = len(squeezed) // 2 if moment.midway else 0
    return [moment.head(content_encoding="gzip"), *_chunks(squeezed[:half], squeezed[half:]), Send(LAST_CHUNK)]


def _squeezed_and_cut(moment: Moment) -> list[Step]:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    squeezed = packer.compress(moment.beginning) + packer.flush(zlib.Z_SYNC_FLUSH)
    return [moment.head(content_encoding="gzip"), *_chunks(squeezed), Close()]


def _trickle(moment: Moment) -> list[Step]:
    """In the long form a byte a second, for a quarter of a minute; else more of them, and faster."""
    slow = moment.rest[: 15 if moment.thorough else 150]
    steps: list[Step] = []
    for number in range(len(slow)):
        steps += [Send(chunk(slow[number : number + 1])), Pause(1 if moment.thorough else 0.001)]
    return [*moment.up_to_here(), *steps, *_chunks(moment.rest[len(slow) :]), Send(LAST_CHUNK)]


def _too_many(moment: Moment) -> list[Step]:
    many = [delta(tool_calls=[call("{}", number, id=f"call_{number}", name="weather")]) for number in range(3000)]
    if moment.stream:
        return [*moment.up_to_here(), *_chunks(b"".join(many)), Send(LAST_CHUNK)]
    calls = [{"id": f"call_{number}", "function": {"name": "weather", "arguments": "{}"}} for number in range(3000)]
    return _answer(json.dumps({"choices": [{"message": {"content": "x", "tool_calls": calls}}]}).encode())


def flood(moment: Moment) -> list[Step]:
    """The text of FLOOD pieces, as many events."""
    pieces = [delta(content=f"{number} ") for number in range(flood_size(moment))]
    parts = [b"".join(pieces[start : start + 50]) for start in range(0, len(pieces), 50)]
    if not moment.stream:
        return _answer(
            json.dumps(
                {**REPLY, "choices": [{"message": {"content": flood_text(moment)}, "finish_reason": "stop"}]}
            ).encode()
        )
    return [moment.head(), *_chunks(*parts, delta("stop"), COUNTS, DONE), Send(LAST_CHUNK)]


def flood_size(moment: Moment) -> int:
    return 100_000 if moment.thorough else 10_000


def flood_text(moment: Moment) -> str:
    return "".join(f"{number} " for number in range(flood_size(moment)))


def _large_event(moment: Moment) -> list[Step]:
    """One line without an end: beyond MAX_EVENT_MB, which is 64 MB in the long form."""
    part = b"x" * 2**20
    size = 80 if moment.thorough else 2
    return [*moment.up_to_here(), *_chunks(b'data: {"choices": [{"delta": {"content": "', *[part] * size), Stall()]


def _large_arguments(moment: Moment) -> list[Step]:
    """Longer than MAX_ARGUMENTS_MB: 16 in the long form, else 1."""
    part, parts = "x" * 100_000, 170 if moment.thorough else 15
    if moment.stream:
        more = [delta(tool_calls=[call(part)])] * parts
        return [moment.head(), *_chunks(OPENING, TEXTS, FIRST_ARGUMENTS, *more), Stall()]
    function = {"name": "weather", "arguments": json.dumps({"city": part * parts})}
    message = {"content": TEXT, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}
    return _answer(json.dumps({"choices": [{"message": message, "finish_reason": "tool_calls"}]}).encode())


def _large_reply(moment: Moment) -> list[Step]:
    """Larger than MAX_REPLY_MB: 64 in the long form, else 2."""
    size = 70 if moment.thorough else 3
    return [moment.head(), *_chunks(b'{"choices": "', *[b"x" * 2**20] * size), Stall()]


ERROR = {"error": {"message": "the GPU fell off the bus", "type": "server_error", "code": 500}}
OVERLOADED = {"error": {"message": "overloaded", "type": "overloaded_error", "code": 529}}
PAGE = b"<!doctype html><html><head><title>Bad Gateway</title></head><body>nginx</body></html>"

SCRIPTS: dict[str, Callable[[Moment], Sequence[Step]]] = {
    "resets the connection before it answers": lambda moment: [Reset()],
    "closes the connection before it answers": lambda moment: [Close()],
    "resets the connection in the middle of the headers": lambda moment: [
        Send(b"HTTP/1.1 200 OK\r\ncontent-ty"),
        Reset(),
    ],
    "resets the connection after the headers": lambda moment: [*moment.up_to_here(), Pause(0.01), Reset()],
    "closes the connection at once, each time": lambda moment: [Close()],
    "is silent before the headers": lambda moment: [Stall()],
    "is silent after the headers": lambda moment: [*moment.up_to_here(), Stall()],
    "sends one byte at a time": _trickle,
    "sends comments and blank lines for a while": lambda moment: [
        *moment.up_to_here(),
        *_chunks(*[b": wait\n\n", b"\r\n\r\n"] * 50, moment.rest),
        Send(LAST_CHUNK),
    ],
    "closes early, without a last chunk": lambda moment: [*moment.up_to_here(), Close()],
    "closes early, in good manner": lambda moment: [*moment.up_to_here(), Send(LAST_CHUNK)],
    "closes early, without a length or chunks": lambda moment: [
        moment.head(connection="close"),
        Send(moment.beginning),
        Close(),
    ],
    "resets the connection, without a length or chunks": lambda moment: [
        moment.head(connection="close"),
        Send(moment.beginning),
        Pause(0.01),
        Reset(),
    ],
    "closes inside a character": lambda moment: [moment.head(), *_chunks(_inside_character(moment)), Close()],
    "closes inside the JSON": lambda moment: [
        moment.head(),
        *_chunks(_cut(moment, after='"Grüße'.encode(), stream_after=FIRST_TEXT + b'data: {"id": ')),
        Close(),
    ],
    "closes inside the arguments of a tool call": lambda moment: [
        moment.head(),
        *_chunks(_inside_arguments(moment)),
        Close(),
    ],
    "ends in good manner inside the arguments of a tool call": lambda moment: _ended(
        moment, _cut(moment, after=b'{\\"city\\": \\"Z', stream_after=FIRST_ARGUMENTS)
    ),
    "forgets the [DONE]": lambda moment: _ended(moment, STREAM.removesuffix(DONE)),
    "closes after the finish reason, without a last chunk": lambda moment: [
        moment.head(),
        *_chunks(STREAM.removesuffix(COUNTS + DONE)),
        Close(),
    ],
    "is silent after the finish reason": lambda moment: [moment.head(), *_chunks(STREAM.removesuffix(DONE)), Stall()],
    "says a length that is too long": lambda moment: [
        moment.head(content_length=str(len(moment.body))),
        Send(moment.beginning),
        Close(),
    ],
    "says a length that is too short": lambda moment: [
        moment.head(content_length=str(len(moment.beginning) or 1)),
        Send(moment.beginning or moment.body[:1]),
        *moment.once_seen(),
        Send(moment.rest),
        Pause(0.05),
        Close(),
    ],
    "says two lengths": lambda moment: [
        Send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 900\r\n\r\n" + moment.body)
    ],
    "sends a chunk without its size": lambda moment: [
        *moment.up_to_here(),
        Send(b"so what\r\n" + moment.rest),
        Pause(0.05),
    ],
    "sends more after the end of the body": lambda moment: [
        *moment.up_to_here(),
        *_chunks(moment.rest),
        Send(LAST_CHUNK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"),
    ],
    "compresses without being asked": _squeezed,
    "compresses, and breaks off": _squeezed_and_cut,
    "says it compressed, and did not": lambda moment: good_in_words(moment, content_encoding="gzip"),
    "labels its reply with a compression it did not use": lambda moment: good_in_words(
        moment, content_encoding="compress"
    ),
    "sends 100 Continue and 103 Early Hints first": lambda moment: [
        Send(b"HTTP/1.1 100 Continue\r\n\r\n"),
        Pause(0.01),
        Send(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n"),
        Pause(0.01),
        *good(moment),
    ],
    "switches protocols": lambda moment: [
        Send(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n\x81\x05hello"),
        Stall(),
    ],
    "sends no HTTP at all": lambda moment: [Send(b"SSH-2.0-OpenSSH_9.9\r\n"), Stall()],
    "sends endless headers": lambda moment: [
        Send(b"HTTP/1.1 200 OK\r\n"),
        *[Send(b"x-filler: " + b"x" * 60_000 + b"\r\n")] * 200,
        Stall(),
    ],
    "redirects to another host": lambda moment: _answer(
        b"", "302 Found", location=f"{moment.elsewhere}/v1/chat/completions"
    ),
    "redirects to another host, method kept": lambda moment: _answer(
        b"", "307 Temporary Redirect", location=f"{moment.elsewhere}/v1/chat/completions"
    ),
    "sends a page with status 200": lambda moment: _answer(PAGE, content_type="text/html"),
    "sends a page with status 502": lambda moment: _answer(PAGE, "502 Bad Gateway", "text/html"),
    "sends an empty body with status 200": lambda moment: _answer(b""),
    "sends an empty body with status 500": lambda moment: _answer(b"", "500 Internal Server Error"),
    "sends 204 No Content": lambda moment: [Send(b"HTTP/1.1 204 No Content\r\n\r\n")],
    "labels its reply wrongly": lambda moment: [
        moment.head(content_type=LABELS[not moment.stream]),
        *_chunks(moment.beginning, moment.rest),
        Send(LAST_CHUNK),
    ],
    "labels its reply with nothing": lambda moment: [
        Send(head("200 OK", {"transfer-encoding": "chunked"})),
        *_chunks(moment.beginning, moment.rest),
        Send(LAST_CHUNK),
    ],
    "sends a stream for a whole reply, or the reverse": lambda moment: good(
        Moment(stream=not moment.stream, midway=moment.midway)
    ),
    "sends an error inside a 200": lambda moment: [
        moment.head(),
        *_chunks(
            moment.beginning if moment.stream else b"", event(ERROR) if moment.stream else json.dumps(ERROR).encode()
        ),
        Send(LAST_CHUNK),
    ],
    "sends an error as the only thing in a 200, overloaded": lambda moment: _ended(
        moment, event(OVERLOADED) if moment.stream else json.dumps(OVERLOADED).encode()
    ),
    "sends what is no JSON": lambda moment: _ended(moment, moment.beginning + b"data: {what, ever\n\n"),
    "sends JSON of another kind": lambda moment: _ended(
        moment, event({"result": "ok"}) if moment.stream else b'{"result": "ok"}'
    ),
    "sends two JSON objects in one event": lambda moment: _ended(
        moment, moment.beginning.removesuffix(b"\n\n") + b"\n" + moment.rest
    ),
    "sends two JSON objects on one line": lambda moment: _ended(
        moment, moment.beginning.removesuffix(b"\n\n") + moment.rest.removeprefix(b"data: ")
    ),
    "repeats itself after [DONE]": lambda moment: _ended(moment, STREAM + STREAM),
    "sends an event that is too large": _large_event,
    "sends arguments that are too long": _large_arguments,
    "sends a whole reply that is too large": _large_reply,
    "sends thousands of tool calls": _too_many,
    "sends thousands of chunks as fast as it can": flood,
}
"""What the backend does, in the words of the matrix. Those that need more than a script have a test of their own."""
