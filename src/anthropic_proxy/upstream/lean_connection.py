"""A connection to a backend on a bare asyncio.Protocol: a request out, its reply in, and then the next.

The lean client's hot path. A read of the network runs `data_received`, the parser and `Inbox.put`, and
wakes the one who waits, if anyone does. No task, no timer and no object is made for it.
"""

import asyncio
import math
from collections.abc import Callable
from typing import NamedTuple, cast

import httptools

from anthropic_proxy.upstream.breaks import MALFORMED_BODY, Peer
from anthropic_proxy.upstream.lean_inbox import Inbox
from anthropic_proxy.upstream.limits import KEEP_ALIVE, LARGE_BODY, LONGEST_HEADER, MOST_HEADERS

PORTION = 2**18
"""Bytes of a large request that are written at once."""

LONGEST_SLEEP = 15.0
"""Seconds between two looks at a connection. Not more than KEEP_ALIVE, so that going idle needs no new timer."""

SWITCHED = 101
BODILESS = (SWITCHED, 204, 304)
"""Final statuses after which there is no body, whatever the headers say."""

STATUS_LINE_REASONS = (
    *("Expected HTTP/", "Invalid major version", "Expected dot", "Invalid minor version", "Invalid HTTP version"),
    *("Expected space after version", "Invalid status code", "Invalid response status"),
)
"""How the parser's complaints about the first line begin. Source: llhttp as in httptools 0.9, seen 2026-11-25."""


_NOTHING = memoryview(b"")


class Request(NamedTuple):
    """What is sent."""

    head: bytes
    body: bytes
    began: float
    """When somebody wanted it sent, by the loop's clock."""


class Misread(Exception):
    """The parser has no objection to the reply's head, but we have. The text is the reason."""


