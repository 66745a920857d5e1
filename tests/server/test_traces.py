"""Traces: a span for each request, what it says, and that it says nothing private."""

from collections.abc import Iterator

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from starlette.types import Receive, Scope, Send

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.server.traces import Traces, Tracing
from anthropic_proxy.upstream.base import Upstream
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.server.asgi import STREAMED, WHOLE, alive, call, question
from tests.servers import serving

SETTINGS = Settings(openai_api_base="http://replay.invalid/v1", model="upstream-model")
JSON = {"content-type": "application/json"}
CACHED = WHOLE.replace(b'"prompt_tokens": 12', b'"prompt_tokens": 12, "prompt_tokens_details": {"cached_tokens": 5}')
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def traced(upstream: Upstream, body: object, path: str = "/v1/messages") -> list[ReadableSpan]:
    """The spans of one request."""
    exporter = InMemorySpanExporter()
    traces = Traces(exporter)
    await call(Tracing(create_app(SETTINGS, upstream), traces.tracer), "POST", path, body, {"traceparent": PARENT})
    await traces.close()
    return list(exporter.get_finished_spans())


async def test_a_span_says_what_was_asked_and_answered_and_no_word_of_it() -> None:
    (span,) = await traced(Replay(Recorded(CACHED, headers=JSON)), question(top_k=1))
    assert (span.name, span.kind, span.status.status_code) == (
        "chat claude-test",
        SpanKind.SERVER,
        StatusCode.UNSET,
    )
    told = dict(span.attributes or {})
    first = told.pop("gen_ai.response.time_to_first_chunk")
    assert isinstance(first, float)
    assert 0 < first < 60
    assert str(told.pop("gen_ai.response.id")).startswith("msg_")
    assert str(told.pop("anthropic_proxy.request_id")).startswith("req_")
    assert told == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.path": "/v1/messages",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "plain",
        "gen_ai.request.model": "claude-test",
        "gen_ai.response.model": "upstream-model",
        "gen_ai.response.finish_reasons": ("end_turn",),
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 5,
        "anthropic_proxy.upstream_calls": 1,
        "anthropic_proxy.dropped": ("top_k",),
    }


async def test_a_span_stands_below_the_clients_own() -> None:
    (span,) = await traced(Replay(Recorded(STREAMED)), question(stream=True))
    assert span.parent is not None
    assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == tuple(PARENT.split("-")[1:3])


async def test_an_error_in_a_stream_is_an_error_of_the_span() -> None:
    (span,) = await traced(Replay(Recorded(STREAMED, broken_at=350)), question(stream=True))
    assert span.status.status_code == StatusCode.ERROR
    assert dict(span.attributes or {})["error.type"] == "api_error"


async def test_a_request_that_names_no_model() -> None:
    (span,) = await traced(Replay(Recorded(WHOLE)), b"{", "/v1/messages")
    assert (span.name, span.status.status_code) == ("POST /v1/messages", StatusCode.ERROR)
    assert "gen_ai.operation.name" not in (span.attributes or {})


class Collector:
    """Takes spans as OpenTelemetry's own collector does."""

    def __init__(self) -> None:
        self.names: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        assert scope["path"] == "/v1/traces"
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {item.key: item.value.string_value for item in resource.resource.attributes}
            spans = [span.name for scope_spans in resource.scope_spans for span in scope_spans.spans]
            self.names += [f"{named['service.name']}: {name}" for name in spans]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    found = Collector()
    with serving(found) as address:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield found


async def test_spans_go_where_the_environment_says(collector: Collector) -> None:
    settings = SETTINGS.model_copy(update={"traces": "on"})
    async with alive(create_app(settings, Replay(Recorded(WHOLE, headers=JSON)))) as app:
        await call(app, "POST", "/v1/messages", question())
        await call(app, "GET", "/health")
    assert collector.names == ["anthropic-proxy: chat claude-test"]
