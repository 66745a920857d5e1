"""Parts: user content, and the content of tool results, block by block.

A block becomes content parts, or is refused where the client put it, or is left out with its reason
named. The tables say which.
"""

import base64
import binascii
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.errors import UnsupportedBlock
from anthropic_proxy.translate.chat.blocks import USER_REFUSED, is_blank
from anthropic_proxy.translate.chat.conversion import Conversion, Part, PartMaker, text
from anthropic_proxy.translate.chat.server_results import rendered_server_result
from anthropic_proxy.translate.image_size import image_tokens
from anthropic_proxy.wire.anthropic import Block

PDF_TOKENS = 1800
"""Tokens one page of a PDF counts in an estimate; a guess."""

PDF_PAGE_CHARACTERS = 100_000
"""Base64 characters one page of a PDF is taken to have; a guess."""

NO_IMAGES = "Could not process image: the upstream model does not accept image input"
"""Claude Code replaces the image by a text when it reads the first four words."""

NO_PDF = "This model does not support PDF input"
"""Claude Code then reads the pages as images."""

NO_FILES = "the Files API is not available through this proxy"


def text_parts(block: Block, path: str, conversion: Conversion) -> list[Part]:
    """A text block as it is, without its citations. White space alone is left out: several backends refuse it."""
    return [] if is_blank(block["text"]) else [text(block["text"])]


def image_parts(block: Block, path: str, conversion: Conversion) -> list[Part]:
    """An image. Raises UnsupportedBlock where the model or the backend cannot take it."""
    source = block["source"]
    if not sees_images(conversion.dialect):
        raise UnsupportedBlock(f"{path}.image: {NO_IMAGES}")
    if source["type"] == "file":
        raise UnsupportedBlock(f"{path}.image.source.file_id: {NO_FILES}")
    if source["type"] == "url" and not conversion.dialect.image_urls:
        raise UnsupportedBlock(f"{path}.image.source.url: this upstream needs base64 images")
    url = source["url"] if source["type"] == "url" else f"data:{image_type(source)};base64,{source['data']}"
    data = url.partition(";base64,")[2] if url.startswith("data:") else ""
    conversion.media += len(data)
    conversion.media_tokens += image_tokens(data)
    conversion.images += 1
    return [{"type": "image_url", "image_url": {"url": url}}]


def sees_images(dialect: Dialect) -> bool:
    """May images be sent at all?"""
    return dialect.vision and dialect.content == "parts"


_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)


def image_type(source: dict[str, Any]) -> str:
    """The media type of base64 data: what its first bytes say, else what the client says."""
    try:
        start = base64.b64decode(source["data"][:32])
    except (binascii.Error, ValueError):
        start = b""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if start.startswith(magic)), str(source["media_type"]))


def document_parts(block: Block, path: str, conversion: Conversion, image: PartMaker = image_parts) -> list[Part]:
    """A document: text in a wrapper that names it, or a PDF as a file. Raises UnsupportedBlock.

    `image` makes the parts of the images in a document of text and images.
    """
    _drop_citations(block, path, conversion)
    source = block["source"]
    if source["type"] in ("text", "content"):
        content = [text(source["data"])] if source["type"] == "text" else _inner_parts(block, path, conversion, image)
        return joined_texts([text(_document_tag(block, conversion)), *content, text("</document>")], "\n")
    data = _pdf(source, path, conversion)
    conversion.documents += 1
    return [{"type": "file", "file": {"filename": block.get("title") or "document.pdf", "file_data": data}}]


def _inner_parts(block: Block, path: str, conversion: Conversion, image: PartMaker) -> list[Part]:
    parts = []
    for number, inner in enumerate(block["source"]["content"]):
        make = {"text": text_parts, "image": image}.get(inner["type"])
        if make is None:
            raise UnsupportedBlock(f"{path}.source.content.{number}.type: Input should be 'text' or 'image'")
        parts += make(inner, f"{path}.source.content.{number}", conversion)
    return parts


