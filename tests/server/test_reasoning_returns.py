"""What a backend thought in one turn is what it gets back in the next, where it demands that; and nothing elsewhere.

The proxy remembers nothing: the client's own history carries it, also to a proxy that was started since.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers import Reply, refused
from tests.talking import BOTH, Answering, Body, assistant, call, result, said, talking, tool, user

TOOLS: dict[str, Any] = {"tools": [tool("weather"), tool("clock")], "thinking": {"type": "adaptive"}}
QUESTION = user("How warm is it?")
THOUGHT = "A thermometer\nwill tell: ¿20 °C? 🌡"

Client = Callable[[list[Body]], list[Body]]
"""What a client makes of the content of a turn before it sends it back."""


def as_it_came(content: list[Body]) -> list[Body]:
    return content


def without_thinking(content: list[Body]) -> list[Body]:
    return [block for block in content if block["type"] not in ("thinking", "redacted_thinking")]


async def second_turn(answering: Answering, stream: bool, client: Client = as_it_came, **environ: str) -> list[Body]:
    """A call, its results, and an answer, with another proxy for each turn. Gives what the backend was asked in
    the second one."""
    async with talking(answering, **environ) as talk:
        first = await talk.ask(stream, **TOOLS, messages=[QUESTION])
    calls = [block["id"] for block in first["content"] if block["type"] == "tool_use"]
    assert calls
    history = [QUESTION, assistant(*client(first["content"])), user(*map(result, calls))]
    async with talking(answering, **environ) as talk:
        second = await talk.ask(stream, **TOOLS, messages=history)
    assert second["content"][-1] == {"type": "text", "text": "Warm."}
    return talk.asked


def called(body: Body) -> Body | None:
    """The assistant's message with calls."""
    found: list[Body] = [message for message in body["messages"] if message.get("tool_calls")]
    return found[0] if found else None


def insists(field: str, thought: Any) -> Answering:
    """A backend that refuses a turn with calls unless that has exactly this under `field`."""

    def answering(body: Body) -> Reply:
        turn = called(body)
        if turn is None:
            return said(body, {field: thought}, call("weather"), finish_reason="tool_calls")
        if turn.get(field) != thought:
            return refused(400, f"Field `{field}` is missing or not what it was in the assistant message.")
        return said(body, {"content": "Warm."})

    return answering


def insists_on_something(field: str) -> Answering:
    """A backend that wants the field to be there, as DeepSeek and Kimi do where the text is lost."""

    def answering(body: Body) -> Reply:
        turn = called(body)
        if turn is None:
            return said(body, {field: THOUGHT}, call("weather"), finish_reason="tool_calls")
        if field not in turn:
            return refused(400, f"The `{field}` in the thinking mode must be passed back to the API.")
        return said(body, {"content": "Warm."})

    return answering


def refuses(body: Body) -> Reply:
    """A backend that knows no reasoning in what it is sent."""
    turn = called(body)
    if turn is None:
        return said(body, {"reasoning_content": THOUGHT}, call("weather"), finish_reason="tool_calls")
    odd = sorted(name for name in turn if name.startswith("reasoning"))
    if odd:
        return refused(400, f"property '{odd[0]}' is unsupported")
    return said(body, {"content": "Warm."})


DETAILS = [{"type": "reasoning.encrypted", "data": "b3BhcXVl", "id": "rs_1", "format": "any", "index": 0}]

INSISTENT: dict[str, tuple[str, Any]] = {
    "deepseek": ("reasoning_content", THOUGHT),
    "kimi": ("reasoning_content", THOUGHT),
    "glm": ("reasoning_content", THOUGHT),
    "vllm": ("reasoning", THOUGHT),
    "openrouter": ("reasoning_details", DETAILS),
}


@BOTH
@pytest.mark.parametrize(("dialect", "field", "thought"), [(k, *v) for k, v in INSISTENT.items()], ids=INSISTENT.keys())
async def test_a_backend_gets_back_what_it_thought(dialect: str, field: str, thought: Any, stream: bool) -> None:
    await second_turn(insists(field, thought), stream, BACKEND=dialect, MODEL="m")


@BOTH
@pytest.mark.parametrize("dialect", ["deepseek", "kimi", "plain"])
async def test_a_backend_that_insists_is_content_where_the_client_lost_it(dialect: str, stream: bool) -> None:
    asked = await second_turn(insists_on_something("reasoning_content"), stream, without_thinking, BACKEND=dialect)
    turn = called(asked[-1])
    assert turn is not None
    assert THOUGHT not in json.dumps(turn, ensure_ascii=False)


