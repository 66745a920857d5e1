"""Backends: the one of the settings, those that the model map names, and the map itself, which may change."""

from collections.abc import Callable, Iterator

from anthropic_proxy.backend import Backend, Way
from anthropic_proxy.config import Settings
from anthropic_proxy.dialects.overrides import overrides_text
from anthropic_proxy.estimate import estimated_tokens
from anthropic_proxy.model_map import NO_MAP, ModelMap, Target
from anthropic_proxy.routing import Route, route_for
from anthropic_proxy.translate.asked import thinking_on
from anthropic_proxy.upstream.base import Upstream
from anthropic_proxy.wire.anthropic import MessagesRequest

MOST_NAMES = 1024
"""Models whose ways are kept: clients name models as they like."""


class Backends:
    """Where requests go.

    A backend keeps its connections and what it has learned as long as the map names it. One that the map
    names no longer is closed when its last request is answered.
    """

    def __init__(
        self,
        main: Backend,
        settings: Settings,
        connect: Callable[[str], Upstream],
        models: ModelMap = NO_MAP,
    ) -> None:
        """`connect` makes the way to a base URL. Raises ValueError where it does."""
        self.main = main
        self.secrets = list(settings.secrets)
        """Keys for logs and recordings to blot out: all that there ever were."""
        self._settings = settings
        self._connect = connect
        self._others: dict[Target, Backend] = {}
        self._leaving: list[Backend] = []
        self._ways: dict[tuple[str, bool], list[Way]] = {}
        self.models = NO_MAP
        self.use(models)

    def use(self, models: ModelMap) -> None:
        """Routes by `models` from now on; requests under way keep their way. Raises ValueError, and changes nothing."""
        others = {target: self._others.get(target) or self._backend(target) for target in models.targets}
        self._leaving += [backend for target, backend in self._others.items() if target not in others]
        self._others = others
        self.models = models
        self._ways.clear()
        self.secrets += [secret for secret in models.secrets if secret not in self.secrets]

    def ways(self, request: MessagesRequest, size: int) -> list[Way]:
        """Where the request goes, and where else if that fails. `size` is its length in bytes."""
        models = self.models
        if models.long_context is None and models.safety_check is None:
            # Then model and thinking decide alone, and clients ask for few models.
            asked = request["model"], thinking_on(request)
            ways = self._ways.get(asked)
            if ways is None:
                if len(self._ways) >= MOST_NAMES:
                    self._ways.clear()
                ways = self._ways[asked] = self._all_ways(route_for(self._settings, request, models))
            return ways

        def tokens(route: Route) -> int:
            # No tokenizer makes more tokens of a text than it has bytes, and to count takes a translation.
            limit = models.long_context.above if models.long_context else 0
            return estimated_tokens(request, self.way(route)) if size > limit else 0

        return self._all_ways(route_for(self._settings, request, models, tokens))

    def _all_ways(self, route: Route) -> list[Way]:
        return [self.way(one) for one in (route, *route.fallbacks)]

    def way(self, route: Route) -> Way:
        """`route` with its backend."""
        return Way(route, self.main if route.target is None else self._others[route.target])

    def __iter__(self) -> Iterator[Backend]:
        """All of them, those too that are about to go."""
        return iter((self.main, *self._others.values(), *self._leaving))

    async def sweep(self) -> None:
        """Closes what the map no longer names and no request needs."""
        idle = [backend for backend in self._leaving if not backend.users]
        self._leaving = [backend for backend in self._leaving if backend.users]
        for backend in idle:
            await backend.close()

    async def close(self) -> None:
        """Gives up all connections."""
        for backend in self:
            await backend.close()

    def _backend(self, target: Target) -> Backend:
        behind = {
            "openai_api_base": target.base_url,
            "openai_api_key": target.key,
            "backend": target.dialect_name,
            "dialect": overrides_text(dict(target.overrides)),
        }
        settings = self._settings.model_copy(update=behind)
        return Backend(self._connect(target.base_url), settings, target.name, own_key_only=True)
