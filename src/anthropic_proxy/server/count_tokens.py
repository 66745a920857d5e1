"""POST /v1/messages/count_tokens: an estimate, made here. The backend is never asked."""

from starlette.requests import Request
from starlette.responses import Response

from anthropic_proxy.backends import Backends
from anthropic_proxy.config import Settings
from anthropic_proxy.estimate import estimated_tokens
from anthropic_proxy.routing import default_model
from anthropic_proxy.server.door import admit
from anthropic_proxy.server.failures import LINE
from anthropic_proxy.server.limits import limited_body
from anthropic_proxy.server.logs import RequestLine
from anthropic_proxy.server.running import Running
from anthropic_proxy.translate.validate import messages_request
from anthropic_proxy.wire.json import dumps

HEADERS = {"x-token-count": "estimate"}


class CountTokens:
    """The endpoint. Raises ProxyError and ClientGone for the Rim to answer."""

    def __init__(self, settings: Settings, backends: Backends, running: Running) -> None:
        self._running = running
        self._settings = settings
        self._backends = backends

    async def answer(self, request: Request) -> Response:
        """`input_tokens`, and with `context_management` how many they were before it cleared some."""
        line: RequestLine = request.scope[LINE]
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        admit(headers, self._settings)
        with self._running:
            body, size = await limited_body(headers, request.receive, self._settings)
            return self._counted(body, size, line)

    def _counted(self, body: object, size: int, line: RequestLine) -> Response:
        asked = messages_request(body, default_model(self._settings), count=True)
        line.client_model = asked["model"]
        way = self._backends.ways(asked, size)[0]
        line.exchange.upstream_model = way.route.model
        counted: dict[str, object] = {"input_tokens": estimated_tokens(asked, way)}
        if asked.pop("context_management", None) is not None:
            counted["context_management"] = {"original_input_tokens": estimated_tokens(asked, way)}
        return Response(dumps(counted), headers=HEADERS, media_type="application/json")
