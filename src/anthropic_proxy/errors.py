"""What can go wrong, in Anthropic's terms: the type a client reads, the status, the message."""

from collections.abc import Mapping
from typing import Literal, Self

STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "not_supported": 501,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The HTTP status that belongs to each error type. Source: anthropic (Python) 2.12, read 2026-11-22."""


class ProxyError(Exception):
    """An error with everything the client is told of it.

    `type` is one of STATUS; `status` the HTTP status, where it is not that type's own; `headers`
    go with the reply, such as `retry-after`; `error_code` is Anthropic's finer name for the case,
    where it has one.
    """

    type = "api_error"

    def __init__(
        self,
        message: str,
        *,
        type: str | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        error_code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if type is not None:
            self.type = type
        self.status = status if status is not None else STATUS.get(self.type, 500)
        self.headers = dict(headers or {})
        self.error_code = error_code

    def alone(self) -> Self:
        """The error without its past: who raised it and what was handled then. Those who keep an error that they have
        handled would else keep all that they had in hand, and themselves."""
        self.__traceback__ = self.__context__ = self.__cause__ = None
        return self


class InvalidRequest(ProxyError):
    """The client's request cannot be served. The message begins with the place: `messages.0.role: …`."""

    type = "invalid_request_error"


class UnsupportedBlock(InvalidRequest):
    """A block that cannot be carried to this backend, named where the client put it."""


class UpstreamRefused(ProxyError):
    """The backend answered with an error."""


BreakKind = Literal[
    "refused",
    "dns",
    "tls",
    "connect_timeout",
    "first_byte_timeout",
    "silence_timeout",
    "reset",
    "closed_early",
    "protocol",
    "too_large",
]
"""How a connection to the backend can fail."""

_UNREACHABLE: tuple[BreakKind, ...] = ("refused", "dns", "tls")
"""Kinds that another try will not mend. Told so, Claude Code shows them at once; else it retries for minutes."""

_TIMEOUTS: tuple[BreakKind, ...] = ("connect_timeout", "first_byte_timeout", "silence_timeout")


class UpstreamBroke(ProxyError):
    """The backend could not be reached, fell silent or broke off. `kind` says which.

    Timeouts are a `timeout_error`, 504; all else is an `api_error`, 502, with `x-should-retry: false`
    where nobody can be reached.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: BreakKind = "closed_early",
        type: str | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        timeout = kind in _TIMEOUTS
        if headers is None and kind in _UNREACHABLE:
            headers = {"x-should-retry": "false"}
        super().__init__(
            message,
            type=type or ("timeout_error" if timeout else "api_error"),
            status=status or (504 if timeout else 502),
            headers=headers,
        )
        self.kind = kind
