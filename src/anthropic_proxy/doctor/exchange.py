"""One question to the backend, in Chat Completions, and what came back."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from anthropic_proxy.backend import Backend
from anthropic_proxy.dialects import PLAIN, Dialect
from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.routing import Route
from anthropic_proxy.translate.chat.usage import chat_usage
from anthropic_proxy.translate.error_bodies import ErrorSays, error_in, error_says, error_text
from anthropic_proxy.translate.failures import Asked, refusal
from anthropic_proxy.translate.pieces import Usage
from anthropic_proxy.translate.rate_limits import seconds
from anthropic_proxy.translate.redaction import redacted
from anthropic_proxy.wire.chat import ChatChunk, ChatRequest, Delta, chat_chunk
from anthropic_proxy.wire.json import InvalidJson, dumps
from anthropic_proxy.wire.sse import DONE, SSEDecoder, SSETooLong

LARGEST_REPLY = 4 * 2**20
"""Bytes. No answer to a question of ours is longer."""

MOST_WAITS = 2
LONGEST_WAIT = 30.0
USUAL_WAIT = 5.0
"""How often and how long, in seconds, a busy backend is waited for; the last where it names no time."""

_ABOUT_THE_CALLER = frozenset({401, 402, 403, 407, 408, 429})

REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_text")
"""Where reasoning may stand as text."""


@dataclass(slots=True)
class Call:
    """A tool call, its fragments put together."""

    id: str = ""
    name: str = ""
    arguments: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    """What else the backend put into it, such as Gemini's `extra_content`."""

    def as_sent(self) -> dict[str, Any]:
        """The call as an assistant message carries it back."""
        function = {"name": self.name, "arguments": self.arguments}
        return {"id": self.id, "type": "function", "function": function, **self.extra}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request brought. Of a whole reply there is one chunk, of a stream each."""

    sent: ChatRequest
    status: int = 0
    """0 where the connection broke before there was one; then `broke` says how."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    """As it came, whole or streamed."""
    chunks: tuple[ChatChunk, ...] = ()
    arrivals: tuple[float, ...] = ()
    """When each chunk came, in seconds since the request. Those of one network read share a time."""
    seconds: float = 0.0
    """Until the end of the body."""
    streamed: bool = False
    """Did events come, as against one JSON text?"""
    done: bool = False
    """Did `[DONE]` come?"""
    broke: UpstreamBroke | None = None

    @property
    def error(self) -> ErrorSays | None:
        """What the backend says went wrong: by its status, or inside a 200."""
        if self.status >= 300:
            return error_text(self.body)
        for chunk in self.chunks:
            found = error_in(chunk)
            if found is not None:
                return error_says(found)
        return None

    @property
    def ok(self) -> bool:
        """Is there a reply of a model?"""
        return self.broke is None and self.error is None and any(chunk.choices for chunk in self.chunks)

    @property
    def refused(self) -> bool:
        """Did the backend refuse the request for what is in it, as against being busy, broken or closed to us?"""
        if self.broke is not None or self.error is None:
            return False
        return self.status < 300 or (400 <= self.status < 500 and self.status not in _ABOUT_THE_CALLER)

    @property
    def text(self) -> str:
        """The visible answer."""
        return "".join(_text_of(delta.content) for delta in self.deltas)

    @property
    def reasoning(self) -> dict[str, str]:
        """Reasoning text by the field that carries it."""
        found = {name: "".join(_text_of(getattr(delta, name)) for delta in self.deltas) for name in REASONING_FIELDS}
        return {name: text for name, text in found.items() if text}

    @property
    def thinks(self) -> bool:
        """Is there any sign of reasoning, be it only its cost?"""
        usage = self.usage
        return bool(self.reasoning or self.text.lstrip().startswith("<think>") or (usage and usage.thinking_tokens))

    @property
    def calls(self) -> list[Call]:
        """The tool calls, in their order."""
        return _calls(self.deltas)

    @property
    def finish(self) -> str:
        """The `finish_reason`; empty where none came."""
        reasons = [choice.finish_reason for chunk in self.chunks for choice in chunk.choices or ()]
        return next((reason for reason in reversed(reasons) if isinstance(reason, str)), "")

    @property
    def usage(self) -> Usage | None:
        """The token counts, if any came."""
        found = [chat_usage(chunk.usage, PLAIN) for chunk in self.chunks]
        return next((usage for usage in reversed(found) if usage is not None), None)

    @property
    def deltas(self) -> list[Delta]:
        """What each chunk adds to the first choice."""
        choices = [choice for chunk in self.chunks for choice in (chunk.choices or ())[:1]]
        found = [choice.delta or choice.message for choice in choices]
        return [delta for delta in found if delta is not None]

    @property
    def trouble(self) -> str:
        """Why there is no reply, in the backend's own words as far as they may be shown."""
        if self.broke is not None:
            return clipped(self.broke.message)
        says = self.error
        if says is not None:
            page = "a web page: " if says.html else ""
            return clipped(f"{self.status}: {page}{says.message or says.code or says.type or 'no message'}")
        return f"{self.status}: not a Chat Completions reply"


