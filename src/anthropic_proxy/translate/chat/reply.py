"""ChatReader: a Chat Completions reply, streamed or whole, becomes pieces."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.translate.chat.calls import CallReader
from anthropic_proxy.translate.chat.citations import search_blocks, search_citations
from anthropic_proxy.translate.chat.filters import StopScanner, TextFilter, ThinkTags, WithoutFence, WithoutPrefix
from anthropic_proxy.translate.chat.ids import CallIds, base62
from anthropic_proxy.translate.chat.output import misfit
from anthropic_proxy.translate.chat.reasoning import ReasoningReader
from anthropic_proxy.translate.chat.stop_reasons import BROKEN, CALLED, END, LENGTH, REFUSED, WINDOW, meaning
from anthropic_proxy.translate.chat.tool_names import ToolNames
from anthropic_proxy.translate.chat.usage import chat_usage
from anthropic_proxy.translate.failures import Asked, error_in, stream_failure
from anthropic_proxy.translate.native import message_pieces
from anthropic_proxy.translate.overflow import prompt_too_long
from anthropic_proxy.translate.pieces import Failure, Finish, Piece, Text, Usage
from anthropic_proxy.wire.chat import ChatChunk, Choice, Delta, chat_chunk
from anthropic_proxy.wire.json import InvalidJson, loads, without_surrogates

DONE = b"[DONE]"

CUT = "the upstream closed the stream early"
NO_CHOICES = "the upstream's reply holds no choices"

FULL = 0.99
"""Share of the window from which a reply without output, cut off by its length, means that the prompt filled it."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the request says about its reply."""

    dialect: Dialect
    model: str
    """The upstream's model, which opaque state belongs to."""
    names: ToolNames
    used_ids: frozenset[str] = frozenset()
    show: str = "none"
    """How reasoning is shown: `text`, `omitted` or `none`."""
    stop_sequences: tuple[str, ...] = ()
    """Those to scan for."""
    only_one_call: bool = False
    whole_arguments: frozenset[str] = frozenset()
    prefill: str = ""
    """Text that the model may say again and the client has already."""
    schema: dict[str, Any] | None = None
    """For structured output that the backend does not enforce."""
    discard: bool = False
    """`max_tokens: 0`: only the prompt cache was to be filled."""
    search_query: str | None = None
    """Set where the backend was asked to search the web."""


