"""Keys and prompts: planted everywhere, and looked for in all that comes out.

A key may come out nowhere: not in the log at its loudest, not in what the client is answered, not in recordings,
figures or traces. What a client asked, and what a backend wrote, may go to that client and into a recording, and
nowhere else.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from anthropic.types.beta.message_create_params import MessageCreateParamsStreaming
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.server.logs import configure
from anthropic_proxy.server.traces import Traces, Tracing
from anthropic_proxy.upstream.base import Connections, Reply, Upstream
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.proxying import THOROUGH
from tests.sdk_types import drawn_from
from tests.server.asgi import ROLE, STREAMED, USAGE, WHOLE, Answer, alive, call, chunks, delta
from tests.server.test_sdk_requests import fine_at_the_top
from tests.servers import ScriptedBackend, refused, serving, streamed

MARK = "planted"
"""In every key. None has a form by which keys are known."""

KEYS = {
    name: f"{name}.{MARK}/zq=x"
    for name in ("backend", "proxy", "other-proxy", "store", "dialect", "client", "cookie", "odd", "query", "proxied")
}

PROMPT = "a-private-word"
"""In every text that a client or a backend writes."""

JSON = {"content-type": "application/json"}

SETTINGS = Settings(
    openai_api_base=f"http://replay.invalid/v1?key={KEYS['query']}",
    openai_api_key=SecretStr(KEYS["backend"]),
    proxy_api_key=SecretStr(f"{KEYS['other-proxy']},{KEYS['proxy']}"),
    dialect=f"headers=X-Api-Token:{KEYS['dialect']}",
    log_level="debug",
    metrics="on",
)
FORWARDING = SETTINGS.model_copy(update={"forward_key": True})

HIDDEN = (
    *("x-odd", "referer", "from", "via", "forwarded", "x-forwarded-for", "x-real-ip", "accept-encoding"),
    *("accept-language", "anthropic-dangerous-direct-browser-access", "traceparent", "tracestate", "baggage"),
    *("x-goog-api-key", "api-key", "proxy-authorization"),
)
SHOWN = (
    *("user-agent", "accept", "anthropic-beta", "x-app", "x-stainless-arch", "x-request-id"),
    *("x-claude-code-session-id", "x-claude-code-agent-id"),
)
"""Headers whose values recordings hold; of the others they hold the names."""

SENT = {
    "host": "localhost",
    "x-api-key": KEYS["proxy"],
    "authorization": f"Bearer {KEYS['client']}",
    "cookie": f"session={KEYS['cookie']}",
    "anthropic-version": "2023-06-01",
    **dict.fromkeys(HIDDEN, KEYS["odd"]),
    **dict.fromkeys(SHOWN, PROMPT),
}
"""The headers of each request: a key in all that may hold one, the private word in those that recordings show. Its
query holds a key as well."""


def asked(**fields: Any) -> dict[str, Any]:
    """A request with the private word in every text of it."""
    return {
        "model": "claude-test",
        "max_tokens": 200,
        "system": [{"type": "text", "text": PROMPT, "cache_control": {"type": "ephemeral"}}],
        "metadata": {"user_id": PROMPT},
        "stop_sequences": [PROMPT],
        "top_k": 3,
        "container": PROMPT,
        "an_unknown_field": PROMPT,
        "tools": [
            {
                "name": "look",
                "description": PROMPT,
                "input_schema": {"type": "object", "properties": {"at": {"type": "string", "description": PROMPT}}},
            }
        ],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": PROMPT},
                    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": PROMPT}},
                    {"type": "image", "source": {"type": "url", "url": f"https://images.test/{PROMPT}.png"}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": PROMPT, "signature": PROMPT},
                    {"type": "text", "text": PROMPT},
                    {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": PROMPT}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": PROMPT},
                    {"type": "text", "text": PROMPT},
                ],
            },
        ],
        **fields,
    }


def echo(key: str) -> str:
    """What a backend may quote of what it was sent: all of it."""
    quoted = f"{KEYS[key]} and {KEYS['dialect']} said {PROMPT}"
    CENSUS["planted in a backend's error"] += marks(quoted)
    return quoted


def marks(*values: object) -> int:
    """How many keys and private words are in there."""
    text = " ".join(map(str, values))
    return text.count(MARK) + text.count(PROMPT)


CENSUS: Counter[str] = Counter()


@pytest.fixture(scope="module", autouse=True)
def _census() -> Iterator[None]:
    """Tells at the end how much was planted and how much came out, where pytest shows what is printed (`-s`)."""
    yield
    leaked = CENSUS.pop("leaked", 0)
    print("\n" + ", ".join([*(f"{count} {what}" for what, count in CENSUS.items()), f"{leaked} leaked"]))


def refusal(key: str, status: int, **error: Any) -> Recorded:
    return Recorded(json.dumps({"error": {"message": echo(key), **error}}).encode(), status, JSON)


SPOKEN = chunks(
    ROLE,
    delta(reasoning_content=PROMPT),
    delta(content=PROMPT),
    delta(tool_calls=[{"index": 0, "id": "c", "function": {"name": "look", "arguments": f'{{"at": "{PROMPT}"}}'}}]),
    delta("tool_calls"),
    USAGE,
)


class Crashing:
    """An upstream with a bug in it, which quotes all that it was given: before its reply, or in the middle of it."""

    base_url = "http://replay.invalid/v1"

    def __init__(self, reads: list[bytes] | None) -> None:
        self._reads = reads

    @asynccontextmanager
    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> AsyncIterator[Reply]:
        self._given = f"{path} {body.decode()} {dict(headers)}"
        if self._reads is None:
            # The words of a request may not be quoted by an exception of ours either: they stand in tracebacks.
            raise LookupError(f"{dict(headers)}")
        async with Replay(Recorded(b"".join(self._reads))).post(path, body, {}) as reply:
            yield _CrashingReply(reply, self._reads, headers)

    @asynccontextmanager
    async def get(self, path: str, headers: Mapping[str, str] = {}) -> AsyncIterator[Reply]:
        raise LookupError(f"{dict(headers)}")
        yield

    def connections(self) -> Connections:
        return Connections()

    async def close(self) -> None: ...


@dataclass
class _CrashingReply:
    reply: Reply
    reads: list[bytes]
    sent: Mapping[str, str]
    status = 200

    @property
    def headers(self) -> Mapping[str, str]:
        return self.reply.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        for data in self.reads:
            yield data
        raise LookupError(f"{dict(self.sent)}")

    async def body(self, limit: int) -> bytes:
        raise LookupError(f"{dict(self.sent)}")


BACKENDS: dict[str, Callable[[str], Upstream]] = {
    "a reply": lambda key: Replay(Recorded(WHOLE.replace(b"Hello there", PROMPT.encode()), headers=JSON)),
    "a stream": lambda key: Replay(Recorded(SPOKEN, read_size=30)),
    "a broken stream": lambda key: Replay(Recorded(SPOKEN, broken_at=len(SPOKEN) - 200)),
    "a stream without an end": lambda key: Replay(
        Recorded(SPOKEN.partition(b'data: {"id": "chatcmpl-1", "choices"')[0])
    ),
    "no backend": lambda key: Replay(UpstreamBroke("cannot connect to replay.invalid:80: no", kind="refused")),
    "a lesson": lambda key: Replay(refusal(key, 400, code="unsupported_parameter", param="stop"), Recorded(SPOKEN)),
    "a wrong key": lambda key: Replay(refusal(key, 401)),
    "a bad request": lambda key: Replay(refusal(key, 400, param=PROMPT, type=KEYS[key], code=KEYS["dialect"])),
    "a prompt too long": lambda key: Replay(refusal(key, 400, code="context_length_exceeded")),
    "too many requests": lambda key: Replay(refusal(key, 429)),
    "a broken server": lambda key: Replay(
        Recorded(f"<title>{echo(key)}</title>".encode(), 502, {"content-type": "text/html"})
    ),
    "an error in a 200": lambda key: Replay(Recorded(json.dumps({"error": echo(key)}).encode(), headers=JSON)),
    "an error in a stream": lambda key: Replay(
        Recorded(STREAMED[:400] + f"\n\ndata: {json.dumps({'error': {'message': echo(key)}})}\n\n".encode())
    ),
    "garbage": lambda key: Replay(Recorded(f"data: {{{echo(key)}\n\n".encode())),
    "a crash": lambda key: Crashing(None),
    "a crash in a stream": lambda key: Crashing([SPOKEN[:500]]),
}
"""Each is given the name of the key that it is sent."""


@dataclass
class Output:
    """All that came out of one request."""

    answer: Answer
    log: str
    public: dict[str, str]
    """Else: by where it came out."""
    recording: str


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


async def output(
    upstream: Upstream,
    body: object,
    folder: Path,
    capture: pytest.CaptureFixture[str],
    settings: Settings = SETTINGS,
    headers: Mapping[str, str] = SENT,
    path: str = "/v1/messages",
) -> Output:
    """One request through everything that can be switched on."""
    settings = settings.model_copy(update={"record_dir": str(folder)})
    CENSUS["exchanges"] += 1
    CENSUS["planted in headers and query"] += marks(*headers.values()) + 1
    CENSUS["planted in bodies"] += marks(body)
    CENSUS["planted in settings"] += marks(*settings.secrets, settings.openai_api_base)
    stream, exporter = StringIO(), InMemorySpanExporter()
    configure(settings, stream)
    traces = Traces(exporter)
    async with alive(create_app(settings, upstream)) as app:
        layers = Tracing(app, traces.tracer)
        try:
            answer = await call(layers, "POST", f"{path}?api_key={KEYS['query']}", body, headers)
        except LookupError:  # The server's to log, which closes the connection.
            answer = Answer(headers={})
        figures = await call(app, "GET", "/metrics", headers=SENT)
    await traces.close()
    printed = capture.readouterr()
    return Output(
        answer,
        stream.getvalue(),
        {
            "stdout": printed.out,
            "stderr": printed.err,
            "figures": b"".join(figures.writes).decode(),
            "spans": "".join(span.to_json() for span in exporter.get_finished_spans()),
            "headers": str(answer.headers),
        },
        recordings(folder),
    )


def recordings(folder: Path) -> str:
    return "".join(file.read_text() for file in folder.iterdir())


def leaks(found: Output) -> list[str]:
    """Where a key, or the private word, came out that must not."""
    answered = b"".join(found.answer.writes).decode()
    for_no_one = {**found.public, "log": found.log, "answer": answered, "recording": found.recording}
    keys = [f"a key in the {place}" for place, text in for_no_one.items() if MARK in text]
    words = [f"a word in the {place}" for place, text in {**found.public, "log": found.log}.items() if PROMPT in text]
    CENSUS["leaked"] += len(keys + words)
    return keys + words


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("settings", [SETTINGS, FORWARDING], ids=["own key", "client's key"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("backend", BACKENDS)
async def test_nothing_comes_out_whatever_the_backend_does(
    backend: str,
    streamed: bool,
    settings: Settings,
    log_format: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    settings = settings.model_copy(update={"log_format": log_format})
    upstream = BACKENDS[backend]("client" if settings.forward_key else "backend")
    found = await output(upstream, asked(stream=streamed), tmp_path, capfd, settings)
    assert leaks(found) == []
    # The private word was there, or there was nothing to leak.
    assert PROMPT in found.recording
    assert "request_id" in found.log
    assert "anthropic_proxy_requests_total" in found.public["figures"]


HEADERS: dict[str, Mapping[str, str]] = {
    "no key": {**SENT, "x-api-key": "", "authorization": ""},
    "a wrong key": {**SENT, "x-api-key": KEYS["client"]},
    "a foreign name": {**SENT, "host": "foreign.example"},
    "a name that is none": {**SENT, "host": KEYS["odd"]},
    "a foreign page": {**SENT, "origin": f"https://{KEYS['odd']}"},
    "another content": {**SENT, "content-type": "text/plain"},
    "an unknown encoding": {**SENT, "content-encoding": "br"},
    "a broken encoding": {**SENT, "content-encoding": "gzip"},
    "a key that is no text": {**SENT, "x-api-key": f"\u00ff{KEYS['client']}"},
}


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS.keys())
async def test_nothing_comes_out_of_headers_that_are_refused(
    headers: Mapping[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = await output(BACKENDS["a reply"]("backend"), asked(), tmp_path, capfd, headers=headers)
    assert found.answer.status in (400, 401, 403, 415)
    # What a client says of itself may be told to that client; here it is a mark like all others.
    assert [leak for leak in leaks(found) if leak != "a key in the answer"] == []


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to each value inside `value`, and to `value` itself."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inner:
        yield from places(item, (*path, name))


def replaced(value: Any, path: tuple[Any, ...], planted: Any) -> Any:
    """`value` with something else at the path."""
    if not path:
        return planted
    name, *rest = path
    if isinstance(value, dict):
        return {**value, name: replaced(value[name], tuple(rest), planted)}
    return [replaced(item, tuple(rest), planted) if index == name else item for index, item in enumerate(value)]


PLANTED: dict[str, Any] = {
    "a text": PROMPT,
    "an object": {"type": "text", "text": PROMPT, "other": PROMPT},
    "a list": [{"type": "text", "text": PROMPT}, PROMPT],
}

WORDS_OF_THE_API = ("type", "role", "media_type")
"""Fields whose values decide what the rest is taken for."""


def marked(value: Any, name: str = "") -> Any:
    """`value` with the private word, and a key, in every text that may hold any."""
    if isinstance(value, dict):
        return {key: marked(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [marked(item, name) for item in value]
    if isinstance(value, str) and name not in (*WORDS_OF_THE_API, *TOLD):
        return f"{value} {PROMPT} {KEYS['backend']}"
    return value


@given(request=drawn_from(MessageCreateParamsStreaming), as_it_is=st.booleans())
@hypothesis_settings(max_examples=2000 if THOROUGH else 100, suppress_health_check=list(HealthCheck))
async def test_no_field_of_the_sdks_types_comes_out_in_the_log(request: dict[str, Any], as_it_is: bool) -> None:
    body = marked(request if as_it_is else fine_at_the_top(request))
    stream = StringIO()
    configure(SETTINGS.model_copy(update={"log_format": "json"}), stream)
    app = create_app(SETTINGS, BACKENDS["a broken server"]("backend"))
    answer = await call(app, "POST", "/v1/messages", body, SENT)
    CENSUS["exchanges"] += 1
    CENSUS["planted in bodies"] += marks(body)
    CENSUS["leaked"] += marks(stream.getvalue())
    assert "request_id" in stream.getvalue()
    assert marks(stream.getvalue()) == 0
    assert answer.status in (400, 502)
    assert answer.status == 400 or KEYS["backend"] not in str(answer.json)


TOLD = ("model", "type", "id", "tool_use_id")
"""Fields whose values the log may tell: what something is called is no prompt."""


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED.keys())
async def test_no_field_comes_out_in_the_log_whatever_it_holds(planted: Any) -> None:
    request = asked()
    stream = StringIO()
    configure(SETTINGS.model_copy(update={"log_format": "json"}), stream)
    app = create_app(SETTINGS, BACKENDS["a reply"]("backend"))
    found = []
    for path in places(request):
        start = stream.tell()
        await call(app, "POST", "/v1/messages", replaced(request, path, planted), SENT)
        logged = stream.getvalue()[start:]
        CENSUS["exchanges"] += 1
        CENSUS["planted in bodies"] += marks(replaced(request, path, planted))
        assert "request_id" in logged
        if PROMPT in logged and path[-1] not in TOLD:
            found.append((path, logged))
            CENSUS["leaked"] += 1
    assert found == []


async def test_prompts_are_logged_where_that_is_asked_for_and_keys_are_not(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = SETTINGS.model_copy(update={"log_prompts": True, "log_format": "json"})
    found = await output(BACKENDS["a stream"]("backend"), asked(stream=True), tmp_path, capfd, settings)
    (line,) = [entry for entry in map(json.loads, found.log.splitlines()) if entry["message"] == "prompts"]
    assert line["asked"] == asked(stream=True)
    assert PROMPT in str(line["answered"])
    assert MARK not in found.log


def test_nothing_comes_out_of_a_real_process_at_its_loudest(tmp_path: Path) -> None:
    backend = ScriptedBackend(lambda request: streamed({"content": PROMPT}) if request.get("stream") else REFUSED)
    with serving(backend) as address, started(tmp_path, f"{address}/v1") as (process, proxy):
        for fields in ({"stream": True}, {}, {"messages": PROMPT}):
            post(f"{proxy}/v1/messages?api_key={KEYS['query']}", asked(**fields), SENT)
            post(f"{proxy}/v1/messages", asked(**fields), {**SENT, "x-api-key": KEYS["odd"]})
        post(f"{proxy}/{MARK[:3]}", {}, {**SENT, "origin": "https://page.example"})
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert len(backend.requests) == 2
    assert errors.count('"request_id"') >= 7
    for text in (out, errors):
        assert MARK not in text
        assert PROMPT not in text


REFUSED = refused(401, f"not {KEYS['backend']}: {PROMPT}")


@contextmanager
def started(folder: Path, backend: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, with its keys in the environment, and its address."""
    environ = {
        "PATH": os.environ["PATH"],
        "OPENAI_API_BASE": backend,
        "OPENAI_API_KEY": KEYS["backend"],
        "PROXY_API_KEY": KEYS["proxy"],
        "DIALECT": SETTINGS.dialect,
        "PORT": "0",
        "LOG_LEVEL": "debug",
        "PYTHONASYNCIODEBUG": "1",
    }
    command = [sys.executable, "-m", "anthropic_proxy", "serve"]
    with subprocess.Popen(
        command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().split()[2]
        finally:
            process.kill()


def post(url: str, body: object, headers: Mapping[str, str]) -> None:
    sent = {"content-type": "application/json", **{name: headers[name] for name in headers if name != "host"}}
    request = urllib.request.Request(url, json.dumps(body).encode(), sent)
    with suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()
