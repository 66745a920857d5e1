"""Models, thinking, stop sequences, a begun answer, one call at a time: each wish in the words of the backend."""

import pytest

from tests.proxying import ask
from tests.server.asgi import question
from tests.servers import Reply
from tests.talking import BOTH, Body, assistant, call, fine, said, talking, tool, user

# Models


NAMES = ["claude-haiku-4-5-20251001", "claude-opus-5[1m]", "claude-sonnet-5", "haiku", "foo"]


@BOTH
@pytest.mark.parametrize("name", NAMES)
async def test_one_model_serves_all_names(name: str, stream: bool) -> None:
    async with talking(fine, MODEL="served") as talk:
        message = await talk.ask(stream, model=name)
        assert talk.headers["x-upstream-model"] == "served"
    assert (message["model"], talk.asked[0]["model"]) == (name, "served")


# Thinking

WISHES: dict[str, Body] = {
    "unsaid": {},
    "off": {"thinking": {"type": "disabled"}},
    "adaptive": {"thinking": {"type": "adaptive"}},
    "a budget": {"thinking": {"type": "enabled", "budget_tokens": 10000}},
    "the greatest effort": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
}

ON, OFF = {"thinking": {"type": "enabled"}}, {"thinking": {"type": "disabled"}}

SPELLINGS: dict[str, list[Body]] = {
    "reasoning=effort": [
        {},
        {"reasoning_effort": "none"},
        {},
        {"reasoning_effort": "medium"},
        {"reasoning_effort": "high"},
    ],
    "reasoning=reasoning_object efforts=low,medium,high,xhigh,max": [
        {},
        {"reasoning": {"effort": "none"}},
        {"reasoning": {"enabled": True}},
        {"reasoning": {"max_tokens": 10000}},
        {"reasoning": {"effort": "max"}},
    ],
    "reasoning=thinking_object thinking_effort=true efforts=low,high,max": [
        {},
        OFF,
        ON,
        {**ON, "reasoning_effort": "high"},
        {**ON, "reasoning_effort": "max"},
    ],
    "reasoning=enable_thinking": [
        {},
        {"enable_thinking": False},
        {"enable_thinking": True},
        {"enable_thinking": True, "thinking_budget": 10000},
        {"enable_thinking": True},
    ],
    "reasoning=template": [
        {},
        {"chat_template_kwargs": {"enable_thinking": False}},
        {"chat_template_kwargs": {"enable_thinking": True}},
        {"chat_template_kwargs": {"enable_thinking": True}},
        {"chat_template_kwargs": {"enable_thinking": True}},
    ],
    "": [{}, {}, {}, {}, {}],
}
"""Dialects, each with what it is sent for the five wishes. The last is a backend that nobody described."""

THINKING_FIELDS = {
    *("reasoning_effort", "reasoning", "thinking", "enable_thinking", "thinking_budget"),
    *("chat_template_kwargs", "thinking_token_budget"),
}


@pytest.mark.parametrize("wish", range(5), ids=WISHES.keys())
@pytest.mark.parametrize("dialect", SPELLINGS)
async def test_thinking_in_each_dialects_words(dialect: str, wish: int) -> None:
    async with talking(fine, DIALECT=dialect) as talk:
        for streaming in (False, True):
            await talk.ask(streaming, max_tokens=20000, **list(WISHES.values())[wish])
    for body in talk.asked:
        assert {name: body[name] for name in body.keys() & THINKING_FIELDS} == SPELLINGS[dialect][wish]


# Stop sequences

SIX = ["###", "</a>", "END", "STOP!", "\n\nHuman:", "<|x|>"]


@BOTH
@pytest.mark.parametrize("stop", SIX)
async def test_a_stop_sequence_ends_the_text(stop: str, stream: bool) -> None:
    def ignoring(body: Body) -> Reply:
        third = max(1, len(stop) // 3)
        pieces = ["Before. ", stop[:third], stop[third : 2 * third], stop[2 * third :] + " after.", " And on."]
        return said(body, *({"content": piece} for piece in pieces if piece))

    async with talking(ignoring) as talk:
        message = await talk.ask(stream, stop_sequences=SIX)
    assert message["content"] == [{"type": "text", "text": "Before. "}]
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", stop)


@BOTH
async def test_what_only_begins_like_a_stop_sequence_comes_through(stream: bool) -> None:
    pieces = ["## a", " STOP", "? </", "b> E", "N", "D", "E", "R"]
    whole = "".join(pieces)
    assert "END" in whole
    async with talking(lambda body: said(body, *({"content": piece} for piece in pieces))) as talk:
        message = await talk.ask(stream, stop_sequences=["STOP!", "</a>", "ENDED"])
        if stream:
            deltas = [event["delta"]["text"] for event in talk.events if event["type"] == "content_block_delta"]
            assert deltas[0] == "## a"
            assert len(deltas) >= 4
    assert message["content"] == [{"type": "text", "text": whole}]


# The last word of the assistant's

BEGUN = [user("What is it?"), assistant("The answer "), assistant("is: ")]
CONTINUED: dict[str, Body] = {
    "template": {"continue_final_message": True, "add_generation_prompt": False},
    "native": {},
}


@BOTH
@pytest.mark.parametrize(("way", "flags"), CONTINUED.items(), ids=CONTINUED.keys())
async def test_an_answer_that_was_begun_is_continued(way: str, flags: Body, stream: bool) -> None:
    async with talking(fine, DIALECT=f"prefill={way}") as talk:
        await talk.ask(stream, messages=BEGUN)
    (body,) = talk.asked
    assert [message["role"] for message in body["messages"]] == ["user", "assistant"]
    assert "The answer" in body["messages"][-1]["content"]
    assert body["messages"][-1]["content"].endswith("is: ")
    assert {name: body[name] for name in flags} == flags


@BOTH
async def test_it_is_asked_for_in_words_where_the_settings_say_so(stream: bool) -> None:
    async with talking(fine, PREFILL="emulate") as talk:
        await talk.ask(stream, messages=BEGUN)
    assert [message["role"] for message in talk.asked[0]["messages"]] == ["user", "assistant", "user"]


@BOTH
async def test_else_it_is_refused_in_anthropics_words(stream: bool) -> None:
    async with talking(fine) as talk:
        answer = await ask(talk.url, question(messages=BEGUN, stream=stream))
    assert answer.outcome == "400 invalid_request_error"
    assert "does not support assistant message prefill" in answer.message
    assert talk.asked == []


# Calls

THREE = [call("a", "{}", f"call_{number}", number) for number in range(3)]


@BOTH
@pytest.mark.parametrize(("choice", "flag", "blocks"), [({}, None, 3), ({"disable_parallel_tool_use": True}, False, 1)])
async def test_calls_at_once_unless_one_at_a_time_is_asked_for(
    choice: Body, flag: bool | None, blocks: int, stream: bool
) -> None:
    async with talking(lambda body: said(body, *THREE, finish_reason="tool_calls")) as talk:
        message = await talk.ask(stream, tools=[tool("a")], tool_choice={"type": "auto", **choice})
    assert [block["type"] for block in message["content"]] == ["tool_use"] * blocks
    assert talk.asked[0].get("parallel_tool_calls") is flag
