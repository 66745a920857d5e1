"""Figures for Prometheus. The only import of its library, an extra.

A layer round the app gathers them, which is not there while METRICS is off: the rest of the server knows nothing of
them. Labels take few values, whatever clients send.

Several processes can put theirs together in files of a folder, which the library finds in an environment variable.
"""

import os
import time
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anthropic_proxy.backend import Backend
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import STATUS
from anthropic_proxy.server.door import check_key
from anthropic_proxy.server.failures import LINE
from anthropic_proxy.server.logs import RequestLine

PREFIX = "anthropic_proxy"

ENDPOINTS = {
    "/v1/messages": "messages",
    "/v1/messages/": "messages",
    "/v1/messages/count_tokens": "count_tokens",
    "/v1/models": "models",
}
"""Paths with a label of their own."""

OTHER = "other"

MOST_NAMES = 50
"""Models that are told apart. Without MODEL, clients name them as they like."""

SECONDS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600)
"""Bounds of the buckets for what a model does."""

GAPS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Bounds of the buckets for the time between two writes of a stream."""

TOKENS = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_input_tokens": "cache_read",
    "cache_creation_input_tokens": "cache_write",
}
"""Fields of a usage, and what they are called in the figures."""


class Metrics:
    """The figures of one app, or of all that share its folder."""

    def __init__(self, backends: Iterable[Backend]) -> None:
        self._together = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        self.registry = registry = CollectorRegistry()

        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"{PREFIX}_{name}", meaning, labels, registry=registry)

        def histogram(name: str, meaning: str, bounds: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"{PREFIX}_{name}", meaning, labels, buckets=bounds, registry=registry)

        def gauge(name: str, meaning: str) -> Gauge:
            return Gauge(f"{PREFIX}_{name}", meaning, registry=registry, multiprocess_mode="livesum")

        self.requests = counter("requests", "Requests, by HTTP status; 499: the client went", "endpoint", "status")
        self.errors = counter("errors", "Errors that clients were told, in streams too, by type", "type")
        self.seconds = histogram("request_seconds", "From the request to the end of its answer", SECONDS, "endpoint")
        self.first = histogram(
            "first_piece_seconds", "From the request to the first piece of a reply", SECONDS, "model"
        )
        self.gaps = histogram("chunk_gap_seconds", "Between two writes of a streamed reply", GAPS)
        self.tokens = counter("tokens", "Tokens, as the backend counted them", "model", "kind")
        self.calls = counter("upstream_calls", "Requests to the backend", "dialect")
        self.learned = counter("learned", "Habits of the backend that refusals taught", "dialect")
        self.fallbacks = counter("fallbacks", "Times that another model was asked in place of one that fails", "model")
        self.dropped = counter("dropped_requests", "Requests of which something was not sent to the backend", "dialect")
        self.open_requests = gauge("open_requests", "Requests being answered")
        self.open_streams = gauge("open_streams", "Streams being written")
        self._names: set[str] = set()
        if not self._together:
            # What is true of this process and this moment. Another would not know of it when it is asked.
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)
            registry.register(_State(self, backends))

    def page(self) -> bytes:
        """All figures, as Prometheus reads them."""
        registry = self.registry
        if self._together:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def name(self, model: str) -> str:
        """The model as a label: one of the first MOST_NAMES, or OTHER."""
        if model in self._names:
            return model
        if len(self._names) >= MOST_NAMES:
            return OTHER
        self._names.add(model)
        return model

    def note(self, line: RequestLine) -> None:
        """Counts a request that is over."""
        exchange = line.exchange
        endpoint = ENDPOINTS.get(line.path, OTHER)
        self.requests.labels(endpoint, str(line.status)).inc()
        self.seconds.labels(endpoint).observe(time.monotonic() - line.started)
        if line.error_type:
            self.errors.labels(line.error_type if line.error_type in STATUS else OTHER).inc()
        if not exchange.calls:
            return
        model = self.name(exchange.upstream_model)
        self.calls.labels(exchange.dialect).inc(exchange.calls)
        if exchange.learned:
            self.learned.labels(exchange.dialect).inc(len(exchange.learned))
        for fallback in exchange.fallbacks:
            self.fallbacks.labels(self.name(fallback.partition(": ")[0])).inc()
        if exchange.dropped:
            self.dropped.labels(exchange.dialect).inc()
        if line.first_event is not None:
            self.first.labels(model).observe(line.first_event - line.started)
        for field, kind in TOKENS.items():
            if line.usage.get(field):
                self.tokens.labels(model, kind).inc(line.usage[field])


class _State(Collector):
    """What is known of the backends, and how many connections there are, at the moment of the asking."""

    def __init__(self, metrics: Metrics, backends: Iterable[Backend]) -> None:
        self._metrics = metrics
        self._backends = backends

    def collect(self) -> Iterator[GaugeMetricFamily]:
        pool = GaugeMetricFamily(
            f"{PREFIX}_upstream_connections",
            "Connections to all backends: in use, kept for later, and waited for",
            labels=["state"],
        )
        counted = [backend.upstream.connections()._asdict() for backend in self._backends]
        for state in counted[0]:
            pool.add_metric([state], sum(connections[state] for connections in counted))
        yield pool
        habits = GaugeMetricFamily(
            f"{PREFIX}_learned_habits",
            "Fields of the dialect that refusals have changed; of `dropped`, how many parameters",
            labels=["model", "field"],
        )
        found: dict[tuple[str, str], int] = {}
        learned = [known for backend in self._backends for known in backend.learned().items()]
        for model, fields in learned:
            for field, number in fields.items():
                labels = self._metrics.name(model), field
                found[labels] = found.get(labels, 0) + number
        for labels, number in found.items():
            habits.add_metric(labels, number)
        yield habits


class Meter:
    """The layer of the app that gathers the figures."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        metrics = self._metrics
        streams = False
        written = 0.0

        async def metered_send(message: Message) -> None:
            nonlocal streams, written
            if message["type"] == "http.response.start":
                streams = (b"content-type", b"text/event-stream") in message["headers"]
                metrics.open_streams.inc(streams)
            elif streams and message.get("body"):
                now = time.monotonic()
                if written:
                    metrics.gaps.observe(now - written)
                written = now
            await send(message)

        with metrics.open_requests.track_inprogress():
            try:
                await self.app(scope, receive, metered_send)
            finally:
                metrics.open_streams.dec(streams)
                metrics.note(scope[LINE])


class MetricsPage:
    """GET /metrics, for those who have a key of the proxy's, where it has any."""

    def __init__(self, metrics: Metrics, settings: Settings) -> None:
        self._metrics = metrics
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        check_key(dict(scope["headers"]), self._settings)
        headers = [(b"content-type", CONTENT_TYPE_LATEST.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._metrics.page()})
