"""Backend: one base URL, with what it was recognised as and what its refusals have taught."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, NamedTuple

from anthropic_proxy.config import Settings
from anthropic_proxy.dialects import Dialect, dialect_for, parse_overrides
from anthropic_proxy.dialects.recognise import context_window_in, needs_probe, recognise_headers, recognise_models
from anthropic_proxy.errors import UpstreamBroke, UpstreamRefused
from anthropic_proxy.routing import Route
from anthropic_proxy.translate.count import Calibration
from anthropic_proxy.translate.failures import CLIENTS_KEY, OWN_KEY
from anthropic_proxy.translate.redaction import secret_values
from anthropic_proxy.upstream.base import Reply, Upstream
from anthropic_proxy.wire.json import InvalidJson, loads

log = logging.getLogger("anthropic_proxy")

PROBE_PATIENCE = 2.0
"""Seconds to wait for the model list of a backend nobody has described."""

MOST_LOOKS = 3
"""Replies whose headers are looked at: the model list's, a refusal's and a proper one's may differ."""

MOST_SETTLED = 1024
"""Models whose dialect is kept: clients name models as they like."""

RECENT = 5.0
"""Seconds for which it is taken as known whether the backend answers."""

LARGEST_MODEL_LIST = 16 * 2**20
"""Bytes."""


class Way(NamedTuple):
    """A route, and the backend it leads to."""

    route: Route
    backend: "Backend"


