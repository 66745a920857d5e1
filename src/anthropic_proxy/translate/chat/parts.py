"""Parts: user content, and the content of tool results, block by block.

A block becomes content parts, or is refused where the client put it, or is left out with its reason
named. The tables say which.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.errors import UnsupportedBlock
from anthropic_proxy.wire.anthropic import Block
from anthropic_proxy.wire.json import dumps

Part: TypeAlias = dict[str, Any]
"""One content part of a chat message: `text`, `image_url` or `file`."""

IMAGE_TOKENS = 1600
"""Tokens an image counts in an estimate: the most that Anthropic's own rule (pixels / 750) comes to."""

PDF_TOKENS = 1800
"""Tokens one page of a PDF counts in an estimate; a guess."""

PDF_PAGE_CHARACTERS = 100_000
"""Base64 characters one page of a PDF is taken to have; a guess."""

NO_IMAGES = "Could not process image: the upstream model does not accept image input"
"""Claude Code replaces the image by a text when it reads the first four words."""

NO_PDF = "This model does not support PDF input"
"""Claude Code then reads the pages as images."""


@dataclass(slots=True)
class Conversion:
    """What the conversion of one request needs to know, and what it finds."""

    dialect: Dialect
    dropped: list[str] = field(default_factory=list)
    """`path: reason` of each block that could not be carried."""
    media: int = 0
    """Base64 characters that were passed on."""
    media_tokens: int = 0
    """The estimated tokens of what they show."""
    images: int = 0
    """Images that were passed on."""
    documents: int = 0
    """Documents so far, which are numbered for the model."""


PartMaker: TypeAlias = Callable[[Block, str, Conversion], list[Part]]


def text(content: str) -> Part:
    """A text part."""
    return {"type": "text", "text": content}


def text_parts(block: Block, path: str, conversion: Conversion) -> list[Part]:
    """A text block as it is, without its citations. White space alone is left out: several backends refuse it."""
    return [] if not block["text"] or block["text"].isspace() else [text(block["text"])]


def image_parts(block: Block, path: str, conversion: Conversion) -> list[Part]:
    """An image. Raises UnsupportedBlock where the model or the backend cannot take it."""
    dialect = conversion.dialect
    if not dialect.vision or dialect.content == "string":
        raise UnsupportedBlock(f"{path}.image: {NO_IMAGES}")
    source = block["source"]
    if source["type"] == "file":
        raise UnsupportedBlock(f"{path}.image.source.file_id: the Files API is not available through this proxy")
    if source["type"] == "url":
        if not dialect.image_urls:
            raise UnsupportedBlock(f"{path}.image.source.url: this upstream needs base64 images")
        url = source["url"]
    elif source["type"] == "base64":
        url = f"data:{image_type(source)};base64,{source['data']}"
        conversion.media += len(source["data"])
    else:
        raise UnsupportedBlock(f"{path}.image.source.type: Input should be 'base64', 'url' or 'file'")
    conversion.media_tokens += IMAGE_TOKENS
    conversion.images += 1
    return [{"type": "image_url", "image_url": {"url": url}}]


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


