"""The log: one line a request, as text or JSON. No prompts, and keys blotted out."""

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from typing import Any, TextIO

from msgspec import Struct, field

from anthropic_proxy.config import Settings
from anthropic_proxy.errors import InvalidRequest, ProxyError, UpstreamRefused
from anthropic_proxy.exchange import Exchange
from anthropic_proxy.server.headers import place
from anthropic_proxy.translate.redaction import redacted
from anthropic_proxy.wire.anthropic import StreamEvent
from anthropic_proxy.wire.json import dumps

requests_log = logging.getLogger("anthropic_proxy.requests")

QUIET = frozenset({"/", "/health", "/ready", "/api/hello", "/metrics"})
"""Paths that are asked all day by machines; their lines are for `debug`."""

QUIET_BELOW = "/api/"
"""So are all paths below this one: a client's small talk."""


class RequestLine(Struct):
    """What the log says about one request, gathered while it runs. Times are `time.monotonic()`."""

    id: str
    method: str
    path: str
    started: float = field(default_factory=time.monotonic)
    status: int = 0
    """499: the client went before it had its answer."""
    client_model: str = ""
    message_id: str = ""
    exchange: Exchange = field(default_factory=Exchange)
    first_event: float | None = None
    usage: dict[str, Any] = {}
    stop_reason: str = ""
    error_type: str = ""
    reason: str = ""
    """Why, as far as that may be logged."""

    @property
    def elapsed(self) -> float:
        """Seconds since the request came."""
        return time.monotonic() - self.started

    def fail(self, error: ProxyError) -> None:
        """Notes what matters of the error that the client is told.

        The error itself knows, by its traceback, who handled it, and they know this line: in such a circle the
        request's body would stay until the collector of cycles comes by.
        """
        self.error_type, self.reason = error.type, reason(error)

    def see(self, events: Sequence[StreamEvent]) -> None:
        """Notes what matters in events on their way to the client."""
        if self.first_event is None:
            self.first_event = time.monotonic()
        # Nearly all lists end in a delta, and only lists that do not hold the end of a message.
        if events[-1]["type"] in _ENDS:
            for event in events:
                if event["type"] == "message_delta":
                    self.usage = event["usage"]
                    self.stop_reason = event["delta"]["stop_reason"]
                elif event["type"] == "error":
                    self.error_type = event["error"]["type"]

    def fields(self) -> dict[str, Any]:
        """The line as a mapping, what is unknown or empty left out."""
        exchange = self.exchange
        known = {
            "request_id": self.id,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "model": self.client_model,
            "upstream_model": exchange.upstream_model,
            "backend": exchange.backend.name if exchange.backend is not None else "",
            "dialect": exchange.dialect,
            "upstream_id": exchange.upstream_id,
            "first_event_ms": None if self.first_event is None else _milliseconds(self.first_event - self.started),
            "duration_ms": _milliseconds(self.elapsed),
            "input_tokens": self.usage.get("input_tokens"),
            "output_tokens": self.usage.get("output_tokens"),
            "cached_tokens": self.usage.get("cache_read_input_tokens"),
            "cost": exchange.cost,
            "stop_reason": self.stop_reason,
        }
        unusual = exchange.calls > 1 or exchange.dropped or exchange.fallbacks or exchange.warnings
        if unusual or self.error_type or exchange.failure:
            known |= {
                "upstream_calls": exchange.calls if exchange.calls > 1 else None,
                "dropped": [place(entry) for entry in exchange.dropped],
                "learned": list(exchange.learned),
                "fallbacks": list(exchange.fallbacks),
                "warnings": list(exchange.warnings),
                "error": self.error_type,
                "reason": self.reason or reason(exchange.failure),
            }
        return {name: value for name, value in known.items() if value or value == 0}

    def log(self) -> None:
        """Writes the line."""
        level = logging.DEBUG if self.path in QUIET or self.path.startswith(QUIET_BELOW) else logging.INFO
        if self.status >= 500 or (self.error_type and self.status < 400):
            level = logging.WARNING
        if requests_log.isEnabledFor(level):
            requests_log.handle(_record(level, self.fields()))


