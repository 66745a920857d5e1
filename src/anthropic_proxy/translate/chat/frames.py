"""What frames the texts of a chat request: JSON on the wire, a few special tokens for the model."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from anthropic_proxy.translate.byte_pairs import text_tokens
from anthropic_proxy.wire.json import dumps

READ = frozenset({"messages", "tools", "response_format"})
"""Fields of a chat request that the model reads. The others are settings."""

MESSAGE_TOKENS = 4
"""Tokens that mark a message: its beginning, role and end. Source: OpenAI's cookbook, on counting for chat models."""

REPLY_TOKENS = 3
"""Tokens that begin the reply. Source: the same."""

CALL_TOKENS = 10
"""Tokens round a tool call's name and arguments; a guess, since templates differ much."""

_MESSAGE = text_tokens(b'{"role":"user","content":""},')
_PART = text_tokens(b'{"type":"text","text":""},')
_CALL_ID = text_tokens(b'"tool_call_id":"call_5fQzX1pVb0Wk3Rm8Tn2Ys7Lc",')
_CALL = text_tokens(b'{"id":"call_5fQzX1pVb0Wk3Rm8Tn2Ys7Lc","type":"function","function":{"name":"","arguments":""}},')
"""What the JSON frames would count as text. Models do not see ids."""


_settings_tokens = lru_cache(256)(text_tokens)
"""A client's settings are the same from request to request."""


def frame_tokens(body: Mapping[str, Any]) -> float:
    """Tokens that frame the texts of `body` for a model, less those that its JSON counts as text."""
    settings = {name: value for name, value in body.items() if name not in READ}
    messages = body["messages"]
    parts = results = calls = 0
    for message in messages:
        content = message["content"]
        if type(content) is list:
            parts += len(content)
        if message["role"] == "tool":
            results += 1
        elif "tool_calls" in message:
            calls += len(message["tool_calls"])
    tokens = REPLY_TOKENS - _settings_tokens(dumps(settings)) + len(messages) * (MESSAGE_TOKENS - _MESSAGE)
    return tokens - parts * _PART - results * _CALL_ID + calls * (CALL_TOKENS - _CALL)
