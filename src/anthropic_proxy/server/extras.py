"""What settings switch on that needs a library of an extra. Each is imported here, when it is asked for."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.routing import Route

from anthropic_proxy.backends import Backends
from anthropic_proxy.config import Settings
from anthropic_proxy.server.guard import METRICS_PATH

if TYPE_CHECKING:
    from anthropic_proxy.server.rate import RateLimit


def rate_limit(settings: Settings) -> "RateLimit | None":
    """The limit of RATE_LIMIT. Raises ValueError for a store that cannot be one."""
    if not settings.rate_limit:
        return None
    from anthropic_proxy.server.rate import RateLimit

    return RateLimit(settings)


def add_metrics(app: FastAPI, settings: Settings, backends: Backends) -> None:
    """The layer that counts, and the page that tells, where METRICS is not off."""
    if settings.metrics == "off":
        return
    from anthropic_proxy.server.metrics import Meter, Metrics, MetricsPage

    metrics = Metrics(backends)
    app.add_middleware(Meter, metrics=metrics)
    app.router.routes.append(Route(METRICS_PATH, MetricsPage(metrics, settings), methods=["GET"]))


def add_traces(app: FastAPI, settings: Settings) -> list[Callable[[], Awaitable[None]]]:
    """The layer that makes spans, where TRACES is on; and what has to be done at the end."""
    if settings.traces == "off":
        return []
    from anthropic_proxy.server.traces import Traces, Tracing

    traces = Traces()
    app.add_middleware(Tracing, tracer=traces.tracer)
    return [traces.close]
