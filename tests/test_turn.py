"""One turn: what is asked of the backend, and what becomes of every way in which it may answer."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from anthropic_proxy.backend import Backend, Way
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import InvalidRequest, ProxyError, UpstreamBroke
from anthropic_proxy.exchange import Exchange
from anthropic_proxy.routing import route_for
from anthropic_proxy.translate.api import Client
from anthropic_proxy.translate.fold import fold
from anthropic_proxy.translate.validate import messages_request
from anthropic_proxy.translate.writer import MessageWriter
from anthropic_proxy.turn import run
from anthropic_proxy.upstream.replay import Recorded, Replay
from anthropic_proxy.wire.anthropic import StreamEvent
from anthropic_proxy.wire.sse import encode_events
from tests.grammar import parse_stream, violations
from tests.hurried import hurried
from tests.translate.events import brief

HELLO = {"model": "my-model", "max_tokens": 20000, "messages": [{"role": "user", "content": "Hello?"}]}
STREAM = {**HELLO, "stream": True}
WEATHER = {"name": "weather", "input_schema": {"type": "object"}}

PLAIN_CLIENT = Client()

JSON = {"content-type": "application/json"}


def sse(*events: Any) -> bytes:
    payloads = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in events]
    return b"".join(b"data: %b\n\n" % payload for payload in payloads)


def chunk(delta: Any, **more: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": delta, **more}]}


TEXT = chunk({"content": "Hello."})
STOP = chunk({}, finish_reason="stop")
USAGE = {"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 10}}
DONE = b"[DONE]"
SAID = Recorded(sse(TEXT, STOP, USAGE, DONE))


def whole(content: str, **more: Any) -> Recorded:
    body = {"id": "chatcmpl-1", "choices": [{"message": {"content": content}, "finish_reason": "stop"}], **more}
    return Recorded(json.dumps(body).encode(), headers=JSON)


def refused(message: str, status: int = 400, **headers: str) -> Recorded:
    body = json.dumps({"error": {"message": message, "type": "invalid_request_error"}}).encode()
    return Recorded(body, status=status, headers={**JSON, **headers})


def broke(kind: Any = "reset") -> UpstreamBroke:
    return UpstreamBroke("the connection is gone", kind=kind)


@dataclass
class Turn:
    """What came of one request."""

    lists: list[list[StreamEvent]] = field(default_factory=list)
    """Events, by the lists they came in."""
    error: ProxyError | None = None
    exchange: Exchange = field(default_factory=Exchange)

    @property
    def events(self) -> list[StreamEvent]:
        return [event for events in self.lists for event in events]

    @property
    def brief(self) -> list[str]:
        return brief(self.events)

    @property
    def text(self) -> str:
        message: Any = fold(self.events)
        return "".join(block["text"] for block in message["content"])

    @property
    def refusal(self) -> tuple[str, int, str]:
        """The type, status and message of the error raised."""
        assert self.error is not None
        return self.error.type, self.error.status, self.error.message


def backend_of(replay: Replay, **environ: str) -> Backend:
    given = {"OPENAI_API_BASE": replay.base_url, "OPENAI_API_KEY": "sk-proxy", "BACKEND": "plain", **environ}
    return Backend(replay, Settings.from_env(given))


async def turn(
    backend: Backend,
    request: dict[str, Any] = STREAM,
    client: Client = PLAIN_CLIENT,
    key: str | None = None,
    **environ: str,
) -> Turn:
    """One request, all the way through; a stream that is no error is found legal."""
    settings = Settings.from_env({"OPENAI_API_BASE": "http://127.0.0.1:1/v1", **environ})
    checked = messages_request(json.loads(json.dumps(request)))
    outcome = Turn()
    writer = MessageWriter("msg_1", "my-model")
    try:
        ways = [Way(route_for(settings, checked), backend)]
        async for events in run(checked, ways, writer, client, outcome.exchange, key):
            assert events
            outcome.lists.append(events)
    except ProxyError as error:
        outcome.error = error
    if outcome.error is None:
        assert violations(parse_stream(encode_events(outcome.events))) == []
    return outcome


async def turn_of(
    *replies: Recorded | UpstreamBroke, request: dict[str, Any] = STREAM, **more: Any
) -> tuple[Turn, Replay]:
    replay = Replay(*replies)
    return await turn(backend_of(replay, **more.pop("backend", {})), request, **more), replay


# The way out


async def test_a_request_goes_to_the_backend_in_its_words_with_its_key() -> None:
    outcome, replay = await turn_of(SAID)
    (sent,) = replay.requests
    assert sent.path == "/chat/completions"
    assert sent.headers["authorization"] == "Bearer sk-proxy"
    assert sent.body["messages"] == [{"role": "user", "content": "Hello?"}]
    assert (sent.body["model"], sent.body["stream"], sent.body["max_tokens"]) == ("my-model", True, 20000)
    assert (outcome.text, outcome.exchange.calls, outcome.exchange.upstream_model) == ("Hello.", 1, "my-model")


async def test_the_clients_own_key_goes_upstream_where_it_is_forwarded() -> None:
    outcome, replay = await turn_of(refused("Incorrect API key", 401), key="sk-client")
    assert replay.requests[0].headers["authorization"] == "Bearer sk-client"
    assert outcome.refusal == (
        "authentication_error",
        401,
        "the upstream refused the API key that came with this request: Incorrect API key",
    )


async def test_what_would_be_dropped_is_refused_where_the_settings_say_so() -> None:
    outcome, replay = await turn_of(SAID, request={**STREAM, "top_k": 7}, client=Client(strict=True))
    assert isinstance(outcome.error, InvalidRequest)
    assert outcome.error.message.startswith("top_k: ")
    assert outcome.error.message.endswith("(STRICT is on, so nothing is dropped)")
    assert replay.requests == []


async def test_what_is_dropped_is_named() -> None:
    outcome, _ = await turn_of(SAID, request={**STREAM, "top_k": 7})
    assert [place.partition(":")[0] for place in outcome.exchange.dropped] == ["top_k"]


async def test_the_exchange_tells_how_it_went() -> None:
    headers = {"x-request-id": "req-7", "x-ratelimit-limit-requests": "60", "content-type": "text/event-stream"}
    outcome, _ = await turn_of(Recorded(SAID.body, headers=headers))
    exchange = outcome.exchange
    assert (exchange.dialect, exchange.upstream_id) == ("plain", "chatcmpl-1")
    assert exchange.rate_limits == {"anthropic-ratelimit-requests-limit": "60"}
    assert outcome.events[0]["message"]["usage"]["input_tokens"] == exchange.estimated_tokens > 10
    assert exchange.warnings == []


async def test_what_the_backend_charges_is_noted() -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1, "cost": 0.25}}
    outcome, _ = await turn_of(Recorded(sse(TEXT, STOP, usage, DONE)))
    assert outcome.exchange.cost == 0.25
    assert "cost" not in outcome.events[-2]["usage"]


async def test_the_id_is_the_headers_until_the_reply_tells_one() -> None:
    outcome, _ = await turn_of(refused("No such thing", 422, **{"x-request-id": "req-7"}))
    assert outcome.exchange.upstream_id == "req-7"


# Repairs

NEW_FIELD = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
NO_TEMPERATURE = "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value."
NO_TOP_P = "Unsupported parameter: 'top_p' is not supported with this model."
NO_STREAM_OPTIONS = "Unknown parameter: 'stream_options'."
NO_USER = "Unknown parameter: 'user'."
LOW_CAP = "max_tokens is too large: 20000. This model supports at most 4096 completion tokens."
NO_EFFORT = "Unsupported parameter: 'reasoning_effort' is not supported with this model."

THINKING = {**STREAM, "thinking": {"type": "enabled", "budget_tokens": 2048}}

REPAIRS: dict[str, tuple[str, dict[str, Any], dict[str, Any], list[str]]] = {
    "another name for the cap": (NEW_FIELD, STREAM, {"max_completion_tokens": 20000}, ["max_tokens"]),
    "a lower cap": (LOW_CAP, STREAM, {"max_tokens": 4096}, []),
    "no temperature": (NO_TEMPERATURE, {**STREAM, "temperature": 0.2}, {}, ["temperature"]),
    "no effort": (NO_EFFORT, THINKING, {}, ["reasoning_effort"]),
    "no stream options": (NO_STREAM_OPTIONS, STREAM, {}, ["stream_options"]),
}


@pytest.mark.parametrize(("refusal", "request_", "holds", "lacks"), REPAIRS.values(), ids=REPAIRS.keys())
async def test_a_refused_parameter_is_taken_back_once_and_remembered(
    refusal: str, request_: dict[str, Any], holds: dict[str, Any], lacks: list[str]
) -> None:
    replay = Replay(refused(refusal), SAID)
    backend = backend_of(replay, DIALECT="reasoning=effort")
    first = await turn(backend, request_)
    again = await turn(backend, request_)
    before, *after = [sent.body for sent in replay.requests]
    assert (first.text, again.text, len(after)) == ("Hello.", "Hello.", 2)
    assert all(name in before for name in lacks)
    for body in after:
        assert body == body | holds
        assert not body.keys() & set(lacks)
    assert (first.exchange.calls, again.exchange.calls) == (2, 1)
    assert (len(first.exchange.learned), again.exchange.learned) == (1, [])


async def test_what_was_learned_of_one_model_is_not_held_against_another() -> None:
    replay = Replay(refused(NEW_FIELD), SAID)
    backend = backend_of(replay)
    await turn(backend)
    await turn(backend, {**STREAM, "model": "other-model"})
    assert "max_tokens" in replay.requests[-1].body


async def test_after_four_repairs_the_refusal_goes_to_the_client() -> None:
    request = {**STREAM, "temperature": 0.2, "top_p": 0.9, "metadata": {"user_id": "u"}}
    refusals = [refused(words) for words in (NEW_FIELD, NO_TEMPERATURE, NO_TOP_P, NO_STREAM_OPTIONS, NO_USER)]
    outcome, replay = await turn_of(*refusals, SAID, request=request, client=Client(hash_user_id=True))
    assert len(replay.requests) == 5
    assert outcome.refusal == ("invalid_request_error", 400, NO_USER)
    assert len(outcome.exchange.learned) == 4


async def test_a_cap_that_only_this_prompt_makes_too_large_is_lowered_once() -> None:
    words = (
        "This model's maximum context length is 8192 tokens. However, you requested 20000 output tokens and your "
        "prompt contains at least 1000 input tokens, for a total of at least 21000 tokens."
    )
    replay = Replay(refused(words), Recorded(sse(TEXT, chunk({}, finish_reason="length"), USAGE, DONE)), SAID)
    backend = backend_of(replay)
    outcome = await turn(backend)
    await turn(backend)
    assert [sent.body["max_tokens"] for sent in replay.requests] == [20000, 7176, 20000]
    assert outcome.events[-2]["delta"]["stop_reason"] == "model_context_window_exceeded"


NO_REPAIR: dict[str, tuple[Recorded, tuple[str, int, str]]] = {
    "what no rule knows": (refused("I do not like it"), ("invalid_request_error", 400, "I do not like it")),
    "a limit": (refused("Rate limit reached", 429), ("rate_limit_error", 429, "Rate limit reached")),
    "a failure, though it names a parameter": (refused(NEW_FIELD, 500), ("api_error", 500, NEW_FIELD)),
    "nothing at all": (
        Recorded(b"", status=500, headers={}),
        ("api_error", 500, "the upstream answered 500 without a message"),
    ),
    "a redirect": (
        Recorded(b"", status=302, headers={"location": "/login"}),
        (
            "api_error",
            502,
            "no /chat/completions at http://replay.invalid/v1: check OPENAI_API_BASE "
            "(the upstream answered 302 without a message)",
        ),
    ),
    "words that break off": (
        Recorded(b'{"error": {"message": "Busy', status=503, headers=JSON, broken_at=20),
        ("overloaded_error", 529, "the upstream answered 503 without a message"),
    ),
}


@pytest.mark.parametrize(("reply", "refusal"), NO_REPAIR.values(), ids=NO_REPAIR.keys())
async def test_what_cannot_be_mended_is_told_with_its_status(reply: Recorded, refusal: tuple[str, int, str]) -> None:
    outcome, replay = await turn_of(reply, SAID)
    assert (outcome.refusal, len(replay.requests), outcome.lists) == (refusal, 1, [])


async def test_the_wait_of_a_limit_goes_along() -> None:
    outcome, _ = await turn_of(refused("Rate limit reached", 429, **{"retry-after": "7"}))
    assert outcome.error is not None
    assert outcome.error.headers == {"retry-after": "7"}


async def test_the_cap_that_was_sent_tells_prompt_and_reply_apart() -> None:
    words = "This model's maximum context length is 8192 tokens. However, you requested about 9000 tokens."
    outcome, _ = await turn_of(refused(words), backend={"DIALECT": "max_output_tokens=500"})
    assert outcome.refusal[2].startswith("prompt is too long: 8500 tokens > 8192 maximum")


# Failures


async def test_a_connection_that_is_never_made_is_told_with_its_status() -> None:
    outcome, _ = await turn_of(broke("refused"))
    assert outcome.refusal == ("api_error", 502, "the connection is gone")
    assert outcome.error is not None
    assert outcome.error.headers == {"x-should-retry": "false"}


ERROR = {"error": {"message": "Gone", "code": 502}}
NO_JSON = "the upstream sent what is not JSON: JSON is malformed"
TOO_LONG = "the upstream sent an event larger than 16 MiB (setting MAX_EVENT_MB)"
CUT = "the upstream closed the stream early"

FAILURES: dict[str, tuple[Recorded, tuple[str, int, str]]] = {
    "an error in the stream": (Recorded(sse(TEXT, ERROR)), ("api_error", 502, "Gone")),
    "a stream that just ends": (Recorded(sse(TEXT)), ("api_error", 502, CUT)),
    "a connection that breaks": (Recorded(sse(TEXT, STOP), broken_at=len(sse(TEXT))), ("api_error", 502, CUT)),
    "what is no JSON": (
        Recorded(sse(TEXT, b"{oops")),
        (
            "api_error",
            502,
            f"{NO_JSON}: object keys must be strings (byte 1)",
        ),
    ),
}


@pytest.mark.parametrize(("reply", "failure"), FAILURES.values(), ids=FAILURES.keys())
@pytest.mark.parametrize("read_size", [None, 40], ids=["in one read", "in several"])
async def test_a_failure_after_text_is_an_event_and_never_an_end(
    reply: Recorded, failure: tuple[str, int, str], read_size: int | None
) -> None:
    recorded = Recorded(reply.body, broken_at=reply.broken_at, read_size=read_size)
    outcome, _ = await turn_of(recorded)
    kind, _, message = failure
    assert outcome.brief == ["message_start", "0 [ text", "0 + text 'Hello.'", f"error {kind}: {message}"]


@pytest.mark.parametrize(("reply", "failure"), FAILURES.values(), ids=FAILURES.keys())
async def test_for_a_whole_reply_it_is_an_error_with_its_status(reply: Recorded, failure: tuple[str, int, str]) -> None:
    outcome, _ = await turn_of(reply, request={**HELLO, "stop_sequences": ["END"]})
    assert outcome.refusal == failure


FIRST: dict[str, tuple[Recorded, tuple[str, int, str]]] = {
    "an error in the stream": (Recorded(sse(ERROR)), ("api_error", 502, "Gone")),
    "an error in a whole reply": (Recorded(json.dumps(ERROR).encode(), headers=JSON), ("api_error", 502, "Gone")),
    "an empty stream": (Recorded(b""), ("api_error", 502, "the upstream answered 200 with an empty body")),
    "an empty reply": (
        Recorded(b" \n", headers=JSON),
        ("api_error", 502, "the upstream answered 200 with an empty body"),
    ),
    "a stream of comments": (Recorded(b": ping\n\n: ping\n\n"), ("api_error", 502, CUT)),
    "a page": (
        Recorded(b"<html><title>Sign in</title></html>", headers={"content-type": "text/html"}),
        ("api_error", 502, "upstream answered HTML: Sign in"),
    ),
    "an event without an end": (
        Recorded(b"data: {" + b" " * (17 * 2**20), read_size=2**20),
        (
            "api_error",
            502,
            TOO_LONG,
        ),
    ),
}


@pytest.mark.parametrize(("reply", "failure"), FIRST.values(), ids=FIRST.keys())
async def test_a_failure_before_anything_was_said_has_its_status(
    reply: Recorded, failure: tuple[str, int, str]
) -> None:
    outcome, _ = await turn_of(reply)
    assert (outcome.refusal, outcome.lists) == (failure, [])


async def test_a_whole_reply_may_only_be_so_long() -> None:
    endless = Recorded(b"{" + b" " * 2**20, headers=JSON, read_size=2**18)
    outcome, _ = await turn_of(endless, client=Client(largest_reply=2**20))
    assert outcome.refusal == ("api_error", 502, "the upstream's reply is larger than 1 MiB (setting MAX_REPLY_MB)")


# Streams and whole replies


async def test_each_read_is_answered_by_one_list_of_events() -> None:
    body = sse(TEXT, TEXT, STOP, USAGE, DONE)
    outcome, _ = await turn_of(Recorded(body, read_size=len(sse(TEXT))))
    assert [brief(events) for events in outcome.lists] == [
        ["message_start", "0 [ text", "0 + text 'Hello.'"],
        ["0 + text 'Hello.'"],
        ["0 ]", "end end_turn", "message_stop"],
    ]


async def test_a_whole_reply_to_a_stream_and_a_stream_to_a_whole_one() -> None:
    streamed, _ = await turn_of(whole("Hello.", usage={"prompt_tokens": 20, "completion_tokens": 10}))
    gathered, _ = await turn_of(SAID, request=HELLO)
    assert (streamed.text, gathered.text) == ("Hello.", "Hello.")
    assert streamed.events[-2] == gathered.events[-2]


@pytest.mark.parametrize("read_size", [None, 1, 3])
@pytest.mark.parametrize("label", ["text/event-stream", "application/json", ""])
async def test_what_it_is_shows_by_its_beginning(label: str, read_size: int | None) -> None:
    for body in (SAID.body, b"\n\n: hello\n\n" + SAID.body, b"\xef\xbb\xbf" + whole("Hello.").body):
        outcome, _ = await turn_of(Recorded(body, headers={"content-type": label}, read_size=read_size))
        assert outcome.text == "Hello."


async def test_a_match_leaves_the_upstream_before_its_end() -> None:
    body = sse(chunk({"content": "One END two"}), *[TEXT] * 50, STOP, DONE)
    outcome, replay = await turn_of(Recorded(body, read_size=90), request={**STREAM, "stop_sequences": ["END"]})
    assert outcome.events[-2]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}
    assert (replay.closed, outcome.text) == (1, "One ")


async def test_the_body_is_read_to_its_end_after_the_mark() -> None:
    body = SAID.body + b": bye\n\n" * 5
    outcome, replay = await turn_of(Recorded(body, read_size=len(SAID.body)))
    assert (outcome.text, replay.closed) == ("Hello.", 0)


async def test_a_break_after_the_mark_is_no_failure() -> None:
    outcome, _ = await turn_of(Recorded(SAID.body + b": bye", read_size=len(SAID.body), broken_at=len(SAID.body) + 2))
    assert outcome.brief[-1] == "message_stop"


async def test_a_break_after_the_end_is_no_failure() -> None:
    body = sse(TEXT, STOP)
    outcome, _ = await turn_of(Recorded(body + b"data", broken_at=len(body) + 2))
    assert outcome.brief[-2:] == ["end end_turn", "message_stop"]


async def test_a_last_event_without_its_blank_line_counts() -> None:
    outcome, _ = await turn_of(Recorded(sse(TEXT, STOP, USAGE).rstrip(b"\n")))
    assert outcome.events[-2]["usage"]["output_tokens"] == 10


def test_the_client_need_not_wait_for_the_end_of_the_body() -> None:
    async def until_the_stop() -> list[str]:
        replay = Replay(Recorded(SAID.body, stall=True))
        request = messages_request({**STREAM})
        route = route_for(Settings.from_env({"OPENAI_API_BASE": "http://127.0.0.1:1/v1"}), request)
        writer = MessageWriter("msg_1", "my-model")
        lists = run(request, [Way(route, backend_of(replay))], writer, Client(), Exchange())
        seen = brief(await anext(lists)) + brief(await anext(lists))
        assert replay.closed == 0, "the upstream is still there"
        assert [events async for events in lists] == []
        assert replay.closed == 1
        return seen

    assert hurried(until_the_stop())[-1] == "message_stop"


def test_token_counts_are_not_waited_for_for_ever() -> None:
    async def lingering() -> tuple[Turn, Replay]:
        return await turn_of(Recorded(sse(TEXT, STOP), stall=True))

    outcome, replay = hurried(lingering())
    assert outcome.brief[-2:] == ["end end_turn", "message_stop"]
    assert replay.closed == 1


def test_nor_do_comments_lengthen_the_wait() -> None:
    async def lingering() -> tuple[Turn, Replay]:
        head = sse(TEXT, STOP)
        comment = b": ping".ljust(len(head) - 2) + b"\n\n"
        return await turn_of(Recorded(head + comment * 100, read_size=len(head), pause=1))

    outcome, replay = hurried(lingering())
    assert outcome.brief[-1] == "message_stop"
    assert replay.closed == 1


# Structured output

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
NAME_A_CITY = {**HELLO, "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}
FITS, MISFITS = whole('{"city": "Rome"}'), whole("Rome")

CHECKED: dict[str, tuple[Sequence[Recorded | UpstreamBroke], str, int, list[str]]] = {
    "what fits is asked for once": ([FITS], '{"city": "Rome"}', 1, []),
    "what does not is asked for again": ([MISFITS, FITS], '{"city": "Rome"}', 2, []),
    "once": ([MISFITS, whole("Oslo"), FITS], "Oslo", 2, ["the reply is not JSON"]),
    "where the second is refused, the first counts": (
        [MISFITS, refused("Busy", 503)],
        "Rome",
        2,
        ["the reply is not JSON"],
    ),
    "where the second breaks, too": ([MISFITS, broke()], "Rome", 2, ["the reply is not JSON"]),
}


@pytest.mark.parametrize(("replies", "text", "calls", "warnings"), CHECKED.values(), ids=CHECKED.keys())
async def test_structured_output(
    replies: Sequence[Recorded | UpstreamBroke], text: str, calls: int, warnings: list[str]
) -> None:
    outcome, replay = await turn_of(*replies, request=NAME_A_CITY, backend={"DIALECT": "json=object"})
    assert (outcome.text, len(replay.requests)) == (text, calls)
    assert [warning for warning in outcome.exchange.warnings if "token" not in warning] == warnings


async def test_a_stream_is_not_asked_for_again() -> None:
    request = {**NAME_A_CITY, "stream": True}
    outcome, replay = await turn_of(SAID, request=request, backend={"DIALECT": "json=object"})
    assert (outcome.text, len(replay.requests), outcome.exchange.misfit) == ("Hello.", 1, "the reply is not JSON")


async def test_a_refusal_of_the_first_is_a_refusal() -> None:
    outcome, _ = await turn_of(refused("Busy", 503), request=NAME_A_CITY, backend={"DIALECT": "json=object"})
    assert outcome.refusal == ("overloaded_error", 529, "Busy")


# Doubts

LONG = {**STREAM, "messages": [{"role": "user", "content": "word " * 4000}]}

DOUBTS: dict[str, tuple[dict[str, Any], list[Any], list[str]]] = {
    "a prompt that seems to have been cut": (
        LONG,
        [TEXT, STOP, {"usage": {"prompt_tokens": 512, "completion_tokens": 1}}],
        ["the upstream counted 512 prompt tokens"],
    ),
    "a prompt that came from the cache was not": (
        LONG,
        [TEXT, STOP, {"usage": {"prompt_tokens": 5000, "completion_tokens": 1, "cached_tokens": 4900}}],
        [],
    ),
    "a short one is not looked at": (STREAM, [TEXT, STOP, {"usage": {"prompt_tokens": 1, "completion_tokens": 1}}], []),
    "nothing was counted": (
        STREAM,
        [TEXT, STOP],
        ["the upstream did not count the prompt's tokens; they are estimated"],
    ),
    "arguments had to be mended": (
        {**STREAM, "tools": [WEATHER]},
        [
            chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "weather", "arguments": '{"a": 1}}'}}]}),
            STOP,
            USAGE,
        ],
        ["the arguments of a tool call went on after their end"],
    ),
}


@pytest.mark.parametrize(("request_", "events", "warnings"), DOUBTS.values(), ids=DOUBTS.keys())
async def test_what_is_strange_is_told(request_: dict[str, Any], events: list[Any], warnings: list[str]) -> None:
    outcome, _ = await turn_of(Recorded(sse(*events, DONE)), request=request_)
    assert [warning.partition(" where ")[0] for warning in outcome.exchange.warnings] == warnings


async def test_a_request_that_is_nested_too_deeply_is_refused() -> None:
    deep: Any = []
    for _ in range(3000):
        deep = [deep]
    request = messages_request({**STREAM, "tools": [WEATHER]})
    request["tools"][0]["input_schema"] = {"type": "object", "enum": deep}
    settings = Settings.from_env({"OPENAI_API_BASE": "http://127.0.0.1:1/v1"})
    writer = MessageWriter("msg_1", "my-model")
    backend = backend_of(Replay(SAID), DIALECT="schema=gemini")
    with pytest.raises(InvalidRequest, match="nested too deeply"):
        async for _ in run(request, [Way(route_for(settings, request), backend)], writer, Client(), Exchange()):
            pass


@pytest.mark.parametrize("stream", [True, False])
async def test_a_request_is_not_held_while_its_answer_streams(stream: bool) -> None:
    """Of an open stream it would be nearly all, and a long conversation takes half a megabyte."""
    settings = Settings.from_env({"OPENAI_API_BASE": "http://127.0.0.1:1/v1"})
    request = messages_request({**HELLO, "stream": stream})
    ways = [Way(route_for(settings, request), backend_of(Replay(SAID)))]
    held = [bool(request) async for _ in run(request, ways, MessageWriter("msg_1", "m"), PLAIN_CLIENT, Exchange())]
    assert held == [not stream] * len(held)
    assert held
