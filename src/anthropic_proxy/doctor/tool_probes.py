"""Probes of tools: a call, its result, several at once, and how strictly a choice is obeyed."""

from collections.abc import Sequence
from typing import Any

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.doctor.exchange import Answer, Call
from anthropic_proxy.doctor.probe import (
    Finding,
    Known,
    Probe,
    Verdict,
    chat,
    each,
    failed,
    learning,
    mending,
    quoted,
    thinking,
    user,
)
from anthropic_proxy.wire.chat import ChatMessage, ChatRequest, ChatTool
from anthropic_proxy.wire.json import InvalidJson, loads


def tool(name: str, description: str) -> ChatTool:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


WEATHER = tool("get_weather", "The weather in a city, now.")
CLOCK = tool("get_time", "The time of day in a city, now.")

QUESTION = "What is the weather in Rome? Use the tool."
CITY = "rome"


# A call


def _weather(known: Known, **fields: Any) -> ChatRequest:
    return chat(known, [user(QUESTION)], stream=True, tools=[WEATHER], **fields)


def ask_tools(known: Known, answers: Sequence[Answer]) -> ChatRequest | None:
    """Once more with the tool forced, for a model that answers in words."""
    if len(answers) == 1 and answers[0].ok and not answers[0].calls:
        return _weather(known, tool_choice="required", **_calm(known.dialect))
    return mending(_weather)(known, answers)


def judge_tools(known: Known, answers: Sequence[Answer]) -> Finding:
    last = answers[-1]
    if not last.ok:
        return failed(known, last)
    if not last.calls:
        wrote = next((sign for sign in _WRITTEN_CALLS if sign in last.text), None)
        says = f"the call came as text ({wrote}): the server needs a tool parser" if wrote else quoted(last)
        return Finding("no", says)
    call = last.calls[0]
    wrong = _wrong_with(call)
    if wrong:
        return Finding("no", wrong)
    if "tool_choice" in last.sent:
        return Finding("part", "only when forced")
    return Finding("yes", "" if last.finish == "tool_calls" else f"finish_reason {last.finish or 'missing'}")


_WRITTEN_CALLS = ("<tool_call>", "[TOOL_CALLS]", "<function=", "<|python_tag|>", "<｜tool▁calls▁begin｜>")
"""How models write calls that a server failed to read."""


def _wrong_with(call: Call) -> str:
    """What is wrong with a call to WEATHER for CITY; empty if nothing is."""
    if call.name != WEATHER["function"]["name"]:
        return f"a call to {call.name!r}, which is no tool of ours"
    city = _arguments(call).get("city")
    if not isinstance(city, str):
        return "arguments that are no JSON of the schema"
    return "" if CITY in city.lower() else "arguments with another city"


def _arguments(call: Call) -> dict[str, Any]:
    try:
        value = loads(call.arguments.encode("utf-8", "replace"))
    except InvalidJson:
        return {}
    return value if isinstance(value, dict) else {}


def _calm(dialect: Dialect) -> ChatRequest:
    """Reasoning off, where a forced tool and reasoning do not go together."""
    return {} if dialect.forced_tool_while_thinking else thinking(dialect, on=False)


# Its result

RESULT = "17 degrees, rain. The observer's name is Ostrowski."
NEWS = "ostrowski"


def after_call(known: Known, result: object) -> list[ChatMessage]:
    """The conversation up to the result of the call that the probe `tools` got."""
    dialect, answer = known.dialect, known.answers["tools"][-1]
    call = answer.calls[0].as_sent()
    turn: ChatMessage = {
        "role": "assistant",
        "content": None if dialect.null_content else dialect.empty_content,
        "tool_calls": [call],
        **_reasoning(answer, dialect),
    }
    told: ChatMessage = {"role": "tool", "tool_call_id": call["id"], "content": result}
    if dialect.tool_result_name:
        told["name"] = call["function"]["name"]
    return [user(QUESTION), turn, told]


def _reasoning(answer: Answer, dialect: Dialect) -> ChatMessage:
    """The turn's reasoning, where the dialect wants it back as text."""
    field = dialect.reasoning_back_field
    text = answer.reasoning.get(field) or dialect.reasoning_placeholder
    wanted = field in ("reasoning_content", "reasoning", "reasoning_text") and dialect.reasoning_back != "none"
    return {field: text} if wanted and text is not None else {}


def _with_result(known: Known) -> ChatRequest:
    return chat(known, after_call(known, RESULT), stream=True, tools=[WEATHER])


