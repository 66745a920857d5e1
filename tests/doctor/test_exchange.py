"""One question and its answer, however the backend puts it."""

import json
from typing import Any

import pytest

from anthropic_proxy.backend import Backend
from anthropic_proxy.config import Settings
from anthropic_proxy.dialects import PLAIN
from anthropic_proxy.doctor.exchange import LARGEST_REPLY, Answer, Bench, Call, Cost, clipped
from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.routing import Route
from anthropic_proxy.translate.chat import CHAT
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.doctor.model import error, page, whole


def bench(*replies: Recorded | UpstreamBroke, waits: list[float] | None = None) -> Bench:
    backend = Backend(Replay(*replies), Settings(openai_api_base="http://replay.invalid/v1", backend="plain"))
    return Bench(backend, Route("m", CHAT, False), (waits if waits is not None else []).append)


async def answer_to(*replies: Recorded | UpstreamBroke) -> Answer:
    return await bench(*replies).ask({"model": "m"}, PLAIN)


def events(*deltas: dict[str, Any], **recorded: Any) -> Recorded:
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    data = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return Recorded(f"{data}data: [DONE]\n\n".encode(), **recorded)


def part(**fields: Any) -> dict[str, Any]:
    """A delta with one fragment of a call."""
    return {"tool_calls": [fields]}


def fragment(name: str = "", arguments: str = "") -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}}


CALLS: dict[str, tuple[Recorded, list[Call]]] = {
    "one after the other": (
        events(
            part(index=0, id="a", **fragment("f")),
            part(index=0, **fragment(arguments="{}")),
            part(index=1, id="b", **fragment("g", "{}")),
        ),
        [Call("a", "f", "{}"), Call("b", "g", "{}")],
    ),
    "interleaved": (
        events(
            part(index=0, id="a", **fragment("f", "[")),
            part(index=1, id="b", **fragment("g", "{")),
            part(index=0, **fragment(arguments="]")),
            part(index=1, **fragment(arguments="}")),
        ),
        [Call("a", "f", "[]"), Call("b", "g", "{}")],
    ),
    "all numbered 0": (
        events(part(index=0, id="a", **fragment("f", "{}")), part(index=0, id="b", **fragment("g", "{}"))),
        [Call("a", "f", "{}"), Call("b", "g", "{}")],
    ),
    "with ids alone": (
        events(part(id="a", **fragment("f", "{")), part(**fragment(arguments="}")), part(id="b", **fragment("g"))),
        [Call("a", "f", "{}"), Call("b", "g", "")],
    ),
    "with names alone": (
        events(part(**fragment("f", "{}")), part(**fragment("g", "{}"))),
        [Call("", "f", "{}"), Call("", "g", "{}")],
    ),
    "whole, with what else the backend puts there": (
        whole({"choices": [{"message": part(id="a", extra_content={"x": 1}, type="function", **fragment("f", "{}"))}]}),
        [Call("a", "f", "{}", {"extra_content": {"x": 1}})],
    ),
}


@pytest.mark.parametrize(("reply", "calls"), CALLS.values(), ids=CALLS.keys())
async def test_calls(reply: Recorded, calls: list[Call]) -> None:
    assert (await answer_to(reply)).calls == calls


def test_a_call_goes_back_as_it_came() -> None:
    assert Call("a", "f", "{}", {"extra_content": {"x": 1}}).as_sent() == {
        "id": "a",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"x": 1},
    }


async def test_a_stream_is_put_together() -> None:
    answer = await answer_to(events({"reasoning": "Hm."}, {"content": "He"}, {"content": [{"text": "llo"}]}))
    assert (answer.ok, answer.streamed, answer.done, answer.text) == (True, True, True, "Hello")
    assert (answer.reasoning, answer.thinks) == ({"reasoning": "Hm."}, True)
    assert len(answer.arrivals) == len(answer.chunks) == 3


async def test_pieces_of_one_read_share_their_time_and_others_do_not() -> None:
    together = await answer_to(events({"content": "a"}, {"content": "b"}))
    apart = await answer_to(events({"content": "a"}, {"content": "b"}, read_size=20, pause=0.002))
    assert len(set(together.arrivals)) == 1
    assert len(set(apart.arrivals)) == 2
    assert apart.text == "ab"