class Backend:
    """The way to one backend, and what is known of its habits.

    What it learns lives as long as the process: a restart asks again, which costs one refused
    request for each habit.
    """

    def __init__(self, upstream: Upstream, settings: Settings, name: str = "", own_key_only: bool = False) -> None:
        """`name` is the user's for it, if they have given it one. `own_key_only`: no client's key goes there."""
        self.upstream = upstream
        self.name = name
        self.users = 0
        """Requests that may still ask it."""
        self.calibration = Calibration()
        self._own_key_only = own_key_only
        self._resting: dict[str, float] = {}
        """Until when a model is left in peace: the event loop's time, by model."""
        self._name = settings.backend
        self._overrides = parse_overrides(settings.dialect)
        self._key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
        self._probed = self._name is not None or not needs_probe(upstream.base_url)
        self._probing = asyncio.Lock()
        self._model_list: object = None
        self._learned: dict[str, dict[str, Any]] = {}
        """Changed fields of the dialect, by model."""
        self._settled: dict[tuple[object, ...], Dialect] = {}
        """Dialects by what they depend on of a Route, kept until something is learned: each request asks."""
        self._unknown = self._name is None and "name" not in self._overrides and needs_probe(upstream.base_url)
        """May a reply's headers still tell who answers?"""
        self._looks = 0
        self._reaching = asyncio.Lock()
        self._heard = self._missed = float("-inf")
        """When a reply last came, and when last none did to a question meant to find out: the event loop's time."""

    async def dialect(self, route: Route) -> Dialect:
        """The dialect to speak for this route, with all that was learned of its model."""
        if not self._probed:
            await self._probe()
        return self.known_dialect(route)

    def known_dialect(self, route: Route) -> Dialect:
        """The same, as far as it is known without asking the backend."""
        asked = (route.model, route.reasoning, route.overrides)
        settled = self._settled.get(asked)
        if settled is None:
            if len(self._settled) >= MOST_SETTLED:
                self._settled.clear()
            settled = self._settled[asked] = self._settle(route)
        return settled

    def _settle(self, route: Route) -> Dialect:
        overrides = {**self._overrides, **dict(route.overrides)}
        dialect = dialect_for(self.upstream.base_url, route.model, name=self._name, overrides=overrides)
        changes = dict(self._learned.get(route.model, {}))
        if dialect.context_window is None and self._model_list is not None:
            changes.setdefault("context_window", context_window_in(self._model_list, route.model))
        if dialect.reasoning == "auto" and "reasoning" not in changes:
            changes["reasoning"] = "effort" if route.reasoning else "none"
        return replace(dialect, **changes) if changes else dialect

    def learn(self, model: str, changes: Mapping[str, object]) -> None:
        """Remembers changes to the dialect for `model`. Requests at one time may each learn of other fields."""
        known = self._learned.setdefault(model, {})
        dropped = known.get("dropped", frozenset()) | changes.get("dropped", frozenset())
        known.update(changes)
        if dropped:
            known["dropped"] = dropped
        self._settled.clear()

    def learned(self) -> dict[str, dict[str, int]]:
        """By model and field of the dialect, how much of it is otherwise than the tables say: of `dropped`, how many
        parameters."""
        return {
            model: {field: len(value) if field == "dropped" else 1 for field, value in changes.items()}
            for model, changes in self._learned.items()
        }

    def rest(self, model: str, seconds: float) -> None:
        """Leaves a model that failed in peace for a while."""
        now = asyncio.get_running_loop().time()
        if len(self._resting) >= MOST_SETTLED:
            self._resting = {name: until for name, until in self._resting.items() if until > now}
        self._resting[model] = now + seconds

    def rests(self, model: str) -> bool:
        """Is it to be left in peace, where another can stand in?"""
        return bool(self._resting) and asyncio.get_running_loop().time() < self._resting.get(model, 0.0)

    def notice(self, headers: Mapping[str, str]) -> None:
        """Notes that there was a reply, and looks at the headers of the first ones, which may tell who answers."""
        self._heard = asyncio.get_running_loop().time()
        if self._unknown:
            self._looks += 1
            self._name = recognise_headers(headers)
            self._unknown = self._name is None and self._looks < MOST_LOOKS
            self._settled.clear()

    def post(
        self, route: Route, dialect: Dialect, body: bytes, headers: Mapping[str, str], key: str | None
    ) -> AbstractAsyncContextManager[Reply]:
        """Sends a translated request. `key` is the client's own, in forward mode."""
        return self.upstream.post(
            route.api.path,
            body,
            {"content-type": "application/json", **dict(dialect.headers), **headers, **self._credential(dialect, key)},
        )

    def fetch_models(self, dialect: Dialect, key: str | None = None) -> AbstractAsyncContextManager[Reply]:
        """Asks for the model list. `key` is the client's own, in forward mode."""
        return self.upstream.get("/models", {**dict(dialect.headers), **self._credential(dialect, key)})

    async def list_models(self, key: str | None = None) -> object:
        """The model list, parsed. Raises UpstreamBroke, UpstreamRefused and InvalidJson."""
        async with self.fetch_models(self._guess(), key) as reply:
            body = await reply.body(LARGEST_MODEL_LIST)
            if reply.status != 200:
                raise UpstreamRefused(f"the upstream answered {reply.status} to GET /models", status=502)
            return loads(body)

    async def reachable(self) -> bool:
        """Does anybody answer, whatever they say? Asks for the model list, if nothing was heard for a while."""
        async with self._reaching:
            now = asyncio.get_running_loop().time()
            if now - self._heard < RECENT:
                return True
            if now - self._missed < RECENT:
                return False
            try:
                async with asyncio.timeout(PROBE_PATIENCE), self.fetch_models(self._guess()) as reply:
                    self.notice(reply.headers)
            except (UpstreamBroke, TimeoutError) as error:
                self._missed = now
                log.warning("the backend cannot be reached: %s", error or f"no answer within {PROBE_PATIENCE:g} s")
            return self._heard >= now

    async def close(self) -> None:
        """Gives up all connections."""
        await self.upstream.close()

    def secrets(self, dialect: Dialect, key: str | None) -> tuple[str, ...]:
        """The keys that go with a request, as one that is refused may quote them."""
        credential = self._credential_of(key)
        return (*secret_values(dialect.headers), *([credential] if credential else []))

    def takes(self, key: str | None) -> bool:
        """Does a client's own key go along? In forward mode, and not to a backend that the map names."""
        return key is not None and not self._own_key_only

    def key_name(self, key: str | None) -> str:
        """The key that goes along, as an error tells of it."""
        if self._own_key_only:
            return f"the proxy's key for {self.name}"
        return CLIENTS_KEY if self.takes(key) else OWN_KEY

    @property
    def url_name(self) -> str:
        """Where the settings have its base URL, as an error tells of it."""
        return f"the base_url of {self.name}" if self._own_key_only else "OPENAI_API_BASE"

    def _credential(self, dialect: Dialect, key: str | None) -> dict[str, str]:
        key = self._credential_of(key)
        if key is None:
            return {}
        return {"api-key": key} if dialect.auth == "api-key" else {"authorization": f"Bearer {key}"}

    def _credential_of(self, key: str | None) -> str | None:
        return self._key if self._own_key_only else key or self._key

    async def _probe(self) -> None:
        """Asks for the model list, once: it tells who answers and how much the models can take.

        A backend that cannot be reached yet is asked again with the next request.
        """
        async with self._probing:
            if self._probed:
                return
            try:
                async with asyncio.timeout(PROBE_PATIENCE), self.fetch_models(self._guess()) as reply:
                    self.notice(reply.headers)
                    self._model_list = loads(await reply.body(LARGEST_MODEL_LIST)) if reply.status == 200 else None
            except UpstreamBroke as broke:
                if broke.kind in ("refused", "dns"):
                    return
            except (TimeoutError, InvalidJson):
                pass
            if self._name is None and self._model_list is not None:
                self._name = recognise_models(self._model_list)
            self._unknown = self._unknown and self._name is None
            self._settled.clear()
            self._probed = True

    def _guess(self) -> Dialect:
        return dialect_for(self.upstream.base_url, "", name=self._name, overrides=self._overrides)
