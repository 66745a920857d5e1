"""The scripted model: a chat request in, the chunks of its reply out. The same request gives the same reply.

It looks at the last words for what to show:

    use a tool, or words of a tool's name    a tool call with arguments made of the words and the schema
    … in parallel, both, three …             several calls in one turn
    count to 50                              a long reply
    error 429, error 500, …                  that error
    overflow                                 a prompt that is too long
    error in the stream                      an error after the first words

Anything else is answered in words. Images are measured, tool results quoted, JSON schemas filled in. It
thinks where `reasoning_effort` asks for it, and always as `demo-thinking`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from types import NoneType
from typing import Any, NamedTuple, TypeAlias

from anthropic_proxy.demo.calls import Call, asked_calls, forced_calls
from anthropic_proxy.demo.clues import clues_in
from anthropic_proxy.demo.errors import BROKEN, CONTEXT_WINDOW, Refusal, asked_error, breaks, overflow, refusal
from anthropic_proxy.demo.instances import instance
from anthropic_proxy.demo.talk import Talk, read_talk
from anthropic_proxy.wire.chat import ChatRequest
from anthropic_proxy.wire.json import dumps

Chunk: TypeAlias = dict[str, Any]
"""One `chat.completion.chunk`; or `{"error": …}`, which ends a reply that breaks."""

MODELS = ("demo", "demo-thinking")

WORDS_A_CHUNK = 3
JSON_A_CHUNK = 12
"""Characters of a call's arguments."""

LONGEST_COUNT = 10_000


def answer(request: object) -> list[Chunk] | Refusal:
    """The reply to a chat request, as chunks; `whole_reply` puts them together.

    The last chunk holds the usage, if the request is for a whole reply or asks for it.
    """
    if not isinstance(request, dict):
        return refusal(400, "The body must be a JSON object.")
    if wrong := _wrong(request):
        return wrong
    talk = read_talk(request)
    if talk.prompt_tokens > CONTEXT_WINDOW:
        return overflow(talk.prompt_tokens)
    if not talk.results and (error := asked_error(talk.text)):
        return error
    return list(_chunks(request, talk, _limited(_script(request, talk), request)))


def model_list() -> dict[str, Any]:
    """The reply to `GET /v1/models`."""
    models = [
        {"id": name, "object": "model", "created": 0, "owned_by": "anthropic-proxy", "context_window": CONTEXT_WINDOW}
        for name in MODELS
    ]
    return {"object": "list", "data": models}


_TYPES: dict[str, tuple[type, ...]] = {
    "messages": (list,),
    "tools": (list, NoneType),
    "tool_choice": (str, dict, NoneType),
    "response_format": (dict, NoneType),
    "stream_options": (dict, NoneType),
    "stop": (str, list, NoneType),
    "max_tokens": (int, NoneType),
    "max_completion_tokens": (int, NoneType),
}
"""What the fields that are looked at must be."""


def _wrong(request: ChatRequest) -> Refusal | None:
    """What is wrong with the request's form, if anything."""
    for field, types in _TYPES.items():
        if not isinstance(request.get(field), types):
            return refusal(400, f"Invalid type for '{field}'.", "invalid_type", field)
    if not request["messages"]:
        return refusal(400, "There must be at least one message.", "empty_array", "messages")
    for number, message in enumerate(request["messages"]):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            return refusal(400, "A message must be an object with a role.", "invalid_type", f"messages.[{number}]")
    if request.get("model") not in MODELS:
        return refusal(404, f"The model `{request.get('model')}` does not exist.", "model_not_found", "model")
    return None


class _Reply(NamedTuple):
    """What is going to be said."""

    content: str = ""
    calls: Sequence[Call] = ()
    reasoning: str = ""
    finish: str = "stop"
    breaks: bool = False
    """Ends in an error instead of a finish."""


def _script(request: ChatRequest, talk: Talk) -> _Reply:
    """The reply as it would be without limits."""
    for rule in _RULES:
        if reply := rule(request, talk):
            break
    else:
        reply = _spoken(request, talk)
    if _thinks(request):
        reply = reply._replace(reasoning=_reasoning(talk, reply))
    return reply