def document_parts(block: Block, path: str, conversion: Conversion) -> list[Part]:
    """A document: text in a wrapper that names it, or a PDF as a file. Raises UnsupportedBlock."""
    source = block["source"]
    if source["type"] == "text":
        return [text(_wrapped(block, source["data"], conversion))]
    if source["type"] == "content":
        return _content_document(block, source["content"], path, conversion)
    if source["type"] == "file":
        raise UnsupportedBlock(f"{path}.document.source.file_id: the Files API is not available through this proxy")
    if source["type"] == "url":
        if not conversion.dialect.pdf_urls:
            raise UnsupportedBlock(f"{path}.document.source.url: {NO_PDF} by URL; send it as base64")
        data = source["url"]
    elif conversion.dialect.pdf != "file":
        raise UnsupportedBlock(f"{path}.document: {NO_PDF}")
    else:
        data = f"data:application/pdf;base64,{source['data']}"
        conversion.media += len(source["data"])
        conversion.media_tokens += PDF_TOKENS * (1 + len(source["data"]) // PDF_PAGE_CHARACTERS)
    conversion.documents += 1
    return [{"type": "file", "file": {"filename": block.get("title") or "document.pdf", "file_data": data}}]


def _wrapped(block: Block, content: str, conversion: Conversion) -> str:
    return f"{_document_tag(block, conversion)}\n{content}\n</document>"


def _document_tag(block: Block, conversion: Conversion) -> str:
    conversion.documents += 1
    attributes = [f'index="{conversion.documents}"']
    attributes += [f'{name}="{_attribute(block[name])}"' for name in ("title", "context") if block.get(name)]
    return f"<document {' '.join(attributes)}>"


def _attribute(value: object) -> str:
    return str(value).replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _content_document(block: Block, content: list[Block], path: str, conversion: Conversion) -> list[Part]:
    parts = [text(_document_tag(block, conversion))]
    for number, inner in enumerate(content):
        make = {"text": text_parts, "image": image_parts}.get(inner["type"])
        if make is None:
            raise UnsupportedBlock(f"{path}.source.content.{number}: Input should be 'text' or 'image'")
        parts += make(inner, f"{path}.source.content.{number}", conversion)
    return joined_texts([*parts, text("</document>")], "\n")


def search_result_parts(block: Block, path: str, conversion: Conversion) -> list[Part]:
    """A search result in a wrapper that names its source."""
    content = "\n".join(inner["text"] for inner in block["content"] if inner["type"] == "text")
    source, title = _attribute(block["source"]), _attribute(block["title"])
    return [text(f'<search_result source="{source}" title="{title}">\n{content}\n</search_result>')]


def joined_texts(parts: list[Part], glue: str) -> list[Part]:
    """`parts` with neighbouring texts made one."""
    joined: list[Part] = []
    for part in parts:
        if joined and part["type"] == "text" == joined[-1]["type"]:
            joined[-1] = text(joined[-1]["text"] + glue + part["text"])
        else:
            joined.append(part)
    return joined


def rendered_server_result(block: Block) -> str:
    """The result of a tool that another server ran, as text a model can read.

    Web search: a line a page, since the pages themselves are encrypted. An error: its code.
    """
    content = block.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(line for item in content if isinstance(item, dict) and (line := _result_line(item)))
    if not isinstance(content, dict):
        return ""
    if "error_code" in content:
        return f"Error: {content['error_code']}"
    render = _SERVER_RESULTS.get(str(content.get("type")))
    return render(content) if render else dumps(content).decode()


def _result_line(item: dict[str, Any]) -> str:
    if "error_code" in item:
        return f"Error: {item['error_code']}"
    if "url" in item:
        return f"{item.get('title') or ''} — {item['url']}"
    return str(item.get("text") or "")


def _fetched(content: dict[str, Any]) -> str:
    document = content.get("content")
    source = document.get("source") if isinstance(document, dict) else None
    data = source.get("data") if isinstance(source, dict) and source.get("type") == "text" else ""
    return f"{content.get('url', '')}\n{data}".strip()


def _executed(content: dict[str, Any]) -> str:
    lines = [str(content.get(name)) for name in ("stdout", "stderr") if content.get(name)]
    return "\n".join([*lines, f"exit code {content.get('return_code', 0)}"])


def _searched_tools(content: dict[str, Any]) -> str:
    references = content.get("tool_references") or []
    return "\n".join(loaded_tool(item) for item in references if isinstance(item, dict))


def loaded_tool(block: Block) -> str:
    """What stands for a `tool_reference`: the definition itself is among the request's tools."""
    return f"Tool loaded: {block.get('tool_name', '')}"


_SERVER_RESULTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "web_fetch_result": _fetched,
    "code_execution_result": _executed,
    "bash_code_execution_result": _executed,
    "tool_search_tool_search_result": _searched_tools,
}


def summary_parts(block: Block, path: str, conversion: Conversion) -> list[Part]:
    """A compaction's summary, which stands for all that came before it."""
    content = block.get("content")
    return [text(f"<summary>\n{content}\n</summary>")] if isinstance(content, str) and content.strip() else []


def orphaned_server_result(block: Block, path: str, conversion: Conversion) -> list[Part]:
    """A server tool's result in a user turn, away from its call."""
    return [text(f"Result of tool call {block.get('tool_use_id', '')}:\n{rendered_server_result(block)}")]


USER_PARTS: dict[str, PartMaker] = {
    "text": text_parts,
    "image": image_parts,
    "document": document_parts,
    "search_result": search_result_parts,
    "compaction": summary_parts,
    "web_search_tool_result": orphaned_server_result,
    "web_fetch_tool_result": orphaned_server_result,
    "code_execution_tool_result": orphaned_server_result,
    "bash_code_execution_tool_result": orphaned_server_result,
    "text_editor_code_execution_tool_result": orphaned_server_result,
    "tool_search_tool_result": orphaned_server_result,
    "mcp_tool_result": orphaned_server_result,
}
"""User blocks that become parts. `tool_result` has a message of its own: `messages.tool_message`."""

USER_REFUSED: dict[str, str] = {
    "container_upload": "files cannot be uploaded to a container through this proxy",
    "thinking": "thinking belongs into assistant messages",
    "redacted_thinking": "thinking belongs into assistant messages",
    "tool_use": "tool_use belongs into assistant messages",
    "server_tool_use": "server_tool_use belongs into assistant messages",
    "mcp_tool_use": "mcp_tool_use belongs into assistant messages",
}
"""User blocks that are refused, and why. So is any type nobody here knows."""

USER_DROPPED: dict[str, str] = {
    "advisor_tool_result": "says nothing to another model",
    "fallback": "names a model of another server",
    "mcp_tool_listing": "lists tools of another server",
    "tool_reference": "stands in a tool_result; elsewhere it loads the tool and says nothing",
    "tool_addition": "changes the tools and says nothing",
    "tool_removal": "changes the tools and says nothing",
}
"""User blocks that are left out, and why."""


def user_parts(block: Block, path: str, conversion: Conversion) -> list[Part]:
    """The parts of one user block. Raises UnsupportedBlock for one that cannot be carried."""
    kind = block["type"]
    make = USER_PARTS.get(kind)
    if make is not None:
        return make(block, path, conversion)
    if kind in USER_DROPPED:
        if kind not in SILENT:
            conversion.dropped.append(f"{path}.{kind}: {USER_DROPPED[kind]}")
        return []
    raise UnsupportedBlock(f"{path}: {USER_REFUSED.get(kind, f'blocks of type {kind!r} are not supported here')}")


SILENT = frozenset({"tool_reference", "tool_addition", "tool_removal"})
"""Blocks that have their effect elsewhere: leaving them out loses nothing."""
