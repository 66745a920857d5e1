"""Traces: a span for each request, in OpenTelemetry's words for generative AI. The only import of its SDK, an extra.

A layer round the app makes them, which is not there while TRACES is off. No prompt and no reply goes into a span.
Names of attributes: the semantic conventions for generative AI, 1.39, read 2026-11-25.
"""

import asyncio
from collections.abc import Mapping

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue
from starlette.types import ASGIApp, Receive, Scope, Send

from anthropic_proxy import __version__
from anthropic_proxy.server.failures import LINE
from anthropic_proxy.server.headers import place
from anthropic_proxy.server.logs import RequestLine

NAME = "anthropic-proxy"


class Traces:
    """The way of the spans out. The environment's `OTEL_…` variables say where to, and under which names."""

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        resource = Resource({"service.name": NAME, "service.version": __version__})
        self._provider = TracerProvider(resource=resource.merge(OTELResourceDetector().detect()))
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self.tracer = self._provider.get_tracer(NAME, __version__)

    async def close(self) -> None:
        """Sends what is still to be sent."""
        await asyncio.to_thread(self._provider.shutdown)


class Tracing:
    """The layer of the app that makes a span of every POST, below the client's own if it names one."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self.app = app
        self._tracer = tracer
        self._parent = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        span = self._tracer.start_span("POST", self._parent.extract(headers), SpanKind.SERVER)
        try:
            await self.app(scope, receive, send)
        finally:
            _tell(span, scope[LINE])
            span.end()


def _tell(span: Span, line: RequestLine) -> None:
    span.update_name(f"chat {line.client_model}" if line.client_model else f"POST {line.path}")
    known = {name: value for name, value in _attributes(line).items() if value not in (None, "", 0, [])}
    span.set_attributes(known)
    if line.error_type or line.status >= 500:
        span.set_status(Status(StatusCode.ERROR))


def _attributes(line: RequestLine) -> Mapping[str, AttributeValue | None]:
    exchange, usage = line.exchange, line.usage
    cache_read = usage.get("cache_read_input_tokens") or 0
    cache_written = usage.get("cache_creation_input_tokens") or 0
    return {
        "http.request.method": line.method,
        "http.response.status_code": line.status,
        "url.path": line.path,
        "error.type": line.error_type,
        "gen_ai.operation.name": "chat" if line.client_model else None,
        "gen_ai.provider.name": exchange.dialect,
        "gen_ai.request.model": line.client_model,
        "gen_ai.response.model": exchange.upstream_model,
        "gen_ai.response.id": line.message_id if line.first_event is not None else None,
        "gen_ai.response.finish_reasons": [line.stop_reason] if line.stop_reason else [],
        "gen_ai.response.time_to_first_chunk": line.first_event and line.first_event - line.started,
        # There it counts all tokens of the prompt, and in Anthropic's usage only those that no cache knew.
        "gen_ai.usage.input_tokens": (usage.get("input_tokens") or 0) + cache_read + cache_written,
        "gen_ai.usage.output_tokens": usage.get("output_tokens"),
        "gen_ai.usage.cache_read.input_tokens": cache_read,
        "gen_ai.usage.cache_creation.input_tokens": cache_written,
        "anthropic_proxy.request_id": line.id,
        "anthropic_proxy.upstream_calls": exchange.calls,
        "anthropic_proxy.dropped": [place(entry) for entry in exchange.dropped],
        "anthropic_proxy.learned": list(exchange.learned),
    }
