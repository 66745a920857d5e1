"""The grammar of Anthropic's event stream, as a checker that shares no code with the writer.

`parse_stream` reads the bytes, `violations` judges the events. Both say what is wrong in a sentence;
every stream test ends in `assert violations(events) == []`.
"""

import json
import re
from collections.abc import Callable, Collection
from typing import Any

Event = dict[str, Any]

STOP_REASONS = {
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
    "compaction",
}

CUT_SHORT = {"max_tokens", "model_context_window_exceeded"}
"""Stop reasons after which a tool's input may break off."""

NOT_FOR_THE_TOOL = CUT_SHORT | {"stop_sequence", "refusal"}
"""Stop reasons that outrank `tool_use` where a tool was called."""

ERROR_TYPES = {
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "conflict_error",
    "request_too_large",
    "rate_limit_error",
    "api_error",
    "not_supported",
    "timeout_error",
    "overloaded_error",
}

FIGURES = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
"""Token counts a client adds up, so they are integers wherever usage is stated."""

TOOL_USES = {"tool_use", "server_tool_use", "mcp_tool_use"}

DELTAS: dict[str, set[str]] = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "redacted_thinking": set(),
    "container_upload": set(),
    "fallback": set(),
    "mcp_tool_listing": set(),
    "compaction": {"compaction_delta"},
    **{block: {"input_json_delta"} for block in TOOL_USES},
}
"""Block types, each with the deltas it may get. A block `*_tool_result` gets none."""

DELTA_TEXT = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
    "signature_delta": "signature",
}
"""Deltas that carry text, each with the field it is in."""

PLACEHOLDERS: dict[str, dict[str, object]] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    **{block: {"input": {}} for block in TOOL_USES},
}
"""What a block holds at its start, before its deltas: clients throw away anything else."""

NAMES: dict[str, tuple[str, ...]] = {
    "redacted_thinking": ("data",),
    "mcp_tool_use": ("id", "name", "server_name"),
    "server_tool_use": ("id", "name"),
    "tool_use": ("id", "name"),
}
"""Fields that hold a text of their own, not empty."""


class Malformed(ValueError):
    """The bytes are not a stream of named events."""


def parse_stream(data: bytes) -> list[Event]:
    """The events in `data`, pings included, comments left out.

    Strict, as the strictest client is: each event is one `event:` line, one `data:` line holding a
    JSON object whose `type` is the event's name, and an empty line. Raises Malformed.
    """
    text = data.decode()
    if text and not text.endswith("\n\n"):
        raise Malformed("the last event has no empty line after it")
    frames = [frame.split("\n") for frame in text.split("\n\n") if frame]
    return [_event(lines) for lines in frames if not all(line.startswith(":") for line in lines)]


def _event(lines: list[str]) -> Event:
    lines = [line for line in lines if not line.startswith(":")]
    if len(lines) != 2 or not lines[0].startswith("event: ") or not lines[1].startswith("data: "):
        raise Malformed(f"not one event line and one data line: {lines}")
    name = lines[0].removeprefix("event: ")
    try:
        event = json.loads(lines[1].removeprefix("data: "))
    except ValueError as error:
        raise Malformed(f"the data of {name} is not JSON: {error}") from None
    if not isinstance(event, dict) or event.get("type") != name:
        raise Malformed(f"the event is named {name}, and its data is {event}")
    return event


def violations(events: list[Event]) -> list[str]:
    """Everything in `events` that breaks the grammar, each as `event N: …`. Empty for a legal stream."""
    return _Checker().check(events)


