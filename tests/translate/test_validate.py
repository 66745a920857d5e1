"""The door: what a request may be, what its shorthands mean, and how what is wrong is said."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.errors import InvalidRequest
from anthropic_proxy.translate.checks import Wrong
from anthropic_proxy.translate.usual import are_usual
from anthropic_proxy.translate.validate import checked_messages, messages_request
from tests.translate.conversations import json_values, places, requests, with_unknown_fields, with_value

HELLO = {"role": "user", "content": "Hello?"}
BODY: dict[str, Any] = {"model": "my-model", "max_tokens": 10, "messages": [HELLO]}
TOOL = {"name": "get_time", "input_schema": {"type": "object"}}
SCHEMA = {"type": "json_schema", "schema": {"type": "object"}}


def saying(*blocks: object, role: str = "user") -> dict[str, Any]:
    """The changes that put these blocks into the only message."""
    return {"messages": [HELLO, {"role": role, "content": list(blocks)}]}


def result(*blocks: object) -> dict[str, Any]:
    return saying({"type": "tool_result", "tool_use_id": "t", "content": list(blocks)})


def image(source: object) -> dict[str, Any]:
    return {"type": "image", "source": source}


def document(source: object, **more: object) -> dict[str, Any]:
    return {"type": "document", "source": source, **more}


STRING, OBJECT, LIST = "Input should be a valid string", "Input should be an object", "Input should be a valid list"
INTEGER, NUMBER = "Input should be a valid integer", "Input should be a valid number"
AMOUNT = "Input should be greater than or equal to 0, and finite"

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no model": ({"model": None}, "model: Field required"),
    "no max_tokens": ({"max_tokens": None}, "max_tokens: Field required"),
    "no messages": ({"messages": None}, "messages: Field required"),
    "a model that is no text": ({"model": 5}, f"model: {STRING}"),
    "a model without a name": ({"model": " "}, "model: Input should not be empty"),
    "max_tokens as text": ({"max_tokens": "10"}, f"max_tokens: {INTEGER}"),
    "max_tokens as a boolean": ({"max_tokens": True}, f"max_tokens: {INTEGER}"),
    "max_tokens with a fraction": ({"max_tokens": 1.5}, f"max_tokens: {INTEGER}"),
    "max_tokens below zero": ({"max_tokens": -1}, f"max_tokens: {AMOUNT}"),
    "a temperature as text": ({"temperature": "hot"}, f"temperature: {NUMBER}"),
    "a temperature below zero": ({"temperature": -0.1}, f"temperature: {AMOUNT}"),
    "a temperature without end": ({"temperature": float("inf")}, f"temperature: {AMOUNT}"),
    "top_p below zero": ({"top_p": -1}, f"top_p: {AMOUNT}"),
    "top_k with a fraction": ({"top_k": 1.5}, f"top_k: {INTEGER}"),
    "top_k below zero": ({"top_k": -1}, f"top_k: {AMOUNT}"),
    "stream as text": ({"stream": "yes"}, "stream: Input should be a valid boolean"),
    "messages that are no list": ({"messages": {}}, f"messages: {LIST}"),
    "not one message": ({"messages": []}, "messages: at least one message is required"),
    "messages of the system alone": (
        {"messages": [{"role": "system", "content": "Be kind."}]},
        "messages: at least one message is required",
    ),
    "a message that is no object": ({"messages": ["Hello?"]}, f"messages.0: {OBJECT}"),
    "a role nobody knows": (
        {"messages": [{"role": "tool", "content": "x"}]},
        "messages.0.role: Input should be 'user', 'assistant' or 'system'",
    ),
    "a role that is no text": (
        {"messages": [{"role": ["user"], "content": "x"}]},
        "messages.0.role: Input should be 'user', 'assistant' or 'system'",
    ),
    "a message without content": ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
    "content that is a number": (
        {"messages": [{"role": "user", "content": 5}]},
        "messages.0.content: Input should be a valid string or a list of blocks",
    ),
    "a block that is no object": (saying("Hello?"), f"messages.1.content.0: {OBJECT}"),
    "a block without a type": (saying({"text": "x"}), "messages.1.content.0.type: Field required"),
    "a block whose type is no text": (saying({"type": ["text"]}), "messages.1.content.0.type: Field required"),
    "a text without text": (saying({"type": "text"}), "messages.1.content.0.text: Field required"),
    "a text that is a number": (saying({"type": "text", "text": 5}), f"messages.1.content.0.text: {STRING}"),
    "a mark that is no object": (
        saying({"type": "text", "text": "x", "cache_control": "ephemeral"}),
        f"messages.1.content.0.cache_control: {OBJECT}",
    ),
    "an image without a source": (saying({"type": "image"}), "messages.1.content.0.source: Field required"),
    "a source nobody knows": (
        saying(image({"type": "path", "path": "/etc"})),
        "messages.1.content.0.source.type: Input should be 'base64' or 'url' or 'file'",
    ),
    "a source whose type is no text": (
        saying(document({"type": ["url"]})),
        "messages.1.content.0.source.type: Input should be 'base64' or 'text' or 'content' or 'url' or 'file'",
    ),
    "an image of text": (
        saying(image({"type": "text", "data": "x"})),
        "messages.1.content.0.source.type: Input should be 'base64' or 'url' or 'file'",
    ),
    "base64 without data": (
        saying(image({"type": "base64", "media_type": "image/png"})),
        "messages.1.content.0.source.data: Field required",
    ),
    "base64 without a media type": (
        saying(image({"type": "base64", "data": "x"})),
        "messages.1.content.0.source.media_type: Field required",
    ),
    "a URL that is no text": (
        saying(image({"type": "url", "url": {}})),
        f"messages.1.content.0.source.url: {STRING}",
    ),
    "a document in base64 that is no PDF": (
        saying(document({"type": "base64", "media_type": "text/plain", "data": "x"})),
        "messages.1.content.0.source.media_type: Input should be 'application/pdf'",
    ),
    "a document with a fault inside": (
        saying(document({"type": "content", "content": [{"type": "text"}]})),
        "messages.1.content.0.source.content.0.text: Field required",
    ),
    "a title that is no text": (
        saying(document({"type": "text", "data": "x"}, title={})),
        f"messages.1.content.0.title: {STRING}",
    ),
    "a search result with a picture": (
        saying({"type": "search_result", "source": "s", "title": "t", "content": [image({"type": "url", "url": "u"})]}),
        "messages.1.content.0.content.0.type: Input should be 'text'",
    ),
    "a result without its call's id": (
        saying({"type": "tool_result", "content": "x"}),
        "messages.1.content.0.tool_use_id: Field required",
    ),
    "a result that is a number": (
        saying({"type": "tool_result", "tool_use_id": "t", "content": 5}),
        "messages.1.content.0.content: Input should be a valid string or a list of blocks",
    ),
    "a fault in a result": (result({"type": "text"}), "messages.1.content.0.content.0.text: Field required"),
    "a reference without a name": (
        result({"type": "tool_reference"}),
        "messages.1.content.0.content.0.tool_name: Field required",
    ),
    "a call without an id": (
        saying({"type": "tool_use", "name": "x"}, role="assistant"),
        "messages.1.content.0.id: Field required",
    ),
    "a call's input that is a list": (
        saying({"type": "tool_use", "id": "t", "name": "x", "input": []}, role="assistant"),
        f"messages.1.content.0.input: {OBJECT}",
    ),
    "a toolset's name that is no text": (
        saying({"type": "tool_use", "id": "t", "name": "x", "toolset_name": {}}, role="assistant"),
        f"messages.1.content.0.toolset_name: {STRING}",
    ),
    "an answer to no text": (
        saying({"type": "from_the_future", "tool_use_id": []}, role="assistant"),
        f"messages.1.content.0.tool_use_id: {STRING}",
    ),
    "thinking that is no text": (
        saying({"type": "thinking", "thinking": {}}, role="assistant"),
        f"messages.1.content.0.thinking: {STRING}",
    ),
    "a signature that is no text": (
        saying({"type": "thinking", "thinking": "x", "signature": 5}, role="assistant"),
        f"messages.1.content.0.signature: {STRING}",
    ),
    "hidden thinking that is no text": (
        saying({"type": "redacted_thinking", "data": 5}, role="assistant"),
        f"messages.1.content.0.data: {STRING}",
    ),
    "a summary that is no text": (
        saying({"type": "compaction", "content": []}, role="assistant"),
        f"messages.1.content.0.content: {STRING}",
    ),
    "a picture from the system": (
        saying(image({"type": "url", "url": "u"}), role="system"),
        "messages.1.content.0.type: Input should be 'text' or 'tool_addition' or 'tool_removal'",
    ),
    "an output_config of a message that is no object": (
        {"messages": [HELLO, {"role": "system", "content": "x", "output_config": 5}]},
        f"messages.1.output_config: {OBJECT}",
    ),
    "a system prompt that is a number": (
        {"system": 5},
        "system: Input should be a valid string or a list of blocks",
    ),
    "a system prompt with a picture": (
        {"system": [{"type": "text", "text": "x"}, image({"type": "url", "url": "u"})]},
        "system.1.type: Input should be 'text'",
    ),
    "tools that are no list": ({"tools": {}}, f"tools: {LIST}"),
    "a tool that is no object": ({"tools": ["x"]}, f"tools.0: {OBJECT}"),
    "a tool without a name": ({"tools": [{"input_schema": {}}]}, "tools.0.custom.name: Field required"),
    "a tool with an empty name": ({"tools": [{**TOOL, "name": ""}]}, "tools.0.name: Input should not be empty"),
    "a tool without a schema": (
        {"tools": [TOOL, {"name": "x", "type": "custom"}]},
        "tools.1.custom.input_schema: Field required",
    ),
    "a schema that is no object": ({"tools": [{**TOOL, "input_schema": []}]}, f"tools.0.input_schema: {OBJECT}"),
    "a tool's type that is no text": ({"tools": [{**TOOL, "type": 5}]}, f"tools.0.type: {STRING}"),
    "a place that is no object": (
        {"tools": [{"type": "web_search_20250305", "name": "web_search", "user_location": "Bonn"}]},
        f"tools.0.user_location: {OBJECT}",
    ),
    "a choice that is text": ({"tool_choice": "any"}, f"tool_choice: {OBJECT}"),
    "a choice nobody knows": (
        {"tool_choice": {"type": "required"}},
        "tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'",
    ),
    "a choice of no tool": ({"tool_choice": {"type": "tool"}}, "tool_choice.name: Field required"),
    "a stop sequence that is no text": ({"stop_sequences": ["a", 5]}, f"stop_sequences.1: {STRING}"),
    "a stop sequence of white space": (
        {"stop_sequences": ["a", "\n\n"]},
        "stop_sequences: each stop sequence must contain non-whitespace",
    ),
    "thinking as text": ({"thinking": "yes"}, "thinking: Input should be an object or a boolean"),
    "thinking of no known kind": (
        {"thinking": {"type": "hard"}},
        "thinking.type: Input should be one of enabled, adaptive, disabled, between_tools",
    ),
    "a budget as text": (
        {"thinking": {"type": "enabled", "budget_tokens": "x"}},
        f"thinking.budget_tokens: {INTEGER}",
    ),
    "an effort that is no text": ({"output_config": {"effort": 5}}, f"output_config.effort: {STRING}"),
    "a format nobody knows": (
        {"output_config": {"format": {"type": "xml"}}},
        "output_config.format.type: Input should be 'json_schema'",
    ),
    "a format without a schema": (
        {"output_config": {"format": {"type": "json_schema"}}},
        "output_config.format.schema: Field required",
    ),
    "the older format nobody knows": (
        {"output_format": {"type": "xml"}},
        "output_format.type: Input should be 'json_schema'",
    ),
    "two formats": (
        {"output_format": SCHEMA, "output_config": {"format": {"type": "json_schema", "schema": {}}}},
        "output_format: differs from output_config.format; send one of the two",
    ),
    "metadata that is no object": ({"metadata": "me"}, f"metadata: {OBJECT}"),
    "edits that are no list": ({"context_management": {"edits": {}}}, f"context_management.edits: {LIST}"),
    "an edit without a type": (
        {"context_management": {"edits": [{}]}},
        "context_management.edits.0: Input should be an object with a type",
    ),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_wrong_is_named_by_its_place(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        messages_request(copy.deepcopy({**BODY, **changes}))
    assert caught.value.message == message


@pytest.mark.parametrize("body", [None, [], "x", 5, True])
def test_a_body_is_an_object(body: object) -> None:
    with pytest.raises(InvalidRequest, match=r"^body: Input should be an object$"):
        messages_request(body)


TEXT = [{"type": "text", "text": "Hello?"}]

READ: dict[str, tuple[dict[str, Any], str, Any]] = {
    "a string is one block of text": ({}, "messages", [{"role": "user", "content": TEXT}]),
    "so is a system prompt": ({"system": "Hello?"}, "system", TEXT),
    "so is what a document holds": (
        {"messages": [{"role": "user", "content": [document({"type": "content", "content": "Hello?"})]}]},
        "messages",
        [{"role": "user", "content": [document({"type": "content", "content": TEXT})]}],
    ),
    "a result without content has none": (
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}]},
        "messages",
        [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": []}]}],
    ),
    "a system message may bring nothing but its effort": (
        {"messages": [HELLO, {"role": "system", "output_config": {"effort": "low"}}]},
        "messages",
        [
            {"role": "user", "content": TEXT},
            {"role": "system", "content": [], "output_config": {"effort": "low"}},
        ],
    ),
    "null is absent": ({"temperature": None, "thinking": None, "system": None}, "temperature", None),
    "thinking may be true": ({"thinking": True}, "thinking", {"type": "adaptive"}),
    "or false": ({"thinking": False}, "thinking", {"type": "disabled"}),
    "a whole number may be written with a point": ({"max_tokens": 10.0}, "max_tokens", 10),
    "a number may be whole": ({"temperature": 1}, "temperature", 1),
    "the older format moves to its new place": ({"output_format": SCHEMA}, "output_config", {"format": SCHEMA}),
    "where null was before": (
        {"output_format": SCHEMA, "output_config": {"format": None, "effort": "low"}},
        "output_config",
        {"format": SCHEMA, "effort": "low"},
    ),
    "both may say the same": (
        {"output_format": SCHEMA, "output_config": {"format": SCHEMA}},
        "output_config",
        {"format": SCHEMA},
    ),
    "no edits are none": ({"context_management": {}}, "context_management", {"edits": []}),
    "an input may be text that was encoded twice": (
        {
            "messages": [
                HELLO,
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "x", "input": "{}"}]},
            ]
        },
        "model",
        "my-model",
    ),
    "a tool of a type has no schema": ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "model", "my-model"),
}


@pytest.mark.parametrize(("changes", "field", "expected"), READ.values(), ids=READ.keys())
def test_shorthands_are_written_out(changes: dict[str, Any], field: str, expected: object) -> None:
    request: Any = messages_request(copy.deepcopy({**BODY, **changes}))
    assert request.get(field) == expected


def test_a_missing_model_may_be_given_by_the_settings() -> None:
    assert messages_request({**BODY, "model": None}, default_model="theirs")["model"] == "theirs"
    assert messages_request(BODY, default_model="theirs")["model"] == "my-model"


def test_counting_tokens_needs_no_cap() -> None:
    assert messages_request({**BODY, "max_tokens": None}, count=True)["max_tokens"] == 1


def test_what_is_nested_too_deeply_is_refused() -> None:
    block: dict[str, Any] = {"type": "text", "text": "x"}
    for _ in range(2000):
        block = {"type": "tool_result", "tool_use_id": "t", "content": [block]}
    with pytest.raises(InvalidRequest, match="nested too deeply"):
        messages_request({**BODY, "messages": [{"role": "user", "content": [block]}]})


@given(requests)
def test_fields_from_the_future_are_never_refused(body: dict[str, Any]) -> None:
    messages_request(with_unknown_fields(body))


def refusal(body: object) -> str | None:
    """The message of the error, None where there is none."""
    try:
        messages_request(body)
    except InvalidRequest as error:
        return error.message
    return None


@given(json_values)
def test_whatever_comes_is_taken_or_refused(body: object) -> None:
    assert refusal(body) != ""


@given(st.data(), requests, json_values | st.just([[]]) | st.just({"type": []}))
def test_any_value_at_any_place_is_taken_or_refused(data: st.DataObject, body: dict[str, Any], value: object) -> None:
    place = data.draw(st.sampled_from(places(body)))
    assert refusal(with_value(body, place, value)) != ""


plain_words = st.text(max_size=4)
usual_blocks: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": plain_words}, optional={"cache_control": st.just({})}),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": plain_words, "signature": plain_words}),
    st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": plain_words}),
    st.fixed_dictionaries(
        {"type": st.just("tool_use"), "id": plain_words, "name": plain_words, "input": st.just({"a": [1]})},
        optional={"toolset_name": st.just("browser")},
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("tool_result"),
            "tool_use_id": plain_words,
            "content": plain_words | st.lists(st.just({"type": "text", "text": "x"}), max_size=2),
        },
        optional={"is_error": st.booleans()},
    ),
)
usual_messages = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "assistant"]),
            "content": plain_words | st.lists(usual_blocks, max_size=3),
        }
    ),
    min_size=2,
    max_size=4,
)


@given(usual_messages)
def test_usual_messages_take_the_short_way(messages: list[Any]) -> None:
    assert are_usual(messages)


@given(st.data(), usual_messages, json_values | st.sampled_from(["text", "tool_result", "image", "system", [], {}]))
def test_the_short_way_comes_to_what_the_long_one_does(data: st.DataObject, messages: list[Any], value: object) -> None:
    """With any value at any place, or a field less, too."""
    place = data.draw(st.sampled_from(places(messages)))
    changed = with_value(messages, place, value)
    if data.draw(st.booleans()):
        target = changed
        for key in place[:-1]:
            target = target[key]
        del target[place[-1]]
    long_way: object
    try:
        long_way = checked_messages(copy.deepcopy(changed))
    except Wrong as wrong:
        long_way = f"messages.{wrong}"
    short_way: object
    try:
        short_way = messages_request({**BODY, "messages": changed})["messages"]
    except InvalidRequest as error:
        short_way = error.message
    assert short_way == long_way
