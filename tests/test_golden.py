"""Golden files: requests and replies as they come, and what we owe for them. CONTRIBUTING.md names the files.

`pytest --update-golden` rewrites the expected ones; their diff is reviewed like code.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from anthropic_proxy.backend import Backend, Way
from anthropic_proxy.config import Settings
from anthropic_proxy.dialects.overrides import overrides_text
from anthropic_proxy.errors import ProxyError
from anthropic_proxy.exchange import Exchange
from anthropic_proxy.routing import route_for
from anthropic_proxy.translate.api import Client
from anthropic_proxy.translate.fold import fold
from anthropic_proxy.translate.validate import messages_request
from anthropic_proxy.translate.writer import MessageWriter
from anthropic_proxy.turn import run
from anthropic_proxy.upstream.replay import Recorded, Replay
from anthropic_proxy.wire.anthropic import StreamEvent
from anthropic_proxy.wire.json import dumps
from anthropic_proxy.wire.sse import encode_events
from tests.grammar import parse_stream, violations

GOLDEN = Path(__file__).parent / "golden"
BASE_URL = "http://replay.invalid/v1"

Files = dict[str, str]
"""Expected files of a case: name and text."""


def settings(dialect: object = "plain", **environ: str) -> Settings:
    """Settings for one dialect: its name, or fields that differ, `name` among them."""
    fields = dict(dialect) if isinstance(dialect, dict) else {"name": dialect}
    name = str(fields.pop("name", "plain"))
    return Settings.from_env(
        {
            "OPENAI_API_BASE": BASE_URL,
            "OPENAI_API_KEY": "sk-golden",
            "BACKEND": name,
            "DIALECT": overrides_text(fields),
            **environ,
        }
    )


def parsed(path: Path, default: Any = None) -> Any:
    """The JSON of a file that may be absent."""
    return json.loads(path.read_text()) if path.exists() else default


def pretty(value: object) -> str:
    """JSON to be read and compared by people. The order of keys is part of what is expected."""
    return json.dumps(json.loads(dumps(value)), indent=2, ensure_ascii=False) + "\n"


def settle(case: Path, kinds: tuple[str, ...], files: Files, update: bool) -> None:
    """Compares `files` with those of `kinds` that the case has, or rewrites them."""
    if update:
        for name in kinds:
            (case / name).unlink(missing_ok=True)
        for name, text in files.items():
            (case / name).write_text(text)
    assert files == {name: (case / name).read_text() for name in kinds if (case / name).exists()}


# Requests


def variants(case: Path) -> list[str]:
    """Dialects for which the case has an expectation of its own; empty for the one of its settings."""
    names = {path.name.split(".")[1] for path in [*case.glob("chat.*.json"), *case.glob("error.*.json")]}
    return ["", *sorted(names)]


REQUESTS = [(case, name) for case in sorted((GOLDEN / "requests").iterdir()) for name in variants(case)]


@pytest.mark.parametrize(
    ("case", "variant"), REQUESTS, ids=[f"{case.name}-{name or 'its own'}" for case, name in REQUESTS]
)
async def test_a_request_becomes_what_the_backend_expects(case: Path, variant: str, update_golden: bool) -> None:
    ending = f".{variant}.json" if variant else ".json"
    outcome = await translated(case, variant)
    kinds = tuple(f"{kind}{ending}" for kind in ("chat", "error", "beside"))
    settle(case, kinds, {f"{kind}{ending}": pretty(value) for kind, value in outcome.items()}, update_golden)


async def translated(case: Path, variant: str) -> dict[str, object]:
    """The body sent and what goes beside it, or the error."""
    chosen = parsed(case / "settings.json", {})
    environ = {name.upper(): chosen[name] for name in ("model", "reasoning_model") if name in chosen}
    given = settings(variant or chosen.get("dialect", "plain"), **environ)
    try:
        request = messages_request(parsed(case / "anthropic.json"))
        before = dumps(request)
        route = route_for(given, request)
        dialect = await Backend(Replay(Recorded(b"")), given).dialect(route)
        client = Client(**chosen.get("client", {}))
        translation = route.api.translate(request, route.model, dialect, client)
        again = route.api.translate(request, route.model, dialect, client)
    except ProxyError as error:
        return {"error": {"type": error.type, "message": error.message}}
    assert dumps(request) == before, "the request was changed, and may have to be translated once more"
    assert dumps(translation.body) == dumps(again.body), "the same request twice gives two bodies"
    beside: dict[str, object] = {"dropped": translation.dropped, "headers": translation.headers}
    beside |= {"notes": translation.notes} if translation.notes else {}
    beside |= {"applied_edits": translation.applied_edits} if translation.applied_edits else {}
    return {"chat": translation.body, **({"beside": beside} if any(beside.values()) else {})}


# Replies

CONTENT_TYPES = {".sse": "text/event-stream", ".json": "application/json", ".html": "text/html; charset=utf-8"}

REPLY_FILES = ("events.sse", "message.json", "error.json")

REPLIES = sorted(case for case in (GOLDEN / "replies").iterdir())

ASKED = {"model": "my-model", "max_tokens": 1024, "messages": [{"role": "user", "content": "Hello?"}]}
"""The request of a case that does not bring its own."""


class GoldenWriter(MessageWriter):
    """Takes every prompt for 1000 tokens long: how that is estimated is not the files' subject."""

    estimated_input_tokens = property(lambda self: 1000, lambda self, _: None)


