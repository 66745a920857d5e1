"""The application: FastAPI, with POST /v1/messages as a bare ASGI route in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import Route

from anthropic_proxy.backend import Backend
from anthropic_proxy.config import Settings
from anthropic_proxy.server import health
from anthropic_proxy.server.failures import Rim, wrong_address
from anthropic_proxy.server.guard import Guard
from anthropic_proxy.server.messages import Messages
from anthropic_proxy.upstream.base import Timeouts, Upstream
from anthropic_proxy.upstream.http import HttpUpstream


def http_upstream(settings: Settings) -> HttpUpstream:
    """The way to the backend. Raises ValueError for certificates or a proxy that cannot be used."""
    return HttpUpstream(
        settings.openai_api_base,
        timeouts=Timeouts(settings.connect_timeout, settings.first_byte_timeout, settings.silence_timeout),
        ssl_cert_file=settings.ssl_cert_file,
    )


def create_app(settings: Settings, upstream: Upstream | None = None) -> FastAPI:
    """The proxy as an ASGI application. `upstream` replaces the network, for tests."""
    backend = Backend(upstream or http_upstream(settings), settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await backend.close()

    app = FastAPI(
        title="anthropic-proxy",
        version=version("anthropic-proxy"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={HTTPException: wrong_address},
    )
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Rim)
    messages = Messages(settings, backend)
    app.router.routes[:0] = [Route(path, messages, methods=["POST"]) for path in ("/v1/messages", "/v1/messages/")]
    app.include_router(health.router)
    return app
