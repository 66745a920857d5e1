"""Tool results: a user's `tool_result` blocks as the `tool` message that answers the call."""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.errors import UnsupportedBlock
from anthropic_proxy.translate.chat import parts as part
from anthropic_proxy.translate.chat.blocks import is_blank
from anthropic_proxy.translate.chat.conversion import Call, Conversion, Part, PartMaker, text
from anthropic_proxy.translate.chat.server_results import NO_OUTPUT, loaded_tool
from anthropic_proxy.translate.chat.turns import Placed
from anthropic_proxy.wire.anthropic import Block
from anthropic_proxy.wire.chat import ChatMessage
from anthropic_proxy.wire.json import dumps

OMITTED_IMAGE = "[image omitted: the model cannot see images]"

Content = str | list[Part]
"""The content of a `tool` message: text, or parts where the dialect lets it carry images."""


def tool_message(call: Call, contents: list[Content], dialect: Dialect) -> ChatMessage:
    """The `tool` message for one call, from the contents of its `tool_result` blocks: one, or in a damaged
    history several."""
    message: ChatMessage = {"role": "tool", "tool_call_id": call.sent_id, "content": _joined(contents)}
    if dialect.tool_result_name:
        message["name"] = call.name
    return message


def _joined(contents: list[Content]) -> Content:
    if len(contents) == 1:
        return contents[0]
    if all(isinstance(content, str) for content in contents):
        return "\n".join(str(content) for content in contents)
    return [item for content in contents for item in ([text(content)] if isinstance(content, str) else content)]


def tool_content(placed: Placed, call: Call, conversion: Conversion) -> tuple[Content, list[Part]]:
    """The content of a `tool_result`, and the media that must follow in the user message.

    `tool` messages hold text alone on most backends. So a picture leaves a pointer in its place, and
    comes labelled with the tool and the call.
    """
    alone = _text_alone(placed.block)
    if alone:
        return alone, []
    parts: list[Part] = []
    moved: list[Part] = []
    counts: Counter[str] = Counter()
    for item in _result_parts(placed, conversion):
        if item["type"] == "text" or (item["type"] == "image_url" and conversion.dialect.tool_images):
            parts.append(item)
            continue
        what = "image" if item["type"] == "image_url" else "document"
        counts[what] += 1
        label = f"{what.capitalize()} {counts[what]} from the result of {call.name} ({call.sent_id}):"
        parts.append(text(f"[{what} {counts[what]}: see the next user message]"))
        moved += [text(label), item]
    said = _said(parts, placed.block)
    if any(item["type"] != "text" for item in said):
        return said, moved
    return said[0]["text"], moved


def _text_alone(block: Block) -> str:
    """Fast path: what a result says that went well and is one text, as nearly all are. Empty for any other.

    It takes an eighth of the time that parts do, which come to the same.
    """
    content = block["content"]
    if isinstance(content, list):
        content = content[0].get("text") if len(content) == 1 and content[0]["type"] == "text" else None
    return "" if block.get("is_error") or is_blank(content) else content


def orphan_parts(placed: Placed, conversion: Conversion) -> list[Part]:
    """A result whose call is not in the turn before, as parts of a user message: no backend takes it otherwise."""
    conversion.dropped.append(f"{placed.path}: answers no tool_use of the turn before; sent as text")
    heading = text(f"Result of tool call {placed.block['tool_use_id']}:")
    return part.joined_texts([heading, *_said(_result_parts(placed, conversion), placed.block)], "\n")


def _said(parts: Iterable[Part], block: Block) -> list[Part]:
    """What a result says: its texts joined, with a word on failure, and never nothing."""
    said = part.joined_texts(parts, "\n")
    if block.get("is_error"):
        said = _as_error(said)
    return said or [text(NO_OUTPUT)]


def _as_error(parts: list[Part]) -> list[Part]:
    """Chat Completions has no flag for a failed tool: the text says so, unless it does already."""
    if not parts or parts[0]["type"] != "text":
        return [text("Error:" if parts else f"Error: {NO_OUTPUT}"), *parts]
    first = parts[0]["text"]
    if first[:5].lower() == "error" or first.startswith("<tool_use_error>"):
        return parts
    return [text(f"Error: {first}"), *parts[1:]]


def _result_parts(placed: Placed, conversion: Conversion) -> Iterator[Part]:
    """The parts of all that a result holds. Raises UnsupportedBlock."""
    content = placed.block["content"]
    for number, block in enumerate(content if isinstance(content, list) else [text(content)]):
        path = f"{placed.path}.content.{number}"
        make = RESULT_PARTS.get(block["type"])
        if make is None:
            raise UnsupportedBlock(f"{path}: blocks of type {block['type']!r} are not supported in a tool_result")
        yield from make(block, path, conversion)


def _image(block: Block, path: str, conversion: Conversion) -> list[Part]:
    """A text-only model is told that there was an image: a client cannot help what a tool shows."""
    if part.sees_images(conversion.dialect):
        return part.image_parts(block, path, conversion)
    conversion.dropped.append(f"{path}.image: the model cannot see images; it is told so")
    return [text(OMITTED_IMAGE)]


def _reference(block: Block, path: str, conversion: Conversion) -> list[Part]:
    return [text(loaded_tool(conversion.names.sent(block["tool_name"])))]


def _as_json(block: Block, path: str, conversion: Conversion) -> list[Part]:
    return [text(dumps(block).decode())]


RESULT_PARTS: dict[str, PartMaker] = {
    "text": part.text_parts,
    "image": _image,
    "document": partial(part.document_parts, image=_image),
    "search_result": part.search_result_parts,
    "tool_reference": _reference,
    "browser_state": _as_json,
}
"""Blocks inside a `tool_result`. Any other type is refused."""
