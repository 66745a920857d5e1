"""OpenAI's Chat Completions: the shapes a backend receives and sends.

What we send is plain JSON. What we read is decoded into structs that hold just the fields a reader
uses, since a stream brings one chunk for every few characters. Only the skeleton is typed; the
leaves are `object`, for backends put anything there, and the reader looks before it believes. They hold
JSON, in which nothing can hold itself, and so are none of the garbage collector's business.
"""

from typing import Any, TypeAlias

import msgspec

from anthropic_proxy.wire.json import InvalidJson, loads

ChatMessage: TypeAlias = dict[str, Any]
"""One entry of `messages`: `role`, `content` and what the role adds."""

ChatTool: TypeAlias = dict[str, Any]
"""One entry of `tools`: `{"type": "function", "function": {…}}`."""

ChatRequest: TypeAlias = dict[str, Any]
"""The body of `POST /chat/completions`."""


class Delta(msgspec.Struct, gc=False):
    """What one chunk adds to a choice; in a whole reply, the message."""

    content: object = None
    refusal: object = None
    reasoning_content: object = None
    reasoning: object = None
    reasoning_text: object = None
    reasoning_details: object = None
    reasoning_opaque: object = None
    thinking_blocks: object = None
    tool_calls: object = None
    function_call: object = None
    annotations: object = None
    extra_content: object = None
    provider_specific_fields: object = None


class Choice(msgspec.Struct, gc=False):
    """One alternative of a reply. Streams carry `delta`, whole replies `message`."""

    index: object = None
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: object = None
    stop_reason: object = None
    """vLLM: the stop string or token that matched."""
    matched_stop: object = None
    """SGLang: the same."""
    usage: object = None
    """Moonshot puts usage here."""
    error: object = None
    text: object = None


class ChatChunk(msgspec.Struct, gc=False):
    """One `data:` line of a stream, or a whole reply: the two differ in `delta` and `message`."""

    id: object = None
    type: object = None
    model: object = None
    choices: list[Choice] | None = None
    usage: object = None
    service_tier: object = None
    error: object = None
    detail: object = None
    message: object = None
    errors: object = None
    code: object = None
    """Beside a `message` without an `error` round it: old vLLM, gateways."""


_decode_chunk = msgspec.json.Decoder(ChatChunk).decode


def chat_chunk(data: bytes) -> ChatChunk:
    """The chunk in `data`: one JSON object.

    Where a backend's types surprise, the chunk is rebuilt from what fits, and the rest reads as
    absent. Raises InvalidJson where `data` is no JSON object.
    """
    try:
        return _decode_chunk(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return lenient_chunk(loads(data, keep_surrogates=True))


def lenient_chunk(value: object) -> ChatChunk:
    """A chunk from parsed JSON of any shape. A list or a string can only be an error."""
    if isinstance(value, list):
        value = value[0] if len(value) == 1 and isinstance(value[0], dict) else {"error": value}
    if isinstance(value, str):
        value = {"error": value}
    if not isinstance(value, dict):
        raise InvalidJson(f"expected an object, found {type(value).__name__}")
    chunk = ChatChunk(**{name: value[name] for name in _CHUNK_FIELDS if name in value})
    choices = value.get("choices")
    chunk.choices = [_choice(item) for item in choices if isinstance(item, dict)] if isinstance(choices, list) else None
    return chunk


def _choice(value: dict[str, Any]) -> Choice:
    choice = Choice(**{name: value[name] for name in _CHOICE_FIELDS if name in value})
    choice.delta = _delta(value.get("delta"))
    choice.message = _delta(value.get("message"))
    return choice


def _delta(value: object) -> Delta | None:
    if not isinstance(value, dict):
        return None
    return Delta(**{name: value[name] for name in _DELTA_FIELDS if name in value})


_DELTA_FIELDS = Delta.__struct_fields__
_CHOICE_FIELDS = tuple(name for name in Choice.__struct_fields__ if name not in ("delta", "message"))
_CHUNK_FIELDS = tuple(name for name in ChatChunk.__struct_fields__ if name != "choices")


# --- Chunks of text alone


class _TextDelta(msgspec.Struct, gc=False):
    """A Delta that brings text and nothing else."""

    content: str
    refusal: None = None
    reasoning_content: None = None
    reasoning: None = None
    reasoning_text: None = None
    reasoning_details: None = None
    reasoning_opaque: None = None
    thinking_blocks: None = None
    tool_calls: None = None
    function_call: None = None
    annotations: None = None
    extra_content: None = None
    provider_specific_fields: None = None


class _TextChoice(msgspec.Struct, gc=False):
    delta: _TextDelta
    finish_reason: None = None
    usage: None = None
    error: None = None


class _TextChunk(msgspec.Struct, gc=False):
    choices: tuple[_TextChoice]
    usage: None = None
    error: None = None


_decode_text = msgspec.json.Decoder(_TextChunk).decode


def text_alone(data: bytes) -> str:
    """Fast path: the text of a chunk that holds text and nothing else, as nearly all do. Empty for any other.

    To decode it so and to know it for what it is takes 0.4 us, a ChatChunk and a look at all it holds 1.3. For any
    other chunk it costs 1 us more, so it is for those who have reason to expect text.
    """
    try:
        return _decode_text(data).choices[0].delta.content
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
