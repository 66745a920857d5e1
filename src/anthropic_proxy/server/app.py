"""The application: FastAPI, with POST /v1/messages as a bare ASGI route in it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import Route

from anthropic_proxy.backend import Backend
from anthropic_proxy.config import Settings
from anthropic_proxy.server import health
from anthropic_proxy.server.failures import Rim, wrong_address
from anthropic_proxy.server.guard import Guard
from anthropic_proxy.server.messages import Messages, new_message_id
from anthropic_proxy.server.record_folder import RecordFolder
from anthropic_proxy.server.recorder import Keep, Recorder
from anthropic_proxy.upstream.base import Timeouts, Upstream
from anthropic_proxy.upstream.http import HttpUpstream
from anthropic_proxy.upstream.recording import Recording


def http_upstream(settings: Settings) -> HttpUpstream:
    """The way to the backend. Raises ValueError for certificates or a proxy that cannot be used."""
    return HttpUpstream(
        settings.openai_api_base,
        timeouts=Timeouts(settings.connect_timeout, settings.first_byte_timeout, settings.silence_timeout),
        ssl_cert_file=settings.ssl_cert_file,
    )


def create_app(
    settings: Settings,
    upstream: Upstream | None = None,
    *,
    keep: Keep | None = None,
    message_id: Callable[[], str] = new_message_id,
) -> FastAPI:
    """The proxy as an ASGI application.

    `upstream` replaces the network, `keep` the folder RECORD_DIR, and `message_id` chance, for tests and `replay`.
    """
    upstream = upstream or http_upstream(settings)
    folder = RecordFolder(Path(settings.record_dir)) if settings.record_dir else None
    keep = keep or (folder.keep if folder else None)
    backend = Backend(Recording(upstream) if keep else upstream, settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await backend.close()
        if folder:
            await folder.close()

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
    if keep:
        app.add_middleware(Recorder, settings=settings, base_url=upstream.base_url, keep=keep)
    messages = Messages(settings, backend, message_id)
    app.router.routes[:0] = [Route(path, messages, methods=["POST"]) for path in ("/v1/messages", "/v1/messages/")]
    app.include_router(health.router)
    return app