TROUBLES: dict[str, tuple[Recorded | UpstreamBroke, bool, str]] = {
    "a refusal": (error(400, "no such field"), True, "400: no such field"),
    "a refusal inside a 200": (whole({"error": {"message": "no such field"}}), True, "200: no such field"),
    "a refusal in a stream": (
        Recorded(b'data: {"error": {"message": "no such field"}}\n\n'),
        True,
        "200: no such field",
    ),
    "a key that is not let in": (error(401, "who are you"), False, "401: who are you"),
    "an error of the backend's": (error(500, "it died"), False, "500: it died"),
    "a web page": (page(404), True, "404: a web page: Welcome"),
    "a web page with status 200": (page(), False, "200: not a Chat Completions reply"),
    "something else": (whole({"hello": 1}), False, "200: not a Chat Completions reply"),
    "no connection": (
        UpstreamBroke("cannot connect to h:1: Connection refused", kind="refused"),
        False,
        "cannot connect to h:1: Connection refused",
    ),
    "a stream that breaks off": (
        Recorded(b'data: {"choices": []}\n\n', broken_at=8),
        False,
        "the upstream closed the stream early",
    ),
    "a key in the message": (
        error(400, "bad key sk-0123456789abcdef\x1b[31m\nred"),
        True,
        "400: bad key [redacted] [31m red",
    ),
    "an error without a word": (Recorded(b"", 400, {}), True, "400: no message"),
}


@pytest.mark.parametrize(("reply", "refused", "trouble"), TROUBLES.values(), ids=TROUBLES.keys())
async def test_no_reply(reply: Recorded | UpstreamBroke, refused: bool, trouble: str) -> None:
    answer = await answer_to(reply)
    assert (answer.ok, answer.refused, answer.trouble) == (False, refused, trouble)


async def test_a_reply_without_an_end_is_given_up() -> None:
    answer = await answer_to(Recorded(b"x" * (LARGEST_REPLY + 1)))
    assert answer.broke is not None
    assert answer.broke.kind == "too_large"


BUSY = Recorded(b"", 429, {"retry-after": "0"})
GOOD = whole({"choices": [{"message": {"content": "Hello."}}], "usage": {"prompt_tokens": 5, "completion_tokens": 2}})

WAITS: dict[str, tuple[tuple[Recorded, ...], list[float], bool]] = {
    "not at all": ((GOOD,), [], True),
    "once": ((BUSY, GOOD), [0], True),
    "twice": ((BUSY, BUSY, GOOD), [0, 0], True),
    "not for ever": ((BUSY, BUSY, BUSY, GOOD), [0, 0], False),
    "not for an hour": ((Recorded(b"", 429, {"retry-after": "3600"}), GOOD), [], False),
    "not for money": ((error(429, "You exceeded your quota", type="insufficient_quota"), GOOD), [], False),
    "not after a refusal": ((error(400, "no"), GOOD), [], False),
}


@pytest.mark.parametrize(("replies", "waits", "ok"), WAITS.values(), ids=WAITS.keys())
async def test_a_busy_backend_is_waited_for(replies: tuple[Recorded, ...], waits: list[float], ok: bool) -> None:
    waited: list[float] = []
    answer = await bench(*replies, waits=waited).ask({"model": "m"}, PLAIN)
    assert (waited, answer.ok) == (waits, ok)


async def test_the_cost_is_counted() -> None:
    asked = bench(GOOD)
    for _ in range(3):
        await asked.ask({"model": "m"}, PLAIN)
    assert asked.cost == Cost(3, 15, 6)


CLIPPED = {
    "a short text stays": ("Hello.", "Hello."),
    "a long one ends": ("x" * 200, "x" * 159 + "…"),
    "lines become one": ("a\n\tb", "a b"),
    "a terminal gets no commands": ("\x1b]0;title\x07a", "]0;title a"),
    "keys are blotted out": ("Bearer abcdefghijkl", "Bearer [redacted]"),
}


@pytest.mark.parametrize(("text", "expected"), CLIPPED.values(), ids=CLIPPED.keys())
def test_clipped(text: str, expected: str) -> None:
    assert clipped(text) == expected
