"""The recorder: notes an exchange while it runs, and makes a document of it that can be played back."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anthropic_proxy import __version__
from anthropic_proxy.config import Settings
from anthropic_proxy.dialects import Dialect, dialect_for
from anthropic_proxy.dialects.overrides import overrides_text
from anthropic_proxy.errors import ProxyError
from anthropic_proxy.routing import Route
from anthropic_proxy.server.door import DECODERS, credentials
from anthropic_proxy.server.failures import LINE
from anthropic_proxy.server.logs import Redactor, RequestLine
from anthropic_proxy.server.recordings import VERSION, Document, blotted, event_texts, headers_shown, read_texts
from anthropic_proxy.translate.body_fields import BodyFields
from anthropic_proxy.upstream.recording import CALLS, Call
from anthropic_proxy.wire.json import InvalidJson, loads

log = logging.getLogger("anthropic_proxy.prompts")

Keep: TypeAlias = Callable[[Callable[[], Document]], None]
"""Takes what makes the document."""

SETTINGS = (
    *("model", "reasoning_model", "completion_model", "client_models", "claude_aliases", "forward_key", "strict"),
    *("show_thinking", "stop_sequences", "prefill", "forward_user_id", "rate_limit_headers"),
)
"""Settings that change what is said. They are recorded where they are not the default."""

LONG = 12
"""Characters of a client's key from which on it is blotted out everywhere, not only in its header: shorter ones
may be `anything`, which is a word of prompts, too."""


@dataclass(slots=True)
class Tape:
    """What went to and fro in one exchange."""

    started: float = field(default_factory=time.monotonic)
    body: list[bytes] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    writes: list[bytes] = field(default_factory=list)
    ended: bool = False
    """Whether the client was sent all of it."""


class Recorder:
    """The outermost layer of the app: every POST is noted and, once it is over, handed to each of `keeps`."""

    def __init__(
        self, app: ASGIApp, settings: Settings, base_url: str, keeps: Sequence[Keep], secrets: Sequence[str]
    ) -> None:
        """`base_url` is for what asks no backend; `secrets` are blotted out, those too that are added later."""
        self.app = app
        self._settings = settings
        self._secrets = secrets
        self._base_url = base_url
        self._keeps = keeps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        tape = Tape()

        async def noted_receive() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                tape.body.append(message.get("body", b""))
            return message

        async def noted_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                tape.status, tape.headers = message["status"], list(message["headers"])
            else:
                tape.writes.append(message.get("body", b""))
                tape.ended = not message.get("more_body", False)
            await send(message)

        token = CALLS.set(tape.calls)
        try:
            await self.app(scope, noted_receive, noted_send)
        finally:
            CALLS.reset(token)
            for keep in self._keeps:
                keep(partial(self._document, scope, tape))

    def _document(self, scope: Scope, tape: Tape) -> Document:
        line: RequestLine = scope[LINE]
        exchange = line.exchange
        headers = _texts(scope["headers"])
        offered = [key.decode("latin-1") for key in credentials(dict(scope["headers"]))]
        redactor = Redactor([*self._secrets, *(key for key in offered if len(key) >= LONG)])
        base_url = exchange.backend.upstream.base_url if exchange.backend is not None else self._base_url
        document = {
            "recording": VERSION,
            "proxy": __version__,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "request_id": line.id,
            "message_id": line.message_id,
            "base_url": base_url.partition("?")[0],
            "settings": _departures(self._settings),
            "dialect": _dialect(exchange.habits, base_url, exchange.upstream_model),
            "route": _route(exchange.route, exchange.calls_in_vain),
            "request": {
                "path": scope["path"],
                "headers": headers_shown(headers),
                "body": _request_body(headers, b"".join(tape.body), self._settings.max_body),
            },
            "calls": [_call(call, tape.started) for call in tape.calls],
            "answer": {
                "status": tape.status,
                "headers": headers_shown(_texts(tape.headers)),
                "body": _answer_body(b"".join(tape.writes)),
                "ended": tape.ended,
            },
        }
        clean: Document = blotted(document, redactor)
        for call, noted in zip(clean["calls"], tape.calls, strict=True):
            call["reads"] = read_texts(noted.reads, redactor)
        return clean


def log_prompts(make: Callable[[], Document]) -> None:
    """Says in the log what was asked and answered (setting LOG_PROMPTS)."""
    document = make()
    said = {"request_id": document["request_id"], "asked": document["request"]["body"]}
    log.info("prompts", extra={"fields": {**said, "answered": document["answer"]["body"]}})


def _texts(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}


def _departures(settings: Settings) -> dict[str, Any]:
    values = {name: getattr(settings, name) for name in SETTINGS}
    return {name: value for name, value in values.items() if value != Settings.model_fields[name].default}


def _dialect(habits: Dialect | None, base_url: str, model: str) -> Document | None:
    """The backend's name, and the facts that were different, as the settings BACKEND and DIALECT tell them."""
    if habits is None:
        return None
    usual = dialect_for(base_url, model, name=habits.name)
    # Headers may hold keys, and no reply depends on them.
    names = [field.name for field in fields(Dialect) if field.name not in ("name", "headers")]
    facts = {name: getattr(habits, name) for name in names if getattr(habits, name) != getattr(usual, name)}
    return {"backend": habits.name, "facts": overrides_text(facts)}


def _route(route: Route | None, calls_in_vain: int) -> Document | None:
    """What the model map chose, if it did, as `replay` needs it."""
    if route is None or not route.mapped:
        return None
    fields = route.fields or BodyFields()
    return {
        "model": route.model,
        "reasoning": route.reasoning,
        "set": dict(fields.set),
        "default": dict(fields.default),
        "drop": list(fields.drop),
        "why": route.why,
        "calls_in_vain": calls_in_vain,
    }


def _request_body(headers: Mapping[str, str], body: bytes, limit: int) -> Any:
    """The JSON that was sent, or the text that is none."""
    unpacked: bytes | bytearray = body
    with suppress(ProxyError, KeyError):
        unpacked = DECODERS[headers.get("content-encoding", "").strip().lower()](body, limit)
    return _value(unpacked)


def _answer_body(body: bytes) -> Any:
    return event_texts(body.decode()) if body.startswith(b"event:") else _value(body)


def _value(data: bytes | bytearray) -> Any:
    try:
        return loads(data)
    except InvalidJson:
        return data.decode(errors="replace")


def _call(call: Call, started: float) -> Document:
    return {
        "method": call.method,
        "path": call.path,
        "headers": headers_shown(call.sent_headers),
        "body": _value(call.sent) if call.sent else None,
        "status": call.status,
        "reply_headers": headers_shown(call.headers),
        "reads": [],
        "at_ms": [round((moment - started) * 1000, 1) for moment in call.times],
        "ended": call.ended,
        "broke": {"kind": call.broke.kind, "message": call.broke.message} if call.broke else None,
    }