@BOTH
@pytest.mark.parametrize("dialect", ["plain", "vllm", "deepseek"])
async def test_a_backend_that_takes_none_is_sent_none(dialect: str, stream: bool) -> None:
    asked = await second_turn(refuses, stream, BACKEND=dialect)
    assert len(asked) == (1 if dialect == "plain" else 2)


# Gemini


SIGNATURE = "CtQBAVSoXO" * 30


def signed(id: str, name: str, index: int, signature: str | None) -> Body:
    (one,) = call(name, "{}", id, index)["tool_calls"]
    return {**one, **({"extra_content": {"google": {"thought_signature": signature}}} if signature else {})}


def signature_of(one: Body) -> str | None:
    found: str | None = one.get("extra_content", {}).get("google", {}).get("thought_signature")
    return found


def gemini(*calls: Body) -> Answering:
    """Wants the signatures of its calls back, each where it was."""

    def answering(body: Body) -> Reply:
        turn = called(body)
        if turn is None:
            return said(body, {"tool_calls": list(calls)}, finish_reason="tool_calls")
        if [signature_of(one) for one in turn["tool_calls"]] != [signature_of(one) for one in calls]:
            return refused(400, "Function call is missing a thought_signature in functionCall parts.")
        return said(body, {"content": "Warm."})

    return answering


CALLS = {
    "one call": [signed("call_a", "weather", 0, SIGNATURE)],
    "two calls of which the first has one": [
        signed("call_a", "weather", 0, SIGNATURE),
        signed("call_b", "clock", 1, None),
    ],
    "two calls with one each": [
        signed("call_a", "weather", 0, SIGNATURE),
        signed("call_b", "clock", 1, SIGNATURE[::-1]),
    ],
}


@BOTH
@pytest.mark.parametrize("calls", CALLS.values(), ids=CALLS.keys())
async def test_gemini_gets_its_signatures_back(calls: list[Body], stream: bool) -> None:
    asked = await second_turn(gemini(*calls), stream, BACKEND="gemini", MODEL="gemini-3-pro")
    assert len(asked) == 1


@BOTH
async def test_gemini_is_told_that_a_call_is_not_its_own(stream: bool) -> None:
    theirs = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
    foreign = {"type": "thinking", "thinking": "Hm.", "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk"}

    def answering(body: Body) -> Reply:
        return said(body, {"content": "Warm."})

    async with talking(answering, BACKEND="gemini", MODEL="gemini-3-pro") as talk:
        await talk.ask(stream, **TOOLS, messages=[QUESTION, assistant(foreign, theirs), user(result("toolu_1"))])
    turn = called(talk.asked[0])
    assert turn is not None
    assert [signature_of(one) for one in turn["tool_calls"]] == ["skip_thought_signature_validator"]


# Thinking in what a client sends

FORMS: dict[str, Body] = {
    "Anthropic's own": {"type": "thinking", "thinking": "Hm.", "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkz"},
    "with an empty signature": {"type": "thinking", "thinking": "Hm.", "signature": ""},
    "without a signature": {"type": "thinking", "thinking": "Hm."},
    "redacted": {
        "type": "redacted_thinking",
        "data": "EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIwxtE3rAFBa8cr3qpP",
    },
}


@BOTH
@pytest.mark.parametrize("dialect", ["plain", "openai", "deepseek", "gemini"])
@pytest.mark.parametrize("block", FORMS.values(), ids=FORMS.keys())
async def test_thinking_of_any_form_is_taken(block: Body, dialect: str, stream: bool) -> None:
    turn = assistant(block, {"type": "text", "text": "Warm?"})
    async with talking(lambda body: said(body, {"content": "Warm."}), BACKEND=dialect) as talk:
        message = await talk.ask(stream, **TOOLS, messages=[QUESTION, turn, user("Yes."), assistant(block)])
    assert message["content"] == [{"type": "text", "text": "Warm."}]
    for body in talk.asked:
        assert not {"thinking", "redacted_thinking", "signature"} & set(words(body["messages"]))


def words(value: Any) -> list[str]:
    """All keys and short texts in there."""
    if isinstance(value, dict):
        return [*value, *(word for one in value.values() for word in words(one))]
    if isinstance(value, list):
        return [word for one in value for word in words(one)]
    return [value] if isinstance(value, str) else []
