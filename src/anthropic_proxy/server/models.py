"""GET /v1/models and /v1/models/{id}: what the backend lists, and what the settings name."""

import asyncio
import time
from collections.abc import Callable, Iterable

from starlette.requests import Request
from starlette.responses import Response

from anthropic_proxy.backends import Backends
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import InvalidRequest, ProxyError
from anthropic_proxy.server.door import admit
from anthropic_proxy.translate.model_list import LARGEST_PAGE, USUAL_PAGE, ModelInfo, model_infos, page
from anthropic_proxy.wire.json import InvalidJson, dumps

PATIENCE = 2.0
"""Seconds to wait for the backend's list. Claude Code waits 3 for ours."""

FRESH = 300.0
"""Seconds for which a list is not asked for again."""

TRY_AGAIN = 15.0
"""Seconds for which a backend that did not answer is left in peace."""

MOST_LISTS = 64
"""Lists that are kept: with FORWARD_KEY each client's key may see other models."""


class Models:
    """Both endpoints. Raises ProxyError for the Rim to answer."""

    def __init__(
        self,
        settings: Settings,
        backends: Backends,
        clock: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE,
    ) -> None:
        self._patience = patience
        self._settings = settings
        self._backends = backends
        self._clock = clock
        self._lists: dict[str | None, _List] = {}
        """By the client's key that asks, which is None but in forward mode."""

    async def list(self, request: Request) -> Response:
        """A page of the list."""
        asked = request.query_params
        infos = await self._infos(request)
        wanted = asked.getlist("lifecycle[]") or asked.getlist("lifecycle")
        infos = [info for info in infos if not wanted or info["lifecycle"] in wanted]
        return _json(page(infos, _limit(asked.get("limit")), asked.get("after_id"), asked.get("before_id")))

    async def retrieve(self, request: Request) -> Response:
        """One model. Its id may hold slashes."""
        wanted = request.path_params["model_id"].rstrip("/")
        for info in await self._infos(request):
            if info["id"] == wanted:
                return _json(info)
        raise ProxyError(f"model: {wanted}", type="not_found_error")

    async def _infos(self, request: Request) -> Iterable[ModelInfo]:
        key = admit(dict(request.scope["headers"]), self._settings)
        if key not in self._lists and len(self._lists) >= MOST_LISTS:
            del self._lists[next(iter(self._lists))]
        kept = self._lists.setdefault(key, _List())
        now = self._clock()
        if kept.asking is None and now >= kept.due:
            kept.asking = asyncio.create_task(self._ask(kept, key))
        if kept.asking is not None:
            # All who come meanwhile wait for the one answer, and none of them can cancel it for the others.
            await asyncio.shield(kept.asking)
        named = dict.fromkeys([*self._backends.models.names, *configured_models(self._settings)])
        return model_infos(kept.reply, [*named], self._settings.claude_aliases)

    async def _ask(self, kept: "_List", key: str | None) -> None:
        """Fetches the list. What was known stays, where the backend does not answer."""
        fresh = TRY_AGAIN
        try:
            async with asyncio.timeout(self._patience):
                kept.reply = await self._backends.main.list_models(key)
            fresh = FRESH
        except (ProxyError, TimeoutError, InvalidJson):
            pass
        finally:
            kept.due = self._clock() + fresh
            kept.asking = None


class _List:
    """One list, as far as it is known."""

    def __init__(self) -> None:
        self.reply: object = None
        self.due = float("-inf")
        """When to ask again, by the clock."""
        self.asking: asyncio.Task[None] | None = None


def configured_models(settings: Settings) -> list[str]:
    """The models that the settings name, each once."""
    named = (settings.model, settings.reasoning_model, settings.completion_model)
    listed = map(str.strip, settings.client_models.split(","))
    return [*dict.fromkeys(name for name in (*named, *listed) if name)]


def _limit(text: str | None) -> int:
    if text is None:
        return USUAL_PAGE
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= LARGEST_PAGE):
        raise InvalidRequest(f"limit: Input should be a whole number from 1 to {LARGEST_PAGE}")
    return int(text)


def _json(value: object) -> Response:
    return Response(dumps(value), media_type="application/json")
