"""HttpProtocol: one connection of a client's, with limits on what it may send and on how long it may take.

uvicorn waits for ever for a request that was begun, keeps headers of any size, and waits for ever for a client
that does not read its reply. Each would let a few idle clients use up a server.
"""

import asyncio
from typing import Any, cast
from urllib.parse import unquote

from httptools import parse_url
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from anthropic_proxy.config import Settings
from anthropic_proxy.errors import InvalidRequest, ProxyError
from anthropic_proxy.server.cycle import Cycle
from anthropic_proxy.server.door import LINGER
from anthropic_proxy.server.failures import error_body, request_id
from anthropic_proxy.server.logs import RequestLine
from anthropic_proxy.wire.json import dumps

NO_HTTP = InvalidRequest("this is no HTTP/1.1 request")


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, but for the limits; and what it refuses by itself gets an Anthropic error, too.

    While a request runs, its client owes nothing. Otherwise the client is waited for: HEAD_TIMEOUT
    seconds for the first request and the rest of a head that was begun, uvicorn's keep-alive for the
    next request. The body is the application's to wait for. No timer is set for a head that comes in
    one piece.
    """

    # With these in its dictionary that would no longer share its keys with those of others, and take 1 KB more.
    __slots__ = ("_in_head", "_lingering", "_loose", "_patience", "_refusal", "_unread")

    head_timeout: float = 0
    """Seconds; 0 waits for ever."""
    write_timeout: float = 0
    """Seconds; 0 waits for ever."""
    largest_head: float = float("inf")
    """Bytes of a request before its body, and of what follows that."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._loose = 0
        """Bytes that have come since something was last made of them: a whole head or a part of a body."""
        self._in_head = False
        self._refusal: ProxyError = NO_HTTP
        self._patience: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._lingering: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_client()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_waiting_for_reader()
        if self._lingering is not None:
            self._lingering.cancel()
        super().connection_lost(exc)
        cycle = cast("Cycle | None", self.cycle)
        if cycle is not None and cycle.on_gone is not None:
            cycle.on_gone()
        # They know us, too, and circles would have to be collected.
        self.cycle = None  # type: ignore[assignment]
        self.pipeline.clear()

    def data_received(self, data: bytes) -> None:
        if self._lingering is not None:
            return
        self._loose += len(data)
        super().data_received(data)
        if self._loose > self.largest_head:
            self._refuse(self._head_too_large())
        elif self._owes_us:
            self._wait_for_client()

    def on_message_begin(self) -> None:
        self._in_head = True
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        if self._loose > self.largest_head and self._size_of_head() > self.largest_head:
            self._refusal = self._head_too_large()
            raise ValueError("too large")  # which the parser turns into a call of send_400_response
        self._loose = 0
        self._in_head = False
        self._stop_waiting()
        before = self.cycle
        version = self.parser.get_http_version()
        keep_alive = version != "1.0" and self.parser.should_keep_alive()
        self.cycle = cycle = Cycle(self, self._scope(version), keep_alive, self.close_unread)
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def on_body(self, body: bytes) -> None:
        self._loose = 0
        cycle = cast("Cycle", self.cycle)
        if not cycle.response_complete:
            cycle.add(body)
            if len(cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        self._loose = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_head:  # that of the next request, which came before its turn
            self._unset_keepalive_if_required()
            self._wait_for_client()

    def close_unread(self) -> None:
        """Closes our side now, and the connection after LINGER: closed at once, it would be reset under a client
        that is still sending, and our last words would be lost."""
        if self._lingering is not None or self.transport.is_closing():
            return
        if not self.transport.can_write_eof():  # TLS
            self.transport.close()
            return
        self.flow.resume_reading()
        self.transport.write_eof()
        self._lingering = self.loop.call_later(LINGER, self.transport.close)

    def _scope(self, version: str) -> dict[str, Any]:
        """The head as ASGI tells it."""
        url = parse_url(self.url)
        path = url.path.decode("ascii")
        return {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "method": self.parser.get_method().decode("ascii"),
            "root_path": "",
            "path": unquote(path) if "%" in path else path,
            "raw_path": url.path,
            "query_string": url.query or b"",
            "headers": self.headers,
            "state": self.app_state.copy(),
        }

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.write_timeout:
            self._unread = self.loop.call_later(self.write_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_waiting_for_reader()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        # To close in good manner would be to wait until the client has read all, which it has not in all this time.
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()

    @property
    def _owes_us(self) -> bool:
        """Is it the client's turn, with nobody looking at the clock?"""
        if self._lingering is not None:
            return False
        answered = self.cycle is None or self.cycle.response_complete
        return answered and self.timeout_keep_alive_task is None and not self.transport.is_closing()

    def _wait_for_client(self) -> None:
        if self.head_timeout and self._patience is None:
            self._patience = self.loop.call_later(self.head_timeout, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _stop_waiting_for_reader(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _give_up(self) -> None:
        self._patience = None
        if self._in_head:
            message = f"the headers did not arrive within {self.head_timeout:g} s (setting HEAD_TIMEOUT)"
            self._refuse(ProxyError(message, type="timeout_error", status=408))
        else:
            self.transport.close()

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)

    def _head_too_large(self) -> ProxyError:
        message = f"the headers are larger than {self.largest_head / 1024:g} KiB (setting MAX_HEADER_KB)"
        return ProxyError(message, type="invalid_request_error", status=431)

    def _refuse(self, error: ProxyError) -> None:
        """Answers with `error` and closes. In the middle of a reply there is no place for it."""
        if self._lingering is not None or self.transport.is_closing():
            return
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()
            return
        line = RequestLine(request_id(), "", "", status=error.status, error_type=error.type)
        body = dumps(error_body(error, line))
        headers = (
            "content-type: application/json",
            f"content-length: {len(body)}",
            "connection: close",
            f"request-id: {line.id}",
        )
        self.transport.write(
            STATUS_LINE[error.status] + "".join(f"{text}\r\n" for text in (*headers, "")).encode() + body
        )
        self.close_unread()
        line.log()


def protocol_for(settings: Settings) -> type[HttpProtocol]:
    """HttpProtocol with the limits of `settings`."""
    limits = {
        "head_timeout": settings.head_timeout,
        "write_timeout": settings.write_timeout,
        "largest_head": settings.max_header_kb * 1024,
    }
    return type("LimitedHttpProtocol", (HttpProtocol,), limits)