def clipped(text: str, most: int = 160) -> str:
    """`text` from the network, fit for one line of a terminal: no keys, no control characters, not too long."""
    line = "".join(one if one.isprintable() else " " for one in redacted(text))
    line = " ".join(line.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _text_of(content: object) -> str:
    """The text of a delta's field: a string, or parts that have a `text`."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text") or "") for part in parts if isinstance(part, dict))


def _calls(deltas: list[Delta]) -> list[Call]:
    """Fragments belong together by their index, else by their id. One with neither begins a call if it has a name."""
    calls: dict[object, Call] = {}
    key: object = None
    for delta in deltas:
        fragments = delta.tool_calls if isinstance(delta.tool_calls, list) else []
        for fragment in filter(lambda one: isinstance(one, dict), fragments):
            key = _key(fragment, calls, key)
            _add(calls.setdefault(key, Call()), fragment)
    return list(calls.values())


def _key(fragment: Mapping[str, Any], calls: Mapping[object, Call], last: object) -> object:
    """What tells the fragment's call from others. `last` is the key of the fragment before it."""
    index, call_id = fragment.get("index"), fragment.get("id")
    if index is not None:
        begun = calls.get((index, None))
        # Gemini numbers all calls 0.
        other = begun is not None and call_id and begun.id and call_id != begun.id
        return (index, call_id if other else None)
    if call_id:
        return (None, call_id)
    named = isinstance(fragment.get("function"), dict) and fragment["function"].get("name")
    return (None, len(calls)) if named or last is None else last


def _add(call: Call, fragment: Mapping[str, Any]) -> None:
    function = fragment.get("function")
    function = function if isinstance(function, dict) else {}
    call.id = str(fragment.get("id") or call.id)
    call.name = str(function.get("name") or call.name)
    call.arguments += str(function.get("arguments") or "")
    call.extra |= {name: fragment[name] for name in fragment if name not in ("index", "id", "type", "function")}


class Cost(NamedTuple):
    """What the questions have cost so far, as far as the backend tells."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class Bench:
    """Puts questions to one model of one backend, one after the other, and keeps count of them.

    `wait` is told the seconds before each wait for a busy backend.
    """

    def __init__(self, backend: Backend, route: Route, wait: Callable[[float], None] = lambda seconds: None) -> None:
        self.cost = Cost()
        self._backend = backend
        self._route = route
        self._wait = wait

    async def ask(self, body: ChatRequest, dialect: Dialect) -> Answer:
        """The answer to `body`. What goes wrong is in it; nothing is raised."""
        for _ in range(MOST_WAITS):
            answer = await self._ask(body, dialect)
            patience = _patience(answer)
            if patience is None:
                return answer
            self._wait(patience)
            await asyncio.sleep(patience)
        return await self._ask(body, dialect)

    async def _ask(self, body: ChatRequest, dialect: Dialect) -> Answer:
        started = time.monotonic()
        try:
            async with self._backend.post(self._route, dialect, dumps(body), {}, None) as reply:
                gathered = _Gathered("event-stream" in reply.headers.get("content-type", ""), started)
                try:
                    async for data in reply.chunks():
                        gathered.feed(data)
                    broke = None
                except UpstreamBroke as error:
                    broke = error
                answer = gathered.answer(body, reply.status, reply.headers, broke)
        except UpstreamBroke as error:
            answer = Answer(body, broke=error, seconds=time.monotonic() - started)
        self._count(answer)
        return answer

    def _count(self, answer: Answer) -> None:
        usage = answer.usage or Usage(0, 0)
        read = (usage.input_tokens or 0) + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
        requests, before, after = self.cost
        self.cost = Cost(requests + 1, before + read, after + (usage.output_tokens or 0))


def _patience(answer: Answer) -> float | None:
    """How long to wait before asking a busy backend again, in seconds; None where that is no use."""
    if answer.status < 400:
        return None
    failure = refusal(answer.status, answer.headers, answer.body, Asked("", ""))
    if failure.type not in ("rate_limit_error", "overloaded_error") or "x-should-retry" in failure.headers:
        return None
    named = seconds(failure.headers.get("retry-after", ""))
    wait = USUAL_WAIT if named is None else named
    return wait if wait <= LONGEST_WAIT else None


class _Gathered:
    """A reply's body while it comes in."""

    def __init__(self, streamed: bool, started: float) -> None:
        self._streamed = streamed
        self._started = started
        self._decoder = SSEDecoder(LARGEST_REPLY)
        self._body = bytearray()
        self._chunks: list[ChatChunk] = []
        self._arrivals: list[float] = []
        self._done = False

    def feed(self, data: bytes) -> None:
        """Raises UpstreamBroke where it grows too long."""
        self._body += data
        if len(self._body) > LARGEST_REPLY:
            raise UpstreamBroke(f"the reply is longer than {LARGEST_REPLY} bytes", kind="too_large")
        if self._streamed:
            self._add(self._payloads(data))

    def answer(self, sent: ChatRequest, status: int, headers: Mapping[str, str], broke: UpstreamBroke | None) -> Answer:
        self._add(self._decoder.close() if self._streamed else [bytes(self._body)])
        return Answer(
            sent,
            status,
            headers,
            bytes(self._body),
            tuple(self._chunks),
            tuple(self._arrivals),
            time.monotonic() - self._started,
            self._streamed,
            self._done,
            broke,
        )

    def _payloads(self, data: bytes) -> list[bytes]:
        try:
            return self._decoder.feed(data)
        except SSETooLong as error:
            raise UpstreamBroke(str(error), kind="too_large") from None

    def _add(self, payloads: list[bytes]) -> None:
        now = time.monotonic() - self._started
        for payload in payloads:
            if payload == DONE:
                self._done = True
                continue
            try:
                self._chunks.append(chat_chunk(payload))
            except InvalidJson:  # No chunk, and what there is of the body says why.
                continue
            self._arrivals.append(now)
