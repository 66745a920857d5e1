"""Prefill: a conversation that ends in an assistant message, which the model is to continue."""

from msgspec import Struct

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.errors import InvalidRequest
from anthropic_proxy.wire.chat import ChatMessage, ChatRequest

NO_PREFILL = "This model does not support assistant message prefill. The conversation must end with a user message."
"""What Claude answers from 4.6 on."""

CONTINUE = "Continue your last message exactly where it ends. Write only what comes next."

FLAGS: dict[str, tuple[ChatRequest, ChatRequest]] = {
    "native": ({}, {}),
    "prefix": ({"prefix": True}, {}),
    "partial": ({"partial": True}, {}),
    "template": ({}, {"continue_final_message": True, "add_generation_prompt": False}),
}
"""By `Dialect.prefill`: what is added to the last message, and to the body."""


class Prefill(Struct, frozen=True):
    """What follows from a prefill, if there is one."""

    body: ChatRequest
    """Fields for the body."""
    repeated: str
    """Text that the reply may begin with although it is there already, and that is then cut off."""


def prefill(messages: list[ChatMessage], dialect: Dialect, emulate: bool) -> Prefill:
    """Sees to a last message of the assistant's: flags it, or with `emulate` asks for its continuation in words.

    Raises InvalidRequest where the dialect cannot continue a message: a wrong continuation would be silent damage.
    """
    last = messages[-1]
    if last["role"] != "assistant":
        return Prefill({}, "")
    if dialect.prefill != "none":
        on_message, on_body = FLAGS[dialect.prefill]
        last.update(on_message)
        return Prefill(on_body, "")
    if not emulate:
        raise InvalidRequest(NO_PREFILL)
    messages.append({"role": "user", "content": CONTINUE})
    return Prefill({}, text_of(last))


def text_of(message: ChatMessage) -> str:
    """The text of a message, be it a string or parts."""
    content = message["content"]
    if isinstance(content, str):
        return content
    return "\n\n".join(part["text"] for part in content if part["type"] == "text")