def _record(level: int, fields: dict[str, Any]) -> logging.LogRecord:
    """What `requests_log.log` would make of the line and hand on.

    A fast path: no line says who wrote it, in which file and thread, and to find out takes 5 us (measured
    2026-11-26). Whoever makes records of their own is asked for them.
    """
    if logging.getLogRecordFactory() is not logging.LogRecord:
        return requests_log.makeRecord(requests_log.name, level, "", 0, MESSAGE, (), None, extra={"fields": fields})
    record = logging.LogRecord.__new__(logging.LogRecord)
    now = time.time()
    record.__dict__ |= _BLANK
    record.__dict__ |= {
        "levelno": level,
        "levelname": logging.getLevelName(level),
        "created": now,
        "msecs": int((now - int(now)) * 1000) + 0.0,
        "relativeCreated": (now - _STARTED) * 1000,
        "process": os.getpid() if logging.logProcesses else None,
        "fields": fields,
    }
    return record


MESSAGE = "request"

_BLANK = logging.LogRecord(requests_log.name, 0, "", 0, MESSAGE, (), None).__dict__
_STARTED = _BLANK["created"] - _BLANK["relativeCreated"] / 1000
_BLANK.update(dict.fromkeys(("thread", "threadName", "processName", "taskName")))


_ENDS = frozenset({"message_delta", "message_stop", "error"})


def reason(error: ProxyError | None) -> str:
    """What may be logged of an error's message: of a refused request the place, of the backend's words none.

    Both may quote prompts.
    """
    if error is None or isinstance(error, UpstreamRefused):
        return ""
    return place(error.message) if isinstance(error, InvalidRequest) else error.message


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


class Redactor:
    """Blots keys out of text: those of the settings, and what looks like one."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """More may be added to `secrets` later: a model map that changes brings new ones."""
        self._secrets = secrets

    def __call__(self, text: str) -> str:
        return redacted(text, self._secrets)


def _is_plain(fields: dict[str, Any]) -> bool:
    """Is it the line of a request that went well?

    Such a line is made of our own words, and there are many: looking for keys in each would cost more
    than the request itself (0.1 ms, measured 2026-11-25).
    """
    status: int = fields.get("status", 999)
    return status < 400


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """What RequestLine.log gave along."""
    fields: dict[str, Any] = record.__dict__.get("fields", {})
    return fields


class TextFormatter(logging.Formatter):
    """`time level message name=value …`, on one line but for tracebacks."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s%(said)s", "%Y-%m-%d %H:%M:%S")
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        said = fields if record.process is None else {**fields, "pid": record.process}
        record.said = "".join([f" {name}={_word(value)}" for name, value in said.items()])
        line = super().format(record)
        return line if _is_plain(fields) else self._redactor(line)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor
        self._second, self._time = 0, ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Written once a second: to write it takes as long as the rest of the line."""
        if int(record.created) != self._second:
            self._second, self._time = int(record.created), super().formatTime(record, datefmt)
        return self._time

    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        entry: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields,
        }
        if record.process is not None:
            entry["pid"] = record.process
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return dumps(entry if _is_plain(fields) else self._blotted(entry)).decode()

    def _blotted(self, value: Any) -> Any:
        """Before it is JSON: afterwards a pattern might reach from one string into the next."""
        if isinstance(value, dict):
            return {name: self._blotted(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._blotted(item) for item in value]
        return self._redactor(value) if isinstance(value, str) else value


def _word(value: object) -> str:
    """A value in a text line: in quotes where it would not read as one word."""
    text = ",".join(value) if isinstance(value, list) else str(value)
    return text if text.isprintable() and " " not in text else ascii(text)


def _not_a_shutdown(record: logging.LogRecord) -> bool:
    """uvicorn logs a traceback for each request that a shutdown cancels; that is no error."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def configure(
    settings: Settings,
    stream: TextIO,
    secrets: Sequence[str] | None = None,
    shared: "logging.StreamHandler[TextIO] | None" = None,
) -> None:
    """Sets up logging for the process, to `stream`; or through `shared`, if other processes write there too.

    Then each line says whose it is. `secrets` are blotted out, those too that are added later; without them it is the
    settings' own.
    """
    # No line says who wrote it, and to find out takes half of a line's time (the logging HOWTO, "Optimization").
    logging._srcfile = None
    logging.logThreads = logging.logMultiprocessing = False
    logging.logProcesses = shared is not None
    text = settings.log_format == "text" or (settings.log_format == "auto" and stream.isatty())
    redactor = Redactor(settings.secrets if secrets is None else secrets)
    handler = shared or logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter(redactor) if text else JsonFormatter(redactor))
    handler.addFilter(_not_a_shutdown)
    level = settings.log_level.upper()
    logging.basicConfig(force=True, handlers=[handler], level=level)
    # Its lines at `info` tell of its own comings and goings, which the banner has said better.
    logging.getLogger("uvicorn.error").setLevel("DEBUG" if level == "DEBUG" else "WARNING")