def _pdf(source: dict[str, Any], path: str, conversion: Conversion) -> str:
    """A PDF as a `file` part takes it. Raises UnsupportedBlock where the backend reads none."""
    dialect = conversion.dialect
    if source["type"] == "file":
        raise UnsupportedBlock(f"{path}.document.source.file_id: {NO_FILES}")
    if dialect.pdf != "file" or dialect.content != "parts":
        raise UnsupportedBlock(f"{path}.document: {NO_PDF}")
    if source["type"] == "url" and not dialect.pdf_urls:
        raise UnsupportedBlock(f"{path}.document.source.url: {NO_PDF} by URL; send it as base64")
    if source["type"] == "url":
        return str(source["url"])
    conversion.media += len(source["data"])
    conversion.media_tokens += PDF_TOKENS * (1 + len(source["data"]) // PDF_PAGE_CHARACTERS)
    return f"data:application/pdf;base64,{source['data']}"


def _document_tag(block: Block, conversion: Conversion) -> str:
    conversion.documents += 1
    attributes = [f'index="{conversion.documents}"']
    attributes += [f'{name}="{_attribute(block[name])}"' for name in ("title", "context") if block.get(name)]
    return f"<document {' '.join(attributes)}>"


def _attribute(value: str) -> str:
    return value.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _drop_citations(block: Block, path: str, conversion: Conversion) -> None:
    wish = block.get("citations")
    if isinstance(wish, dict) and wish.get("enabled") is True:
        conversion.dropped.append(f"{path}.citations: no other model cites; the reply has none")


def search_result_parts(block: Block, path: str, conversion: Conversion) -> list[Part]:
    """A search result in a wrapper that names its source."""
    _drop_citations(block, path, conversion)
    content = "\n".join(inner["text"] for inner in block["content"])
    source, title = _attribute(block["source"]), _attribute(block["title"])
    return [text(f'<search_result source="{source}" title="{title}">\n{content}\n</search_result>')]


def joined_texts(parts: Iterable[Part], glue: str) -> list[Part]:
    """`parts` with neighbouring texts made one."""
    joined: list[Part] = []
    for is_text, group in groupby(parts, lambda part: part["type"] == "text"):
        found = list(group)
        joined += [text(glue.join(part["text"] for part in found))] if is_text else found
    return joined


def summary_parts(block: Block, path: str, conversion: Conversion) -> list[Part]:
    """A compaction's summary, which stands for all that came before it."""
    return [text(f"<summary>\n{block['content']}\n</summary>")]


def server_result_parts(block: Block, path: str, conversion: Conversion) -> list[Part]:
    """A server tool's result in a user turn, away from its call."""
    return [text(f"Result of tool call {block.get('tool_use_id', '')}:\n{rendered_server_result(block)}")]


USER_PARTS: dict[str, PartMaker] = {
    "text": text_parts,
    "image": image_parts,
    "document": document_parts,
    "search_result": search_result_parts,
    "compaction": summary_parts,
    "web_search_tool_result": server_result_parts,
    "web_fetch_tool_result": server_result_parts,
    "code_execution_tool_result": server_result_parts,
    "bash_code_execution_tool_result": server_result_parts,
    "text_editor_code_execution_tool_result": server_result_parts,
    "tool_search_tool_result": server_result_parts,
    "mcp_tool_result": server_result_parts,
}
"""User blocks that become parts. `tool_result` has a message of its own: `tool_results.tool_message`."""


def user_parts(block: Block, path: str, conversion: Conversion) -> list[Part]:
    """The parts of one user block. Raises UnsupportedBlock for one that cannot be carried."""
    kind = block["type"]
    make = USER_PARTS.get(kind)
    if make is None:
        raise UnsupportedBlock(f"{path}: {USER_REFUSED.get(kind, f'blocks of type {kind!r} are not supported here')}")
    return make(block, path, conversion)
