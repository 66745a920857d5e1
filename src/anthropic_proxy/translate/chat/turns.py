"""Turns: a request's messages with neighbours of one role merged and everything silent taken out.

Chat templates want roles to alternate; Anthropic merges neighbours itself. Each block keeps its
position in the request, so that an error can name it.
"""

from collections.abc import Callable, Set
from functools import partial
from itertools import groupby
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.translate.chat.blocks import (
    ASSISTANT_REFUSED,
    ASSISTANT_SILENT,
    DROPPED,
    SERVER_CALLS,
    THINKING,
    UNKNOWN,
    USER_SILENT,
    is_blank,
    is_server_result,
)
from anthropic_proxy.wire.anthropic import Block, MessageParam, MessagesRequest

REMINDER = "<system-reminder>\n{}\n</system-reminder>"
"""How a system message stands in a user turn. Claude Code writes it so itself when a server refuses the role."""


Place: TypeAlias = tuple[int, int]
"""The position of a message, and that of a block in it."""


class Placed(Struct):
    """A block and where the client put it. There are hundreds in a request: a NamedTuple takes four times as long."""

    message: int
    number: int
    block: Block

    @property
    def place(self) -> Place:
        """Where it is, as a key."""
        return self.message, self.number

    @property
    def path(self) -> str:
        """`messages.N.content.M`"""
        return f"messages.{self.message}.content.{self.number}"


class Turn(Struct):
    """One turn, with one block at least. `system` is there only for dialects that keep system messages in place."""

    role: str
    blocks: list[Placed]

    def has(self, kind: str) -> bool:
        """Is there a block of that type?"""
        return any(placed.block["type"] == kind for placed in self.blocks)


SAID = frozenset({"tool_use", *THINKING, *ASSISTANT_REFUSED})
"""Blocks beside texts that both may say. Where it is not theirs to say, they are refused when it comes to be told."""


class _Stretch(Struct):
    """Neighbouring messages of one role: their blocks but for blank texts, which several backends refuse."""

    role: str
    placed: list[Placed]
    plain: bool
    """Is each block a text or in SAID? So it is in nearly all, and nothing more is to be looked for."""


def turns(request: MessagesRequest, dialect: Dialect, dropped: list[str]) -> list[Turn]:
    """The conversation, roles alternating but for kept system messages. Each turn makes at least one message.

    `path: reason` of what is left out is appended to `dropped`.
    """
    result: list[Turn] = []
    for stretch in _stretches(request["messages"]):
        for turn in _TURNS[stretch.role](stretch, dialect, dropped):
            if turn.blocks:
                _append(result, turn)
    return result


def _stretches(messages: list[MessageParam]) -> list[_Stretch]:
    cleared = _cleared_messages(messages) if any("clear_at" in message for message in messages) else ()
    found: list[_Stretch] = []
    stretch = _Stretch("", [], True)
    for number, message in enumerate(messages):
        if message["role"] != stretch.role:
            stretch = _Stretch(message["role"], [], True)
            found.append(stretch)
        if number in cleared:
            continue
        placed = stretch.placed
        for position, block in enumerate(message["content"]):
            kind = block["type"]
            if kind == "text":
                if is_blank(block["text"]):
                    continue
            elif kind not in SAID:
                stretch.plain = False
            placed.append(Placed(number, position, block))
    return found


def _append(result: list[Turn], turn: Turn) -> None:
    """Appends `turn`, or merges it. A system turn may not come between calls and their results."""
    if result and result[-1].role == turn.role:
        result[-1].blocks.extend(turn.blocks)
    elif len(result) > 1 and result[-1].role == "system" and turn.has("tool_result") and result[-2].has("tool_use"):
        result.insert(-1, turn)
    else:
        result.append(turn)


def _cleared_messages(messages: list[MessageParam]) -> frozenset[int]:
    """The messages, by position, that were to go once the user has said something that is no tool result."""
    last_word = max((number for number, message in enumerate(messages) if _is_word(message)), default=-1)
    return frozenset(
        number
        for number, message in enumerate(messages[: last_word + 1])
        if message.get("clear_at") == "next_user_message"
    )


def _is_word(message: MessageParam) -> bool:
    return message["role"] == "user" and any(block["type"] != "tool_result" for block in message["content"])


def _user(stretch: _Stretch, dialect: Dialect, dropped: list[str]) -> list[Turn]:
    placed = stretch.placed
    return [Turn("user", placed if stretch.plain else _spoken(placed, _why_unsaid_by_user, dropped))]


def _system(stretch: _Stretch, dialect: Dialect, dropped: list[str]) -> list[Turn]:
    texts = [each for each in stretch.placed if each.block["type"] == "text"]
    if dialect.mid_system == "keep":
        return [Turn("system", texts)]
    reminders = [{**each.block, "text": REMINDER.format(each.block["text"])} for each in texts]
    return [Turn("user", [replace(each, block=block) for each, block in zip(texts, reminders, strict=True)])]


def _assistant(stretch: _Stretch, dialect: Dialect, dropped: list[str]) -> list[Turn]:
    """One turn. But a compaction's summary, which stands for all before it, is told as if by the user."""
    if stretch.plain:
        return _told(stretch.placed)
    turns = []
    for is_summary, group in groupby(stretch.placed, lambda each: each.block["type"] == "compaction"):
        blocks = list(group)
        if is_summary:
            turns.append(Turn("user", _spoken(blocks, _why_unsaid_by_user, dropped)))
            continue
        calls = {each.block["id"] for each in blocks if each.block["type"] in SERVER_CALLS}
        answered = {each.block.get("tool_use_id") for each in blocks if is_server_result(each.block)}
        turns += _told(_spoken(blocks, partial(_why_unsaid_by_assistant, calls, answered), dropped))
    return turns


def _told(spoken: list[Placed]) -> list[Turn]:
    """What an assistant says, as a turn. Thinking alone is none."""
    for each in reversed(spoken):  # Mostly the last one decides.
        if each.block["type"] not in THINKING:
            return [Turn("assistant", spoken)]
    return []


_TURNS = {"user": _user, "assistant": _assistant, "system": _system}


def _spoken(placed: list[Placed], why: Callable[[Block], str | None], dropped: list[str]) -> list[Placed]:
    """`placed` without the blocks that `why` has a reason to leave out. An empty reason is told to nobody."""
    spoken = []
    for each in placed:
        kind = each.block["type"]
        reason = None if kind == "text" or kind in SAID else why(each.block)
        if reason is None:
            spoken.append(each)
        elif reason:
            dropped.append(f"{each.path}.{kind}: {reason}")
    return spoken


def _why_unsaid_by_user(block: Block) -> str | None:
    kind = block["type"]
    if kind == "compaction":  # The summary of one that failed has no words.
        return "" if is_blank(block.get("content")) else None
    return "" if kind in USER_SILENT else DROPPED.get(kind)


def _why_unsaid_by_assistant(calls: Set[str], answered: Set[str | None], block: Block) -> str | None:
    """`calls` are the ids of the turn's calls of another server's tools, `answered` those that have a result."""
    kind = block["type"]
    if kind in SERVER_CALLS:
        return None if block["id"] in answered else "its result is missing"
    if is_server_result(block):
        return None if block.get("tool_use_id") in calls else "its call is missing"
    if kind == "document":
        return None if block["source"]["type"] in ("text", "content") else "an assistant message holds text only"
    return "" if kind in ASSISTANT_SILENT else DROPPED.get(kind, UNKNOWN)
