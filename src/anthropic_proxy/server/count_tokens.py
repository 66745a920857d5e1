"""POST /v1/messages/count_tokens: an estimate, made here. The backend is never asked."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from anthropic_proxy.backend import Backend
from anthropic_proxy.config import Settings
from anthropic_proxy.dialects import Dialect
from anthropic_proxy.errors import InvalidRequest, UnsupportedBlock
from anthropic_proxy.routing import Route, default_model, route_for
from anthropic_proxy.server.door import admit
from anthropic_proxy.server.failures import LINE
from anthropic_proxy.server.limits import limited_body
from anthropic_proxy.server.logs import RequestLine
from anthropic_proxy.server.running import Running
from anthropic_proxy.translate.api import Client, Translation
from anthropic_proxy.translate.validate import messages_request
from anthropic_proxy.turn import size_of
from anthropic_proxy.wire.anthropic import MessagesRequest
from anthropic_proxy.wire.json import dumps

COUNTING = Client(emulate_prefill=True)
"""A count may end with the assistant's message: Claude Code counts its messages one by one."""

HEADERS = {"x-token-count": "estimate"}


class CountTokens:
    """The endpoint. Raises ProxyError and ClientGone for the Rim to answer."""

    def __init__(self, settings: Settings, backend: Backend, running: Running) -> None:
        self._running = running
        self._settings = settings
        self._backend = backend

    async def answer(self, request: Request) -> Response:
        """`input_tokens`, and with `context_management` how many they were before it cleared some."""
        line: RequestLine = request.scope[LINE]
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        admit(headers, self._settings)
        with self._running:
            body = await limited_body(headers, request.receive, self._settings)
            return self._counted(body, line)

    def _counted(self, body: object, line: RequestLine) -> Response:
        asked = messages_request(body, default_model(self._settings), count=True)
        line.client_model = asked["model"]
        route = route_for(self._settings, asked)
        line.exchange.upstream_model = route.model
        counted: dict[str, object] = {"input_tokens": self._tokens(asked, route)}
        if asked.pop("context_management", None) is not None:
            counted["context_management"] = {"original_input_tokens": self._tokens(asked, route)}
        return Response(dumps(counted), headers=HEADERS, media_type="application/json")

    def _tokens(self, asked: MessagesRequest, route: Route) -> int:
        translation = translated(asked, route, self._backend.known_dialect(route))
        return self._backend.calibration.tokens(route.model, size_of(translation, dumps(translation.body)))


def translated(asked: MessagesRequest, route: Route, dialect: Dialect) -> Translation:
    """The request as it would be sent, but that what this backend cannot be sent is counted all the same."""
    complete: MessagesRequest = {"max_tokens": 1, **asked, "stream": False}
    try:
        try:
            return route.api.translate(complete, route.model, dialect, COUNTING)
        except UnsupportedBlock:
            able = replace(dialect, vision=True, content="parts", image_urls=True, pdf="file", pdf_urls=True)
            return route.api.translate(complete, route.model, able, COUNTING)
    except RecursionError:
        raise InvalidRequest("body: JSON is nested too deeply") from None