def judge_result(known: Known, answers: Sequence[Answer]) -> Finding:
    last = answers[-1]
    if not last.ok:
        return failed(known, last)
    if NEWS in last.text.lower() or "17" in last.text:
        return Finding("yes", "")
    if last.calls:
        return Finding("part", "it called again instead of answering")
    return Finding("part" if last.text.strip() else "no", f"not used: {quoted(last)}")


# Several at once


def _two_cities(known: Known, **fields: Any) -> ChatRequest:
    question = "What is the weather in Rome and in Oslo? Call the tool for both cities at once, in parallel."
    return chat(known, [user(question)], stream=True, tools=[WEATHER], **fields)


def ask_parallel(known: Known, answers: Sequence[Answer]) -> ChatRequest | None:
    """Where two calls come, see if one at a time can be had."""
    if not answers:
        return _two_cities(known)
    if len(answers) == 1 and len(answers[0].calls) > 1:
        return _two_cities(known, parallel_tool_calls=False)
    return None


def judge_parallel(known: Known, answers: Sequence[Answer]) -> Finding:
    first = answers[0]
    if not first.ok:
        return failed(known, first)
    if len(first.calls) < 2:
        return Finding("no", "one call at a time" if first.calls else quoted(first))
    if any(not isinstance(_arguments(call).get("city"), str) for call in first.calls):
        return Finding("no", "the arguments of the calls are mixed up")
    if len({call.id for call in first.calls}) < len(first.calls):
        return Finding("part", "the calls share an id")
    held = _flag_holds(answers)
    if held is None:
        return Finding("yes", f"{len(first.calls)} calls")
    told = "obeyed" if held else "not obeyed"
    return Finding("yes", f"{len(first.calls)} calls; `parallel_tool_calls: false` {told}", {"parallel_flag": held})


def _flag_holds(answers: Sequence[Answer]) -> bool | None:
    """Was `parallel_tool_calls: false` obeyed? None where nobody knows."""
    last = answers[-1]
    if "parallel_tool_calls" not in last.sent or not (last.ok or last.refused):
        return None
    return last.ok and len(last.calls) < 2


# The choice

_NAMED = {"type": "function", "function": {"name": "get_time"}}


def _required(known: Known) -> ChatRequest:
    return _choosing(known, "Say hello.", "required")


def _named(known: Known) -> ChatRequest:
    return _choosing(known, QUESTION, _NAMED)


def _none(known: Known) -> ChatRequest:
    return _choosing(known, QUESTION, "none")


def _choosing(known: Known, question: str, choice: object) -> ChatRequest:
    calm = {} if choice == "none" else _calm(known.dialect)
    return chat(known, [user(question)], stream=True, tools=[WEATHER, CLOCK], tool_choice=choice, **calm)


def judge_choice(known: Known, answers: Sequence[Answer]) -> Finding:
    """Three answers: to `required`, to a named tool, to `none`."""
    lost = next((answer for answer in answers if not (answer.ok or answer.refused)), None)
    if lost is not None:
        return failed(known, lost)
    required = _outcome(answers[0], bool(answers[0].calls))
    named = _outcome(answers[1], [call.name for call in answers[1].calls[:1]] == ["get_time"])
    none = _outcome(answers[2], not answers[2].calls)
    outcomes = (required, named, none)
    says = f"required {required}, named {named}, none {none}"
    verdict: Verdict = "yes" if set(outcomes) == {"obeyed"} else "part" if "obeyed" in outcomes[:2] else "no"
    seen = _TOOL_CHOICE.get((required, named))
    if seen == "no_required" and none == "refused":
        seen = "auto_only"
    return Finding(verdict, says, {"tool_choice": seen} if seen else {})


def _outcome(answer: Answer, obeyed: bool) -> str:
    return ("obeyed" if obeyed else "ignored") if answer.ok else "refused"


_TOOL_CHOICE: dict[tuple[str, str], str] = {
    ("obeyed", "obeyed"): "all",
    ("obeyed", "refused"): "no_named",
    ("obeyed", "ignored"): "no_named",
    ("refused", "refused"): "no_required",
    ("refused", "ignored"): "no_required",
    ("ignored", "ignored"): "ignored",
}
"""What `required` and a named tool came to, and the dialect's word for it."""


TOOL_PROBES = (
    Probe("tools", ask_tools, learning(judge_tools), needs=("streaming",), vital=True),
    Probe("tool results", mending(_with_result), learning(judge_result), needs=("tools",), vital=True),
    Probe("parallel tools", ask_parallel, judge_parallel, needs=("tools",)),
    Probe("tool choice", each(_required, _named, _none), judge_choice, needs=("tools",)),
)
