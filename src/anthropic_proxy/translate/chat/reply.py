"""ChatReader: a Chat Completions reply, streamed or whole, becomes pieces."""

from typing import Any

from msgspec.structs import replace

from anthropic_proxy.translate.chat.calls import SPOILED, Call, CallReader
from anthropic_proxy.translate.chat.citations import search_pieces
from anthropic_proxy.translate.chat.expected import Expected
from anthropic_proxy.translate.chat.ids import CallIds, base62
from anthropic_proxy.translate.chat.output import misfit
from anthropic_proxy.translate.chat.reasoning import ReasoningReader
from anthropic_proxy.translate.chat.stop_reasons import BROKEN, END, LENGTH, WINDOW, finish, meaning, stronger
from anthropic_proxy.translate.chat.text import ReplyText
from anthropic_proxy.translate.chat.usage import chat_usage, merged_usage
from anthropic_proxy.translate.failures import Asked, error_in, stream_failure
from anthropic_proxy.translate.native import message_blocks, message_usage
from anthropic_proxy.translate.overflow import prompt_too_long
from anthropic_proxy.translate.pieces import Block, Failure, Finish, Piece, Text, Usage
from anthropic_proxy.wire.chat import ChatChunk, Choice, Delta, chat_chunk, text_alone
from anthropic_proxy.wire.json import InvalidJson, loads, texts_in

DONE = b"[DONE]"

CUT = "the upstream closed the stream early"
EMPTY = "the upstream's reply is empty"

MOST_LEFT_OUT, LONGEST_KIND = 5, 40
"""Types of parts that are named in the log, and characters of one: a backend may invent them."""

FULL = 0.99
"""Share of the window from which a reply without output, cut off by its length, means that the prompt filled it."""


