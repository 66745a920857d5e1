"""MessageWriter: pieces of a reply become Anthropic's stream. Sole owner of that stream's grammar."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from anthropic_proxy.translate.carriers import EMPTY_SIGNATURE
from anthropic_proxy.translate.json_end import JsonEnd
from anthropic_proxy.translate.pieces import (
    Block,
    Citation,
    Estimate,
    Failure,
    Finish,
    Piece,
    Signature,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from anthropic_proxy.wire.anthropic import Block as ContentBlock
from anthropic_proxy.wire.anthropic import MessageUsage, StreamEvent
from anthropic_proxy.wire.json import dumps


@dataclass(slots=True)
class _Block:
    """A block begun and not yet closed. `waiting` holds what could not be sent yet."""

    start: ContentBlock
    """The block as `content_block_start` shows it. A tool call without a name yet has none to show."""
    slot: Hashable = None
    """Of a tool call."""
    waiting: list[dict[str, Any]] = field(default_factory=list)
    """Deltas that come before anything else, once the block is first in the queue."""
    signature: str | None = None
    """Of a thinking block: sent just before its end."""
    end: JsonEnd | None = None
    """Of a tool call: finds the end of its arguments."""
    whole: bool = False
    """Nothing can be added any more."""

    @property
    def type(self) -> str:
        kind: str = self.start["type"]
        return kind

    @property
    def complete(self) -> bool:
        """May the block be closed when another waits? A tool call only once its JSON has ended."""
        return self.end is None or self.whole or self.end.complete


class MessageWriter:
    """Turns pieces of a reply into Anthropic stream events. Feed it with `write`, end with `close`.

    Whatever it is fed, what it returns is a legal stream: one message_start, blocks numbered from
    0 with one open at a time, then message_delta and message_stop, or an error event and no more.
    Nothing is sent before the first piece that means something, so that a failure before it can
    still be an HTTP status.
    """

    estimated_input_tokens: int
    """What message_start says of the prompt before the upstream has counted it."""

    def __init__(self, message_id: str, model: str, estimated_input_tokens: int = 0) -> None:
        self.message_id = message_id
        self.model = model
        self.estimated_input_tokens = estimated_input_tokens
        self.started = False
        self.ended = False
        self._index = 0
        self._first_is_open = False
        self._in_text = False
        """Is the one block there is an open text? Then more text goes straight on."""
        self._blocks: list[_Block] = []
        """Blocks begun and not yet closed. The first is being sent; the others wait their turn, since
        upstreams interleave parallel tool calls and Anthropic's stream does not."""
        self._closed: set[Hashable] = set()
        """Slots of the calls that were closed: their arguments have ended, and nothing follows."""
        self._blank = ""
        """White space that belongs to the next text block, if one comes."""
        self._usage: Usage | None = None
        self._started_with = Usage(0, 0)
        """The figures of message_start."""
        self._applied_edits: Sequence[Mapping[str, object]] = ()
        """What was cleared of the prompt."""
        self._finish: Finish | None = None
        self._written = 0
        """Characters sent, the base of an estimate where the upstream does not count."""

    def start(self) -> list[StreamEvent]:
        """message_start, unless it was sent before. For a sender that cannot wait for the first piece."""
        if self.started or self.ended:
            return []
        self.started = True
        message: dict[str, Any] = {
            "id": self.message_id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": self._start_usage(),
        }
        return [{"type": "message_start", "message": message}]

    def write(self, piece: Piece) -> list[StreamEvent]:
        """The events that `piece` makes due."""
        if self._in_text and type(piece) is Text and piece.text:
            # Fast path, for nearly all pieces. What `_text` would do takes more than twice as long.
            text = piece.text
            self._written += len(text)
            return [
                {"type": "content_block_delta", "index": self._index, "delta": {"type": "text_delta", "text": text}}
            ]
        if self.ended:
            return []
        return _WRITERS[type(piece)](self, piece)

    def close(self) -> list[StreamEvent]:
        """The end: of the message if a Finish was seen, else an error event. Never a false end."""
        if self.ended:
            return []
        if self._finish is None:
            return self._fail(Failure("api_error", "the upstream closed the stream early"))
        events = self.start()
        for number, block in enumerate(self._blocks):
            block.whole = True
            if block.end is not None:
                block.start["id"] = block.start["id"] or f"toolu_{self.message_id}_{number}"
                block.start["name"] = block.start["name"] or NAMELESS_TOOL
        events += self._advance(last=True)
        self.ended, self._in_text = True, False
        end = {"type": "message_delta", "delta": self._end_delta(self._finish), "usage": self._end_usage()}
        if self._applied_edits:
            end["context_management"] = {"applied_edits": [dict(edit) for edit in self._applied_edits]}
        events.append(end)
        events.append({"type": "message_stop"})
        return events

    # Pieces

    def _text(self, piece: Text) -> list[StreamEvent]:
        text = piece.text
        last = self._last("text")
        if last is None:
            text = self._blank + text
            if not text or text.isspace():
                self._blank = text
                return []
            last = self._begin(_Block({"type": "text", "text": ""}))
        return self._more(last, {"type": "text_delta", "text": text}) if text else []

    def _thinking(self, piece: Thinking) -> list[StreamEvent]:
        last = self._last("thinking")
        if last is None:
            last = self._begin(_Block({"type": "thinking", "thinking": "", "signature": ""}))
        return self._more(last, {"type": "thinking_delta", "thinking": piece.text}) if piece.text else self._advance()

    def _sign(self, piece: Signature) -> list[StreamEvent]:
        """The block is whole with it, whatever comes next."""
        last = self._last("thinking")
        if last is None:
            return []
        last.signature, last.whole = piece.signature, True
        return self._advance()

    def _last(self, kind: str) -> _Block | None:
        """The last block, if it is of that kind and more can be added to it."""
        last = self._blocks[-1] if self._blocks else None
        return last if last is not None and last.type == kind and not last.whole else None

    def _tool_call(self, call: ToolCall) -> list[StreamEvent]:
        if call.slot in self._closed:
            return []
        block = next((block for block in self._blocks if block.end is not None and block.slot == call.slot), None)
        if block is None:
            block = self._begin(
                _Block({"type": "tool_use", "id": "", "name": "", "input": {}}, slot=call.slot, end=JsonEnd())
            )
        self._name(block, call)
        if not call.arguments or block.end is None:
            return self._advance()
        block.end.feed(call.arguments)
        return self._more(block, {"type": "input_json_delta", "partial_json": call.arguments})

    def _name(self, block: _Block, call: ToolCall) -> None:
        """Completes a call's start, as long as it has not been sent."""
        block.start["id"] = block.start["id"] or call.id
        if call.name and not block.start["name"]:
            block.start["name"] = call.name
            if call.toolset_name:
                block.start["toolset_name"] = call.toolset_name

    def _whole_block(self, piece: Block) -> list[StreamEvent]:
        start, deltas, signature = _taken_apart(piece.block)
        self._begin(_Block(start, waiting=deltas, signature=signature, whole=True))
        return self._advance()

    def _cite(self, piece: Citation) -> list[StreamEvent]:
        for block in reversed(self._blocks):
            if block.type == "text" and not block.whole:
                block.waiting.append({"type": "citations_delta", "citation": dict(piece.citation)})
                return self._advance()
        return []

    def _count(self, piece: Usage) -> list[StreamEvent]:
        self._usage = piece
        return []

    def _estimate(self, piece: Estimate) -> list[StreamEvent]:
        self.estimated_input_tokens = piece.input_tokens
        self._applied_edits = piece.applied_edits
        return []

    def _note_finish(self, piece: Finish) -> list[StreamEvent]:
        self._finish = piece
        return self.start()

    def _fail(self, piece: Failure) -> list[StreamEvent]:
        self.ended, self._in_text = True, False
        return [{"type": "error", "error": {"type": piece.type, "message": piece.message}}]

    # The queue

    def _begin(self, block: _Block) -> _Block:
        self._blank = ""
        self._blocks.append(block)
        return block

    def _more(self, block: _Block, delta: dict[str, Any]) -> list[StreamEvent]:
        """A delta for `block`: sent at once where that one is open and alone, as it mostly is; else it waits."""
        if self._first_is_open and len(self._blocks) == 1:
            return [self._delta(delta)]
        block.waiting.append(delta)
        return self._advance()

    def _advance(self, last: bool = False) -> list[StreamEvent]:
        """Sends what the first block has gathered, and closes it once it is complete and not alone."""
        events = self.start()
        blocks = self._blocks
        while blocks:
            first = blocks[0]
            if not self._first_is_open:
                if first.end is not None and not (first.start["id"] and first.start["name"]):
                    break
                events.append({"type": "content_block_start", "index": self._index, "content_block": first.start})
                self._first_is_open = True
            events += [self._delta(delta) for delta in _joined(first.waiting)]
            first.waiting.clear()
            if not (first.complete and (last or first.whole or len(blocks) > 1)):
                break
            events += self._stop(first)
        self._in_text = self._first_is_open and len(blocks) == 1 and blocks[0].type == "text"
        return events

    def _stop(self, block: _Block) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        if block.type == "thinking":
            signature = EMPTY_SIGNATURE if block.signature is None else block.signature
            events.append(self._delta({"type": "signature_delta", "signature": signature}))
        if block.end is not None:
            self._closed.add(block.slot)
        events.append({"type": "content_block_stop", "index": self._index})
        self._blocks.pop(0)
        self._first_is_open = False
        self._index += 1
        return events

    def _delta(self, delta: dict[str, Any]) -> StreamEvent:
        part = _COUNTED.get(delta["type"])
        if part is not None:
            self._written += len(delta[part])
        return {"type": "content_block_delta", "index": self._index, "delta": delta}

    # The end

    def _end_delta(self, finish: Finish) -> dict[str, Any]:
        delta: dict[str, Any] = {"stop_reason": finish.stop_reason, "stop_sequence": finish.stop_sequence}
        if finish.stop_details is not None:
            delta["stop_details"] = dict(finish.stop_details)
        return delta

    def _start_usage(self) -> MessageUsage:
        """What is known by now. A prompt of no tokens is one that the upstream has not counted yet."""
        usage = self._usage or Usage(None, None)
        if not usage.prompt_tokens:
            usage = replace(usage, input_tokens=self.estimated_input_tokens)
        self._started_with = replace(
            usage, input_tokens=usage.input_tokens or 0, output_tokens=usage.output_tokens or 0
        )
        return {**_stated(self._started_with), "cache_creation": cache_creation(usage)}

    def _end_usage(self) -> MessageUsage:
        """Every figure, as integers. Claude Code skips a zero and would keep what the start said, so that
        a prompt which began above zero ends at one at least."""
        usage = self._usage or Usage(None, None)
        output = usage.output_tokens
        if output is None:
            output = -(-self._written // CHARACTERS_PER_TOKEN)
        usage = replace(usage, output_tokens=max(output, self._started_with.output_tokens or 0))
        if usage.input_tokens is None:
            usage = replace(usage, input_tokens=self.estimated_input_tokens)
        if usage.input_tokens == 0 and self._started_with.input_tokens:
            usage = replace(usage, input_tokens=1)
        return _stated(usage)


def _stated(usage: Usage) -> MessageUsage:
    stated: MessageUsage = {
        "input_tokens": usage.input_tokens or 0,
        "cache_creation_input_tokens": usage.cache_creation_input_tokens,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
        "output_tokens": usage.output_tokens or 0,
    }
    if usage.thinking_tokens is not None:
        stated["output_tokens_details"] = {"thinking_tokens": usage.thinking_tokens}
    if usage.web_searches:
        stated["server_tool_use"] = {"web_search_requests": usage.web_searches}
    if usage.service_tier is not None:
        stated["service_tier"] = usage.service_tier
    return stated


_WRITERS: dict[type, Callable[[MessageWriter, Any], list[StreamEvent]]] = {
    Text: MessageWriter._text,
    Thinking: MessageWriter._thinking,
    Signature: MessageWriter._sign,
    ToolCall: MessageWriter._tool_call,
    Block: MessageWriter._whole_block,
    Citation: MessageWriter._cite,
    Usage: MessageWriter._count,
    Estimate: MessageWriter._estimate,
    Finish: MessageWriter._note_finish,
    Failure: MessageWriter._fail,
}
"""What a piece makes due, by its type."""


def cache_creation(usage: Usage) -> dict[str, int] | None:
    """Tokens written to the cache by lifetime: backends know of one only. None if there are none."""
    written = usage.cache_creation_input_tokens
    return {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0} if written else None


CHARACTERS_PER_TOKEN = 4
"""For replies whose tokens the upstream does not count: a common ratio for English text."""

NAMELESS_TOOL = "unnamed_tool"
"""Name of a call whose name never came: the client answers that it knows no such tool, and the model sees it."""

_COUNTED = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
"""Deltas that hold what the model wrote, each with its field."""


def _joined(deltas: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`deltas` with neighbours of one kind made one: what waited goes out at once."""
    if len(deltas) < 2:
        return deltas
    joined: list[dict[str, Any]] = []
    for delta in deltas:
        part = _COUNTED.get(delta["type"])
        if part is not None and joined and joined[-1]["type"] == delta["type"]:
            joined[-1] = {**joined[-1], part: joined[-1][part] + delta[part]}
        else:
            joined.append(delta)
    return joined


def _taken_apart(content: ContentBlock) -> tuple[ContentBlock, list[dict[str, Any]], str | None]:
    """A whole block as its start, its deltas and its signature: clients ignore text and input in a start."""
    kind = content["type"]
    if kind == "text":
        deltas: list[dict[str, Any]] = [{"type": "text_delta", "text": content["text"]}] if content["text"] else []
        deltas += [{"type": "citations_delta", "citation": citation} for citation in content.get("citations") or []]
        return {**content, "text": "", **({"citations": []} if content.get("citations") else {})}, deltas, None
    if kind == "thinking":
        text = content.get("thinking") or ""
        deltas = [{"type": "thinking_delta", "thinking": text}] if text else []
        return {**content, "thinking": "", "signature": ""}, deltas, content.get("signature") or EMPTY_SIGNATURE
    if kind in ("tool_use", "server_tool_use", "mcp_tool_use"):
        arguments = content.get("input")
        deltas = [{"type": "input_json_delta", "partial_json": dumps(arguments).decode()}] if arguments else []
        return {**content, "input": {}}, deltas, None
    return content, [], None
