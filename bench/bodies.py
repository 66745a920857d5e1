"""Requests as clients send them: a small one, one of Claude Code's shape, one with images.

Sizes are of the JSON in bytes, and exact to a few percent. Each turn, tool and image holds a TOKEN, by which
the upstream counts what a proxy passed on.
"""

import base64
import json
import random
from typing import Any, NamedTuple

TOKEN = b"T0KEN"
"""Stands once in every part of a request that must not get lost."""

_SENTENCE = (
    "the file of a function returns its value when called with an empty list and then raises if no key is found "
    "in that table so we read each line from disk before writing it back to where tests expect it"
)
_WORDS = _SENTENCE.split()


class Body(NamedTuple):
    """A request, but for the model's name, which tells the upstream what to do."""

    fields: dict[str, Any]
    tokens: int
    """How often TOKEN stands in it."""

    def encoded(self, model: str, stream: bool) -> bytes:
        return json.dumps({"model": model, **self.fields, "stream": stream}, separators=(",", ":")).encode()


def small() -> Body:
    """1 KB: a question."""
    return Body(
        {
            "max_tokens": 1024,
            "system": f"You answer briefly. {TOKEN.decode()} " + _text(random.Random(1), 200),
            "messages": [{"role": "user", "content": f"{TOKEN.decode()} " + _text(random.Random(2), 600)}],
        },
        tokens=2,
    )


TURNS, TOOLS = 60, 30


def large() -> Body:
    """200 KB: sixty turns of an agent with thirty tools, as Claude Code sends them."""
    return agent(1)


def agent(size: float) -> Body:
    """The conversation of an agent, and its tools: so many times as long as the large one, and as many."""
    rng = random.Random(3)
    turns, tools = 2 * round(TURNS / 2 * size), round(TOOLS * size)
    fields = {
        "max_tokens": 32000,
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.330.abc; cc_entrypoint=cli;"},
            {"type": "text", "text": "You are a coding agent.", "cache_control": {"type": "ephemeral"}},
            {
                "type": "text",
                "text": f"{TOKEN.decode()} " + _text(rng, int(12_000 * size)),
                "cache_control": {"type": "ephemeral"},
            },
        ],
        "tools": [_tool(rng, number) for number in range(tools)],
        "messages": [message for number in range(turns // 2) for message in _exchange(rng, number, tools)],
        "metadata": {"user_id": json.dumps({"device_id": "d" * 64, "session_id": "s" * 36})},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    }
    return Body(fields, tokens=1 + tools + turns)


def images() -> Body:
    """2 MB: eight pictures in the tool results and the question of one conversation."""
    rng = random.Random(4)
    fields = {
        "max_tokens": 8192,
        "system": f"{TOKEN.decode()} You look at pictures.",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": f"{TOKEN.decode()} {_text(rng, 200)}"},
                    *(
                        {
                            "type": "image",
                            "source": {"type": "base64", "media_type": "image/png", "data": _picture(rng, 187_500)},
                        }
                        for _ in range(8)
                    ),
                ],
            }
        ],
    }
    return Body(fields, tokens=2)


def _text(rng: random.Random, size: int) -> str:
    """English-looking text with line breaks and quotes, `size` characters long."""
    words: list[str] = []
    length = 0
    while length < size:
        word = rng.choice(_WORDS) + rng.choice(("", "", "", "", "", ",", ".", ".\n", '"', " {", "}\n    "))
        words.append(word)
        length += len(word) + 1
    return " ".join(words)[:size]


def _tool(rng: random.Random, number: int) -> dict[str, Any]:
    fields = {
        f"field_{position}": {"type": kind, "description": _text(rng, 80)}
        for position, kind in enumerate(("string", "string", "number", "boolean"))
    }
    return {
        "name": f"Tool{number}",
        "description": f"{TOKEN.decode()} " + _text(rng, rng.choice((300, 800, 1600, 3000))),
        "input_schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": fields,
            "required": ["field_0"],
            "additionalProperties": False,
        },
    }


def _exchange(rng: random.Random, number: int, tools: int) -> list[dict[str, Any]]:
    """A turn of the user's, which brings the last call's result, and one of the assistant's, which calls again."""
    said: list[dict[str, Any]] = [{"type": "text", "text": f"{TOKEN.decode()} " + _text(rng, 300)}]
    if number:
        said.insert(
            0,
            {
                "type": "tool_result",
                "tool_use_id": f"toolu_{number - 1:024d}",
                "content": [{"type": "text", "text": _text(rng, 3000)}],
            },
        )
    return [
        {"role": "user", "content": said},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": f"{TOKEN.decode()} " + _text(rng, 500)},
                {
                    "type": "tool_use",
                    "id": f"toolu_{number:024d}",
                    "name": f"Tool{number % tools}",
                    "input": {"field_0": _text(rng, 400), "field_2": number},
                },
            ],
        },
    ]


def _picture(rng: random.Random, size: int) -> str:
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + rng.randbytes(size)).decode()
