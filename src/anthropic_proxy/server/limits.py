"""Limits on what a request's JSON may hold. Each is a setting, and each refusal names it."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.types import Receive

from anthropic_proxy.config import Settings
from anthropic_proxy.errors import InvalidRequest
from anthropic_proxy.server.door import json_body, read_body

QUOTE = ord('"')

_STRING_OR_STEP = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|,|[\[{](?!\s*[\]}])', re.DOTALL)
"""A JSON string, or what a value follows. A string may lack its end, so that no text is looked at twice."""

LOOKS_FOR_EACH = 3
"""A value takes three looks at the most: at what it follows, at its key, and at itself, if it is a string."""


async def limited_body(headers: Mapping[bytes, bytes], receive: Receive, settings: Settings) -> tuple[object, int]:
    """The JSON that a request brings, and the length of its text, in bytes. That is gone by then.

    Raises what `read_body` and `json_body` do, and InvalidRequest if it is too much.
    """
    text = await read_body(headers, receive, settings.max_body, settings.body_timeout)
    check_values(text, settings)
    body = json_body(text)
    check_limits(body, settings)
    return body, len(text)


def check_values(body: bytes | bytearray, settings: Settings) -> None:
    """Raises InvalidRequest for JSON text with more values than MAX_JSON_VALUES, before anything is made of them.

    Two bytes of text can become a hundred of memory: a body of `[[],[],…` takes 27 times its size.
    """
    most = settings.max_json_values
    # A value and what sets it apart from the next take two bytes, so a small body needs no look.
    if most and len(body) > 2 * most and has_more_values(body, most):
        raise InvalidRequest(f"body: JSON of more than {most} values (setting MAX_JSON_VALUES)")


def has_more_values(text: bytes | bytearray, most: int) -> bool:
    """Has this JSON more values than that? Of what is no JSON, the answer means nothing.

    Every value but the outermost follows a comma, or is the first of an object or list. Those in strings do not
    count, but are looked for only where that matters: under a second, of a body made for it (2026-11-26).
    """
    if text.count(b",") + text.count(b"[") + text.count(b"{") < most:
        return False
    values = 1
    for looks, token in enumerate(_STRING_OR_STEP.finditer(text)):
        values += text[token.start()] != QUOTE
        if values > most or looks > LOOKS_FOR_EACH * most:
            return True
    return False


def check_limits(body: object, settings: Settings) -> None:
    """Raises InvalidRequest for a body that holds too much, or too much inside each other.

    What is of the wrong type is the validator's to refuse.
    """
    if not isinstance(body, dict):
        return
    for field, most in (("messages", settings.max_messages), ("tools", settings.max_tools)):
        items = body.get(field)
        if isinstance(items, list) and len(items) > most:
            raise InvalidRequest(f"{field}: {len(items)}, where {most} are allowed (setting MAX_{field.upper()})")
    if settings.max_json_depth and is_deeper(body, settings.max_json_depth):
        raise InvalidRequest(
            f"body: JSON is nested deeper than {settings.max_json_depth} levels (setting MAX_JSON_DEPTH)"
        )


def is_deeper(value: dict[str, Any], levels: int) -> bool:
    """Has `value` objects and lists inside each other in more than so many levels?

    Level by level, without recursion. It takes about as long as parsing did (0.16 ms of a 170 KB body
    with thirty tools, measured 2026-11-26), which is why MAX_JSON_DEPTH is off until somebody sets it.
    """
    level: list[Any] = [value]
    for _ in range(levels):
        inside = (part for item in level for part in (item.values() if type(item) is dict else item))
        level = [part for part in inside if type(part) is dict or type(part) is list]
        if not level:
            return False
    return True
