"""A backend with a model that does all it is asked, and habits that make it worse."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from anthropic_proxy.doctor.tool_probes import RESULT
from anthropic_proxy.upstream.base import Connections, Reply
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.scripted import LAST_CHUNK, Pause, Request, Send, Step, chunk, reply, stream_head

Body = dict[str, Any]

MODEL = "good-model"

Refuses = Callable[[Body], tuple[int, str] | None]
"""The status and the message with which a request is refused, or None."""


@dataclass
class Habits:
    """What the backend does. The defaults are those of a plain one."""

    refuses: Sequence[Refuses] = ()
    ignores: frozenset[str] = frozenset()
    """Fields of the body that it does not look at."""
    reasoning_field: str = "reasoning_content"
    """Where reasoning goes; `<think>` puts it into the text, `hidden` only into the usage."""
    always_reasons: bool = False
    needs_tokens: int = 0
    """Below this cap there is nothing but reasoning."""
    stop_field: str | None = None
    """Where the choice names the stop sequence that matched."""
    stream_usage: str = "ask"
    """`ask`, `always` or `never`."""
    streams: bool = True
    """Does it answer with a stream at all?"""
    ends: bool = True
    """Do a finish_reason and `[DONE]` come?"""
    calls_at_once: int = 9
    calls_as_text: bool = False
    forgets_results: bool = False
    sees: bool = True
    """Images?"""
    sees_in_tools: bool = True
    caches: bool = True
    read_size: int | None = None
    pause: float = 0
    answers: Callable[[str, str], Recorded | None] = lambda method, path: None
    """Something else than a model's reply, for that method and path."""
    models: Sequence[str] = (MODEL,)
    seen: list[Body] = field(default_factory=list)
    """Bodies that came in."""


def refuses(name: str, message: str = "Unknown parameter: '{name}'.", status: int = 400) -> Refuses:
    """Refuses every request that has this field."""
    return lambda body: (status, message.format(name=name)) if name in body else None


class Answering:
    """The backend as an Upstream without a network."""

    def __init__(self, habits: Habits, base_url: str = "http://backend.invalid/v1") -> None:
        self.base_url = base_url
        self._habits = habits

    @asynccontextmanager
    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> AsyncIterator[Reply]:
        async with Replay(reply_to("POST", path, body, self._habits)).post(path, body, headers) as reply:
            yield reply

    @asynccontextmanager
    async def get(self, path: str, headers: Mapping[str, str] = {}) -> AsyncIterator[Reply]:
        async with Replay(reply_to("GET", path, b"", self._habits)).get(path, headers) as reply:
            yield reply

    def connections(self) -> Connections:
        return Connections()

    async def close(self) -> None: ...


def reply_to(method: str, path: str, data: bytes, habits: Habits) -> Recorded:
    """What the backend answers."""
    special = habits.answers(method, path)
    if special is not None:
        return special
    if method == "GET":
        return whole({"object": "list", "data": [{"id": name, "object": "model"} for name in habits.models]})
    body = json.loads(data)
    habits.seen.append(body)
    for refusal in habits.refuses:
        found = refusal(body)
        if found is not None:
            return error(*found)
    looked_at = {name: value for name, value in body.items() if name not in habits.ignores}
    choice, usage = _choice(looked_at, habits), _usage(looked_at, habits)
    if not body.get("stream") or not habits.streams:
        return whole({"choices": [choice], "usage": usage})
    return _stream(choice, usage, looked_at, habits)


def on_a_socket(habits: Habits, below: str = "/v1", key: str = "") -> Callable[[Request], list[Step]]:
    """The same backend for a ScriptedServer. Its API is below that path, and wants that key if it is one."""

    def script(request: Request) -> list[Step]:
        path = request.target.removeprefix(below)
        if not request.target.startswith(f"{below}/") or path not in ("/models", "/chat/completions"):
            return _steps(whole({"detail": "Not Found"}, 404))
        if key and request.headers.get("authorization") != f"Bearer {key}":
            return _steps(error(401, f"Incorrect API key provided: {request.headers.get('authorization')}"))
        return _steps(reply_to(request.method, path, request.body, habits))

    return script


def _steps(recorded: Recorded) -> list[Step]:
    if "event-stream" not in recorded.headers["content-type"]:
        return [Send(reply(recorded.body, f"{recorded.status} So", recorded.headers))]
    events = [event + b"\n\n" for event in recorded.body.split(b"\n\n") if event]
    steps = [step for event in events for step in (Pause(recorded.pause), Send(chunk(event)))]
    return [Send(stream_head(headers=recorded.headers)), *steps, Send(LAST_CHUNK)]


def whole(value: object, status: int = 200) -> Recorded:
    return Recorded(json.dumps(value).encode(), status, {"content-type": "application/json"})


def error(status: int, message: str, **more: str) -> Recorded:
    return whole({"error": {"message": message, **more}}, status)


def page(status: int = 200) -> Recorded:
    html = b"<!DOCTYPE html><html><head><title>Welcome</title></head></html>"
    return Recorded(html, status, {"content-type": "text/html"})