class Connection(asyncio.Protocol):
    """One connection, which carries one request at a time: `ask`, and when its reply is read, `finish` or `abort`.

    It asks the `first` as soon as it is open: some servers that are too busy answer and close before
    they are asked anything. `on_lost` is told when it is gone. Methods that begin with `on_` are
    called by the parser.
    """

    inbox: Inbox | None = None
    """The reply to what was asked last, until it is finished."""

    def __init__(self, peer: Peer, first: Request, on_lost: Callable[["Connection"], None]) -> None:
        self._peer = peer
        self._first = first
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport = cast("asyncio.Transport", None)
        self._parser = self._new_parser()
        self._headers: dict[str, str] = {}
        self._header_count = 0
        """Of the head so far, those of one name too."""
        self._head_rest = 0
        """Bytes of the head since its last whole header, roughly."""
        self._ends_by_close = False
        self._may_stay = False
        """May the connection be used again after the reply?"""
        self._complete = False
        """Has the reply come to its end?"""
        self._unsent = _NOTHING
        """What is left of a large request."""
        self._writable = True
        self._since = 0.0
        """When the request began, or the idling, by the loop's clock."""
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = math.inf

    def _new_parser(self) -> httptools.HttpResponseParser:
        parser = httptools.HttpResponseParser(self)
        # As the library client does: these three slips of servers harm nobody who only reads.
        parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        return parser

    # For those who use it

    @property
    def is_open(self) -> bool:
        return not self._transport.is_closing()

    def ask(self, request: Request) -> None:
        """Send it. Its first byte is due FIRST_BYTE_TIMEOUT after it began."""
        self.inbox = Inbox(self._loop, self._transport)
        self._complete = False
        self._head_rest = 0
        self._since = request.began
        if len(request.body) > LARGE_BODY:
            self._transport.write(request.head)
            self._unsent = memoryview(request.body)
            self._send_on()
        else:
            self._transport.writelines((request.head, request.body))
        self._watch()

    def finish(self) -> bool:
        """The reply is done with. Can the connection be used again? If not, it is closed."""
        inbox, self.inbox = self.inbox, None
        idle = (
            self._may_stay
            and self._complete
            and inbox is not None
            and not inbox.paused
            and not self._unsent
            and self.is_open
            and not self._transport.get_write_buffer_size()
        )
        if idle:
            self._since = self._loop.time()
        else:
            if inbox is not None:
                inbox.end(self._peer.broke("closed_early"))  # For whoever should read on.
            self._transport.abort()
        return idle

    def abort(self) -> None:
        """Close at once, without sending what is still to be sent. The backend shall stop working."""
        if self.inbox is not None:
            self.inbox.end(self._peer.broke("closed_early"))
        self._transport.abort()

    # What the network brings

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.ask(self._first)
        del self._first

    def data_received(self, data: bytes) -> None:
        inbox = self.inbox
        if inbox is None:
            # Nobody has asked. Some servers say 408 before they close an idle connection.
            self._transport.abort()
            return
        inbox.begun = True
        try:
            if inbox.status:
                self._parser.feed_data(data)
            else:
                self._head_rest += len(data)
                self._parser.feed_data(data)
                if not inbox.status and self._head_rest > 2 * LONGEST_HEADER:
                    raise Misread(f"Got more than {LONGEST_HEADER} bytes of one header")
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, Misread) as error:
            self._misread(inbox, error)

    def eof_received(self) -> None:
        """The transport then closes itself."""

    def connection_lost(self, error: Exception | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        inbox = self.inbox
        if inbox is not None and not inbox.over:
            if not inbox.status:
                inbox.end(self._peer.broke("reset"))
            elif self._ends_by_close and error is None:
                inbox.end()
            else:
                inbox.end(self._peer.broke("closed_early"))
        self._unsent = _NOTHING
        del self._parser  # It knows us, too, and a circle would have to be collected.
        self._on_lost(self)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._send_on()

    def _send_on(self) -> None:
        """Writes of a large request what the transport takes without hoarding it."""
        while self._unsent and self._writable and self.is_open:
            portion, self._unsent = self._unsent[:PORTION], self._unsent[PORTION:]
            self._transport.write(portion)
        if not self._unsent:
            self._unsent = _NOTHING  # For what is left of a view is empty, and still holds all of the request.

    # What the parser finds

    def on_message_begin(self) -> None:
        self._headers = {}
        self._header_count = 0
        if self._complete:
            self._may_stay = False  # A second reply, which nobody asked for.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_rest = 0
        if len(name) + len(value) > LONGEST_HEADER:
            raise Misread(f"Got more than {LONGEST_HEADER} bytes of one header")
        self._header_count += 1
        if self._header_count > MOST_HEADERS:
            raise Misread("Too many headers received")
        if b"\0" in value:
            raise Misread("Invalid HTTP header")
        self._headers[name.decode("latin-1").lower()] = value.rstrip(b" \t").decode("utf-8", "surrogateescape")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        inbox = self.inbox
        if inbox is None or self._complete or (status < 200 and status != SWITCHED):
            return  # An interim reply, after which the true one comes.
        headers = self._headers
        self._may_stay = self._parser.should_keep_alive() and status != SWITCHED
        coding = headers.get("transfer-encoding", "").rpartition(",")[2]
        self._ends_by_close = "content-length" not in headers and coding.strip().lower() != "chunked"
        inbox.begin(status, headers)
        self._headers = {}  # For what may follow the body, which nobody reads.
        if status in BODILESS:
            inbox.end()
        self._watch()

    def on_body(self, data: bytes) -> None:
        inbox = self.inbox
        if inbox is not None and not inbox.over:
            inbox.put(data)

    def on_message_complete(self) -> None:
        inbox = self.inbox
        if inbox is not None and inbox.status:
            self._complete = True
            inbox.end()

    def _misread(self, inbox: Inbox, error: Exception) -> None:
        """The rest cannot be understood. That is no matter if the reply is complete."""
        self._may_stay = False
        if not inbox.over:
            reason = MALFORMED_BODY if inbox.status else _reason(error)
            inbox.end(self._peer.broke("protocol", reason))
            self._transport.abort()

    # What does not come

    def _due(self, now: float) -> float:
        """When we will have waited too long, for whatever it is."""
        inbox = self.inbox
        if inbox is None:
            return self._since + KEEP_ALIVE
        timeouts = self._peer.timeouts
        if not inbox.status:
            return self._since + (timeouts.first_byte or math.inf)
        return inbox.silent_since(now) + (timeouts.silence or math.inf)

    def _watch(self) -> None:
        """Look at the latest when what is waited for now is due.

        A look that finds nothing amiss comes once in LONGEST_SLEEP, which costs less than a timer
        for every request and every read.
        """
        now = self._loop.time()
        at = min(self._due(now), now + LONGEST_SLEEP)
        if at < self._alarm_at:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm_at = at
            self._alarm = self._loop.call_at(at, self._look)

    def _look(self) -> None:
        self._alarm_at = math.inf
        now = self._loop.time()
        if self._due(now) > now:
            self._watch()
            return
        inbox = self.inbox
        if inbox is not None:
            inbox.end(self._peer.broke("silence_timeout" if inbox.status else "first_byte_timeout"))
        self._transport.abort()


def _reason(error: Exception) -> str:
    """What is wrong with a reply's head."""
    if isinstance(error, httptools.HttpParserCallbackError) and isinstance(error.__context__, Misread):
        error = error.__context__
    reason = str(error)
    return "Bad status line" if reason.startswith(STATUS_LINE_REASONS) else reason
