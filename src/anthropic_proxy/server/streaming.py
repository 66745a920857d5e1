"""A streamed reply: lists of events become the response's body, one write each, with pings in silence."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from starlette.types import Receive, Send

from anthropic_proxy.config import Settings
from anthropic_proxy.errors import ProxyError
from anthropic_proxy.server.disconnect import ClientGone, while_connected
from anthropic_proxy.server.failures import error_body, internal_error
from anthropic_proxy.server.headers import RawHeaders, exchange_headers
from anthropic_proxy.server.logs import RequestLine
from anthropic_proxy.server.running import shutting_down
from anthropic_proxy.translate.writer import MessageWriter
from anthropic_proxy.wire.anthropic import StreamEvent
from anthropic_proxy.wire.sse import PING, encode_events

log = logging.getLogger("anthropic_proxy")

HEADERS: RawHeaders = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
"""The last one asks nginx and its kin not to hold events back."""


async def send_stream(
    lists: AsyncGenerator[list[StreamEvent], None],
    writer: MessageWriter,
    settings: Settings,
    line: RequestLine,
    receive: Receive,
    send: Send,
) -> None:
    """Sends the events of `lists` as they come.

    The status is held back until the first list, COMMIT_AFTER seconds at most. A failure before
    that is raised; after it, it is sent as an `error` event. Raises ClientGone.
    """
    reply = EventStream(writer, settings, line, send)
    try:
        async with while_connected(receive), aclosing(lists):
            async for events in lists:
                if events:
                    await reply.write(events)
    except ClientGone:
        raise
    except ProxyError as error:
        if not reply.started:
            raise
        await reply.fail(error)
    except asyncio.CancelledError:
        if reply.started:
            await reply.fail(shutting_down())
            await reply.end()
        raise
    except Exception:
        if not reply.started:
            raise
        log.exception("internal error in request %s", line.id)
        await reply.fail(internal_error(line))
    finally:
        reply.stop()
    await reply.end()


class EventStream:
    """The response to one streamed request.

    Two write to it: `write`, for the events of the reply, and a timer, for what fills a silence.
    The timer leaves a write alone that is under way, and a write waits for what the timer began.
    A write only notes its time: the timer looks how long ago that was when it fires.
    """

    def __init__(self, writer: MessageWriter, settings: Settings, line: RequestLine, send: Send) -> None:
        self.started = False
        """Whether the status has been sent."""
        self._writer = writer
        self._settings = settings
        self._line = line
        self._send = send
        self._writing = False
        self._last_write = 0.0
        self._filler: asyncio.Task[None] | None = None
        """What the timer is writing."""
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(settings.commit_after, self._tick)

    async def write(self, events: list[StreamEvent]) -> None:
        """Sends events of the reply. The first ones decide that it is a 200."""
        self._writing = True
        if self._filler is not None:
            await self._filler
            self._filler = None
        if not self.started:
            await self._start()
        self._line.see(events)
        await self._send({"type": "http.response.body", "body": encode_events(events), "more_body": True})
        self._last_write = self._loop.time()
        self._writing = False

    async def fail(self, error: ProxyError) -> None:
        """Sends `error` as an event. Nothing may follow but `end`."""
        self._line.fail(error)
        await self.write([cast("StreamEvent", error_body(error, self._line))])

    async def end(self) -> None:
        """Ends the response, which must have begun."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def stop(self) -> None:
        """Stops the timer and what it has begun."""
        self._timer.cancel()
        if self._filler is not None:
            self._filler.cancel()

    async def _start(self) -> None:
        self.started = True
        self._timer.cancel()
        self._timer = self._loop.call_later(self._settings.ping_every, self._tick)
        headers = HEADERS + exchange_headers(self._line.exchange, self._settings, self._line.elapsed)
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    def _tick(self) -> None:
        """The timer fires: before the start because the client has waited long enough, later to look for silence."""
        now = self._loop.time()
        due = self._last_write + self._settings.ping_every
        if self.started and now < due:
            self._timer = self._loop.call_at(due, self._tick)
            return
        self._timer = self._loop.call_at(now + self._settings.ping_every, self._tick)
        if not self._writing and (self._filler is None or self._filler.done()):
            self._filler = self._loop.create_task(self._fill())

    async def _fill(self) -> None:
        if self._writing:
            return
        beginning = encode_events(self._writer.start())
        if not self.started:
            await self._start()
        await self._send({"type": "http.response.body", "body": beginning + PING, "more_body": True})
        self._last_write = self._loop.time()
