"""The errors the demo backend can give, in OpenAI's shape."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

CONTEXT_WINDOW = 200_000
"""Tokens. Claude Code takes a model it does not know to have as many."""


class Refusal(NamedTuple):
    """An answer that is an error: the HTTP status, the body, the headers."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str] = {}


def refusal(status: int, message: str, code: str | None = None, param: str | None = None, **headers: str) -> Refusal:
    """An error with this status. `headers` are spelled with underscores."""
    kind = "server_error" if status >= 500 else _KINDS.get(status, "invalid_request_error")
    error = {"message": message, "type": kind, "param": param, "code": code}
    return Refusal(status, {"error": error}, {name.replace("_", "-"): value for name, value in headers.items()})


_KINDS = {402: "insufficient_quota", 403: "permission_error", 429: "requests"}

_ON_REQUEST = {
    400: refusal(400, "The demo was asked for a bad request.", "invalid_value", "messages"),
    401: refusal(401, "Incorrect API key provided: the demo was asked to say so.", "invalid_api_key"),
    402: refusal(402, "You exceeded your current quota: the demo was asked to say so.", "insufficient_quota"),
    403: refusal(403, "The demo was asked to forbid this."),
    404: refusal(404, "The model `demo` does not exist: the demo was asked to say so.", "model_not_found", "model"),
    408: refusal(408, "The demo was asked to take too long."),
    413: refusal(413, "The demo was asked to find the request too large."),
    422: refusal(422, "The demo was asked not to understand this.", "invalid_value", "messages"),
    429: refusal(
        429, "Rate limit reached for `demo`: the demo was asked to say so.", "rate_limit_exceeded", retry_after="2"
    ),
    500: refusal(500, "The server had an error: the demo was asked to have one."),
    502: refusal(502, "Bad gateway: the demo was asked to be one."),
    503: refusal(503, "The engine is currently overloaded: the demo was asked to say so."),
    504: refusal(504, "Gateway timeout: the demo was asked to have one."),
    529: refusal(529, "Overloaded: the demo was asked to say so."),
}

_STATUS = re.compile(r"\berror\s+(\d{3})\b", re.IGNORECASE)
_OVERFLOW = re.compile(r"(?<!stack )(?<!stack)\boverflow\b", re.IGNORECASE)
_IN_STREAM = re.compile(r"\berror\s+(?:in|mid)[\s-](?:the\s)?(?:stream|reply)", re.IGNORECASE)

BROKEN = refusal(500, "The server broke in mid-reply: the demo was asked to.", "internal_error")
"""What ends a reply that was asked to break."""


def asked_error(text: str) -> Refusal | None:
    """The error that the user's words ask for: `error 429`, `overflow`."""
    status = _STATUS.search(text)
    if status and int(status[1]) in _ON_REQUEST:
        return _ON_REQUEST[int(status[1])]
    return overflow(CONTEXT_WINDOW + 1) if _OVERFLOW.search(text) else None


def breaks(text: str) -> bool:
    """Do the words ask for an error in the middle of the reply: `error in the stream`?"""
    return _IN_STREAM.search(text) is not None


def overflow(tokens: int) -> Refusal:
    """The prompt is too long, in OpenAI's words."""
    return refusal(
        400,
        f"This model's maximum context length is {CONTEXT_WINDOW} tokens. "
        f"However, your messages resulted in {tokens} tokens. Please reduce the length of the messages.",
        "context_length_exceeded",
        "messages",
    )
