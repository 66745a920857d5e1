"""What a request says about its reply: all that a reader of that reply needs to know of it."""

from typing import Any

from msgspec import Struct

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.translate.chat.tool_names import ToolNames


class Expected(Struct, frozen=True):
    """A reply as its request wants it, and the dialect it comes in."""

    dialect: Dialect
    model: str
    """The upstream's model, which opaque state belongs to."""
    names: ToolNames
    used_ids: frozenset[str] = frozenset()
    show: str = "none"
    """How reasoning is shown: `text`, `omitted` or `none`."""
    stop_sequences: tuple[str, ...] = ()
    """Those to scan for."""
    sent_stops: tuple[str, ...] = ()
    """Those that were sent, where the backend reports which one matched."""
    only_one_call: bool = False
    whole_arguments: frozenset[str] = frozenset()
    prefill: str = ""
    """Text that the model may say again and the client has already."""
    schema: dict[str, Any] | None = None
    """For structured output that the backend does not enforce."""
    longest_arguments: int = 16_000_000
    """Characters of one call's arguments that are taken."""
    discard: bool = False
    """`max_tokens: 0`: only the prompt cache was to be filled."""
    search_query: str | None = None
    """Set where the backend was asked to search the web."""
