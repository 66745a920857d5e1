"""What the scripted model says to what."""

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.demo.errors import CONTEXT_WINDOW, Refusal
from anthropic_proxy.demo.model import HINT, MODELS, answer, whole_reply
from tests.test_imports import MODULES, Module, inner_imports, late_imports, waiting_lines, worldly_imports

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}, "note": {"type": "string"}},
            "required": ["city", "unit"],
        },
    },
}
READ = {
    "type": "function",
    "function": {
        "name": "Read",
        "description": "Shows what is in a document. Never use it for directories.",
        "parameters": {"type": "object", "properties": {"file_path": {"type": "string"}}, "required": ["file_path"]},
    },
}
TOOLS = {"tools": [READ, WEATHER]}

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 640, 480) + b"\x08\x02\0\0\0"


def request(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": "demo", "messages": [{"role": "user", "content": text}], **fields}


def reply(asked: dict[str, Any]) -> dict[str, Any]:
    """The whole reply to the request."""
    chunks = answer(asked)
    assert isinstance(chunks, list)
    whole = whole_reply(chunks)
    assert isinstance(whole, dict)
    return whole


def message(asked: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = reply(asked)["choices"][0]["message"]
    return found


def calls(asked: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        (call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message(asked).get("tool_calls", [])
    ]


SPOKEN = {
    "a greeting is echoed, with a hint": (request("Hello there"), f"You said: “Hello there”. {HINT}"),
    "only the last words count": (
        request("") | {"messages": [*request("One")["messages"], {"role": "assistant"}, *request("Two")["messages"]]},
        "You said: “Two”. This is turn 2 of our talk.",
    ),
    "reminders are not the user's words": (
        request("<system-reminder>error 500</system-reminder>Hi", **TOOLS),
        "You said: “Hi”.",
    ),
    "nothing is nothing": (request("", **TOOLS), "You sent no words."),
    "parts are read too": (
        request("", **TOOLS) | {"messages": [{"role": "user", "content": [{"type": "text", "text": "In parts"}]}]},
        "You said: “In parts”.",
    ),
    "an overflowing stack is no prompt that is too long": (
        request("I had a stack overflow", **TOOLS),
        "You said: “I had a stack overflow”.",
    ),
}


@pytest.mark.parametrize(("asked", "said"), SPOKEN.values(), ids=SPOKEN.keys())
def test_an_answer_in_words(asked: dict[str, Any], said: str) -> None:
    assert message(asked) == {
        "role": "assistant",
        "content": f"I am the demo backend of anthropic-proxy: a script, not a language model. {said}",
    }


CALLS = {
    "a word of a tool's name picks it": (
        request("What is the weather in Paris?", **TOOLS),
        [("get_weather", {"city": "Paris", "unit": "C"})],
    ),
    "words of the description's first sentence pick it": (
        request("Show the document notes.txt", **TOOLS),
        [("Read", {"file_path": "notes.txt"})],
    ),
    "a value that is named in the text is chosen": (
        request("Weather in Rome in F please", **TOOLS),
        [("get_weather", {"city": "Rome", "unit": "F"})],
    ),
    "quoted words go before names": (
        request('Weather in "the old town" of Bern', **TOOLS),
        [("get_weather", {"city": "the old town", "unit": "C"})],
    ),
    "a tool without a name means the first": (
        request("use a tool", **TOOLS),
        [("Read", {"file_path": "demo file_path"})],
    ),
    "small talk calls nothing": (request("Hello, what can you do for me?", **TOOLS), []),
    "without tools nothing is called": (request("use a tool"), []),
    "several things in parallel are several calls": (
        request("Weather in Paris, Rome and New York in parallel", **TOOLS),
        [("get_weather", {"city": city, "unit": "C"}) for city in ("Paris", "Rome", "New York")],
    ),
    "both are two": (
        request("Read both a.txt and b.txt", **TOOLS),
        [("Read", {"file_path": path}) for path in ("a.txt", "b.txt")],
    ),
    "several tools at once are called one after the other": (
        request("Read weather.txt and get the weather at once", **TOOLS),
        [("get_weather", {"city": "demo city", "unit": "C"}), ("Read", {"file_path": "weather.txt"})],
    ),
    "one call at a time where the request says so": (
        request("Weather in Paris and Rome in parallel", parallel_tool_calls=False, **TOOLS),
        [("get_weather", {"city": "Paris", "unit": "C"})],
    ),
    "a required tool is called whatever is said": (
        request("Hello", tool_choice="required", **TOOLS),
        [("Read", {"file_path": "demo file_path"})],
    ),
    "a named tool is called whatever is said": (
        request("Read it", tool_choice={"type": "function", "function": {"name": "get_weather"}}, **TOOLS),
        [("get_weather", {"city": "demo city", "unit": "C"})],
    ),
    "a forbidden tool is not called": (request("use a tool", tool_choice="none", **TOOLS), []),
}


@pytest.mark.parametrize(("asked", "expected"), CALLS.values(), ids=CALLS.keys())
def test_tool_calls(asked: dict[str, Any], expected: list[tuple[str, Any]]) -> None:
    assert calls(asked) == expected
    assert reply(asked)["choices"][0]["finish_reason"] == ("tool_calls" if expected else "stop")


def test_calls_have_ids_of_their_own_and_come_in_fragments() -> None:
    chunks = answer(request("Weather in Paris and Rome in parallel", stream=True, **TOOLS))
    assert isinstance(chunks, list)
    deltas = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", [])]
    heads = [(call["index"], call["function"]["name"]) for call in deltas if "id" in call]
    assert heads == [(0, "get_weather"), (1, "get_weather")]
    assert len({call["id"] for call in deltas if "id" in call}) == 2
    assert len(deltas) > 6


def results(*news: dict[str, Any]) -> dict[str, Any]:
    called = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    talk = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [called]},
        *news,
    ]
    return {"model": "demo", "messages": talk, **TOOLS}


RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "21 °C and error 500"}
QUOTED = {
    "a result is quoted": (results(RESULT), "get_weather answered: “21 °C and error 500”."),
    "words beside a result are told too": (
        results(RESULT, {"role": "user", "content": "Use a tool"}),
        "get_weather answered: “21 °C and error 500”.\nAnd you said: “Use a tool”.",
    ),
    "a result of a call nobody knows is quoted": (
        results({"role": "tool", "content": "?"}),
        "a tool answered: “?”.",
    ),
}


