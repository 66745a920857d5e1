"""What can go wrong, in Anthropic's terms: the type a client reads, the status, the message."""

from collections.abc import Mapping

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
    go with the reply, such as `retry-after`.
    """

    type = "api_error"

    def __init__(
        self,
        message: str,
        *,
        type: str | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if type is not None:
            self.type = type
        self.status = status if status is not None else STATUS.get(self.type, 500)
        self.headers = dict(headers or {})


class InvalidRequest(ProxyError):
    """The client's request cannot be served. The message begins with the place: `messages.0.role: …`."""

    type = "invalid_request_error"


class UnsupportedBlock(InvalidRequest):
    """A block that cannot be carried to this backend, named where the client put it."""


class UpstreamRefused(ProxyError):
    """The backend answered with an error."""


class UpstreamBroke(ProxyError):
    """The backend could not be reached, fell silent or broke off."""
