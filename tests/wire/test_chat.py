"""Reading chunks: what fits is kept, what surprises reads as absent."""

import json
from typing import Any
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.wire.chat import ChatChunk, Choice, Delta, _TextDelta, chat_chunk, lenient_chunk, text_alone
from anthropic_proxy.wire.json import InvalidJson, dumps

CHUNKS = {
    "a regular chunk": (
        b'{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}],"usage":null}',
        ChatChunk(id="c", model="m", choices=[Choice(index=0, delta=Delta(content="x"))]),
    ),
    "a whole reply": (
        b'{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}',
        ChatChunk(choices=[Choice(message=Delta(content="x"), finish_reason="stop")], usage={"prompt_tokens": 1}),
    ),
    "unknown fields are passed over": (
        b'{"x":1,"choices":[{"y":2,"delta":{"z":3,"content":"x"}}]}',
        ChatChunk(choices=[Choice(delta=Delta(content="x"))]),
    ),
    "no choices": (b"{}", ChatChunk()),
    "empty choices": (b'{"choices":[]}', ChatChunk(choices=[])),
    "choices null": (b'{"choices":null}', ChatChunk()),
    "a leaf of any type is kept for the reader to look at": (
        b'{"id":7,"choices":[{"index":"0","delta":{"content":[{"text":"x"}],"tool_calls":{}}}]}',
        ChatChunk(id=7, choices=[Choice(index="0", delta=Delta(content=[{"text": "x"}], tool_calls={}))]),
    ),
    "delta null": (b'{"choices":[{"delta":null}]}', ChatChunk(choices=[Choice()])),
    "a delta that is no object reads as absent, the rest stays": (
        b'{"id":"c","choices":[{"index":0,"delta":"x","finish_reason":"stop"},{"delta":{"content":"y"}}]}',
        ChatChunk(id="c", choices=[Choice(index=0, finish_reason="stop"), Choice(delta=Delta(content="y"))]),
    ),
    "a choice that is no object is left out": (
        b'{"choices":[null,"x",{"delta":{"content":"y"}}]}',
        ChatChunk(choices=[Choice(delta=Delta(content="y"))]),
    ),
    "choices that are no list read as absent": (b'{"id":"c","choices":{"0":{}}}', ChatChunk(id="c")),
    "half a surrogate pair is kept for the next chunk's half": (
        rb'{"choices":[{"delta":{"content":"\ud83d"}}]}',
        ChatChunk(choices=[Choice(delta=Delta(content="\ud83d"))]),
    ),
    "an error": (b'{"error":{"message":"m"}}', ChatChunk(error={"message": "m"})),
    "an error in a list of one": (b'[{"error":{"message":"m"}}]', ChatChunk(error={"message": "m"})),
    "any other list is an error as a whole": (b"[1,2]", ChatChunk(error=[1, 2])),
    "a string is an error": (b'"overloaded"', ChatChunk(error="overloaded")),
}


@pytest.mark.parametrize(("data", "chunk"), CHUNKS.values(), ids=CHUNKS.keys())
def test_chunk(data: bytes, chunk: ChatChunk) -> None:
    assert chat_chunk(data) == chunk


NO_CHUNKS = {
    "a number": b"1",
    "null": b"null",
    "prose": b"Bad gateway",
    "cut off": b'{"choices":[{"delta"',
    "nothing": b"",
    "nesting beyond all measure": b'{"choices":' + b"[" * 200_000,
}


@pytest.mark.parametrize("data", NO_CHUNKS.values(), ids=NO_CHUNKS.keys())
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidJson):
        chat_chunk(data)


LEAF = st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects in which some of these fields are missing and others are anything at all."""
    return st.fixed_dictionaries({}, optional={name: field | LEAF for name, field in fields.items()})


DELTA = objects(content=st.text(), tool_calls=st.lists(LEAF), unknown=LEAF)
CHOICE = objects(index=st.integers(), delta=DELTA, message=DELTA, finish_reason=st.text(), unknown=LEAF)
CHUNK = objects(id=st.text(), choices=st.lists(CHOICE | LEAF), usage=LEAF, unknown=LEAF)


@given(CHUNK)
def test_the_quick_way_and_the_lenient_way_agree(value: dict[str, Any]) -> None:
    assert chat_chunk(dumps(value)) == lenient_chunk(value)


TEXTS_ALONE = {
    "a regular chunk": (
        {"id": "c", "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": None}], "usage": None},
        "x",
    ),
    "fields without a value": (
        {"choices": [{"delta": {"content": "x", "role": "assistant", "tool_calls": None}}]},
        "x",
    ),
    "no text": ({"choices": [{"delta": {"content": ""}}]}, ""),
    "the end": ({"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]}, ""),
    "reasoning beside it": ({"choices": [{"delta": {"content": "x", "reasoning": "y"}}]}, ""),
    "a call beside it": ({"choices": [{"delta": {"content": "x", "tool_calls": [{}]}}]}, ""),
    "token counts": ({"choices": [{"delta": {"content": "x"}}], "usage": {"prompt_tokens": 1}}, ""),
    "an error": ({"choices": [{"delta": {"content": "x"}}], "error": {"message": "m"}}, ""),
    "two choices": ({"choices": [{"delta": {"content": "x"}}, {"delta": {"content": "y"}}]}, ""),
    "no choice": ({"choices": []}, ""),
    "parts": ({"choices": [{"delta": {"content": [{"type": "text", "text": "x"}]}}]}, ""),
    "half a surrogate pair": ({"choices": [{"delta": {"content": "\ud83d"}}]}, ""),
}


@pytest.mark.parametrize(("value", "text"), TEXTS_ALONE.values(), ids=TEXTS_ALONE.keys())
def test_text_alone(value: dict[str, Any], text: str) -> None:
    assert text_alone(json.dumps(value).encode()) == text


@pytest.mark.parametrize("data", NO_CHUNKS.values(), ids=NO_CHUNKS.keys())
def test_what_is_no_object_has_no_text(data: bytes) -> None:
    assert text_alone(data) == ""


def test_text_is_alone_where_no_field_that_anyone_reads_has_a_value() -> None:
    assert _TextDelta.__struct_fields__ == Delta.__struct_fields__


@given(CHUNK)
def test_text_that_is_alone_is_all_there_is(value: dict[str, Any]) -> None:
    text = text_alone(dumps(value))
    if text:
        chunk = chat_chunk(dumps(value))
        assert (chunk.usage, chunk.error) == (None, None)
        assert chunk.choices == [Choice(index=value["choices"][0].get("index"), delta=Delta(content=text), message=ANY)]
