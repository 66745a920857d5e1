"""The leading system message: the client's instructions, and what this proxy must add to them."""

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.wire.anthropic import Block, MessagesRequest
from anthropic_proxy.wire.chat import ChatMessage

ATTRIBUTION = "x-anthropic-billing-header:"
"""Begins a line that Claude Code writes for Anthropic's books. It is no prompt, it differs from
conversation to conversation, and would so spoil the upstream's prompt cache."""


def system_texts(blocks: list[Block]) -> list[str]:
    """The texts of the system prompt, without the attribution line."""
    texts = [block["text"] for block in blocks]
    if texts and texts[0].startswith(ATTRIBUTION):
        texts[0] = texts[0].partition("\n")[2]
    return [text for text in texts if text.strip()]


def system_message(request: MessagesRequest, additions: list[str], dialect: Dialect) -> ChatMessage | None:
    """One message from all of the system prompt; None if there is nothing to say."""
    texts = [*system_texts(request.get("system", [])), *additions]
    if not texts:
        return None
    return {"role": dialect.system_role, "content": "\n\n".join(texts)}
