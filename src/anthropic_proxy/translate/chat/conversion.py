"""Conversion: what all parts of one request's translation share."""

from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec import Struct

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.translate.chat.cache import Mark
from anthropic_proxy.translate.chat.ids import sent_call_id
from anthropic_proxy.translate.chat.tool_names import ToolNames
from anthropic_proxy.wire.anthropic import Block

Part: TypeAlias = dict[str, Any]
"""One content part of a chat message: `text`, `image_url` or `file`."""


class Call(Struct):
    """A tool call of the history: the client's id for it, and id and name as the upstream is told."""

    call_id: str
    sent_id: str
    name: str
    input: object
    """Its arguments as the client sent them."""


class Conversion(Struct):
    """What the conversion of one request needs to know, and what it finds."""

    dialect: Dialect
    model: str
    names: ToolNames
    dropped: list[str] = []
    """`path: reason` of each block that could not be carried."""
    marks: list[Mark] = []
    """Places the client marked for caching, in the order of the prompt."""
    call_ids: set[str] = set()
    """Ids of all calls in the history, in the client's terms."""
    media: int = 0
    """Base64 characters that were passed on."""
    media_tokens: int = 0
    """The estimated tokens of what they show."""
    images: int = 0
    """Images that were passed on."""
    documents: int = 0
    """Documents so far, which are numbered for the model."""
    repeated: dict[str, int] = {}
    """How often the id of a call was met again."""

    def new_call(self, block: Block) -> Call:
        """A tool call of the history, its id made unique: a damaged history may use one twice."""
        call_id, suffix = block["id"], ""
        while call_id + suffix in self.call_ids:
            self.repeated[call_id] = self.repeated.get(call_id, 0) + 1
            suffix = f"_{1 + self.repeated[call_id]}"
        self.call_ids.add(call_id + suffix)
        name = self.names.sent(block["name"], block.get("toolset_name") or "")
        return Call(call_id, sent_call_id(call_id, self.dialect, suffix), name, block.get("input"))


PartMaker: TypeAlias = Callable[[Block, str, Conversion], list[Part]]
"""Makes the parts of a block, whose place in the request it is told for errors. Raises UnsupportedBlock."""


def text(content: str) -> Part:
    """A text part."""
    return {"type": "text", "text": content}
