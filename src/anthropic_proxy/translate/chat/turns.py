"""Turns: a request's messages with neighbours of one role merged and everything silent taken out.

Chat templates want roles to alternate; Anthropic merges neighbours itself. Each block keeps its
position in the request, so that an error can name it.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from typing import NamedTuple, TypeAlias

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


class Placed(NamedTuple):
    """A block and where the client put it."""

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


class Turn(NamedTuple):
    """One turn, with one block at least. `system` is there only for dialects that keep system messages in place."""

    role: str
    blocks: list[Placed]

    def has(self, kind: str) -> bool:
        """Is there a block of that type?"""
        return any(placed.block["type"] == kind for placed in self.blocks)


def turns(request: MessagesRequest, dialect: Dialect, dropped: list[str]) -> list[Turn]:
    """The conversation, roles alternating but for kept system messages. Each turn makes at least one message.

    `path: reason` of what is left out is appended to `dropped`.
    """
    messages = list(enumerate(request["messages"]))
    last_word = max((number for number, message in messages if _is_word(message)), default=-1)
    result: list[Turn] = []
    for role, group in groupby(messages, lambda numbered: numbered[1]["role"]):
        placed = [
            Placed(number, position, block)
            for number, message in group
            if number > last_word or message.get("clear_at") != "next_user_message"
            for position, block in enumerate(message["content"])
        ]
        for turn in _TURNS[role](placed, dialect, dropped):
            if turn.blocks:
                _append(result, turn)
    return result


def _append(result: list[Turn], turn: Turn) -> None:
    """Appends `turn`, or merges it. A system turn may not come between calls and their results."""
    if result and result[-1].role == turn.role:
        result[-1].blocks.extend(turn.blocks)
    elif turn.has("tool_result") and len(result) > 1 and result[-1].role == "system" and result[-2].has("tool_use"):
        result.insert(-1, turn)
    else:
        result.append(turn)


def _is_word(message: MessageParam) -> bool:
    """Has the user said something that is no tool result? That clears earlier messages that are to go then."""
    return message["role"] == "user" and any(block["type"] != "tool_result" for block in message["content"])


def _user(placed: list[Placed], dialect: Dialect, dropped: list[str]) -> Iterator[Turn]:
    yield Turn("user", _spoken(placed, _why_unsaid_by_user, dropped))


def _system(placed: list[Placed], dialect: Dialect, dropped: list[str]) -> Iterator[Turn]:
    texts = [each for each in placed if each.block["type"] == "text" and not is_blank(each.block["text"])]
    if dialect.mid_system == "keep":
        yield Turn("system", texts)
        return
    reminders = [{**each.block, "text": REMINDER.format(each.block["text"])} for each in texts]
    yield Turn("user", [each._replace(block=block) for each, block in zip(texts, reminders, strict=True)])


def _assistant(placed: list[Placed], dialect: Dialect, dropped: list[str]) -> Iterator[Turn]:
    """One turn. But a compaction's summary, which stands for all before it, is told as if by the user."""
    for is_summary, group in groupby(placed, lambda each: each.block["type"] == "compaction"):
        blocks = list(group)
        if is_summary:
            yield Turn("user", _spoken(blocks, _why_unsaid_by_user, dropped))
            continue
        calls = {each.block["id"] for each in blocks if each.block["type"] in SERVER_CALLS}
        answered = {each.block.get("tool_use_id") for each in blocks if is_server_result(each.block)}
        spoken = _spoken(blocks, partial(_why_unsaid_by_assistant, calls, answered), dropped)
        if any(each.block["type"] not in THINKING for each in spoken):
            yield Turn("assistant", spoken)


_TURNS = {"user": _user, "assistant": _assistant, "system": _system}


def _spoken(placed: list[Placed], why: Callable[[Block], str | None], dropped: list[str]) -> list[Placed]:
    """`placed` without the blocks that `why` has a reason to leave out. An empty reason is told to nobody."""
    spoken = []
    for each in placed:
        reason = why(each.block)
        if reason is None:
            spoken.append(each)
        elif reason:
            dropped.append(f"{each.path}.{each.block['type']}: {reason}")
    return spoken


_WORDS = {"text": "text", "compaction": "content"}
"""Where the words of a block stand. The summary of a compaction that failed has none."""


def _why_unsaid_by_user(block: Block) -> str | None:
    kind = block["type"]
    if kind in _WORDS:
        return "" if is_blank(block.get(_WORDS[kind])) else None
    return "" if kind in USER_SILENT else DROPPED.get(kind)


_ASSISTANT_SAYS = frozenset({"tool_use", *THINKING, *ASSISTANT_REFUSED})
"""Assistant blocks that are told as they are, or refused where they are to be told."""


def _why_unsaid_by_assistant(calls: set[str], answered: set[str | None], block: Block) -> str | None:
    """`calls` are the ids of the turn's calls of another server's tools, `answered` those that have a result."""
    kind = block["type"]
    if kind == "text":
        return "" if is_blank(block["text"]) else None
    if kind in _ASSISTANT_SAYS:
        return None
    if kind in SERVER_CALLS:
        return None if block["id"] in answered else "its result is missing"
    if is_server_result(block):
        return None if block.get("tool_use_id") in calls else "its call is missing"
    if kind == "document":
        return None if block["source"]["type"] in ("text", "content") else "an assistant message holds text only"
    return "" if kind in ASSISTANT_SILENT else DROPPED.get(kind, UNKNOWN)
