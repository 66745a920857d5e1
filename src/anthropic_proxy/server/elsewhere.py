"""What else clients ask of Anthropic's host: small talk that is answered, and services that are not here."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from anthropic_proxy.config import Settings
from anthropic_proxy.errors import ProxyError
from anthropic_proxy.server.door import admit

NOT_HERE: dict[str, str] = {
    "/v1/messages/batches": "message batches",
    "/v1/files": "the Files API",
    "/v1/skills": "skills",
    "/v1/complete": "text completions",
    "/v1/agents": "agents",
    "/v1/sessions": "agent sessions",
    "/v1/environments": "agent environments",
    "/v1/deployments": "agent deployments",
    "/v1/deployment_runs": "agent deployments",
    "/v1/dreams": "dreams",
    "/v1/memory_stores": "memory stores",
    "/v1/vaults": "vaults",
    "/v1/tunnels": "tunnels",
    "/v1/user_profiles": "user profiles",
    "/v1/compliance": "the Compliance API",
    "/v1/organizations": "the Admin API",
}
"""Anthropic's services that the proxy does not offer, by the beginning of their paths. Source: the paths in
anthropic (Python) 2.12, read 2026-11-25."""

TELEMETRY = "/api/event_logging"
"""Claude Code sends its statistics below it, and calls the network bad where it gets no 2xx. They go nowhere."""


def is_elsewhere(path: str) -> bool:
    """Is it the path of a service that is not here? Whatever is sent there, a file perhaps, is never looked at."""
    return _service(path) is not None


def _service(path: str) -> str | None:
    """What Anthropic offers at this path and the proxy does not."""
    return next((name for start, name in NOT_HERE.items() if path == start or path.startswith(f"{start}/")), None)


def routes(settings: Settings) -> list[Route]:
    """The routes for all of these, for any method."""

    async def telemetry(request: Request) -> Response:
        return Response(status_code=204)

    async def not_here(request: Request) -> Response:
        admit(dict(request.scope["headers"]), settings)
        path = request.url.path
        message = f"{path}: this proxy does not offer {_service(path)}"
        raise ProxyError(message, type="not_supported", headers={"x-should-retry": "false"})

    paths = [(TELEMETRY, telemetry), *((start, not_here) for start in NOT_HERE)]
    return [
        Route(whole, endpoint, methods=METHODS) for path, endpoint in paths for whole in (path, f"{path}/{{rest:path}}")
    ]


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
