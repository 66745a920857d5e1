"""The rim: each request gets its id and its log line, and whatever is raised becomes an Anthropic error."""

import asyncio
import logging
from os import urandom
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anthropic_proxy.errors import STATUS, ProxyError
from anthropic_proxy.server.disconnect import ClientGone
from anthropic_proxy.server.door import BodyTooLarge, forget_rest
from anthropic_proxy.server.headers import RawHeaders, raw_headers
from anthropic_proxy.server.logs import RequestLine
from anthropic_proxy.server.running import shutting_down
from anthropic_proxy.wire.anthropic import ErrorBody
from anthropic_proxy.wire.json import dumps

log = logging.getLogger("anthropic_proxy")

LINE = "anthropic_proxy.line"
"""Key of the RequestLine in an ASGI scope."""

CLIENT_GONE = 499
"""Status of a log line whose client went away. No client ever sees it."""

_TYPES = {status: type for type, status in STATUS.items()}


class Rim:
    """The outermost layer of the app."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        line = scope[LINE] = RequestLine(request_id(), scope["method"], scope["path"])

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                line.status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"request-id", line.id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except ClientGone:
            line.status = CLIENT_GONE
        except BodyTooLarge as error:
            await _refuse_unread(error, line, receive, send_with_id)
        except ProxyError as error:
            await send_error(error, line, send_with_id)
        except asyncio.CancelledError:
            if not line.status:
                await send_error(shutting_down(), line, send_with_id)
            raise
        except Exception:
            log.exception("internal error in request %s", line.id)
            if line.status:
                raise  # Too late for an answer; the server closes the connection.
            await send_error(internal_error(line), line, send_with_id)
        finally:
            line.log()


def request_id() -> str:
    """An id for a request: `req_` and 24 random characters."""
    return f"req_{urandom(12).hex()}"


def internal_error(line: RequestLine) -> ProxyError:
    """What a client is told of a bug of ours. The log says more."""
    return ProxyError(f"internal error; the proxy's log has the details under {line.id}")


def error_body(error: ProxyError, line: RequestLine) -> ErrorBody:
    """`error` as Anthropic writes it."""
    told: dict[str, Any] = {"type": error.type, "message": error.message}
    if error.error_code is not None:
        told["details"] = {"error_code": error.error_code}
    return {"type": "error", "error": told, "request_id": line.id}


async def send_json(send: Send, status: int, value: object, headers: RawHeaders) -> None:
    """Sends a whole response."""
    await _send_json(send, status, value, headers, end=True)


async def send_error(error: ProxyError, line: RequestLine, send: Send) -> None:
    """Sends `error` as a whole response."""
    line.fail(error)
    await send_json(send, error.status, error_body(error, line), raw_headers(error.headers))


async def _refuse_unread(error: BodyTooLarge, line: RequestLine, receive: Receive, send: Send) -> None:
    """Sends the error, and the end of the response only when the client has stopped sending."""
    line.fail(error)
    await _send_json(send, error.status, error_body(error, line), raw_headers(error.headers), end=False)
    await forget_rest(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_json(send: Send, status: int, value: object, headers: RawHeaders, end: bool) -> None:
    body = dumps(value)
    own = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": own + headers})
    await send({"type": "http.response.body", "body": body, "more_body": not end})


async def wrong_address(request: Request, error: Exception) -> Response:
    """FastAPI's own refusals, which are 404 and 405, raised again for the Rim to answer."""
    assert isinstance(error, HTTPException)
    # Not of `request.url`, which is made of what the client calls us.
    path: str = request.scope["path"]
    if path.startswith("/v1/v1/"):
        # Not a 404, at which Claude Code (2.1.330) says that the model may not exist, and nothing of this.
        message = f"{path}: drop /v1 from the end of the base URL; clients add it themselves"
        raise ProxyError(message, type="invalid_request_error") from None
    if error.status_code == 405:
        message = f"{path}: {request.method} is not allowed here"
        raise ProxyError(message, type="invalid_request_error", status=405, headers=error.headers) from None
    type = _TYPES.get(error.status_code, "invalid_request_error")
    message = f"{path}: not found" if error.status_code == 404 else error.detail
    raise ProxyError(message, type=type, status=error.status_code, headers=error.headers) from None
