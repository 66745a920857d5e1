"""The short way to the endpoint that is asked most."""

from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send


class Direct:
    """Hands POSTs to `paths` to `endpoint` itself, past FastAPI's layers for exceptions, dependencies and routing.

    A fast path: the same request takes the same way without it, for the endpoint is a route of the app too.
    """

    def __init__(self, app: ASGIApp, paths: Collection[str], endpoint: ASGIApp) -> None:
        self.app = app
        self._paths = frozenset(paths)
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in self._paths and scope["method"] == "POST":
            await self._endpoint(scope, receive, send)
        else:
            await self.app(scope, receive, send)
