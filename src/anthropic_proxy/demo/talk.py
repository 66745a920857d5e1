"""What a chat request says: the last words, the tool results, the images, how long it is."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from anthropic_proxy.demo.images import describe_image
from anthropic_proxy.wire.chat import ChatMessage, ChatRequest
from anthropic_proxy.wire.json import dumps

IMAGE_TOKENS = 765
"""What an image is counted as, whatever its size."""

CHARACTERS_A_TOKEN = 4

CACHE_BLOCK = 16
"""Tokens. Only whole blocks of a prompt's beginning are said to come from the cache, as servers do it."""

_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)
"""What clients put into a user's message beside the user's words."""


class Talk(NamedTuple):
    """A conversation as the script looks at it."""

    text: str
    """The user's last words, without reminders."""
    results: tuple[tuple[str, str], ...]
    """Tool results that nobody answered yet: the tool's name and what it said."""
    images: tuple[str, ...]
    """Format and size of each image that came since the last answer."""
    turn: int
    """The user's messages so far."""
    prompt_tokens: int
    cached_tokens: int
    """How much of the prompt was there in the turn before."""


def read_talk(request: ChatRequest) -> Talk:
    """The conversation in `request`, whose `messages` is a list of objects."""
    messages: list[ChatMessage] = request["messages"]
    answered = max((number for number, message in enumerate(messages) if message["role"] == "assistant"), default=-1)
    news = messages[answered + 1 :]
    names = dict(_called(messages))
    said = [
        text for message in news if message["role"] == "user" if (text := _REMINDER.sub("", _text(message)).strip())
    ]
    tools = len(dumps(request.get("tools") or [])) // CHARACTERS_A_TOKEN
    lengths = [_tokens(message) for message in messages]
    before = tools + sum(lengths[:answered]) if answered > 0 else 0
    return Talk(
        text="\n".join(said),
        results=tuple(
            (names.get(str(message.get("tool_call_id")), "a tool"), _text(message))
            for message in news
            if message["role"] == "tool"
        ),
        images=tuple(
            describe_image(str(part["image_url"].get("url")))
            for message in news
            for part in _parts(message)
            if isinstance(part.get("image_url"), dict)
        ),
        turn=sum(message["role"] == "user" for message in messages),
        prompt_tokens=tools + sum(lengths),
        cached_tokens=before // CACHE_BLOCK * CACHE_BLOCK,
    )


def _called(messages: Sequence[ChatMessage]) -> Iterator[tuple[str, str]]:
    """The id and the tool's name of every call."""
    for message in messages:
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict) and isinstance(call.get("function"), dict):
                yield str(call.get("id")), str(call["function"].get("name"))


def _parts(message: ChatMessage) -> list[dict[str, Any]]:
    content = message.get("content")
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _text(message: ChatMessage) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in _parts(message) if isinstance(part.get("text"), str))


def _tokens(message: ChatMessage) -> int:
    """About as many tokens as a real model would count. At least one, for the role."""
    images = sum("image_url" in part for part in _parts(message))
    calls = len(dumps(message.get("tool_calls") or ""))
    return 1 + images * IMAGE_TOKENS + (len(_text(message)) + calls) // CHARACTERS_A_TOKEN
