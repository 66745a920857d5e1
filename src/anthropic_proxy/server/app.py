"""The application: FastAPI, with POST /v1/messages as a bare ASGI route in it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp

from anthropic_proxy.backend import Backend
from anthropic_proxy.backends import Backends
from anthropic_proxy.config import Settings
from anthropic_proxy.model_map import NO_MAP, ModelMap
from anthropic_proxy.server import elsewhere, extras, health
from anthropic_proxy.server.count_tokens import CountTokens
from anthropic_proxy.server.direct import Direct
from anthropic_proxy.server.failures import Rim, wrong_address
from anthropic_proxy.server.guard import Guard
from anthropic_proxy.server.messages import Messages, new_message_id
from anthropic_proxy.server.models import Models
from anthropic_proxy.server.openapi import describe
from anthropic_proxy.server.record_folder import RecordFolder
from anthropic_proxy.server.recorder import Keep, Recorder, log_prompts
from anthropic_proxy.server.reload import follow
from anthropic_proxy.server.running import Running
from anthropic_proxy.settings_file import SettingsFile
from anthropic_proxy.upstream.base import Timeouts, Upstream
from anthropic_proxy.upstream.choice import connect
from anthropic_proxy.upstream.recording import Recording

MESSAGES = ("/v1/messages", "/v1/messages/")

NO_TELEMETRY: Any = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""FastAPI's own traces and logs (0.165): they would cost every request something, and send the texts of exceptions to
whatever OpenTelemetry is set up in the process. Older ones ignore it."""


class Proxy(FastAPI):
    """FastAPI without its outermost layers.

    They answer exceptions that nobody else has, record what we do not want recorded, and limit bodies. The Rim and the
    door do all that, and each layer takes a coroutine for each request and 0.4 KB of each open stream.
    """

    def build_middleware_stack(self) -> ASGIApp:
        outermost: Any = self.user_middleware[0].cls
        layer: Any = super().build_middleware_stack()
        while type(layer) is not outermost:
            layer = layer.app
        return cast("ASGIApp", layer)


def http_upstream(settings: Settings, base_url: str | None = None) -> Upstream:
    """The way to the backend, or to another one. Raises ValueError for certificates or a proxy that cannot be used."""
    timeouts = Timeouts(settings.connect_timeout, settings.first_byte_timeout, settings.silence_timeout)
    return connect(base_url or settings.openai_api_base, settings.upstream_client, timeouts, settings.ssl_cert_file)


def create_app(
    settings: Settings,
    upstream: Upstream | None = None,
    *,
    file: SettingsFile | None = None,
    models: ModelMap = NO_MAP,
    connect_to: Callable[[str], Upstream] | None = None,
    keep: Keep | None = None,
    message_id: Callable[[], str] = new_message_id,
) -> FastAPI:
    """The proxy as an ASGI application. Raises SettingsError and ValueError.

    `file` holds the model map, and is followed as it changes; `models` is one without a file. `upstream` and
    `connect_to` (from a base URL, for the backends of the map) replace the network, `message_id` chance, and `keep`
    is given recordings, for tests and `replay`.
    """
    upstream = upstream or http_upstream(settings)
    connect_to = connect_to or partial(http_upstream, settings)
    folder = RecordFolder(Path(settings.record_dir)) if settings.record_dir else None
    keeps = [*([keep] if keep else []), *([folder.keep] if folder else [])]
    if settings.log_prompts:
        keeps.append(log_prompts)
    noted: Callable[[Upstream], Upstream] = Recording if keeps else _as_it_is
    found = file.read() if file else None
    backends = Backends(
        Backend(noted(upstream), settings),
        settings,
        lambda base_url: noted(connect_to(base_url)),
        found.models if found else models,
    )
    running = Running(settings.max_concurrent)
    at_the_end: list[Callable[[], Awaitable[None]]] = [backends.close]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        following = asyncio.create_task(follow(file, backends, found.settings)) if file and found else None
        yield
        if following is not None:
            following.cancel()
        for close in at_the_end:
            await close()

    app = Proxy(
        title="anthropic-proxy",
        version=version("anthropic-proxy"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={HTTPException: wrong_address},
        telemetry=NO_TELEMETRY,
    )
    rate_limit = extras.rate_limit(settings)
    if rate_limit is not None:
        at_the_end.append(rate_limit.close)
    messages = Messages(settings, backends, running, message_id, rate_limit)
    app.add_middleware(Direct, paths=MESSAGES, endpoint=messages)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Rim)
    extras.add_metrics(app, settings, backends)
    at_the_end += extras.add_traces(app, settings)
    if folder:
        at_the_end.append(folder.close)
    if keeps:
        app.add_middleware(
            Recorder, settings=settings, base_url=upstream.base_url, keeps=keeps, secrets=backends.secrets
        )
    # The first that fits is taken, so the one that is asked most comes first.
    app.router.routes[:0] = [
        *(Route(path, messages, methods=["POST"]) for path in MESSAGES),
        *other_routes(settings, backends, running),
    ]
    app.include_router(health.router(backends.main, running))
    app.state.running, app.state.backends, app.state.secrets = running, backends, backends.secrets
    app.openapi = partial(describe, app, settings)  # type: ignore[method-assign]
    return app


def _as_it_is(upstream: Upstream) -> Upstream:
    return upstream


def other_routes(settings: Settings, backends: Backends, running: Running) -> list[Route]:
    """All of Anthropic's endpoints but the main one, with and without a slash at the end."""
    count_tokens, models = CountTokens(settings, backends, running), Models(settings, backends)
    return [
        *(Route(f"/v1/messages/count_tokens{end}", count_tokens.answer, methods=["POST"]) for end in ("", "/")),
        *(Route(f"/v1/models{end}", models.list, methods=["GET"]) for end in ("", "/")),
        Route("/v1/models/{model_id:path}", models.retrieve, methods=["GET"]),
        *elsewhere.routes(settings),
    ]