def _choice(body: Body, habits: Habits) -> dict[str, Any]:
    """The reply, as a whole one has it."""
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": "stop"}
    thinks = _thinks(body, habits)
    if thinks and habits.reasoning_field not in ("<think>", "hidden"):
        message[habits.reasoning_field] = "Let me see."
    if thinks and _cap(body) < habits.needs_tokens:
        return {**choice, "finish_reason": "length"}
    calls = _calls(body, habits)
    if calls and habits.calls_as_text:
        message["content"] = "<tool_call>" + json.dumps(calls[0]["function"]) + "</tool_call>"
    elif calls:
        message |= {"content": None, "tool_calls": calls}
        choice["finish_reason"] = "tool_calls"
    else:
        message["content"] = _text(body, habits)
        _stop(body, choice, habits)
    if thinks and habits.reasoning_field == "<think>":
        message["content"] = f"<think>Let me see.</think>{message['content'] or ''}"
    return choice


def _cap(body: Body) -> int:
    cap: int = body.get("max_tokens") or body.get("max_completion_tokens") or 10**6
    return cap


def _thinks(body: Body, habits: Habits) -> bool:
    if habits.always_reasons:
        return True
    effort = body.get("reasoning_effort")
    switch = body.get("thinking", {}).get("type") == "enabled"
    return switch or effort not in (None, "none", "minimal")


def _texts(content: object) -> str:
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content) if isinstance(content, list) else ""


def _calls(body: Body, habits: Habits) -> list[dict[str, Any]]:
    if body["messages"][-1]["role"] == "tool" and not habits.forgets_results:
        return []
    question = _texts(body["messages"][-1]["content"])
    names = [tool["function"]["name"] for tool in body.get("tools", [])]
    choice = body.get("tool_choice", "auto")
    if not names or choice == "none":
        return []
    name = choice["function"]["name"] if isinstance(choice, dict) else names[0]
    if choice == "auto" and "tool" not in question and not habits.forgets_results:
        return []
    most = 1 if body.get("parallel_tool_calls") is False else habits.calls_at_once
    cities = [city for city in ("Rome", "Oslo") if city in question] or ["Rome"]
    return [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps({"city": city})},
        }
        for number, city in enumerate(cities[:most], 1)
    ]


def _text(body: Body, habits: Habits) -> str:
    """The words, by what is asked."""
    messages = body["messages"]
    last = messages[-1]
    shape = body.get("response_format", {}).get("type")
    if shape == "json_schema":
        return '{"town_name": "Rome", "degrees_now": 21}'
    if shape == "json_object":
        return '{"city": "Rome", "degrees": 21}'
    has_image = isinstance(last["content"], list) and any(part["type"] == "image_url" for part in last["content"])
    if has_image:
        sees = habits.sees and (last["role"] != "tool" or habits.sees_in_tools)
        return "Blue and yellow." if sees else "I see no image."
    if last["role"] == "tool":
        return f"The tool says: {RESULT}"
    if last["role"] in ("system", "developer") and "pelican" in last["content"]:
        return "Pelican."
    question = _texts(last["content"])
    known = {
        "Count from": " ".join(map(str, range(1, 31))),
        "alpha beta": "alpha beta gamma delta",
        "17 times": "391",
        "JSON": "Here you are: Rome, 21.",
    }
    return next((answer for sign, answer in known.items() if sign in question), "Hello.")


def _stop(body: Body, choice: dict[str, Any], habits: Habits) -> None:
    for stop in body.get("stop", []):
        before, found, _ = choice["message"]["content"].partition(stop)
        if found:
            choice["message"]["content"] = before
            if habits.stop_field:
                choice[habits.stop_field] = stop


def _usage(body: Body, habits: Habits) -> dict[str, Any]:
    prompt = len(json.dumps(body["messages"])) // 4
    usage: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": 10}
    if habits.caches and len([one for one in habits.seen if one["messages"] == body["messages"]]) > 1:
        usage["prompt_tokens_details"] = {"cached_tokens": prompt // 2}
    if _thinks(body, habits):
        usage["completion_tokens_details"] = {"reasoning_tokens": 7}
    return usage


def _stream(choice: dict[str, Any], usage: dict[str, Any], body: Body, habits: Habits) -> Recorded:
    message, rest = choice["message"], {name: choice[name] for name in choice if name != "message"}
    deltas: list[dict[str, Any]] = [{"role": "assistant"}]
    deltas += [{name: text} for name, text in message.items() if name.startswith("reasoning") and text]
    deltas += [{"content": word} for word in _pieces(message["content"] or "")]
    for index, call in enumerate(message.get("tool_calls", [])):
        half = len(call["function"]["arguments"]) // 2
        first = {**call, "function": {**call["function"], "arguments": call["function"]["arguments"][:half]}}
        second = {"function": {"arguments": call["function"]["arguments"][half:]}}
        deltas += [{"tool_calls": [{"index": index, **part}]} for part in (first, second)]
    chunks: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    if habits.ends:
        chunks.append({"choices": [{**rest, "delta": {}}]})
    asked = bool(body.get("stream_options", {}).get("include_usage"))
    if habits.stream_usage == "always" or (habits.stream_usage == "ask" and asked):
        chunks.append({"choices": [], "usage": usage})
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    data = "".join([*lines, "data: [DONE]\n\n"] if habits.ends else lines)
    return Recorded(data.encode(), read_size=habits.read_size, pause=habits.pause)


def _pieces(text: str) -> list[str]:
    """Words with the space before them."""
    words = text.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])] if text else []
