"""What each probe finds at a backend that does all it should, and at one that does not."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from anthropic_proxy.backend import Backend
from anthropic_proxy.config import Settings
from anthropic_proxy.dialects import PLAIN, Dialect
from anthropic_proxy.doctor.exchange import Answer, Bench
from anthropic_proxy.doctor.probe import WORKS, Finding, Known, Probe, Verdict
from anthropic_proxy.doctor.probes import PROBES
from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.routing import Route
from anthropic_proxy.translate.chat import CHAT
from anthropic_proxy.wire.chat import chat_chunk
from tests.doctor.model import MODEL, Answering, Habits, refuses

BY_NAME = {probe.name: probe for probe in PROBES}
EFFORT = replace(PLAIN, reasoning="effort")


async def answers_to(probe: Probe, known: Known, habits: Habits) -> list[Answer]:
    backend = Backend(Answering(habits), Settings(openai_api_base="http://backend.invalid/v1"))
    bench = Bench(backend, Route(known.model, CHAT, False))
    answers: list[Answer] = []
    while (body := probe.asks(known, answers)) is not None:
        answers.append(await bench.ask(body, known.dialect))
    return answers


async def found(name: str, habits: Habits, dialect: Dialect = PLAIN) -> Finding:
    """What the probe finds, after those that it needs."""
    known = Known(MODEL, dialect)
    for need in needs(name):
        answers = await answers_to(BY_NAME[need], known, habits)
        known = known._replace(answers={**known.answers, need: answers})
        assert BY_NAME[need].judge(known, answers).verdict in WORKS, need
    return BY_NAME[name].judge(known, await answers_to(BY_NAME[name], known, habits))


def needs(name: str) -> Sequence[str]:
    direct = BY_NAME[name].needs
    return list(dict.fromkeys([*(far for need in direct for far in needs(need)), *direct]))


class Case(NamedTuple):
    """A probe's name, the backend, the finding's verdict and facts, and a part of its words."""

    probe: str
    habits: Habits
    verdict: Verdict
    facts: dict[str, Any]
    says: str = ""
    dialect: Dialect = PLAIN


NO_CAP = refuses(
    "max_tokens",
    "Unsupported parameter: '{name}' is not supported with this model. Use 'max_completion_tokens' instead.",
)


def _caps_at(most: int, named: bool = True) -> Habits:
    message = f"max_tokens is too large. This model supports at most {most} completion tokens."
    return Habits(
        [lambda body: (400, message if named else "Bad request.") if body["max_tokens"] > most else None],
    )


def _refuses_choice(*choices: str) -> Habits:
    def refusal(body: dict[str, Any]) -> tuple[int, str] | None:
        choice = body.get("tool_choice", "auto")
        kind = "named" if isinstance(choice, dict) else choice
        return (400, "Invalid value for 'tool_choice'.") if kind in choices else None

    return Habits([refusal])


def _no_images(where: str, message: str = "This model does not support image input.") -> Habits:
    def refusal(body: dict[str, Any]) -> tuple[int, str] | None:
        has = any(one["role"] == where and isinstance(one["content"], list) for one in body["messages"])
        return (400, message) if has and "image_url" in str(body) else None

    return Habits([refusal])


def _no_late_system(body: dict[str, Any]) -> tuple[int, str] | None:
    late = any(message["role"] == "system" for message in body["messages"][1:])
    return (400, "System message must be at the beginning.") if late else None


def _null_content_refused(body: dict[str, Any]) -> tuple[int, str] | None:
    null = any(message["content"] is None for message in body["messages"])
    return (400, "messages.1.content: null is not allowed, expected a string") if null else None


CASES: dict[str, Case] = {
    # Plain reply
    "a plain reply": Case("plain reply", Habits(), "yes", {}, " s"),
    "a plain reply after the cap was renamed": Case(
        "plain reply",
        Habits([NO_CAP]),
        "yes",
        {"max_tokens_field": "max_completion_tokens", "dropped": frozenset({"max_tokens"})},
    ),
    "a model that needs room to think": Case(
        "plain reply", Habits(always_reasons=True, needs_tokens=1000), "yes", {}, " s"
    ),
    "a model that thinks without an end": Case(
        "plain reply", Habits(always_reasons=True, needs_tokens=10**5), "part", {}, "1,500 tokens of reasoning"
    ),
    "a model that only streams": Case(
        "plain reply",
        Habits([lambda body: None if body.get("stream") else (400, "This model only supports streaming")]),
        "yes",
        {"stream_only": True},
    ),
    "a refusal that nothing mends": Case(
        "plain reply", Habits([refuses("model", "no such luck")]), "no", {}, "400: no such luck"
    ),
    "a backend that fails": Case(
        "plain reply", Habits([refuses("model", "worker died", 500)]), "unclear", {}, "500: worker died"
    ),
    # Streaming
    "a stream that flows": Case("streaming", Habits(), "yes", {}, "30 pieces"),
    "a stream that is none": Case("streaming", Habits(streams=False), "part", {}, "one whole reply"),
    "a stream without an end": Case("streaming", Habits(ends=False), "yes", {"eof_is_end": True}),
    "a stream that cannot be had": Case("streaming", Habits([refuses("stream", "no streams here")]), "no", {}),
    "a stream once its option is left out": Case(
        "streaming", Habits([refuses("stream_options")]), "yes", {"usage_in_stream": "never"}
    ),
    # Usage in stream
    "usage that is asked for": Case("usage in stream", Habits(), "yes", {"usage_in_stream": "ask"}, "10 out"),
    "usage that comes unasked, as expected": Case(
        "usage in stream",
        Habits(stream_usage="always"),
        "yes",
        {"usage_in_stream": "always"},
        dialect=replace(PLAIN, usage_in_stream="always"),
    ),
    "usage that does not come unasked, though expected": Case(
        "usage in stream",
        Habits(),
        "yes",
        {"usage_in_stream": "ask"},
        dialect=replace(PLAIN, usage_in_stream="always"),
    ),
    "usage that never comes": Case("usage in stream", Habits(stream_usage="never"), "no", {}, "none came"),
    "usage that is refused": Case(
        "usage in stream",
        Habits([refuses("stream_options")], stream_usage="never"),
        "no",
        {"usage_in_stream": "never"},
        "refused",
        replace(PLAIN, usage_in_stream="never"),
    ),
    # Tools
    "a tool call": Case("tools", Habits(), "yes", {}),
    "a call in words": Case("tools", Habits(calls_as_text=True), "no", {}, "needs a tool parser"),
    "tools that are refused": Case(
        "tools", Habits([refuses("tools", "does not support tools")]), "no", {}, "400: does not support tools"
    ),
    "a call only when forced": Case(
        "tools",
        Habits([lambda body: None if "tool_choice" in body else _without_tools(body)]),
        "part",
        {},
        "only when forced",
    ),
    "tools that are ignored": Case("tools", Habits(ignores=frozenset({"tools"})), "no", {}, 'it said "Hello."'),
    # Tool results
    "a result that is used": Case("tool results", Habits(), "yes", {}),
    "a result once `null` is left out": Case(
        "tool results", Habits([_null_content_refused]), "yes", {"null_content": False}
    ),
    "a result that is not used": Case("tool results", Habits(forgets_results=True), "part", {}, "called again"),
    "a result that is refused": Case(
        "tool results",
        Habits([lambda body: (400, "no tool role here") if body["messages"][-1]["role"] == "tool" else None]),
        "no",
        {},
        "no tool role here",
    ),
    # Parallel tools
    "two calls at once, and one if told so": Case("parallel tools", Habits(), "yes", {"parallel_flag": True}, "obeyed"),
    "two calls at once, whatever is told": Case(
        "parallel tools",
        Habits(ignores=frozenset({"parallel_tool_calls"})),
        "yes",
        {"parallel_flag": False},
        "not obeyed",
    ),
    "two calls at once, and the flag is refused": Case(
        "parallel tools", Habits([refuses("parallel_tool_calls")]), "yes", {"parallel_flag": False}
    ),
    "one call at a time": Case("parallel tools", Habits(calls_at_once=1), "no", {}, "one call at a time"),
    # Tool choice
    "every choice is obeyed": Case("tool choice", Habits(), "yes", {"tool_choice": "all"}),
    "a named tool is refused": Case("tool choice", _refuses_choice("named"), "part", {"tool_choice": "no_named"}),
    "no tool can be forced": Case(
        "tool choice", _refuses_choice("named", "required"), "no", {"tool_choice": "no_required"}
    ),
    "no choice but `auto`": Case(
        "tool choice", _refuses_choice("named", "required", "none"), "no", {"tool_choice": "auto_only"}
    ),
    "choices are ignored": Case(
        "tool choice", Habits(ignores=frozenset({"tool_choice"})), "no", {"tool_choice": "ignored"}, "required ignored"
    ),
    "a choice that meets a busy backend": Case(
        "tool choice", Habits([refuses("tool_choice", "worker died", 500)]), "unclear", {}, "worker died"
    ),
    # Images
    "an image that is seen": Case("images", Habits(), "yes", {"vision": True}),
    "an image that is refused": Case("images", _no_images("user"), "no", {"vision": False}),
    "an image that is not looked at": Case("images", Habits(sees=False), "unclear", {}, "I see no image."),
    "an image in a tool's result": Case("tool images", Habits(), "yes", {"tool_images": True}),
    "an image in a tool's result that is refused": Case(
        "tool images", _no_images("tool", "tool content must be a string"), "no", {"tool_images": False}
    ),
    "an image in a tool's result that is not looked at": Case(
        "tool images", Habits(sees_in_tools=False), "no", {"tool_images": False}, "not seen"
    ),
    # Reasoning
    "reasoning in a field that is read": Case(
        "reasoning", Habits(reasoning_field="reasoning"), "yes", {}, "in `reasoning`", EFFORT
    ),
    "reasoning in a field that is not read": Case(
        "reasoning",
        Habits(reasoning_field="reasoning_text"),
        "yes",
        {"reasoning_fields": ("reasoning_text", "reasoning")},
        "in `reasoning_text`",
        replace(EFFORT, reasoning_fields=("reasoning",)),
    ),
    "reasoning in tags": Case("reasoning", Habits(reasoning_field="<think>"), "yes", {"think_tags": True}, "", EFFORT),
    "reasoning that only costs": Case(
        "reasoning", Habits(reasoning_field="hidden"), "part", {}, "hidden, 7 tokens", EFFORT
    ),
    "reasoning that was not known of": Case(
        "reasoning", Habits(), "yes", {"reasoning": "effort"}, "", replace(PLAIN, reasoning="none")
    ),
    "reasoning that comes unasked": Case(
        "reasoning", Habits(always_reasons=True), "yes", {}, "", replace(PLAIN, reasoning="none")
    ),
    "no reasoning": Case("reasoning", Habits(ignores=frozenset({"reasoning_effort"})), "no", {}, "none seen", EFFORT),
    "reasoning that is refused": Case(
        "reasoning", Habits([refuses("reasoning_effort")]), "no", {"reasoning": "none"}, "", EFFORT
    ),
    "reasoning that nobody asks for is refused": Case(
        "reasoning", Habits([refuses("reasoning_effort")]), "no", {}, "", replace(PLAIN, reasoning="none")
    ),
    "reasoning can be switched off": Case("reasoning off", Habits(), "yes", {}, "", EFFORT),
    "reasoning cannot be switched off": Case(
        "reasoning off", Habits(always_reasons=True), "no", {"effort_off": ""}, "all the same", EFFORT
    ),
    "reasoning that the dialect cannot switch off": Case(
        "reasoning off", Habits(), "skipped", {}, "knows no way", replace(EFFORT, effort_off="")
    ),
    # Temperature
    "a temperature": Case("temperature", Habits(), "yes", {}),
    "a temperature that is refused": Case(
        "temperature", Habits([refuses("temperature")]), "no", {"dropped": frozenset({"temperature"})}
    ),
    "a temperature that is never sent": Case(
        "temperature", Habits(), "skipped", {}, "", replace(PLAIN, sampling=frozenset())
    ),
    # Stop sequences
    "a stop sequence": Case("stop", Habits(), "yes", {"stop_report": "none"}, "not told"),
    "a stop sequence that is told": Case(
        "stop", Habits(stop_field="stop_reason"), "yes", {"stop_report": "stop_reason"}, "in `stop_reason`"
    ),
    "a stop sequence that is told elsewhere": Case(
        "stop", Habits(stop_field="matched_stop"), "yes", {"stop_report": "matched_stop"}
    ),
    "a stop sequence that is ignored": Case(
        "stop", Habits(ignores=frozenset({"stop"})), "no", {"stop_report": "none"}, "ignored"
    ),
    "a stop sequence that is refused": Case("stop", Habits([refuses("stop")]), "no", {"stop_max": 0}),
    # Structured output
    "a schema that is kept": Case("structured output", Habits(), "yes", {"json": "schema"}),
    "a schema that is refused, and an object that is not": Case(
        "structured output",
        Habits([lambda body: (400, "no schemas") if "json_schema" in str(body.get("response_format")) else None]),
        "part",
        {"json": "object"},
        "json_schema is refused",
    ),
    "neither schema nor object": Case(
        "structured output",
        Habits(ignores=frozenset({"response_format"})),
        "no",
        {"json": "none"},
        "json_schema is ignored, json_object ignored",
    ),
    # System position
    "a late system message": Case("system position", Habits(), "yes", {"mid_system": "fold"}, "obeyed"),
    "a late system message that is refused": Case(
        "system position", Habits([_no_late_system]), "no", {"mid_system": "fold"}, "at the beginning"
    ),
    # Largest cap
    "a cap without a limit": Case("largest max_tokens", Habits(), "yes", {}, "128,000 tokens or more"),
    "a cap whose limit is named": Case(
        "largest max_tokens", _caps_at(16384), "yes", {"max_output_tokens": 16384}, "16,384 tokens"
    ),
    "a cap whose limit is guessed": Case(
        "largest max_tokens", _caps_at(40_000, named=False), "yes", {"max_output_tokens": 32_000}, "32,000 tokens"
    ),
    "a cap whose limit is guessed at the third try": Case(
        "largest max_tokens", _caps_at(9_000, named=False), "yes", {"max_output_tokens": 8_192}
    ),
    "a cap that is always refused": Case("largest max_tokens", _caps_at(500, named=False), "no", {}, "Bad request."),
    "a window that is too small": Case(
        "largest max_tokens",
        Habits(
            [
                lambda body: (
                    (
                        400,
                        "This model's maximum context length is 8192 tokens. However, you requested 128020 tokens "
                        "(20 in the messages, 128000 in the completion).",
                    )
                    if body["max_tokens"] > 8000
                    else None
                )
            ]
        ),
        "part",
        {"context_window": 8192},
        "8,192 tokens; too small for Claude Code",
    ),
    # Prompt cache
    "a prompt cache": Case("prompt cache", Habits(), "yes", {}, "tokens read from it"),
    "no prompt cache": Case("prompt cache", Habits(caches=False), "no", {}, "none of"),
}


def _without_tools(body: dict[str, Any]) -> None:
    """Makes the backend answer in words."""
    body.pop("tools", None)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_probe(case: Case) -> None:
    finding = await found(case.probe, case.habits, case.dialect)
    assert (finding.verdict, dict(finding.facts)) == (case.verdict, case.facts), finding
    assert case.says in finding.says


def test_every_probe_has_a_case_that_works_and_one_that_does_not() -> None:
    for name in BY_NAME:
        verdicts = {case.verdict in WORKS for case in CASES.values() if case.probe == name}
        assert verdicts == {True, False}, name


def _timed(*times: float, seconds: float = 5) -> Answer:
    """A stream whose pieces came at these times."""
    chunks = tuple(chat_chunk(b'{"choices": [{"delta": {"content": "x"}}]}') for _ in times)
    return Answer({}, 200, chunks=chunks, arrivals=times, seconds=seconds, streamed=True, done=True)


TIMES: dict[str, tuple[Answer, Verdict, str]] = {
    "pieces over time": (_timed(1, 2, 3, 4, 4.5), "yes", "5 pieces in 3.50 s, the first after 1.00 s"),
    "all at the end": (_timed(4.90, 4.91, 4.92, 4.93), "part", "holds the stream back"),
    "in two lumps": (_timed(1, 1, 1, 4, 4), "part", "holds the stream back"),
    "all at once and soon": (_timed(0.2, 0.2, 0.2, seconds=0.3), "yes", "too quick to see"),
    "no text at all": (
        replace(_timed(1), chunks=(chat_chunk(b'{"choices": [{"delta": {}, "finish_reason": "stop"}]}'),)),
        "no",
        "a stream without text",
    ),
    "a break in the middle": (
        replace(_timed(1, 2), broke=UpstreamBroke("the upstream closed the stream early")),
        "unclear",
        "closed the stream early",
    ),
}


@pytest.mark.parametrize(("answer", "verdict", "says"), TIMES.values(), ids=TIMES.keys())
def test_a_stream_is_judged_by_when_its_pieces_come(answer: Answer, verdict: Verdict, says: str) -> None:
    finding = BY_NAME["streaming"].judge(Known(MODEL, PLAIN), [answer])
    assert finding.verdict == verdict
    assert says in finding.says


async def test_the_largest_cap_takes_three_requests_at_most() -> None:
    answers = await answers_to(BY_NAME["largest max_tokens"], Known(MODEL, PLAIN), _caps_at(0, named=False))
    assert [answer.sent["max_tokens"] for answer in answers] == [128_000, 32_000, 8_192]


async def test_an_anthropic_cache_gets_its_marks() -> None:
    known = Known(MODEL, replace(PLAIN, cache="anthropic"))
    (first, second) = await answers_to(BY_NAME["prompt cache"], known, Habits())
    assert first.sent == second.sent
    assert first.sent["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}


async def test_a_call_goes_back_with_the_reasoning_that_its_dialect_demands() -> None:
    dialect = replace(EFFORT, reasoning_back_field="reasoning_content", reasoning_placeholder="")
    known = Known(MODEL, dialect)
    known = known._replace(answers={"tools": await answers_to(BY_NAME["tools"], known, Habits(always_reasons=True))})
    (answer,) = await answers_to(BY_NAME["tool results"], known, Habits())
    assert answer.sent["messages"][1]["reasoning_content"] == "Let me see."
    assert answer.sent["messages"][1]["tool_calls"][0]["id"] == "call_1"


async def test_no_question_is_long_but_that_about_the_cache() -> None:
    habits = Habits()
    for name in BY_NAME:
        await found(name, habits, EFFORT)
    sizes = [len(str(body["messages"])) for body in habits.seen]
    assert sorted(sizes)[-3] < 1500
    assert max(body["max_tokens"] for body in habits.seen if "Say hello" not in str(body)) <= 1500
