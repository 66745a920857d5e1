"""One turn: a Messages request goes upstream, and events come back."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from time import perf_counter
from typing import cast

from msgspec import structs

from anthropic_proxy.backend import Way
from anthropic_proxy.dialects import Dialect
from anthropic_proxy.errors import InvalidRequest, ProxyError, UpstreamBroke, UpstreamRefused
from anthropic_proxy.estimate import size_of
from anthropic_proxy.exchange import Ask, Exchange
from anthropic_proxy.fallbacks import willing_replies
from anthropic_proxy.routing import Route
from anthropic_proxy.translate.api import Client, Reader, Translation
from anthropic_proxy.translate.failures import Asked, refusal
from anthropic_proxy.translate.pieces import Estimate, Failure, Finish, Piece, Usage
from anthropic_proxy.translate.rate_limits import rate_limit_headers
from anthropic_proxy.translate.writer import MessageWriter
from anthropic_proxy.upstream.base import Reply
from anthropic_proxy.wire.anthropic import MessagesRequest, StreamEvent
from anthropic_proxy.wire.json import dumps
from anthropic_proxy.wire.sse import SSEDecoder, SSETooLong

MOST_REPAIRS = 4
"""Rounds in which a refused parameter is taken back before the refusal goes to the client."""

LINGER = 5.0
"""Seconds to wait for token counts after the model has stopped."""

DRAIN = 0.2
"""Seconds to wait for the end of the body after `[DONE]`, so that the connection can be used again."""

LARGEST_ERROR = 2**20
"""Bytes of an error that are read."""

CUT_SHARE, CUT_LEAST = 0.6, 2000
"""A prompt of which the upstream counts less than this share, and that is at least so many tokens by
our estimate, was probably cut in silence: Ollama does so beyond its `num_ctx`."""


async def run(
    request: MessagesRequest,
    ways: Sequence[Way],
    writer: MessageWriter,
    client: Client,
    exchange: Exchange,
    key: str | None = None,
    cool_down: float = 0.0,
) -> AsyncGenerator[list[StreamEvent], None]:
    """One Messages request as lists of events, each list what one network read made due.

    The first of `ways` is taken, the others where those before fail; `cool_down` is how many seconds
    such a one is left in peace. `key` is the client's own, in forward mode. A failure raises ProxyError as long
    as `writer` has not started, and always where the client wants a whole reply. Later in a stream it is an
    `error` event, the last one. `request` is emptied when a stream begins: nobody asks again, and a long
    conversation should not be held for as long as the answer takes.
    """
    streams = bool(request.get("stream"))
    asks = [Ask(request, route, backend, writer.message_id, client, exchange, key) for route, backend in ways]
    source = fitting_replies if _is_checked(request) else replies
    counted: Usage | None = None
    for ask in asks:
        ask.backend.users += 1
    try:
        async with aclosing(source(asks[0]) if len(asks) == 1 else willing_replies(asks, source, cool_down)) as lists:
            async for pieces in lists:
                events: list[StreamEvent] = []
                for piece in pieces:
                    if type(piece) is Failure and not (streams and writer.started):
                        raise UpstreamRefused(
                            piece.message, type=piece.type, status=piece.status, headers=piece.headers
                        )
                    events += writer.write(piece)
                    if type(piece) is Usage:
                        counted = piece
                        exchange.cost = piece.cost
                    elif type(piece) is Finish:
                        events += writer.close()
                if events:
                    if streams and request:
                        cast("dict[str, object]", request).clear()
                    yield events
    except ProxyError as error:
        # Once the status is out, it has to be told in the stream.
        if not (streams and writer.started):
            raise
        exchange.failure = error.alone()
        yield writer.write(Failure(error.type, error.message))
    else:
        doubts = _doubts(counted, exchange)
        exchange.warnings += doubts
        if counted is not None and not doubts and exchange.backend is not None:
            exchange.backend.calibration.learn(exchange.upstream_model, exchange.size, counted.prompt_tokens)
    finally:
        for ask in asks:
            ask.backend.users -= 1


async def replies(ask: Ask) -> AsyncGenerator[list[Piece], None]:
    """One upstream call as pieces. A refused parameter is taken back and the call made again."""
    request, route, backend, message_id, client, exchange, key = ask
    dialect = await backend.dialect(route)
    exchange.habits = exchange.habits or dialect
    exchange.upstream_model, exchange.backend, exchange.route = route.model, backend, route
    for round_number in range(MOST_REPAIRS + 1):
        exchange.dialect = dialect.name
        translation = _translated(request, route, dialect, client)
        exchange.dropped, exchange.notes = list(translation.dropped), list(translation.notes)
        body = dumps(translation.body)
        exchange.size = size_of(translation, body)
        exchange.estimated_tokens = backend.calibration.tokens(route.model, exchange.size)
        yield [Estimate(exchange.estimated_tokens, translation.applied_edits)]
        asked = Asked(
            base_url=backend.upstream.base_url,
            model=route.model,
            client_model=request["model"],
            tokens=exchange.estimated_tokens,
            window=dialect.context_window,
            cap=translation.cap,
            key_name=backend.key_name(key),
            url_name=backend.url_name,
            secrets=backend.secrets(dialect, key),
        )
        exchange.calls += 1
        asked_at = perf_counter()
        async with backend.post(route, dialect, body, translation.headers, key) as reply:
            backend.notice(reply.headers)
            exchange.upstream_id = reply.headers.get("x-request-id", "")
            if reply.status < 300:
                exchange.rate_limits = rate_limit_headers(reply.headers)
                reader = translation.reader(message_id, asked)
                chunks = reply.chunks()
                start = await _beginning(chunks)
                exchange.waited += perf_counter() - asked_at
                if _is_stream(start, reply):
                    most = None if request.get("stream") else client.largest_reply  # What is passed on may be endless.
                    del body, translation  # They may be large, and the stream long.
                    async with aclosing(_read_stream(start, chunks, reader, client.largest_event, most)) as source:
                        async for pieces in source:
                            exchange.upstream_id = reader.upstream_id or exchange.upstream_id
                            yield pieces
                else:
                    body_asked_at = perf_counter()
                    body = await _all(start, chunks, client.largest_reply)
                    exchange.waited += perf_counter() - body_asked_at
                    pieces = _whole_reply(body, reply, reader, asked)
                    exchange.upstream_id = reader.upstream_id or exchange.upstream_id
                    yield pieces
                exchange.misfit = reader.misfit
                exchange.warnings += reader.warnings
                return
            error = await _error_body(reply)
            exchange.waited += perf_counter() - asked_at
            failure = refusal(reply.status, reply.headers, error, asked)
            mended = route.api.repair(reply.status, error, translation.body, dialect)
        if mended is None or round_number == MOST_REPAIRS:
            yield [failure]
            return
        exchange.learned.append(mended.says)
        if mended.remember:
            backend.learn(route.model, mended.changes)
        dialect = _mended(dialect, mended.changes, mended.remember)


async def fitting_replies(ask: Ask) -> AsyncGenerator[list[Piece], None]:
    """The same for a whole reply with structured output: asked once more if the first does not fit.

    The second counts, whether it fits or not, unless it fails.
    """
    exchange = ask.exchange
    gathered = await _gathered(ask)
    if exchange.misfit:
        misfit, exchange.misfit = exchange.misfit, ""
        try:
            again = await _gathered(ask)
        except UpstreamBroke as error:
            again = [Failure(error.type, error.message)]
        if any(type(piece) is Failure for piece in again):
            exchange.misfit = misfit
        else:
            gathered = again
    if exchange.misfit:
        exchange.warnings.append(exchange.misfit)
    yield gathered


async def _gathered(ask: Ask) -> list[Piece]:
    async with aclosing(replies(ask)) as source:
        return [piece async for pieces in source for piece in pieces]


def _is_checked(request: MessagesRequest) -> bool:
    return not request.get("stream") and bool(request.get("output_config", {}).get("format"))


def _translated(request: MessagesRequest, route: Route, dialect: Dialect, client: Client) -> Translation:
    try:
        translation = route.api.translate(request, route.model, dialect, client)
    except RecursionError:
        raise InvalidRequest("body: JSON is nested too deeply") from None
    if route.fields is not None:
        dropped = route.fields.apply(translation.body, dialect.dropped, f"not wanted there ({route.why})")
        translation = structs.replace(translation, dropped=(*translation.dropped, *dropped))
    if client.strict and translation.dropped:
        raise InvalidRequest(f"{translation.dropped[0]} (STRICT is on, so nothing is dropped)")
    return translation


def _mended(dialect: Dialect, changes: dict[str, object], remember: bool) -> Dialect:
    """`dialect` with `changes`. A cap lowered for this prompt alone means that the reply fills the window."""
    if not remember and "max_output_tokens" in changes:
        changes = {**changes, "fills_window": True}
    return replace(dialect, **changes)  # type: ignore[arg-type]


async def _error_body(reply: Reply) -> bytes:
    """The body of a refusal; a broken one tells as much as it has told."""
    try:
        return await reply.body(LARGEST_ERROR)
    except UpstreamBroke:
        return b""


async def _beginning(chunks: AsyncIterator[bytes]) -> bytes:
    """As much of the body of a 200 as tells whether it is a stream."""
    start = b""
    async for data in chunks:
        start += data
        if not _may_become_sse(start.lstrip(_BLANK)):
            break
    return start


def _is_stream(start: bytes, reply: Reply) -> bool:
    """Is it a stream, be it asked for or not?"""
    begins = start.lstrip(_BLANK)
    if begins.startswith(_SSE_BEGINNINGS):
        return True
    labelled = bool(begins) and "event-stream" in reply.headers.get("content-type", "")
    return labelled and not begins.startswith(_WHOLE_BEGINNINGS)


async def _all(start: bytes, chunks: AsyncIterator[bytes], largest: int) -> bytes:
    """The whole body. Raises UpstreamBroke where it is too long."""
    whole = bytearray(start)
    async for data in chunks:
        whole += data
        if len(whole) > largest:
            raise _too_large(largest)
    return bytes(whole)


_BLANK = b" \t\r\n\xef\xbb\xbf"
_SSE_BEGINNINGS = (b"data:", b"event:", b"id:", b"retry:", b":")
_LONGEST_BEGINNING = max(map(len, _SSE_BEGINNINGS))
_WHOLE_BEGINNINGS = (b"{", b"[", b"<")
"""No event stream begins so, whatever its label says."""


def _may_become_sse(begins: bytes) -> bool:
    """Is the first read too short to tell whether it is a stream?"""
    return len(begins) < _LONGEST_BEGINNING and any(
        beginning.startswith(begins) and beginning != begins for beginning in _SSE_BEGINNINGS
    )


def _whole_reply(body: bytes, reply: Reply, reader: Reader, asked: Asked) -> list[Piece]:
    stripped = body.strip(_BLANK)
    if not stripped:
        return [Failure("api_error", "the upstream answered 200 with an empty body", 502)]
    if stripped.startswith(b"<"):
        return [refusal(502, reply.headers, body, asked)]
    return [*reader.read_reply(stripped), *reader.close()]


def _too_large(limit: int) -> UpstreamBroke:
    return UpstreamBroke(
        f"the upstream's reply is larger than {limit / 2**20:g} MiB (setting MAX_REPLY_MB)", kind="too_large"
    )


async def _read_stream(
    start: bytes, chunks: AsyncIterator[bytes], reader: Reader, largest_event: int, most: int | None
) -> AsyncGenerator[list[Piece], None]:
    """The hot path: one network read in, one list of pieces out. `most`: bytes that are read."""
    decoder = SSEDecoder(largest_event)
    data = start
    size = 0
    clock = asyncio.get_running_loop().time
    deadline: float | None = None
    try:
        while True:
            pieces: list[Piece] = []
            if most is not None:
                size += len(data)
                if size > most:
                    raise _too_large(most)
            for payload in decoder.feed(data):
                pieces += reader.read(payload)
                if reader.finished:
                    break
            if pieces:
                yield pieces
            if reader.finished:
                break
            if reader.ending:
                deadline = clock() + LINGER if deadline is None else deadline
                async with asyncio.timeout_at(deadline):
                    data = await anext(chunks)
            else:
                data = await anext(chunks)
    except StopAsyncIteration:
        rest = [piece for payload in decoder.close() for piece in reader.read(payload)]
        if rest:
            yield rest
    except TimeoutError:
        pass
    except SSETooLong:
        raise UpstreamBroke(
            f"the upstream sent an event larger than {largest_event / 2**20:g} MiB (setting MAX_EVENT_MB)",
            kind="too_large",
        ) from None
    except UpstreamBroke:
        if not reader.ending:
            raise
    yield reader.close()
    if reader.done:
        await _drain(chunks)


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Reads to the body's end, which is due, so that the connection is kept."""
    try:
        async with asyncio.timeout(DRAIN):
            async for _ in chunks:
                pass
    except (TimeoutError, UpstreamBroke):
        pass


def _doubts(usage: Usage | None, exchange: Exchange) -> list[str]:
    """What is strange about the token counts of a reply that went well."""
    if usage is None or usage.input_tokens is None:
        return ["the upstream did not count the prompt's tokens; they are estimated"]
    counted = usage.prompt_tokens
    if exchange.estimated_tokens < CUT_LEAST or not 0 < counted < CUT_SHARE * exchange.estimated_tokens:
        return []
    return [
        f"the upstream counted {counted} prompt tokens where about {exchange.estimated_tokens} were expected; "
        "it may have cut the prompt in silence"
    ]