@pytest.mark.parametrize(("asked", "said"), QUOTED.values(), ids=QUOTED.keys())
def test_tool_results(asked: dict[str, Any], said: str) -> None:
    assert message(asked) == {"role": "assistant", "content": said}


ERRORS = {
    "a status is given as asked": (request("Show me error 500 please"), 500, "The server had an error"),
    "a rate limit says when to come back": (request("error 429"), 429, "Rate limit reached"),
    "a long prompt is refused on request": (request("overflow"), 400, "maximum context length is 200000 tokens"),
    "a long prompt is refused": (request("word " * CONTEXT_WINDOW), 400, "maximum context length is 200000 tokens"),
    "an unknown model is named": (request("Hi") | {"model": "gpt"}, 404, "The model `gpt` does not exist."),
    "messages must be there": ({"model": "demo"}, 400, "Invalid type for 'messages'."),
    "one message at least": ({"model": "demo", "messages": []}, 400, "at least one message"),
    "a message has a role": ({"model": "demo", "messages": [{}]}, 400, "an object with a role"),
    "a body is an object": ([], 400, "must be a JSON object"),
}


@pytest.mark.parametrize(("asked", "status", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_errors(asked: Any, status: int, words: str) -> None:
    refused = answer(asked)
    assert isinstance(refused, Refusal)
    assert refused.status == status
    assert words in refused.body["error"]["message"]
    assert (refused.headers.get("retry-after") == "2") == (status == 429)


def test_an_error_in_the_stream_comes_after_the_first_words() -> None:
    chunks = answer(request("error in the stream", stream=True))
    assert isinstance(chunks, list)
    assert chunks[1]["choices"][0]["delta"]["content"]
    assert chunks[-1]["error"]["code"] == "internal_error"
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks[:-1])


def test_an_error_in_the_stream_is_the_whole_reply_to_who_wants_a_whole_one() -> None:
    chunks = answer(request("error in the stream"))
    assert isinstance(chunks, list)
    refused = whole_reply(chunks)
    assert isinstance(refused, Refusal)
    assert refused.status == 500


THINKING = {
    "nobody asked": (request("Hi"), False),
    "an effort asks for it": (request("Hi", reasoning_effort="high"), True),
    "an effort of none does not": (request("Hi", reasoning_effort="none"), False),
    "the thinking model thinks by itself": (request("Hi") | {"model": "demo-thinking"}, True),
    "unless it is told not to": (request("Hi", reasoning_effort="none") | {"model": "demo-thinking"}, False),
}


@pytest.mark.parametrize(("asked", "thinks"), THINKING.values(), ids=THINKING.keys())
def test_thinking(asked: dict[str, Any], thinks: bool) -> None:
    assert ("reasoning_content" in message(asked)) == thinks
    assert (reply(asked)["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0) == thinks


def test_thinking_comes_before_the_words() -> None:
    chunks = answer(request("Weather in Paris", stream=True, reasoning_effort="low", **TOOLS))
    assert isinstance(chunks, list)
    fields = [next(iter(chunk["choices"][0]["delta"]), "") for chunk in chunks[1:-1]]
    assert list(dict.fromkeys(fields)) == ["reasoning_content", "content", "tool_calls"]


def image(data: bytes, kind: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{base64.b64encode(data).decode()}"}}


IMAGES = {
    "one": ([image(PNG, "png")], "I see an image: PNG, 640 x 480 pixels, 29 bytes."),
    "two": (
        [image(b"GIF89a\x10\0\x20\0", "gif"), {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}],
        "I see 2 images: GIF, 16 x 32 pixels, 10 bytes; at https://example.com/a.png.",
    ),
}


@pytest.mark.parametrize(("parts", "said"), IMAGES.values(), ids=IMAGES.keys())
def test_images(parts: list[dict[str, Any]], said: str) -> None:
    assert said in message(request("") | {"messages": [{"role": "user", "content": parts}]})["content"]


LIMITED = {
    "a stop sequence cuts before it": (request("count to 20", stop=[" 7", " 9"]), "1 2 3 4 5 6", "stop"),
    "a single stop sequence": (request("count to 20", stop=" 3"), "1 2", "stop"),
    "a cap cuts": (request("count to 20", max_tokens=4), "1 2 3 4", "length"),
    "a cap by its newer name cuts": (request("count to 20", max_completion_tokens=2), "1 2", "length"),
    "a cap that is not reached changes nothing": (request("count to 5", max_tokens=5), "1 2 3 4 5", "stop"),
}


@pytest.mark.parametrize(("asked", "content", "finish"), LIMITED.values(), ids=LIMITED.keys())
def test_limits(asked: dict[str, Any], content: str, finish: str) -> None:
    choice = reply(asked)["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (content, finish)


def test_reasoning_counts_towards_the_cap() -> None:
    whole = reply(request("Hi", reasoning_effort="high", max_tokens=3))
    assert (whole["choices"][0]["message"]["content"], whole["usage"]["completion_tokens"]) == ("", 3)


def test_a_cap_can_cut_a_call() -> None:
    asked = request("Weather in Paris", max_tokens=8, **TOOLS)
    choice = reply(asked)["choices"][0]
    assert choice["finish_reason"] == "length"
    arguments = choice["message"]["tool_calls"][0]["function"]["arguments"]
    assert '{"city":"Paris","unit":"C"}'.startswith(arguments)


def test_a_schema_is_filled_in() -> None:
    schema = WEATHER["function"]
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema["parameters"]}}  # type: ignore[index]
    asked = request("About Rome in F", response_format=form)
    assert json.loads(message(asked)["content"]) == {"city": "Rome", "unit": "F"}


def test_any_json_object_will_do() -> None:
    asked = request("Hi", response_format={"type": "json_object"})
    assert json.loads(message(asked)["content"]) == {"demo": True, "you_said": "Hi"}


def test_usage_is_streamed_only_where_it_is_asked_for() -> None:
    silent = answer(request("Hi", stream=True))
    told = answer(request("Hi", stream=True, stream_options={"include_usage": True}))
    assert isinstance(silent, list)
    assert isinstance(told, list)
    assert silent == told[:-1]
    assert told[-1]["choices"] == []
    assert told[-1]["usage"] == reply(request("Hi"))["usage"]


def test_what_was_there_in_the_turn_before_comes_from_the_cache() -> None:
    first = request("word " * 400)
    second = {"model": "demo", "messages": [*first["messages"], {"role": "assistant", "content": "x"}, RESULT]}
    cached = [reply(asked)["usage"]["prompt_tokens_details"]["cached_tokens"] for asked in (first, second)]
    assert cached == [0, reply(first)["usage"]["prompt_tokens"] // 16 * 16]


@pytest.mark.parametrize("model", MODELS)
def test_the_same_request_gives_the_same_reply(model: str) -> None:
    asked = request("Weather in Paris", **TOOLS) | {"model": model}
    assert answer(asked) == answer(json.loads(json.dumps(asked)))


KEYS = (
    *("type", "text", "function", "name", "image_url", "url", "include_usage"),
    *("json_schema", "schema", "parameters", "properties", "required", "enum", "items", "$ref", "anyOf", "allOf"),
)
VALUES = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(("json_schema", "#", "object"))
)
JSON = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(("user", "assistant", "tool"))},
        optional=dict.fromkeys(("content", "tool_calls", "tool_call_id"), JSON),
    ),
    min_size=1,
    max_size=4,
)
FIELDS = (
    *("tools", "tool_choice", "parallel_tool_calls", "response_format", "stop", "stream", "stream_options"),
    *("max_tokens", "reasoning_effort"),
)
REQUESTS = st.fixed_dictionaries({"model": st.just("demo"), "messages": MESSAGES}, optional=dict.fromkeys(FIELDS, JSON))


@given(JSON | REQUESTS)
def test_nothing_makes_it_fail(asked: Any) -> None:
    chunks = answer(asked)
    if isinstance(chunks, list):
        assert isinstance(whole_reply(chunks), dict)
    else:
        assert chunks.status in (400, 404)


WAITING = {"anthropic_proxy.demo.server", "anthropic_proxy.demo.command"}
PURE = [module for module in MODULES if module.name.startswith("anthropic_proxy.demo.") and module.name not in WAITING]


@pytest.mark.parametrize("module", PURE, ids=lambda module: module.name)
def test_the_model_itself_is_pure(module: Module) -> None:
    assert (worldly_imports(module), waiting_lines(module), late_imports(module)) == ([], [], [])
    outside = {
        name for name in inner_imports(module) if not name.startswith(("anthropic_proxy.demo", "anthropic_proxy.wire"))
    }
    assert outside == set()
