"""Turns: a request's messages with neighbours of one role merged and everything silent taken out.

Chat templates want roles to alternate; Anthropic merges neighbours itself. Each block keeps its
position in the request, so that an error can name it.
"""

from collections.abc import Callable
from typing import NamedTuple

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.wire.anthropic import Block, MessageParam, MessagesRequest

REMINDER = "<system-reminder>\n{}\n</system-reminder>"
"""How a system message stands in a user turn. Claude Code writes it so itself when a server refuses the role."""


class Placed(NamedTuple):
    """A block and where the client put it."""

    message: int
    number: int
    block: Block

    @property
    def path(self) -> str:
        """`messages.N.content.M`"""
        return f"messages.{self.message}.content.{self.number}"


class Turn(NamedTuple):
    """One turn. `system` is there only for dialects that keep system messages in their place."""

    role: str
    blocks: list[Placed]


def turns(request: MessagesRequest, dialect: Dialect) -> list[Turn]:
    """The conversation, roles alternating but for kept system messages."""
    messages = request["messages"]
    result: list[Turn] = []
    for number, message in enumerate(messages):
        role = message["role"]
        if role == "system":
            if _is_cleared(message, messages[number + 1 :]):
                continue
            placed = _system_blocks(message, number, dialect)
            role = "system" if dialect.mid_system == "keep" else "user"
        else:
            says = _says_something(message["content"]) if role == "assistant" else None
            placed = [
                Placed(number, position, block)
                for position, block in enumerate(message["content"])
                if says is None or says(block)
            ]
        if placed:
            _append(result, Turn(role, placed))
    return result


def _append(result: list[Turn], turn: Turn) -> None:
    """Appends `turn`, or merges it. A system turn may not come between calls and their results."""
    if result and result[-1].role == turn.role:
        result[-1].blocks.extend(turn.blocks)
    elif len(result) > 1 and result[-1].role == "system" and turn.role == "user" and _calls(result[-2]):
        system = result.pop()
        result += [turn, system]
    else:
        result.append(turn)


def _calls(turn: Turn) -> bool:
    return turn.role == "assistant" and any(placed.block["type"] == "tool_use" for placed in turn.blocks)


def _system_blocks(message: MessageParam, number: int, dialect: Dialect) -> list[Placed]:
    """The text of a mid-conversation system message. Changes of the tool set take effect elsewhere."""
    placed = []
    for position, block in enumerate(message["content"]):
        if block["type"] != "text" or not block["text"].strip():
            continue
        if dialect.mid_system != "keep":
            block = {**block, "text": REMINDER.format(block["text"])}
        placed.append(Placed(number, position, block))
    return placed


def _is_cleared(message: MessageParam, later: list[MessageParam]) -> bool:
    """`clear_at: next_user_message`: gone once the user has said something that is no tool result."""
    return message.get("clear_at") == "next_user_message" and any(
        other["role"] == "user" and any(block["type"] != "tool_result" for block in other["content"]) for other in later
    )


def _says_something(content: list[Block]) -> Callable[[Block], bool]:
    """Which blocks of an assistant message count. If none but thinking is left, none does."""
    answered = {block.get("tool_use_id") for block in content}

    def says(block: Block) -> bool:
        kind = block["type"]
        if kind == "text":
            return bool(block["text"].strip())
        if kind in ("server_tool_use", "mcp_tool_use"):
            return block["id"] in answered
        return kind in ("tool_use", "document") or (kind == "compaction" and bool(block.get("content")))

    alive = any(says(block) for block in content)

    def counts(block: Block) -> bool:
        return alive and (says(block) or block["type"] not in ("text", "server_tool_use", "mcp_tool_use"))

    return counts
