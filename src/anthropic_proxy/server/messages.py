"""POST /v1/messages, as a bare ASGI application: no framework between the client and the reply."""

import logging
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from os import urandom
from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from anthropic_proxy.backends import Backends
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import ProxyError, UpstreamRefused
from anthropic_proxy.routing import default_model
from anthropic_proxy.server.disconnect import while_connected
from anthropic_proxy.server.door import admit, caller
from anthropic_proxy.server.failures import LINE, send_json
from anthropic_proxy.server.headers import allowed_headers, exchange_headers, place
from anthropic_proxy.server.limits import limited_body
from anthropic_proxy.server.logs import RequestLine
from anthropic_proxy.server.running import Callers, Running
from anthropic_proxy.server.streaming import send_stream
from anthropic_proxy.translate.api import Client
from anthropic_proxy.translate.fold import fold
from anthropic_proxy.translate.validate import messages_request
from anthropic_proxy.translate.writer import MessageWriter
from anthropic_proxy.turn import run
from anthropic_proxy.wire.anthropic import Message, StreamEvent

if TYPE_CHECKING:
    from anthropic_proxy.server.rate import RateLimit  # It needs a library that is not always there.

log = logging.getLogger("anthropic_proxy")

MIB = 2**20

SESSION, AGENT = b"x-claude-code-session-id", b"x-claude-code-agent-id"

MOST_TOLD = 1000
"""Fields that are remembered as told. Clients may invent as many as they like."""

_NUMBER = re.compile(r"\b\d+\b")


def new_message_id() -> str:
    """An id for a message: `msg_` and 24 random characters."""
    return f"msg_{urandom(12).hex()}"


class Messages:
    """The endpoint. Raises ProxyError and ClientGone for the Rim to answer."""

    def __init__(
        self,
        settings: Settings,
        backends: Backends,
        running: Running,
        message_id: Callable[[], str] = new_message_id,
        rate_limit: "RateLimit | None" = None,
    ) -> None:
        self._settings = settings
        self._rate_limit = rate_limit
        self._callers = Callers(settings.key_concurrency)
        self._tells_callers_apart = bool(rate_limit or settings.key_concurrency)
        self._message_id = message_id
        self._backends = backends
        self._running = running
        self._told: set[str] = set()
        self._nobody = client({}, settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        line: RequestLine = scope[LINE]
        try:
            await self._answer(scope, line, receive, send)
        except ProxyError as error:
            told = exchange_headers(line.exchange, self._settings, line.elapsed) if line.exchange.calls else []
            known = {name.decode(): value.decode() for name, value in told}
            error.headers = {**known, **allowed_headers(error.headers, self._settings)}
            raise
        finally:
            self._tell_once("not sent to the backend, and not said again: %s", line.exchange.dropped)
            self._tell_once("sent, but not as Claude knows it, and not said again: %s", line.exchange.notes)

    async def _answer(self, scope: Scope, line: RequestLine, receive: Receive, send: Send) -> None:
        settings = self._settings
        headers: dict[bytes, bytes] = dict(scope["headers"])
        key = admit(headers, settings)
        if not self._tells_callers_apart:
            with self._running:
                await self._answer_admitted(headers, key, line, receive, send)
            return
        who = caller(headers, settings, address_of_client(scope))
        with self._callers.place(who):
            if self._rate_limit is not None:
                await self._rate_limit.check(who)
            with self._running:
                await self._answer_admitted(headers, key, line, receive, send)

    async def _answer_admitted(
        self, headers: Mapping[bytes, bytes], key: str | None, line: RequestLine, receive: Receive, send: Send
    ) -> None:
        settings = self._settings
        body, size = await limited_body(headers, receive, settings)
        request = messages_request(body, default_model(settings))
        del body
        line.client_model = request["model"]
        line.message_id = self._message_id()
        writer = MessageWriter(line.message_id, request["model"])
        ways = self._backends.ways(request, size)
        cool_down = self._backends.models.cool_down
        lists = run(request, ways, writer, self._client(headers), line.exchange, key, cool_down)
        if request.get("stream"):
            await send_stream(lists, writer, settings, line, receive, send)
        else:
            message = await _whole(lists, line, receive)
            await send_json(send, 200, message, exchange_headers(line.exchange, settings, line.elapsed))

    def _client(self, headers: Mapping[bytes, bytes]) -> Client:
        """Only Claude Code says more than the settings do."""
        return client(headers, self._settings) if SESSION in headers or AGENT in headers else self._nobody

    def _tell_once(self, message: str, entries: Sequence[str]) -> None:
        """Warns of each `path: reason`, once in a process for each field."""
        for entry in entries:
            field = _NUMBER.sub("N", place(entry))
            if field not in self._told and len(self._told) < MOST_TOLD:
                self._told.add(field)
                log.warning(message, entry)


def client(headers: Mapping[bytes, bytes], settings: Settings) -> Client:
    """What headers and settings say about a request beside its body."""
    return Client(
        session=headers.get(SESSION, b"").decode("latin-1"),
        agent=headers.get(AGENT, b"").decode("latin-1"),
        show_thinking=settings.show_thinking == "always",
        stop_upstream=settings.stop_sequences == "upstream",
        emulate_prefill=settings.prefill == "emulate",
        strict=settings.strict,
        largest_event=int(settings.max_event_mb * MIB),
        largest_reply=int(settings.max_reply_mb * MIB),
        longest_arguments=int(settings.max_arguments_mb * 10**6),
        hash_user_id=settings.forward_user_id == "hash",
    )


def address_of_client(scope: Scope) -> str:
    """Empty where the client came through a socket of the file system."""
    client = scope.get("client")
    return str(client[0]) if client else ""


async def _whole(lists: AsyncGenerator[list[StreamEvent], None], line: RequestLine, receive: Receive) -> Message:
    """The Message that the events build up. Raises the error they end in, and ClientGone."""
    gathered: list[StreamEvent] = []
    async with while_connected(receive), aclosing(lists):
        async for events in lists:
            if events:
                line.see(events)
                gathered += events
    message = fold(gathered)
    if message["type"] == "error":
        raise UpstreamRefused(message["error"]["message"], type=message["error"]["type"])
    return message