class ChatReader:
    """Reads one reply. Each `data:` line of a stream goes to `read`, a whole one to `read_reply`; `close` ends it."""

    def __init__(self, expected: Expected, message_id: str, asked: Asked) -> None:
        dialect = expected.dialect
        self.ending = False
        self.finished = False
        self.done = False
        self.misfit = ""
        self.upstream_id = ""
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
            longest=expected.longest_arguments,
        )
        self._reasoning = ReasoningReader(dialect, expected.model, expected.show)
        self._words = ReplyText(
            dialect.think_tags,
            expected.prefill,
            expected.schema is not None,
            expected.stop_sequences,
            keep=expected.schema is not None or expected.search_query is not None,
        )
        self._holds_calls = dialect.late_state and self._reasoning.shown
        """Do calls wait for state which comes after them?"""
        self._held: list[Piece] = []
        self._finish_reason = ""
        self._reported_stop: str | None = None
        self._refusal: list[str] = []
        self._annotations: list[Any] = []
        self._left_out: dict[str, None] = {}
        """Types of content parts that have no place in Anthropic's replies, in the order they came."""
        self._chosen = False
        """Was there any choice, be it empty?"""
        self._spoken = False
        """Did the model say anything?"""
        self._flows: bool | None = None
        """Does text come, chunk after chunk? None before the first, and no more once something else has come."""
        self._straight = False
        """And does it go to the client as it is?"""
        self._whole = False
        self._failed = False
        self._usage: Usage | None = None

    @property
    def warnings(self) -> list[str]:
        """What had to be mended in the reply, complete once it is closed."""
        return [*self._calls.flaws, *(f"{kind!r} in the reply was left out" for kind in self._left_out)]

    def read(self, data: bytes) -> list[Piece]:
        """The pieces in one chunk."""
        if self._flows:
            text = text_alone(data)
            if text:
                return [Text(text)] if self._straight else self._text(text)
            self._flows = self._straight = False
        try:
            chunk = chat_chunk(data)
        except InvalidJson as error:
            return self._not_one_object(data, error)
        if not self.upstream_id and isinstance(chunk.id, str):
            self.upstream_id = chunk.id
        choices = chunk.choices
        if not choices or chunk.error:
            return self._without_choices(chunk, data)
        self._chosen = True
        pieces = self._count(chunk.usage, chunk.service_tier) if chunk.usage is not None else []
        if len(choices) > 1:
            choices.sort(key=lambda choice: choice.index if isinstance(choice.index, int) else 0)
        for position, choice in enumerate(choices):
            pieces += self._choice(choice, position)
        return pieces

    def read_reply(self, data: bytes) -> list[Piece]:
        """The pieces in a whole reply. Unlike a stream it has come to its end, even where it says nothing."""
        self._whole = self._calls.whole_reply = True
        return self.read(data)

    def close(self) -> list[Piece]:
        """What was held back, and the end. A stream that only broke off ends in a Failure."""
        if self._failed:
            return []
        end = meaning(self._finish_reason)
        if end == BROKEN:
            return self._fail(stream_failure(f"the model stopped with {self._finish_reason!r}", self._asked))
        if not self._ended_well():
            return self._fail(Failure("api_error", EMPTY if self._whole else CUT, 502))
        if self._is_silent_overflow(end):
            prompt = self._usage.prompt_tokens if self._usage is not None else None
            return self._fail(
                Failure("invalid_request_error", prompt_too_long(prompt, self._dialect.context_window), 400)
            )
        pieces = self._flush()
        pieces += self._reasoning.close(self._calls.any)
        if self._holds_calls:
            pieces += self._late_signatures()
        pieces += self._held
        pieces += self._calls.close(cut_off=end in (LENGTH, WINDOW))
        if self._calls.spoiled:
            # Asked again for a whole reply, as clients do, we can tell what the model wrote.
            return [*pieces, *self._fail(Failure("api_error", SPOILED, 502))]
        pieces += self._late_signatures()
        if self._expected.search_query is not None:
            pieces += self._searched(self._expected.search_query)
        pieces.append(self._finish(end))
        if self._expected.schema is not None and end == END:
            self.misfit = misfit(self._words.answer, self._expected.schema)
        return pieces

    # Chunks

    def _not_one_object(self, data: bytes, error: InvalidJson) -> list[Piece]:
        """The end mark, or several objects in one event."""
        if data.startswith(DONE):
            self.done = self.finished = True
            return []
        try:
            texts = texts_in(data)
        except InvalidJson:
            texts = []
        if len(texts) < 2:
            return self._fail(Failure("api_error", f"the upstream sent what is not JSON: {error}", 502))
        return [piece for text in texts for piece in self.read(text)]

    def _without_choices(self, chunk: ChatChunk, data: bytes) -> list[Piece]:
        """A chunk that carries no text: an error, token counts, or a reply that is Anthropic's already."""
        error = error_in(chunk)
        if error is not None:
            return self._fail(stream_failure(error, self._asked))
        if chunk.type == "message":
            try:
                message = loads(data)
            except InvalidJson as flaw:
                # Not seen before: what no field of a chunk holds is not looked at.
                return self._not_one_object(data, flaw)
            return self._message(message) if isinstance(message, dict) else []
        return self._count(chunk.usage, chunk.service_tier)

    def _choice(self, choice: Choice, position: int) -> list[Piece]:
        pieces: list[Piece] = []
        delta = choice.delta or choice.message
        if delta is not None:
            pieces = self._delta(delta, choice.index if isinstance(choice.index, int) else position)
        elif isinstance(choice.text, str):
            pieces = self._delta(Delta(content=choice.text), position)
        if choice.usage is not None:
            pieces += self._count(choice.usage, None)
        if choice.error:
            return [*pieces, *self._fail(stream_failure(choice.error, self._asked))]
        if isinstance(choice.finish_reason, str) and choice.finish_reason:
            self._note_end(choice, choice.finish_reason)
        return pieces

    def _note_end(self, choice: Choice, reason: str) -> None:
        self._finish_reason = stronger(self._finish_reason, reason)
        self.ending = True
        reported = {"stop_reason": choice.stop_reason, "matched_stop": choice.matched_stop}.get(
            self._dialect.stop_report
        )
        if isinstance(reported, str) and reported in self._expected.sent_stops:
            self._reported_stop = reported

    def _delta(self, delta: Delta, choice: int) -> list[Piece]:
        if self._expected.discard:
            self._spoken = True
            return []
        content = delta.content
        pieces = self._reasoning.read(delta)
        self._spoken = self._spoken or self._reasoning.heard
        for part in content if isinstance(content, list) else [content]:
            pieces += self._part(part)
        if isinstance(delta.refusal, str):
            pieces += self._refuse(delta.refusal)
        if delta.tool_calls:
            pieces += self._tool_calls(delta.tool_calls, choice)
        if isinstance(delta.function_call, dict):
            pieces += self._tool_calls([{"index": -1, "function": delta.function_call}], choice)
        if isinstance(delta.annotations, list):
            self._annotations += delta.annotations
        return pieces

    def _part(self, part: object) -> list[Piece]:
        """Content, or one part of it: text, a refusal, or Mistral's thinking. Other media have no place in a reply."""
        if isinstance(part, str):
            return self._text(part) if part else []
        if not isinstance(part, dict):
            return []
        if part.get("type") == "thinking":
            self._spoken = True
            return self._reasoning.add_part(part)
        if isinstance(part.get("refusal"), str):
            return self._refuse(part["refusal"])
        if isinstance(part.get("text"), str):
            return self._part(part["text"])
        kind = part.get("type")
        if isinstance(kind, str) and kind not in ("text", "refusal") and len(self._left_out) < MOST_LEFT_OUT:
            self._left_out[kind[:LONGEST_KIND]] = None
        return []

    def _refuse(self, text: str) -> list[Piece]:
        if not text:
            return []
        self._refusal.append(text)
        return self._text(text)

    # Text

    def _text(self, text: str) -> list[Piece]:
        return self._said(*self._words.feed(text))

    def _flush(self) -> list[Piece]:
        """Ends the present text: something else follows, so what was held back is only text."""
        return self._said(*self._words.flush())

    def _said(self, thought: str, text: str) -> list[Piece]:
        pieces: list[Piece] = []
        if thought:
            self._spoken = True
            pieces += self._reasoning.think("think_tags", thought)
        if text:
            self._spoken = True
            if self._reasoning.pending and not text.isspace():
                pieces += self._reasoning.sign()
            pieces.append(Text(text))
            self._straight = self._words.passes and not self._reasoning.pending
            if self._flows is None and self.upstream_id:
                self._flows = True
        if self._words.matched is not None:
            self.finished = self.ending = True
        return pieces

    # Calls

    def _tool_calls(self, deltas: object, choice: int) -> list[Piece]:
        pieces = self._flush()
        if self._words.matched is not None:
            return pieces
        for call, said in self._calls.read(deltas, choice):
            self._spoken = True
            begins = bool(said) and not call.begun
            call.begun = call.begun or begins
            if self._holds_calls:
                self._held += said
            else:
                pieces += [*self._before(call), *said] if begins else said
        return pieces

    def _before(self, call: Call) -> list[Piece]:
        """What goes before a call that begins now."""
        if call.signature is None or not call.call_id:
            return self._reasoning.sign()
        call.signed = True
        return self._reasoning.sign_for_call(call.signature, call.call_id)

    def _late_signatures(self) -> list[Piece]:
        """Carriers for signatures that came after their call was announced, or while calls are held."""
        pieces: list[Piece] = []
        for call in self._calls.unsigned:
            call.signed = True
            pieces += self._reasoning.carried(call.signature, call.call_id)
        return pieces

    # A reply that is Anthropic's already

    def _message(self, message: dict[str, Any]) -> list[Piece]:
        """Its blocks take the same way as a backend's, so that names, ids and stop sequences are right."""
        self._chosen = self.ending = True
        usage = message_usage(message)
        pieces: list[Piece] = []
        if usage is not None:
            self._usage = usage
            pieces.append(usage)
        if not self._expected.discard:
            for number, block in enumerate(message_blocks(message)):
                pieces += self._block(block, number)
        reason, sequence, details = (message.get(name) for name in ("stop_reason", "stop_sequence", "stop_details"))
        self._finish_reason = reason if isinstance(reason, str) and reason else END
        if reason == "stop_sequence" and isinstance(sequence, str):
            self._reported_stop = sequence
        if isinstance(details, dict) and isinstance(details.get("explanation"), str):
            self._refusal.append(details["explanation"])
        return pieces

    def _block(self, block: Block, number: int) -> list[Piece]:
        content = block.block
        if content["type"] == "text" and not content.get("citations"):
            return self._text(content["text"]) if content["text"] else []
        if content["type"] == "tool_use":
            function = {"name": content["name"], "arguments": content["input"]}
            return self._tool_calls([{"index": number, "id": content["id"], "function": function}], 0)
        pieces = self._flush()
        if self._words.matched is not None or ("thinking" in content["type"] and not self._reasoning.shown):
            return pieces
        self._spoken = True
        if content["type"] == "thinking" and self._expected.show == "omitted":
            block = Block({**content, "thinking": ""})
        return [*pieces, block]

    # The end

    def _fail(self, failure: Failure) -> list[Piece]:
        self._failed = self.finished = self.ending = True
        return [failure]

    def _ended_well(self) -> bool:
        """Did the reply come to an end? A finish reason says so, a stop match, or `[DONE]` after whole content."""
        if self._finish_reason or self._words.matched is not None:
            return True
        if self._whole and not self._spoken:
            counted = self._usage.output_tokens if self._usage is not None else None
            return self._chosen if counted is None else counted > 0
        if self._whole:
            return True
        return self._spoken and not self._calls.broken_off and (self.done or self._dialect.eof_is_end)

    def _is_silent_overflow(self, end: str) -> bool:
        window, usage = self._dialect.context_window, self._usage
        if end != LENGTH or self._spoken or window is None or usage is None:
            return False
        return usage.prompt_tokens >= FULL * window

    def _finish(self, end: str) -> Finish:
        if self._expected.discard:
            return Finish(LENGTH)
        return finish(
            end,
            stop_sequence=self._words.matched or self._reported_stop,
            refusal="".join(self._refusal) or None,
            called=self._calls.any,
            fills_window=self._dialect.fills_window,
        )

    def _count(self, usage: object, service_tier: object) -> list[Piece]:
        counted = chat_usage(usage, self._dialect, service_tier)
        if counted is None:
            return []
        self._usage = merged_usage(self._usage, counted)
        return [self._usage]

    def _searched(self, query: str) -> list[Piece]:
        """The backend's own web search, as the blocks and citations that Anthropic's would have given."""
        call_id = "srvtoolu_" + base62(self._message_id, 24)
        pieces = search_pieces(self._annotations, self._words.answer, query, call_id)
        usage = replace(self._usage or Usage(None, None), web_searches=1)
        return [*pieces, usage] if pieces else []