def _forced(request: ChatRequest, talk: Talk) -> _Reply | None:
    return _calling(forced_calls(request, talk))


def _asked(request: ChatRequest, talk: Talk) -> _Reply | None:
    return None if talk.results else _calling(asked_calls(request, talk))


def _calling(calls: list[Call]) -> _Reply | None:
    if not calls:
        return None
    names = " and ".join(dict.fromkeys(call.name for call in calls))
    return _Reply(f"I call {names}.", calls, finish="tool_calls")


def _structured(request: ChatRequest, talk: Talk) -> _Reply | None:
    form = request.get("response_format") or {}
    if form.get("type") == "json_object":
        return _Reply(dumps({"demo": True, "you_said": talk.text}).decode())
    schema = form.get("json_schema")
    if form.get("type") != "json_schema" or not isinstance(schema, dict):
        return None
    return _Reply(dumps(instance(schema.get("schema"), clues_in(talk.text))).decode())


def _quoted(request: ChatRequest, talk: Talk) -> _Reply | None:
    if not talk.results:
        return None
    told = [f"{name} answered: “{_short(text, 400)}”." for name, text in talk.results]
    return _Reply("\n".join([*told, *_seen(talk), *([f"And you said: “{_short(talk.text)}”."] if talk.text else [])]))


def _counted(request: ChatRequest, talk: Talk) -> _Reply | None:
    wish = _COUNT.search(talk.text)
    if wish is None:
        return None
    return _Reply(" ".join(map(str, range(1, min(int(wish[1]), LONGEST_COUNT) + 1))))


def _spoken(request: ChatRequest, talk: Talk) -> _Reply:
    words = [
        "I am the demo backend of anthropic-proxy: a script, not a language model.",
        f"You said: “{_short(talk.text)}”." if talk.text else "You sent no words.",
        *_seen(talk),
    ]
    if talk.turn > 1:
        words.append(f"This is turn {talk.turn} of our talk.")
    elif not request.get("tools"):
        words.append(HINT)
    return _Reply(" ".join(words), breaks=breaks(talk.text))


HINT = (
    "Send me an image, offer me a tool and ask for it, switch thinking on, or say “count to 50”, “error 429”, "
    "“overflow” or “error in the stream”."
)

_RULES: tuple[Callable[[ChatRequest, Talk], _Reply | None], ...] = (_forced, _asked, _structured, _quoted, _counted)
"""The first that has something to say, says it."""

_COUNT = re.compile(r"\bcount (?:up )?to (\d{1,9})\b", re.IGNORECASE)


def _seen(talk: Talk) -> list[str]:
    """A sentence about the images, if there are any."""
    if not talk.images:
        return []
    number = "an image" if len(talk.images) == 1 else f"{len(talk.images)} images"
    return [f"I see {number}: {'; '.join(talk.images)}."]


def _short(text: str, longest: int = 200) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"


def _thinks(request: ChatRequest) -> bool:
    effort = request.get("reasoning_effort")
    return effort not in (None, "none", "minimal") or (request["model"] == "demo-thinking" and effort != "none")


def _reasoning(talk: Talk, reply: _Reply) -> str:
    if reply.calls:
        return f"The words fit the tool {reply.calls[0].name}. I fill its arguments from them and from its schema."
    if talk.results:
        return f"There are {len(talk.results)} tool results to look at. I quote what they say."
    return f"Words in the last message: {len(talk.text.split())}. They ask for no tool, so I answer in words."


