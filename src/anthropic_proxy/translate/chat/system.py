"""The leading system message: the client's instructions, and what this proxy must add to them."""

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.translate.chat.blocks import is_blank
from anthropic_proxy.translate.chat.cache import Mark, last_control, message_marks, part_marks
from anthropic_proxy.translate.chat.conversion import text
from anthropic_proxy.wire.anthropic import Block, MessagesRequest
from anthropic_proxy.wire.chat import ChatMessage

ATTRIBUTION = "x-anthropic-billing-header:"
"""Begins a line that Claude Code writes for Anthropic's books. It is no prompt, it differs from
conversation to conversation, and would so spoil the upstream's prompt cache."""


def system_blocks(request: MessagesRequest) -> list[Block]:
    """The blocks of the system prompt that say something, without the attribution line."""
    blocks = request.get("system", [])
    if blocks and blocks[0]["text"].startswith(ATTRIBUTION):
        blocks = [{**blocks[0], "text": blocks[0]["text"].partition("\n")[2]}, *blocks[1:]]
    return [block for block in blocks if not is_blank(block["text"])]


def system_message(
    request: MessagesRequest, additions: list[str], dialect: Dialect
) -> tuple[ChatMessage | None, list[Mark]]:
    """One message from all of the system prompt, and its cache marks. None if there is nothing to say.

    Its content is a list only where a block has a mark that the dialect carries.
    """
    blocks = system_blocks(request)
    texts = [block["text"] for block in blocks] + additions
    if not texts:
        return None, []
    if dialect.cache == "anthropic":
        parts = [text(content) for content in texts]
        marks = [
            mark
            for block, part in zip(blocks, parts, strict=False)
            for mark in part_marks([part], block.get("cache_control"), dialect)
        ]
        if marks:
            return {"role": dialect.system_role, "content": parts}, marks
    message: ChatMessage = {"role": dialect.system_role, "content": "\n\n".join(texts)}
    return message, message_marks(message, last_control(blocks), dialect)