class ChatReader:
    """Reads one reply. Each `data:` line of a stream goes to `read`, a whole one to `read_reply`; `close` ends it."""

    def __init__(self, expected: Expected, message_id: str, asked: Asked) -> None:
        dialect = expected.dialect
        self.ending = False
        self.finished = False
        self.done = False
        self.misfit = ""
        self._expected = expected
        self._dialect = dialect
        self._asked = asked
        self._message_id = message_id
        self._calls = CallReader(
            expected.names,
            CallIds(dialect, message_id, expected.used_ids),
            expected.only_one_call,
            expected.whole_arguments,
            wait_for_id=dialect.tool_id == "verbatim",
        )
        self._reasoning = ReasoningReader(dialect, expected.model, expected.show)
        self._tags = ThinkTags() if dialect.think_tags else None
        self._stops = StopScanner(list(expected.stop_sequences)) if expected.stop_sequences else None
        self._filters: list[TextFilter] = [
            *([WithoutPrefix(expected.prefill)] if expected.prefill else []),
            *([WithoutFence()] if expected.schema is not None else []),
            *([self._stops] if self._stops else []),
        ]
        self._finish_reason = ""
        self._reported_stop: str | None = None
        self._refusal: list[str] = []
        self._half = ""
        """Half of a surrogate pair, whose other half comes with the next text."""
        self._answer: list[str] = []
        """The visible text, kept only where it is checked or cited."""
        self._keeps_answer = expected.schema is not None or expected.search_query is not None
        self._annotations: list[Any] = []
        self._held: list[Piece] = []
        """Calls that wait for state which comes after them."""
        self._spoken = False
        self._listed = False
        """Was there a list of choices, be it empty?"""
        self._whole = False
        self._native = False
        self._usage: Usage | None = None

    def read(self, data: bytes) -> list[Piece]:
        """The pieces in one chunk."""
        if data.startswith(DONE):
            self.done = self.finished = True
            return []
        try:
            chunk = chat_chunk(data)
        except InvalidJson as error:
            return self._fail(Failure("api_error", f"the upstream sent what is not JSON: {error}", 502))
        self._listed = self._listed or chunk.choices is not None
        if not chunk.choices or chunk.error is not None:
            return self._without_choices(chunk, data)
        pieces = self._count(chunk.usage, chunk.service_tier) if chunk.usage is not None else []
        for position, choice in enumerate(chunk.choices):
            pieces += self._choice(choice, position)
        return pieces

    def read_reply(self, data: bytes) -> list[Piece]:
        """The pieces in a whole reply. Unlike a stream it has come to its end, even where it says nothing."""
        pieces = self.read(data)
        self._whole = True
        return pieces

    def close(self) -> list[Piece]:
        """What was held back, and the end. A stream that only broke off ends in a Failure."""
        if self.finished and self._failed:
            return []
        end = meaning(self._finish_reason)
        if end == BROKEN:
            return self._fail(stream_failure(f"the model stopped with {self._finish_reason!r}", self._asked))
        if not self._ended_well():
            return self._fail(Failure("api_error", NO_CHOICES if self._whole else CUT, 502))
        if self._is_silent_overflow(end):
            return self._fail(Failure("invalid_request_error", self._too_long(), 400))
        if self._native:
            return []
        pieces = self._flush_text()
        pieces += self._reasoning.close(self._calls.any) if not self._held else self._reasoning.sign()
        pieces += self._held
        pieces += self._calls.close(cut_off=end in (LENGTH, WINDOW))
        if self._expected.search_query is not None:
            pieces += self._searched()
        pieces.append(self._finish(end))
        if self._expected.schema is not None and end == END:
            self.misfit = misfit("".join(self._answer), self._expected.schema)
        return pieces

    # Chunks

    def _without_choices(self, chunk: ChatChunk, data: bytes) -> list[Piece]:
        """A chunk that carries no text: an error, token counts, or a reply that is Anthropic's already."""
        error = error_in(chunk)
        if error is not None:
            return self._fail(stream_failure(error, self._asked))
        if chunk.type == "message":
            self._native = self._spoken = self.ending = True
            return message_pieces(loads(data))
        return self._count(chunk.usage, chunk.service_tier)

    def _choice(self, choice: Choice, position: int) -> list[Piece]:
        pieces: list[Piece] = []
        delta = choice.delta or choice.message
        if delta is not None:
            pieces = self._delta(delta, choice.index if isinstance(choice.index, int) else position)
        elif isinstance(choice.text, str):
            pieces = self._text(choice.text)
        if choice.usage is not None:
            pieces += self._count(choice.usage, None)
        if choice.error is not None and choice.error:
            return [*pieces, *self._fail(stream_failure(choice.error, self._asked))]
        if isinstance(choice.finish_reason, str) and choice.finish_reason:
            self._note_finish(choice.finish_reason)
            if self._dialect.stop_report != "none":
                match = choice.stop_reason if self._dialect.stop_report == "stop_reason" else choice.matched_stop
                self._reported_stop = match if isinstance(match, str) else None
        return pieces

    def _note_finish(self, reason: str) -> None:
        """Of several choices the one that says more counts: a call more than a plain stop."""
        if not self._finish_reason or meaning(self._finish_reason) == END:
            self._finish_reason = reason
        self.ending = True

    def _delta(self, delta: Delta, choice: int) -> list[Piece]:
        pieces: list[Piece] = []
        if self._expected.discard:
            return pieces
        content = delta.content
        if type(content) is str and content and self._plain(delta):
            return self._text(content)
        pieces += self._reason(delta)
        if isinstance(content, str) and content:
            pieces += self._text(content)
        elif isinstance(content, list):
            for part in content:
                pieces += self._part(part)
        if isinstance(delta.refusal, str) and delta.refusal:
            self._refusal.append(delta.refusal)
            pieces += self._text(delta.refusal)
        if delta.tool_calls:
            pieces += self._tool_calls(delta.tool_calls, choice)
        if isinstance(delta.function_call, dict):
            pieces += self._tool_calls([{"index": -1, "function": delta.function_call}], choice)
        if isinstance(delta.annotations, list):
            self._annotations += delta.annotations
        return pieces

    @staticmethod
    def _plain(delta: Delta) -> bool:
        """Fast path: a delta of text and nothing else, as nearly all are."""
        return (
            delta.tool_calls is None
            and delta.reasoning_content is None
            and delta.reasoning is None
            and delta.reasoning_text is None
            and delta.reasoning_details is None
            and delta.refusal is None
            and delta.thinking_blocks is None
            and delta.reasoning_opaque is None
            and delta.function_call is None
            and delta.annotations is None
        )

    # Text

    def _text(self, text: str) -> list[Piece]:
        """Visible text, through the filters. What came before it is ended."""
        if self._half or "\ud800" <= text[-1] <= "\udbff":
            text = self._whole_characters(text)
        if self._tags is not None:
            thought, text = self._tags.split(text)
            pieces = self._think("think_tags", thought) if thought else []
        else:
            pieces = []
        return pieces + self._shown(text) if text else pieces

    def _shown(self, text: str) -> list[Piece]:
        for text_filter in self._filters:
            text = text_filter.feed(text)
        pieces = self._said(text)
        if self._stops is not None and self._stops.matched is not None:
            self.finished = self.ending = True
        return pieces

    def _said(self, text: str) -> list[Piece]:
        if not text:
            return []
        self._spoken = True
        if self._keeps_answer:
            self._answer.append(text)
        signed = [] if text.isspace() else self._reasoning.sign()
        return [*signed, Text(text)] if signed else [Text(text)]

    def _whole_characters(self, text: str) -> str:
        """Joins the halves of a surrogate pair that the upstream cut in two."""
        text = self._half + text
        self._half = ""
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        joined: str = without_surrogates(text)
        return joined

    def _flush_text(self) -> list[Piece]:
        """Ends the present text: something else follows, so what was held back is only text."""
        pieces: list[Piece] = []
        half, self._half = self._half, ""
        text = "\ufffd" if half else ""
        if self._tags is not None:
            thought, held = self._tags.close()
            pieces += self._think("think_tags", thought) if thought else []
            text = held + text
        for text_filter in self._filters:
            text = text_filter.feed(text) + text_filter.close() if text else text_filter.close()
        return pieces + self._said(text)

    def _part(self, part: object) -> list[Piece]:
        """A content part: text, or Mistral's thinking."""
        if not isinstance(part, dict):
            return []
        if part.get("type") == "thinking":
            return self._reasoning.add_part(part)
        text = part.get("text")
        return self._text(text) if isinstance(text, str) and text else []

    # Reasoning

    def _reason(self, delta: Delta) -> list[Piece]:
        pieces: list[Piece] = []
        for field in self._dialect.reasoning_fields:
            text = getattr(delta, field, None)
            if isinstance(text, str) and text:
                pieces += self._think(field, text)
                break
        if isinstance(delta.reasoning_details, list):
            pieces += self._reasoning.add_details(delta.reasoning_details, bool(pieces))
        if isinstance(delta.thinking_blocks, list):
            pieces += self._reasoning.add_thinking_blocks(delta.thinking_blocks, bool(pieces))
        if isinstance(delta.reasoning_opaque, str) and delta.reasoning_opaque:
            self._reasoning.add_opaque(delta.reasoning_opaque)
        return pieces

    def _think(self, field: str, text: str) -> list[Piece]:
        self._spoken = True
        return self._reasoning.think(field, text)

    # Calls

    def _tool_calls(self, deltas: object, choice: int) -> list[Piece]:
        pieces: list[Piece] = []
        for position, delta in enumerate(deltas if isinstance(deltas, list) else [deltas]):
            if not isinstance(delta, dict):
                continue
            pieces += self._flush_text()
            read = self._calls.read(delta, choice, position)
            if read is None:
                continue
            call, said = read
            if said and said[0].id:
                signature = _thought_signature(delta)
                if signature is not None:
                    pieces += self._reasoning.sign(signature, call.call_id)
                elif not self._dialect.late_state:
                    pieces += self._reasoning.sign()
            pieces += said
            self._spoken = True
        if not self._dialect.late_state:
            return pieces
        self._held += pieces
        return []

    # The end

    @property
    def _failed(self) -> bool:
        return self._finish_reason == _FAILED

    def _fail(self, failure: Failure) -> list[Piece]:
        self._finish_reason = _FAILED
        self.finished = self.ending = True
        return [failure]

    def _ended_well(self) -> bool:
        """Did the reply come to an end? A finish reason says so, `[DONE]` after some content, or a stop match."""
        if self._finish_reason or self._native or (self._whole and self._listed):
            return True
        if self._stops is not None and self._stops.matched is not None:
            return True
        return self._spoken and (self.done or self._dialect.eof_is_end)

    def _is_silent_overflow(self, end: str) -> bool:
        window, usage = self._dialect.context_window, self._usage
        if end != LENGTH or self._spoken or window is None or usage is None or self._expected.discard:
            return False
        return self._prompt(usage) >= FULL * window

    def _too_long(self) -> str:
        return prompt_too_long(self._prompt(self._usage or Usage(None, None)), self._dialect.context_window)

    @staticmethod
    def _prompt(usage: Usage) -> int:
        return (usage.input_tokens or 0) + usage.cache_read_input_tokens + usage.cache_creation_input_tokens

    def _finish(self, end: str) -> Finish:
        matched = self._reported_stop or (self._stops.matched if self._stops is not None else None)
        if self._expected.discard:
            return Finish(LENGTH)
        if matched is not None:
            return Finish("stop_sequence", matched)
        if end == LENGTH and self._dialect.fills_window:
            return Finish(WINDOW)
        if end in (LENGTH, WINDOW):
            return Finish(end)
        if end == REFUSED or self._refusal:
            return Finish(REFUSED, None, self._refusal_details())
        return Finish(CALLED if self._calls.any else END)

    def _refusal_details(self) -> Mapping[str, object]:
        return {"type": "refusal", "category": None, "explanation": "".join(self._refusal) or None}

    def _count(self, usage: object, service_tier: object) -> list[Piece]:
        counted = chat_usage(usage, self._dialect, service_tier)
        if counted is None:
            return []
        self._usage = counted
        return [counted]

    def _searched(self) -> list[Piece]:
        """The backend's own web search, as the blocks and citations that Anthropic's would have given."""
        citations = search_citations(self._annotations, "".join(self._answer))
        if not citations:
            return []
        usage = (self._usage or Usage(None, None))._replace(web_searches=1)
        query = self._expected.search_query or ""
        return [*citations, *search_blocks(self._annotations, query, "srvtoolu_" + base62(self._message_id, 24)), usage]


_FAILED = "\0failed"
"""Stands for the finish reason once a failure was reported."""


def _thought_signature(delta: dict[str, Any]) -> object:
    """Gemini's signature on a call: in `extra_content` from Google itself, elsewhere through LiteLLM."""
    extra = delta.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    if isinstance(google, dict) and google.get("thought_signature"):
        return google["thought_signature"]
    function = delta.get("function")
    for place in (delta, function if isinstance(function, dict) else {}):
        fields = place.get("provider_specific_fields")
        if isinstance(fields, dict) and fields.get("thought_signature"):
            return fields["thought_signature"]
    return None