class Outcome(NamedTuple):
    """What the client is given: events, or the error that comes in place of a reply."""

    events: list[StreamEvent]
    error: dict[str, object] | None


@pytest.mark.parametrize("case", REPLIES, ids=[case.name for case in REPLIES])
async def test_a_reply_becomes_what_the_client_expects(case: Path, update_golden: bool) -> None:
    outcome = await replied(case, stream=True)
    settle(case, REPLY_FILES, expected_files(outcome), update_golden)
    stream = encode_events(outcome.events)
    if outcome.error is None:
        assert violations(parse_stream(stream)) == []
    for read_size in (1, 7):
        cut = await replied(case, stream=True, read_size=read_size)
        assert (encode_events(cut.events), cut.error) == (stream, outcome.error), f"reads of {read_size} differ"


@pytest.mark.parametrize("case", REPLIES, ids=[case.name for case in REPLIES])
@pytest.mark.parametrize("read_size", [None, 1, 7], ids=lambda size: f"reads of {size or 'all'}")
async def test_a_whole_reply_says_the_same_as_a_streamed_one(case: Path, read_size: int | None) -> None:
    outcome = await replied(case, stream=False, read_size=read_size)
    said = parsed(case / "message.json")
    if outcome.error is None:
        assert json.loads(dumps(fold(outcome.events))) == said
    elif said is None:
        assert outcome.error == parsed(case / "error.json")
    else:
        error = {name: outcome.error[name] for name in ("type", "message")}
        assert {"type": "error", "error": error} == said, "an error in mid-stream is an HTTP error here"


def expected_files(outcome: Outcome) -> Files:
    if outcome.error is not None:
        return {"error.json": pretty(outcome.error)}
    return {"events.sse": encode_events(outcome.events).decode(), "message.json": pretty(fold(outcome.events))}


async def replied(case: Path, stream: bool, read_size: int | None = None) -> Outcome:
    """The case's reply, all the way through a turn."""
    given = settings(parsed(case / "dialect.json", "plain"))
    request = messages_request({**parsed(case / "request.json", ASKED), "stream": stream})
    backend = Backend(Replay(recorded(case, read_size)), given)
    writer = GoldenWriter("msg_golden", request["model"])
    events: list[StreamEvent] = []
    try:
        async for some in run(request, [Way(route_for(given, request), backend)], writer, Client(), Exchange()):
            events += some
    except ProxyError as error:
        return Outcome(
            [], {"type": error.type, "status": error.status, "message": error.message, "headers": error.headers}
        )
    return Outcome(events, None)


def recorded(case: Path, read_size: int | None) -> Recorded:
    (path,) = case.glob("upstream.*")
    http = parsed(case / "http.json", {})
    return Recorded(
        path.read_bytes(),
        status=http.get("status", 200),
        headers={"content-type": CONTENT_TYPES[path.suffix], **http.get("headers", {})},
        read_size=read_size,
        broken_at=http.get("broken_at"),
    )
