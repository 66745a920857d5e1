"""Reads what a backend says went wrong, in whatever shape it says so."""

import html
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from anthropic_proxy.wire.chat import ChatChunk
from anthropic_proxy.wire.json import InvalidJson, loads

_MOST_CHARACTERS = 20_000
"""How much of a message is looked at."""

_DEEPEST = 6
"""How many errors inside errors are opened. Gateways wrap what the next gateway said."""


class ErrorSays(NamedTuple):
    """What an error body says. Nothing is redacted yet."""

    message: str = ""
    """The backend's own words; of an HTML page, its title."""
    type: str = ""
    code: str = ""
    param: str = ""
    """The request field at fault, as OpenAI and FastAPI give it: `tools[0].function.name`."""
    status: int | None = None
    """The HTTP status the body names, which counts where the reply's own is 200. OpenRouter, vLLM."""
    figures: Mapping[str, int] = {}
    """Numbers beside the message, by their names in `FIGURES`."""
    html: bool = False

    @property
    def words(self) -> str:
        """Everything that tells one error from another, for a search."""
        return "\n".join(part for part in (self.message, self.code, self.type, self.param) if part)


FIGURES = ("n_prompt_tokens", "n_ctx")
"""llama.cpp's size of the prompt and of the window, in tokens. Source: ggml-org/llama.cpp PR15780."""


def error_text(body: bytes) -> ErrorSays:
    """What the body of an error reply says: JSON of any shape, HTML, plain text or nothing."""
    text = body.decode("utf-8", "replace").removeprefix("\ufeff").strip()
    if _HTML.match(text):
        title = _TITLE.search(text)
        return ErrorSays(message=_one_line(html.unescape(title[1])) if title else "", html=True)
    return error_says(text)


_HTML = re.compile(
    r"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|title|h1|center)\b", re.I | re.S
)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.I | re.S)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def error_says(value: object) -> ErrorSays:
    """What an error value says: an object, a list, a string that may hold JSON again, or nothing."""
    return _reading(value, _DEEPEST)


def _reading(value: object, depth: int) -> ErrorSays:
    if depth == 0:
        return ErrorSays()
    if isinstance(value, str):
        return _from_text(value, depth)
    if isinstance(value, list):
        return _from_list(value, depth)
    if isinstance(value, dict):
        return _from_object(value, depth)
    return ErrorSays()


def _from_text(text: str, depth: int) -> ErrorSays:
    text = text.strip()
    inside = ErrorSays()
    if text.startswith(("{", "[")):
        with suppress(InvalidJson):  # Then it is text.
            inside = _reading(loads(text.encode("utf-8", "replace")), depth - 1)
    return inside if inside.message else inside._replace(message=text[:_MOST_CHARACTERS])


def _from_list(items: list[object], depth: int) -> ErrorSays:
    """The first item, with the messages of all."""
    readings = [_reading(item, depth - 1) for item in items[:20]]
    if not readings:
        return ErrorSays()
    message = "; ".join(reading.message for reading in readings if reading.message)
    return readings[0]._replace(message=message[:_MOST_CHARACTERS])


_INNER = ("error", "errors", "detail", "message", "msg", "error_message", "error_description")
"""Where the message may be, or another error that has it. The first that is not empty counts."""


def _from_object(value: dict[str, object], depth: int) -> ErrorSays:
    own = _labels(value)
    raw = value.get("metadata")
    if isinstance(raw, dict):  # OpenRouter: what the host behind it said.
        own = _over(own, _reading(raw.get("raw"), depth - 1))
        if own.message:
            return own
    inner = next((_reading(value[name], depth - 1) for name in _INNER if value.get(name)), ErrorSays())
    says = _over(own, inner)
    if isinstance(value.get("error"), str) and isinstance(value.get("message"), str) and value["message"]:
        return says._replace(message=f"{says.message}: {value['message']}"[:_MOST_CHARACTERS])
    location = value.get("loc")
    if isinstance(location, list):  # FastAPI and Pydantic; their `input`, which may echo a prompt, is left out.
        place = ".".join(str(part) for part in location if part != "body")
        return says._replace(message=f"{place}: {says.message}" if place else says.message, param=place)
    return says


_STATUS = re.compile(r"[45]\d\d", re.ASCII)


def _labels(value: Mapping[str, object]) -> ErrorSays:
    """What an error object says beside its message."""
    numbers = [value.get(name) for name in ("code", "status_code", "status")]
    statuses = [int(number) for number in map(str, numbers) if _STATUS.fullmatch(number)]
    code, kind, state, param = (value.get(name) for name in ("code", "type", "status", "param"))
    nested = value.get("innererror")
    if not isinstance(code, str | int) and isinstance(nested, dict):  # Azure's content filter.
        code = nested.get("code")
    if isinstance(kind, str) and kind == "error":
        kind = ""
    return ErrorSays(
        type=str(kind) if kind else state if isinstance(state, str) and not state.isdecimal() else "",
        code=str(code) if isinstance(code, str | int) and str(code) not in map(str, statuses) else "",
        param=param if isinstance(param, str) else "",
        status=statuses[0] if statuses else None,
        figures={name: figure for name in FIGURES if isinstance(figure := value.get(name), int)},
    )


def _over(outer: ErrorSays, inner: ErrorSays) -> ErrorSays:
    """`inner` where it says something, `outer` elsewhere. The outer status is the newer word."""
    return ErrorSays(
        message=inner.message or outer.message,
        type=inner.type or outer.type,
        code=inner.code or outer.code,
        param=inner.param or outer.param,
        status=outer.status or inner.status,
        figures={**outer.figures, **inner.figures},
        html=inner.html,
    )


def error_in(chunk: ChatChunk) -> object | None:
    """The error that a chunk or whole reply with status 200 carries, or None.

    `error` counts anywhere, also on a choice. `detail`, `message` and `errors` are errors only where
    no choices are, since Anthropic's own events have a `message` too.
    """
    if chunk.error:
        return chunk.error
    if chunk.choices is not None:
        return next((choice.error for choice in chunk.choices if choice.error), None)
    message = chunk.message if isinstance(chunk.message, str) else None
    if not (chunk.detail or chunk.errors or message):
        return None
    found = {
        "message": message,
        "detail": chunk.detail,
        "errors": chunk.errors,
        "type": chunk.type,
        "code": chunk.code,
    }
    return {name: value for name, value in found.items() if value}
