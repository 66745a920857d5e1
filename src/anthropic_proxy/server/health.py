"""What clients and machines ask to see whether anybody is there."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from anthropic_proxy.backend import Backend
from anthropic_proxy.errors import ProxyError
from anthropic_proxy.server.running import Running, shutting_down


def router(backend: Backend, running: Running) -> APIRouter:
    """The paths, none of which asks for a key. A reason why not is told without the backend's address.

    They return responses, for of any other type FastAPI would make a model, and import pydantic's older half for
    it: 25 ms of the start (measured 2026-11-26).
    """
    router = APIRouter()

    @router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    @router.api_route("/api/hello", methods=["GET", "HEAD"], include_in_schema=False)
    @router.get("/health")
    @router.head("/health", include_in_schema=False)
    async def health(request: Request) -> JSONResponse:
        """The proxy is up. Says nothing about the backend."""
        return JSONResponse({"status": "ok", "version": request.app.version})

    @router.get("/ready")
    @router.head("/ready", include_in_schema=False)
    async def ready() -> JSONResponse:
        """The proxy can serve: the backend answers, whatever it says, and no shutdown has begun. Else 503."""
        refusal = shutting_down() if running.draining else await _unreachable(backend)
        if refusal is not None:
            refusal.status = 503
            raise refusal
        return JSONResponse({"status": "ready"})

    return router


async def _unreachable(backend: Backend) -> ProxyError | None:
    if await backend.reachable():
        return None
    return ProxyError("the backend cannot be reached; the log says why", type="overloaded_error")