class _Checker:
    """Walks a stream once. The stage says what may come next."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.place = ""
        self.stage = "start"
        """start, message (blocks may come), delta (after message_delta), end."""
        self.blocks = 0
        """Blocks begun so far: the index of the next one."""
        self.block: Event | None = None
        """The open block's start, or None between blocks."""
        self.arguments: list[str] = []
        self.signatures = 0
        self.ids: set[str] = set()
        """Ids of the tools used so far."""
        self.tool_called = False
        """Was there a `tool_use` block, one for the client to run?"""
        self.broken_inputs: list[str] = []
        """Tool inputs that break off: legal only after certain stop reasons."""
        self.output_tokens = 0

    def check(self, events: list[Event]) -> list[str]:
        for number, event in enumerate(events):
            self.place = f"event {number}"
            if not isinstance(event, dict) or not isinstance(event.get("type"), str):
                self.wrong(f"is not an object with a type: {event!r}")
            elif self.stage == "end":
                self.wrong(f"{event['type']} after the stream ended")
            elif event["type"] not in _EVENTS:
                self.wrong(f"unknown event {event['type']}")
            else:
                _EVENTS[event["type"]](self, event)
        self.place = "end"
        if self.stage != "end":
            self.wrong("the stream ends without message_stop or error")
        return self.found

    def wrong(self, what: str) -> None:
        self.found.append(f"{self.place}: {what}")

    def expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.wrong(what)

    def fields(self, where: str, value: Event, needed: set[str], allowed: Collection[str] = ()) -> None:
        missing, extra = needed - value.keys(), value.keys() - needed - set(allowed)
        self.expect(not missing, f"{where} lacks {sorted(missing)}")
        self.expect(not extra, f"{where} has unknown fields {sorted(extra)}")

    # Events

    def ping(self, event: Event) -> None:
        self.fields("ping", event, {"type"})

    def message_start(self, event: Event) -> None:
        self.expect(self.stage == "start", "message_start is not the first event, or comes twice")
        self.stage = "message"
        self.fields("message_start", event, {"type", "message"})
        message = event.get("message")
        if not isinstance(message, dict):
            return self.wrong("message is not an object")
        fixed: Event = {
            "type": "message",
            "role": "assistant",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }
        for name, value in fixed.items():
            self.expect(
                name in message and message[name] == value,
                f"message.{name} is {message.get(name, 'absent')!r}, not {value!r}",
            )
        for name in ("id", "model"):
            self.expect(_is_text(message.get(name)), f"message.{name} is not a text")
        self.output_tokens = self.usage("message.usage", message.get("usage"))
        return None

    def content_block_start(self, event: Event) -> None:
        self.expect(self.stage == "message", f"a block begins in the stage {self.stage}")
        self.expect(self.block is None, "a block begins while another is open")
        self.fields("content_block_start", event, {"type", "index", "content_block"})
        self.index(event, self.blocks)
        self.blocks += 1
        block = event.get("content_block")
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            self.wrong("content_block is not an object with a type")
            block = {"type": ""}
        self.block, self.arguments, self.signatures = block, [], 0
        self.block_start(block)

    def block_start(self, block: Event) -> None:
        kind = block["type"]
        self.expect(_deltas(kind) is not None, f"unknown block {kind!r}")
        for name, value in PLACEHOLDERS.get(kind, {}).items():
            self.expect(
                name in block and block[name] == value,
                f"{kind}.{name} is {block.get(name, 'absent')!r} at its start, not {value!r}",
            )
        for name in NAMES.get(kind, ()):
            self.expect(_is_text(block.get(name)), f"{kind}.{name} is not a text")
        if kind.endswith("_tool_result"):
            self.expect(
                _is_text(block.get("tool_use_id")) and "content" in block, f"{kind} lacks tool_use_id or content"
            )
        if kind in TOOL_USES:
            self.expect(str(block.get("id")) not in self.ids, f"the tool id {block.get('id')} comes twice")
            self.ids.add(str(block.get("id")))
            self.tool_called |= kind == "tool_use"

    def content_block_delta(self, event: Event) -> None:
        self.fields("content_block_delta", event, {"type", "index", "delta"})
        if self.block is None:
            return self.wrong("a delta while no block is open")
        self.index(event, self.blocks - 1)
        delta = event.get("delta")
        if not isinstance(delta, dict):
            return self.wrong("delta is not an object")
        return self.delta(str(self.block["type"]), str(delta.get("type")), delta)

    def delta(self, kind: str, name: str, delta: Event) -> None:
        self.expect(name in (_deltas(kind) or ()), f"{name} in a {kind} block")
        field = DELTA_TEXT.get(name)
        text = delta.get(field, "") if field else ""
        if field and not isinstance(delta.get(field), str):
            return self.wrong(f"{name}.{field} is not a string")
        if name == "signature_delta":
            self.signatures += 1
        elif field:
            # Empty thinking may carry `estimated_tokens`, as a sign of life.
            self.expect(text != "" or delta.get("estimated_tokens") is not None, f"{name} is empty")
        if name == "thinking_delta":
            self.expect(self.signatures == 0, "thinking_delta after the signature")
        if name == "citations_delta":
            self.expect(isinstance(delta.get("citation"), dict), "citations_delta.citation is not an object")
        if name == "input_json_delta":
            self.arguments.append(text)
        return None

    def content_block_stop(self, event: Event) -> None:
        self.fields("content_block_stop", event, {"type", "index"})
        if self.block is None:
            return self.wrong("a block ends while none is open")
        self.index(event, self.blocks - 1)
        kind, self.block = self.block["type"], None
        if kind == "thinking":
            self.expect(self.signatures == 1, f"a thinking block with {self.signatures} signatures, not 1")
        if kind in TOOL_USES:
            self.tool_input("".join(self.arguments))
        return None

    def tool_input(self, text: str) -> None:
        try:
            value = json.loads(text or "{}", parse_constant=_no_constant)
        except ValueError as error:
            if _breaks_off(text, error):
                self.broken_inputs.append(text)
            else:
                self.wrong(f"a tool's input is not one JSON object: {text!r}")
        else:
            self.expect(isinstance(value, dict), f"a tool's input is not an object: {text!r}")

    def message_delta(self, event: Event) -> None:
        self.expect(self.stage == "message", f"message_delta in the stage {self.stage}")
        self.expect(self.block is None, "message_delta while a block is open")
        self.stage = "delta"
        self.fields("message_delta", event, {"type", "delta", "usage"}, {"context_management", "input_transformations"})
        output_tokens = self.usage("usage", event.get("usage"))
        self.expect(output_tokens >= self.output_tokens, "output_tokens is less than at the start")
        delta = event.get("delta")
        if not isinstance(delta, dict):
            return self.wrong("delta is not an object")
        self.fields("delta", delta, {"stop_reason", "stop_sequence"}, {"stop_details", "container"})
        return self.stop(delta.get("stop_reason"), delta.get("stop_sequence"), delta.get("stop_details"))

    def stop(self, reason: object, sequence: object, details: object) -> None:
        self.expect(reason in STOP_REASONS, f"unknown stop_reason {reason!r}")
        self.expect(
            _is_text(sequence) if reason == "stop_sequence" else sequence is None,
            f"stop_reason {reason} with stop_sequence {sequence!r}",
        )
        if details is not None:
            self.expect(
                isinstance(details, dict) and details.get("type") == reason == "refusal",
                f"stop_reason {reason} with stop_details {details!r}",
            )
        if reason == "tool_use":
            self.expect(self.tool_called, "stop_reason tool_use without a tool_use block")
        elif reason not in NOT_FOR_THE_TOOL:
            self.expect(not self.tool_called, f"stop_reason {reason} although a tool was called")
        if reason not in CUT_SHORT:
            for text in self.broken_inputs:
                self.wrong(f"a tool's input breaks off: {text!r}")

    def message_stop(self, event: Event) -> None:
        self.expect(self.stage == "delta", f"message_stop in the stage {self.stage}")
        self.fields("message_stop", event, {"type"})
        self.stage = "end"

    def error(self, event: Event) -> None:
        self.expect(self.stage != "delta", "error after message_delta")
        self.fields("error", event, {"type", "error"}, {"request_id"})
        error = event.get("error")
        if not isinstance(error, dict):
            self.wrong("error.error is not an object")
        else:
            self.expect(error.get("type") in ERROR_TYPES, f"unknown error type {error.get('type')!r}")
            self.expect(_is_text(error.get("message")), "error.message is not a text")
        self.stage = "end"

    # Parts of events

    def index(self, event: Event, expected: int) -> None:
        index = event.get("index")
        self.expect(_is_count(index) and index == expected, f"index {index!r}, not {expected}")

    def usage(self, where: str, usage: object) -> int:
        """Checks every figure, and gives `output_tokens`."""
        if not isinstance(usage, dict):
            self.wrong(f"{where} is not an object")
            return 0
        for name in FIGURES:
            self.expect(_is_count(usage.get(name)), f"{where}.{name} is {usage.get(name)!r}, not a count")
        for name, value in usage.items():
            parts = value.items() if isinstance(value, dict) else ()
            for part, figure in parts:
                self.expect(_is_count(figure), f"{where}.{name}.{part} is {figure!r}, not a count")
        output = usage.get("output_tokens")
        details = usage.get("output_tokens_details")
        thinking = details.get("thinking_tokens") if isinstance(details, dict) else 0
        if isinstance(output, int) and isinstance(thinking, int):
            self.expect(thinking <= output, f"{where}: more thinking_tokens than output_tokens")
        return output if isinstance(output, int) else 0


_EVENTS: dict[str, Callable[[_Checker, Event], None]] = {
    "ping": _Checker.ping,
    "message_start": _Checker.message_start,
    "content_block_start": _Checker.content_block_start,
    "content_block_delta": _Checker.content_block_delta,
    "content_block_stop": _Checker.content_block_stop,
    "message_delta": _Checker.message_delta,
    "message_stop": _Checker.message_stop,
    "error": _Checker.error,
}


def _deltas(kind: str) -> set[str] | None:
    return set() if kind.endswith("_tool_result") else DELTAS.get(kind)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _breaks_off(text: str, error: ValueError) -> bool:
    """Is `text`, which failed with `error`, the beginning of a JSON object?"""
    if not isinstance(error, json.JSONDecodeError) or not text.startswith("{"):
        return False
    if error.msg.startswith("Unterminated string"):
        return True
    return _BEGUN.fullmatch(text[error.pos :].strip()) is not None


_BEGUN = re.compile(r"t|tr|tru|f|fa|fal|fals|n|nu|nul|-|[.]|[eE][+-]?|u[0-9a-fA-F]{0,3}|")
"""What may stand between the place where the parser stumbled and the end, if only the end is missing."""