def _limited(reply: _Reply, request: ChatRequest) -> _Reply:
    """The reply up to a stop sequence and up to the cap on its tokens, the reasoning's counted too."""
    stop = request.get("stop") or ()
    words = [stop] if isinstance(stop, str) else [word for word in stop if isinstance(word, str)]
    ends = [at for word in words if word and (at := reply.content.find(word)) >= 0]
    if ends:
        reply = reply._replace(content=reply.content[: min(ends)], calls=(), finish="stop", breaks=False)
    cap = request.get("max_completion_tokens") or request.get("max_tokens")
    if not isinstance(cap, int) or cap >= _count(reply):
        return reply
    reasoning, left = _cut(reply.reasoning, cap)
    content, left = _cut(reply.content, left)
    calls = []
    for call in reply.calls:
        if left > 0:
            arguments, left = _cut(call.arguments, left)
            calls.append(Call(call.name, arguments))
    return _Reply(content, calls, reasoning, "length")


_PIECE = re.compile(r"\s*\S{1,24}|\s+")
_TOKEN = re.compile(r"\s?\w{1,8}|\s?[^\w\s]{1,3}|\s+")


def _tokens(text: str) -> int:
    return sum(1 for _ in _TOKEN.finditer(text))


def _cut(text: str, most: int) -> tuple[str, int]:
    """The first so many tokens of a text, and how many are left over."""
    tokens = _TOKEN.findall(text)
    return "".join(tokens[: max(most, 0)]), max(most - len(tokens), 0)


def _count(reply: _Reply) -> int:
    return sum(map(_tokens, (reply.reasoning, reply.content, *(call.arguments for call in reply.calls))))


def _chunks(request: ChatRequest, talk: Talk, reply: _Reply) -> Iterator[Chunk]:
    seed = sha256(dumps([request["model"], request["messages"]])).hexdigest()[:24]
    frame = {"id": f"chatcmpl-{seed}", "object": "chat.completion.chunk", "model": request["model"]}
    first: Chunk = {"role": "assistant", "content": ""}
    for delta in (first, *_deltas(reply, seed)):
        yield {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    if reply.breaks:
        yield BROKEN.body
        return
    yield {**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": reply.finish}]}
    if not request.get("stream") or (request.get("stream_options") or {}).get("include_usage"):
        yield {**frame, "choices": [], "usage": _usage(talk, reply)}


def _deltas(reply: _Reply, seed: str) -> Iterator[Chunk]:
    for field, text in (("reasoning_content", reply.reasoning), ("content", reply.content)):
        words = _PIECE.findall(text)
        for start in range(0, len(words), WORDS_A_CHUNK):
            yield {field: "".join(words[start : start + WORDS_A_CHUNK])}
    for index, call in enumerate(reply.calls):
        head = {"index": index, "id": f"call_{seed[:16]}{index}", "type": "function"}
        yield {"tool_calls": [{**head, "function": {"name": call.name, "arguments": ""}}]}
        for start in range(0, len(call.arguments), JSON_A_CHUNK):
            fragment = call.arguments[start : start + JSON_A_CHUNK]
            yield {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}


def _usage(talk: Talk, reply: _Reply) -> dict[str, Any]:
    said = _count(reply)
    return {
        "prompt_tokens": talk.prompt_tokens,
        "completion_tokens": said,
        "total_tokens": talk.prompt_tokens + said,
        "prompt_tokens_details": {"cached_tokens": talk.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": _tokens(reply.reasoning)},
    }


def whole_reply(chunks: Sequence[Chunk]) -> dict[str, Any] | Refusal:
    """The `chat.completion` that the chunks add up to, or the error they end in."""
    if "error" in chunks[-1]:
        return BROKEN
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    finish = None
    calls: list[dict[str, Any]] = []
    for choice in (choice for chunk in chunks for choice in chunk["choices"]):
        finish = choice["finish_reason"]
        delta = choice["delta"]
        for field in delta.keys() & {"content", "reasoning_content"}:
            message[field] = message.get(field, "") + delta[field]
        for call in delta.get("tool_calls", ()):
            if call["index"] == len(calls):
                calls.append({key: call[key] for key in ("id", "type")} | {"function": dict(call["function"])})
            else:
                calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]
    if calls:
        message["tool_calls"] = calls
    choices = [{"index": 0, "message": message, "finish_reason": finish}]
    return {**chunks[0], "object": "chat.completion", "choices": choices, "usage": chunks[-1].get("usage")}
