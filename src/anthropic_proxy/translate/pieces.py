"""What an upstream said, in Anthropic's terms but before Anthropic's framing.

A reader makes pieces out of one upstream API; `translate.writer` makes the stream out of them.
There is one for every few characters of a reply, so they are structs: named tuples take four times as long.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct

from anthropic_proxy.wire.anthropic import Block as ContentBlock


class Estimate(Struct, frozen=True):
    """What the prompt is thought to hold, in tokens, before the upstream has counted it."""

    input_tokens: int
    applied_edits: Sequence[Mapping[str, object]] = ()
    """What was cleared of it, in Anthropic's shape."""


class Text(Struct, frozen=True):
    """More of the visible answer."""

    text: str


class Thinking(Struct, frozen=True):
    """More of the reasoning. Empty text opens the block and says nothing (`display: omitted`)."""

    text: str


class Signature(Struct, frozen=True):
    """The whole signature of the thinking block that is being written."""

    signature: str


class ToolCall(Struct, frozen=True):
    """More of one tool call.

    `slot` is whatever the reader uses to tell calls apart. `id` and `name` may come late and are
    empty until then; `arguments` is a fragment of JSON text. Together the fragments of a call are
    nothing at all or one JSON object: the reader sees to that.
    """

    slot: Hashable
    id: str = ""
    name: str = ""
    arguments: str = ""
    toolset_name: str = ""


class Block(Struct, frozen=True):
    """A whole block, already in Anthropic's shape."""

    block: ContentBlock


class Citation(Struct, frozen=True):
    """A citation for the text block that is being written, in Anthropic's shape."""

    citation: Mapping[str, object]


class Usage(Struct, frozen=True):
    """Token counts, running totals. The last one wins. Figures nobody knows are None."""

    input_tokens: int | None
    output_tokens: int | None
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    thinking_tokens: int | None = None
    web_searches: int = 0
    service_tier: str | None = None
    cost: float | None = None
    """What the backend charges for the call, in its own currency, if it says so. For the log alone."""

    @property
    def prompt_tokens(self) -> int:
        """All of the prompt, cached or not."""
        return (self.input_tokens or 0) + self.cache_read_input_tokens + self.cache_creation_input_tokens


class Finish(Struct, frozen=True):
    """Why the model stopped. `stop_reason` is Anthropic's; usage may still follow."""

    stop_reason: str
    stop_sequence: str | None = None
    stop_details: Mapping[str, object] | None = None


class Failure(Struct, frozen=True):
    """The reply is broken off or refused. Nothing follows.

    `type` is one of `errors.STATUS`; `status` and `headers` are for the case that nothing was sent
    to the client yet and the failure can still be a plain HTTP error.
    """

    type: str
    message: str
    status: int = 500
    headers: Mapping[str, str] = {}


Piece: TypeAlias = Estimate | Text | Thinking | Signature | ToolCall | Block | Citation | Usage | Finish | Failure
