"""Messages: each turn of an Anthropic conversation as the chat messages that say the same.

Each turn is translated from itself and what came before it, never from what follows, so that the
prompt's prefix stays the same from request to request and the upstream's cache finds it.
"""

from collections.abc import Set
from typing import Any

from msgspec import Struct, field

from anthropic_proxy.translate.chat.assistant import AssistantTurn
from anthropic_proxy.translate.chat.cache import block_control, message_marks, part_marks
from anthropic_proxy.translate.chat.conversion import Call, Conversion, Part, text
from anthropic_proxy.translate.chat.parts import user_parts
from anthropic_proxy.translate.chat.tool_results import Content, orphan_parts, tool_content, tool_message
from anthropic_proxy.translate.chat.turns import Place, Placed, Turn
from anthropic_proxy.wire.chat import ChatMessage

INTERRUPTED = "(no result: the call was interrupted)"
BRIDGE = "Understood."
"""Stands between tool results and a user message where a template forbids their meeting."""


class _Waiting(Struct):
    """A call of the last assistant turn, and the results that have come for it."""

    call: Call
    results: list[Placed] = field(default_factory=list)


_NOWHERE: frozenset[Place] = frozenset()


class Assembly:
    """Turns a conversation into chat messages, turn by turn. Feed it with `add`, end with `close`."""

    def __init__(self, conversion: Conversion, cleared_turns: frozenset[int] = frozenset()) -> None:
        """`cleared_turns`: assistant turns, by position, whose thinking the client's context management takes away."""
        self.messages: list[ChatMessage] = []
        self._conversion = conversion
        self._dialect = conversion.dialect
        self._cleared_turns = cleared_turns
        self._marks = self._dialect.cache != "implicit"
        """May the client's marks be wanted? Else none are looked for."""
        self._waiting: list[_Waiting] = []

    def add(self, position: int, turn: Turn) -> None:
        """Appends the messages of one turn. Raises UnsupportedBlock."""
        if turn.role == "user":
            self._add_user(turn.blocks)
        elif turn.role == "assistant":
            self._answer_calls()
            self._add_assistant(turn.blocks, cleared=position in self._cleared_turns)
        else:
            self._answer_calls()
            content = "\n\n".join(placed.block["text"] for placed in turn.blocks)
            self._append({"role": self._dialect.system_role, "content": content}, turn.blocks)

    def close(self) -> None:
        """Answers the calls that nobody will answer any more."""
        self._answer_calls()

    def _append(self, message: ChatMessage, blocks: list[Placed]) -> None:
        """Appends a message; the last mark of its blocks marks the whole of it."""
        self.messages.append(message)
        if self._marks:
            self._mark(message, blocks)

    def _mark(self, message: ChatMessage, blocks: list[Placed]) -> None:
        for placed in reversed(blocks):
            control = block_control(placed.block)
            if control:
                self._conversion.marks += message_marks(message, control, self._dialect)
                return

    def _add_assistant(self, blocks: list[Placed], cleared: bool) -> None:
        turn = AssistantTurn(blocks, self._conversion, self.messages)
        for placed in blocks:
            turn.add(placed)
        turn.close(cleared)
        if self._marks:
            self._mark(self.messages[-1], blocks)
        self._waiting = [_Waiting(call) for call in turn.calls]

    # User turns: tool messages in the order of the calls, then one user message with all the rest

    def _add_user(self, blocks: list[Placed]) -> None:
        results = [placed for placed in blocks if placed.block["type"] == "tool_result"]
        orphans = self._match(results) if results else _NOWHERE
        moved = self._answer_calls()
        if not (orphans or moved or self._marks):
            # Short way for nearly all turns, which hold texts alone beside results. Parts would come to the same.
            texts = [placed.block["text"] for placed in blocks if placed.block["type"] == "text"]
            if len(texts) + len(results) == len(blocks):
                if texts:
                    self._append_user("\n\n".join(texts), None)
                return
        parts: list[Part] = []
        own: list[Part] = []
        """Those that are not moved here from a result, whose own message bears its mark."""
        last: dict[str, Any] | None = None
        """The last mark of the user's."""
        for placed in blocks:
            block = placed.block
            if block["type"] == "text":
                made = [text(block["text"])]
            elif block["type"] != "tool_result":
                made = user_parts(block, placed.path, self._conversion)
            elif placed.place in orphans:
                made = orphan_parts(placed, self._conversion)
            else:
                parts += moved.get(placed.place, ())
                continue
            parts += made
            if self._marks:
                own += made
                control = block_control(block)
                if control:
                    self._conversion.marks += part_marks(own, control, self._dialect)
                    last = control
        if parts:
            self._append_user(self._user_content(parts, last is not None), last)

    def _append_user(self, content: Content, control: dict[str, Any] | None) -> None:
        if self._dialect.after_tool == "bridge" and self.messages and self.messages[-1]["role"] == "tool":
            last = self.messages[-1]
            if isinstance(content, str) and isinstance(last["content"], str):
                last["content"] = f"{last['content']}\n\n{content}"
                return
            self.messages.append({"role": "assistant", "content": BRIDGE})
        message: ChatMessage = {"role": "user", "content": content}
        self.messages.append(message)
        if self._dialect.cache == "copilot":
            self._conversion.marks += message_marks(message, control, self._dialect)

    def _user_content(self, parts: list[Part], marked: bool) -> Content:
        """A string where all is text. But where parts can be marked for caching, several stay several: a mark
        moves on with each turn, and the message it leaves must read as before."""
        texts = [item["text"] for item in parts if item["type"] == "text"]
        if len(texts) < len(parts) or (self._dialect.cache == "anthropic" and (marked or len(parts) > 1)):
            return parts
        return "\n\n".join(texts)

    def _match(self, results: list[Placed]) -> Set[Place]:
        """Gives each result to its call. Returns the places of those that answer no call of the turn before."""
        waiting: dict[str, list[_Waiting]] = {}
        for each in reversed(self._waiting):
            waiting.setdefault(each.call.call_id, []).append(each)
        orphans: set[Place] = set()
        for placed in results:
            calls = waiting.get(placed.block["tool_use_id"])
            if calls is None:
                orphans.add(placed.place)
                continue
            calls[-1].results.append(placed)
            if len(calls) > 1:  # a damaged history: one id for several calls, which are answered in turn
                calls.pop()
        return orphans

    def _answer_calls(self) -> dict[Place, list[Part]]:
        """One tool message a call, in the order of the calls. Returns the media that each result moves on."""
        moved: dict[Place, list[Part]] = {}
        if not self._waiting:
            return moved
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            call = each.call
            contents: list[Content] = []
            for placed in each.results:
                content, media = tool_content(placed, call, self._conversion)
                contents.append(content)
                if media:
                    moved[placed.place] = media
            self._append(tool_message(call, contents or [self._interrupted(call)], self._dialect), each.results)
        return moved

    def _interrupted(self, call: Call) -> str:
        self._conversion.dropped.append(
            "messages: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{call.call_id}; the model is told that the call was interrupted"
        )
        return INTERRUPTED
