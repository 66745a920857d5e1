"""Backends that stream oddly, cut their bytes anywhere, or break off: the client gets a whole message, or an error."""

import gzip
import json
from typing import Any

import pytest
from anthropic import APIError, AsyncAnthropic

from anthropic_proxy.config import Settings
from tests.proxying import ask, proxying
from tests.scripted import Close, ScriptedServer, Send, Step, chunk, reply, stream, stream_head
from tests.server.asgi import question
from tests.servers import Reply, streamed
from tests.talking import BOTH, Body, call, said, talking, tool

TOOLS: dict[str, Any] = {"tools": [tool("weather"), tool("clock")]}


# Calls


def part(index: int | None = 0, id: str | None = None, name: str | None = None, arguments: Any = None) -> Body:
    """One entry of `tool_calls`, without what is None."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    found = {"index": index, "id": id, "function": function}
    return {key: value for key, value in found.items() if value is not None}


def calls(*parts: Body) -> Body:
    return {"tool_calls": list(parts)}


ROME, CET = {"city": "Rome"}, {"zone": "CET"}

QUIRKS: dict[str, tuple[list[Body], list[Any]]] = {
    "without index": (
        [calls(part(None, "a", "weather", '{"city"')), calls(part(None, None, None, ':"Rome"}'))],
        [ROME],
    ),
    "two without index": (
        [calls(part(None, "a", "weather", '{"city":"Rome"}')), calls(part(None, "b", "clock", '{"zone":"CET"}'))],
        [ROME, CET],
    ),
    "with id and name in every chunk": (
        [calls(part(0, "a", "weather", '{"city"')), calls(part(0, "a", "weather", ':"Rome"}'))],
        [ROME],
    ),
    "with an empty name later": (
        [calls(part(0, "a", "weather", '{"city"')), calls(part(0, "", "", ':"Rome"}'))],
        [ROME],
    ),
    "with arguments that are an object": ([calls(part(0, "a", "weather", ROME))], [ROME]),
    "with arguments that are null": (
        [calls({"index": 0, "id": "a", "function": {"name": "weather", "arguments": None}})],
        [{}],
    ),
    "with empty arguments": ([calls(part(0, "a", "weather", ""))], [{}]),
    "with an empty object first": (
        [calls(part(0, "a", "weather", "{}")), calls(part(0, None, None, '{"city":"Rome"}'))],
        [ROME],
    ),
    "with all arguments so far each time": (
        [
            calls(part(0, "a", "weather", '{"city"')),
            calls(part(0, None, None, '{"city":"Ro')),
            calls(part(0, None, None, '{"city":"Rome"}')),
        ],
        [ROME],
    ),
    "several in one chunk": (
        [calls(part(0, "a", "weather", '{"city":"Rome"}'), part(1, "b", "clock", '{"zone":"CET"}'))],
        [ROME, CET],
    ),
    "with a name that comes late": (
        [calls(part(0, "a", None, '{"city":')), calls(part(0, None, "weather", '"Rome"}'))],
        [ROME],
    ),
    "with another id under the same index": (
        [calls(part(0, "a", "weather", '{"city":"Rome"}')), calls(part(0, "b", "clock", '{"zone":"CET"}'))],
        [ROME, CET],
    ),
    "interleaved": (
        [
            calls(part(0, "a", "weather", '{"ci')),
            calls(part(1, "b", "clock", '{"zo')),
            calls(part(0, None, None, 'ty":"Rome"}')),
            calls(part(1, None, None, 'ne":"CET"}')),
        ],
        [ROME, CET],
    ),
    "with one id for both": (
        [calls(part(0, "a", "weather", '{"city":"Rome"}')), calls(part(1, "a", "clock", '{"zone":"CET"}'))],
        [ROME, CET],
    ),
    "without an id": ([calls(part(0, None, "weather", '{"city":"Rome"}'))], [ROME]),
    "broken off at the end": ([calls(part(0, "a", "weather", '{"city":"Rome"'))], [ROME]),
}


@pytest.mark.parametrize(("deltas", "inputs"), QUIRKS.values(), ids=QUIRKS.keys())
async def test_calls(deltas: list[Body], inputs: list[Any]) -> None:
    async with talking(lambda body: streamed(*deltas, finish_reason="tool_calls")) as talk:
        for streaming in (False, True):
            message = await talk.ask(streaming, **TOOLS)
            assert [block["input"] for block in message["content"]] == inputs
            assert [block["name"] for block in message["content"]] == ["weather", "clock"][: len(inputs)]
            assert len({block["id"] for block in message["content"]}) == len(inputs)
            assert message["stop_reason"] == "tool_use"


async def test_arguments_that_nothing_can_mend_are_handed_on_as_they_are() -> None:
    """An empty object in their place would be a call that the model never made."""
    deltas = [calls(part(0, "a", "weather", "Rome, I think"))]
    async with talking(lambda body: streamed(*deltas, finish_reason="tool_calls")) as talk:
        for streaming in (False, True):
            message = await talk.ask(streaming, **TOOLS)
            assert message["content"][0]["input"] == {"__unparsed_arguments": "Rome, I think"}


# Bytes and frames


def event(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def says(text: Any, finish: Any = None) -> bytes:
    return event(choices=[{"index": 0, "delta": {"content": text}, "finish_reason": finish}])


END = event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
DONE = b"data: [DONE]\n\n"


def framed(*events: bytes) -> bytes:
    return b"".join(b"data: " + one + b"\n\n" for one in events)


ODD: dict[str, bytes] = {
    "no choices at first": framed(event(choices=[], prompt_filter_results=[]), says("Hello."), END) + DONE,
    "no delta": framed(event(choices=[{"index": 0}]), says("Hello."), END) + DONE,
    "a delta that is null": framed(event(choices=[{"index": 0, "delta": None}]), says("Hello."), END) + DONE,
    "a text that is null": framed(says(None), says("Hello."), says(None), END) + DONE,
    "a role alone": framed(event(choices=[{"index": 0, "delta": {"role": "assistant"}}]), says("Hello."), END) + DONE,
    "fields nobody knows": framed(event(x=[1], choices=[{"x": 1, "delta": {"x": {}, "content": "Hello."}}]), END)
    + DONE,
    "carriage returns and comments": b": hello\r\n\r\n" + framed(says("Hello."), END).replace(b"\n", b"\r\n") + DONE,
    "no space after the colon": (framed(says("Hello."), END) + DONE).replace(b"data: ", b"data:"),
    "no end mark": framed(says("Hello."), END),
    "two objects in one event": b"data: " + says("Hel") + says("lo.") + b"\n\n" + framed(END) + DONE,
    "a byte order mark": b"\xef\xbb\xbf" + framed(says("Hello."), END) + DONE,
    "a text in parts": framed(says([{"type": "text", "text": "Hello."}]), END) + DONE,
    "a finish reason that is empty": framed(says("Hel", ""), says("lo.", ""), END) + DONE,
    "names of events": b"event: chunk\nid: 1\nretry: 9\n" + framed(says("Hello."), END) + DONE,
}


@BOTH
@pytest.mark.parametrize("body", ODD.values(), ids=ODD.keys())
async def test_oddities(body: bytes, stream: bool) -> None:
    async with talking(lambda request: Reply([body], "text/event-stream")) as talk:
        message = await talk.ask(stream)
    assert message["content"] == [{"type": "text", "text": "Hello."}]
    assert message["stop_reason"] == "end_turn"


async def test_a_finish_with_nothing_before_it_is_an_empty_message() -> None:
    async with talking(lambda request: Reply([framed(END) + DONE], "text/event-stream")) as talk:
        for streaming in (False, True):
            message = await talk.ask(streaming)
            assert (message["content"], message["stop_reason"]) == ([], "end_turn")


@BOTH
async def test_compressed_without_being_asked(stream: bool) -> None:
    body = gzip.compress(framed(says("Hello."), END) + DONE)
    headers = {"content-encoding": "gzip", "content-type": "text/event-stream"}
    async with ScriptedServer([Send(reply(body, headers=headers))]) as backend:
        settings = Settings.from_env({"OPENAI_API_BASE": f"{backend.url}/v1", "BACKEND": "plain", "MODEL": "m"})
        async with proxying(settings) as url:
            assert (await ask(url, question(stream=stream))).texts == ["Hello."]


WORDS = "你好，世界！👩‍🚀 こんにちは 🌍"


@BOTH
async def test_characters_that_come_byte_by_byte(stream: bool) -> None:
    """One write each; then as two halves of a pair, each in an event of its own."""
    text = {"choices": [{"index": 0, "delta": {"content": WORDS}}]}
    halves = [rb'{"choices":[{"delta":{"content":"%b"}}]}' % half for half in (rb"\ud83c", rb"\udf0d")]
    written = framed(json.dumps(text, ensure_ascii=False).encode(), *halves, END)
    parts = [bytes([byte]) for byte in written + DONE]
    assert len(parts) > len(WORDS)
    async with talking(lambda request: Reply(parts, "text/event-stream")) as talk:
        message = await talk.ask(stream)
        for one in talk.events if stream else ():
            assert "\ufffd" not in json.dumps(one, ensure_ascii=False)
    assert message["content"] == [{"type": "text", "text": WORDS + "🌍"}]


# Breaks


def cut(*parts: bytes) -> list[Step]:
    """Closes without a last chunk."""
    return [Send(stream_head()), *(Send(chunk(one)) for one in parts), Close()]


def calling(arguments: str) -> bytes:
    return framed(event(choices=[{"index": 0, "delta": call("weather", arguments)}]))


BROKEN: dict[str, list[Step]] = {
    "after text": cut(framed(says("Hel"))),
    "in the arguments of a call": cut(calling('{"city": "Ro')),
    "after the headers": cut(),
    "with an error for a chunk": stream(framed(says("Hel"), event(error={"message": "out of memory"}))),
    "without an end, in good manner": stream(framed(says("Hel"))),
    "without anything at all": stream(),
}


@BOTH
@pytest.mark.parametrize("steps", BROKEN.values(), ids=BROKEN.keys())
async def test_a_reply_that_breaks_off_is_an_error(steps: list[Step], stream: bool) -> None:
    """Also for the SDK; and a stream that has begun ends in an `error` event, whatever is open."""
    async with ScriptedServer(steps) as backend:
        settings = Settings.from_env({"OPENAI_API_BASE": f"{backend.url}/v1", "BACKEND": "plain", "MODEL": "m"})
        async with proxying(settings) as url, AsyncAnthropic(base_url=url, api_key="any", max_retries=0) as client:
            answer = await ask(url, question(stream=stream))
            with pytest.raises(APIError):
                await built(client, stream)
    if answer.status == 200:
        assert answer.outcome.startswith("event ")
        assert "message_delta" not in [event["type"] for event in answer.events]


async def built(client: AsyncAnthropic, stream: bool) -> None:
    """The message, as the SDK builds it."""
    asked: Any = question()
    if not stream:
        await client.messages.create(**asked)
        return
    async with client.messages.stream(**asked) as events:
        await events.get_final_message()


# Thinking and calls in the text

TAGS: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
    "at the start": ("think_tags=true", "<think>Hm.</think>\n\nYes.", [("thinking", "Hm."), ("text", "Yes.")]),
    "a stray closing tag": ("think_tags=true", "</think>\n\nYes.", [("text", "Yes.")]),
    "in a code block": (
        "think_tags=true",
        "Try:\n```\n<think>x</think>\n```",
        [("text", "Try:\n```\n<think>x</think>\n```")],
    ),
    "where nobody writes any": ("", "<think>x</think> is a tag.", [("text", "<think>x</think> is a tag.")]),
    "a call in words": (
        "",
        '<|tool_call_begin|>functions.weather:0 {"city": "Rome"}',
        [("text", '<|tool_call_begin|>functions.weather:0 {"city": "Rome"}')],
    ),
}


@BOTH
@pytest.mark.parametrize(("dialect", "text", "blocks"), TAGS.values(), ids=TAGS.keys())
async def test_tags(dialect: str, text: str, blocks: list[tuple[str, str]], stream: bool) -> None:
    def answering(body: Body) -> Reply:
        return said(body, *({"content": letter} for letter in text))

    async with talking(answering, DIALECT=dialect) as talk:
        message = await talk.ask(stream, thinking={"type": "adaptive"}, **TOOLS)
    assert [(block["type"], block[block["type"]]) for block in message["content"]] == blocks
