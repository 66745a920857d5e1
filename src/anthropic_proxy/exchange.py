"""Exchange: what happens on the way of one request; and Ask, what it is made from."""

from typing import NamedTuple

from msgspec import Struct, field

from anthropic_proxy.backend import Backend
from anthropic_proxy.dialects import Dialect
from anthropic_proxy.errors import ProxyError
from anthropic_proxy.routing import Route
from anthropic_proxy.translate.api import Client
from anthropic_proxy.translate.count import Count
from anthropic_proxy.wire.anthropic import MessagesRequest


class Exchange(Struct):
    """What happened on the way, for headers and the log. Filled while the turn runs."""

    upstream_model: str = ""
    dialect: str = ""
    habits: Dialect | None = None
    """How the backend was spoken to at first, before a refusal taught better."""
    upstream_id: str = ""
    rate_limits: dict[str, str] = {}
    """The backend's limits as a reply's headers told them, by Anthropic's header names."""
    calls: int = 0
    """Requests made upstream."""
    dropped: list[str] = []
    """`path: reason` of what was not sent."""
    notes: list[str] = []
    """`path: reason` of what was sent and may not work as well as with Claude."""
    learned: list[str] = []
    """A line for each habit that a refusal taught."""
    fallbacks: list[str] = []
    """A line for each model that failed, and in whose place another was asked."""
    calls_in_vain: int = 0
    """How many of the calls were made to those."""
    waited: float = 0.0
    """Seconds in which the backend had the request, and we had nothing."""
    warnings: list[str] = []
    size: Count = field(default_factory=Count)
    """What the request was thought to hold before any correction."""
    estimated_tokens: int = 0
    """And with what its model's earlier replies have taught."""
    cost: float | None = None
    """What the backend said it charges, in its own currency."""
    failure: ProxyError | None = None
    """What ended a stream that had begun."""
    backend: Backend | None = None
    """Who was asked last."""
    route: Route | None = None
    """And by which route."""
    misfit: str = ""
    """Why the reply is not the structured output that was asked for."""

    @property
    def backend_name(self) -> str:
        """Who was asked last: what the user calls it, else the name of its dialect."""
        return (self.backend.name if self.backend is not None else "") or self.dialect


class Ask(NamedTuple):
    """What one upstream call is made from."""

    request: MessagesRequest
    route: Route
    backend: Backend
    message_id: str
    client: Client
    exchange: Exchange
    key: str | None
    """The client's own, in forward mode."""
