"""Parts: what each block of a user becomes, or why it is refused."""

import base64
from dataclasses import replace
from typing import Any

import pytest

from anthropic_proxy.dialects import PLAIN, Dialect
from anthropic_proxy.errors import UnsupportedBlock
from anthropic_proxy.translate.chat.conversion import Conversion, Part, text
from anthropic_proxy.translate.chat.parts import PDF_TOKENS, image_type, joined_texts, user_parts
from anthropic_proxy.translate.chat.tool_names import ToolNames
from anthropic_proxy.translate.image_size import MOST_TOKENS

FILES = replace(PLAIN, pdf="file")
URLS = replace(PLAIN, pdf="file", pdf_urls=True)
INLINE = replace(PLAIN, image_urls=False)
BLIND = replace(PLAIN, vision=False)
STRINGS = replace(PLAIN, content="string", pdf="file")

PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
URL = {"type": "url", "url": "https://example.test/a"}
FILE = {"type": "file", "file_id": "file_1"}
PICTURE: Part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def conversion(dialect: Dialect = PLAIN) -> Conversion:
    return Conversion(dialect, "m", ToolNames(dialect))


def image(source: object) -> dict[str, Any]:
    return {"type": "image", "source": source}


def document(source: object, **more: object) -> dict[str, Any]:
    return {"type": "document", "source": source, **more}


def pdf_part(data: str, name: str = "document.pdf") -> Part:
    return {"type": "file", "file": {"filename": name, "file_data": data}}


MADE: dict[str, tuple[dict[str, Any], Dialect, list[Part]]] = {
    "text byte for byte, without its citations": (
        {"type": "text", "text": " a\r\nb ", "citations": [{}], "cache_control": {"type": "ephemeral"}},
        PLAIN,
        [text(" a\r\nb ")],
    ),
    "white space is nothing": ({"type": "text", "text": "\n\t "}, PLAIN, []),
    "an image as a data URL": (image(PNG), PLAIN, [PICTURE]),
    "an image by its URL": (
        image(URL),
        PLAIN,
        [{"type": "image_url", "image_url": {"url": "https://example.test/a"}}],
    ),
    "a document of text": (
        document({"type": "text", "data": "One.\n"}),
        PLAIN,
        [text('<document index="1">\nOne.\n\n</document>')],
    ),
    "with a title and a context": (
        document({"type": "text", "data": "One."}, title='"A" & <b>', context="old"),
        PLAIN,
        [text('<document index="1" title="&quot;A&quot; &amp; &lt;b>" context="old">\nOne.\n</document>')],
    ),
    "a document of texts": (
        document({"type": "content", "content": [text("One."), text(" "), text("Two.")]}),
        PLAIN,
        [text('<document index="1">\nOne.\nTwo.\n</document>')],
    ),
    "a document with a picture in it": (
        document({"type": "content", "content": [text("One."), image(PNG), text("Two.")]}),
        PLAIN,
        [text('<document index="1">\nOne.'), PICTURE, text("Two.\n</document>")],
    ),
    "a PDF": (document(PDF), FILES, [pdf_part("data:application/pdf;base64,JVBERi0=")]),
    "a PDF with a title": (
        document(PDF, title="Report.pdf"),
        FILES,
        [pdf_part("data:application/pdf;base64,JVBERi0=", "Report.pdf")],
    ),
    "a PDF by its URL": (document(URL), URLS, [pdf_part("https://example.test/a")]),
    "a search result": (
        {"type": "search_result", "source": "https://e.test", "title": "T", "content": [text("a"), text("b")]},
        PLAIN,
        [text('<search_result source="https://e.test" title="T">\na\nb\n</search_result>')],
    ),
    "a summary": (
        {"type": "compaction", "content": "Long ago."},
        PLAIN,
        [text("<summary>\nLong ago.\n</summary>")],
    ),
    "what another server found": (
        {"type": "web_fetch_tool_result", "tool_use_id": "s", "content": {"error_code": "unavailable"}},
        PLAIN,
        [text("Result of tool call s:\nError: unavailable")],
    ),
}


@pytest.mark.parametrize(("block", "dialect", "expected"), MADE.values(), ids=MADE.keys())
def test_what_a_block_becomes(block: dict[str, Any], dialect: Dialect, expected: list[Part]) -> None:
    assert user_parts(block, "messages.0.content.1", conversion(dialect)) == expected


NO_IMAGES = "Could not process image: the upstream model does not accept image input"
NO_FILES = "the Files API is not available through this proxy"

REFUSED: dict[str, tuple[dict[str, Any], Dialect, str]] = {
    "an image for a model without eyes": (image(PNG), BLIND, f".image: {NO_IMAGES}"),
    "an image where content is text alone": (image(PNG), STRINGS, f".image: {NO_IMAGES}"),
    "an image by URL where they must be inline": (
        image(URL),
        INLINE,
        ".image.source.url: this upstream needs base64 images",
    ),
    "an image from the Files API": (image(FILE), PLAIN, f".image.source.file_id: {NO_FILES}"),
    "a PDF that nobody reads": (document(PDF), PLAIN, ".document: This model does not support PDF input"),
    "a PDF where content is text alone": (document(PDF), STRINGS, ".document: This model does not support PDF input"),
    "a PDF by URL": (
        document(URL),
        FILES,
        ".document.source.url: This model does not support PDF input by URL; send it as base64",
    ),
    "a document from the Files API": (document(FILE), FILES, f".document.source.file_id: {NO_FILES}"),
    "a picture in a document": (
        document({"type": "content", "content": [image(PNG)]}),
        BLIND,
        f".source.content.0.image: {NO_IMAGES}",
    ),
    "a document in a document": (
        document({"type": "content", "content": [document(PDF)]}),
        FILES,
        ".source.content.0.type: Input should be 'text' or 'image'",
    ),
    "a call": ({"type": "tool_use"}, PLAIN, ": tool calls belong into assistant messages"),
    "thinking": ({"type": "thinking"}, PLAIN, ": thinking belongs into assistant messages"),
    "a file for a container": (
        {"type": "container_upload"},
        PLAIN,
        ": files cannot be uploaded to a container through this proxy",
    ),
    "what nobody knows": ({"type": "smell"}, PLAIN, ": blocks of type 'smell' are not supported here"),
}


@pytest.mark.parametrize(("block", "dialect", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_carried_is_refused_in_its_place(block: dict[str, Any], dialect: Dialect, message: str) -> None:
    with pytest.raises(UnsupportedBlock) as caught:
        user_parts(block, "messages.0.content.1", conversion(dialect))
    assert caught.value.message == f"messages.0.content.1{message}"


def test_documents_are_numbered_through_the_conversation() -> None:
    known = conversion(FILES)
    for block in (document({"type": "text", "data": "a"}), document(PDF)):
        user_parts(block, "", known)
    assert user_parts(document({"type": "text", "data": "b"}), "", known) == [
        text('<document index="3">\nb\n</document>')
    ]


def test_citations_that_will_not_come_are_named() -> None:
    known = conversion()
    wish = {"citations": {"enabled": True}}
    user_parts(document({"type": "text", "data": "a"}, **wish), "messages.0.content.0", known)
    user_parts(document({"type": "text", "data": "a"}, citations={"enabled": False}), "messages.0.content.1", known)
    user_parts(
        {"type": "search_result", "source": "s", "title": "t", "content": [], **wish}, "messages.0.content.2", known
    )
    assert known.dropped == [
        "messages.0.content.0.citations: no other model cites; the reply has none",
        "messages.0.content.2.citations: no other model cites; the reply has none",
    ]


def test_what_base64_stands_for_is_counted_apart() -> None:
    known = conversion(FILES)
    user_parts(image(PNG), "", known)
    user_parts(image(URL), "", known)
    user_parts(document({**PDF, "data": "x" * 250_000}), "", known)
    assert known.media == len(PNG["data"]) + 250_000
    assert known.media_tokens == 2 * MOST_TOKENS + 3 * PDF_TOKENS
    assert known.images == 2


TYPES = {
    "PNG": (b"\x89PNG\r\n\x1a\n....", "image/png"),
    "JPEG": (b"\xff\xd8\xff\xe0....", "image/jpeg"),
    "GIF": (b"GIF89a....", "image/gif"),
    "WebP": (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
    "sound in the same box": (b"RIFF\x00\x00\x00\x00WAVEfmt ", "image/what-it-says"),
    "anything else": (b"<svg>", "image/what-it-says"),
    "nothing": (b"", "image/what-it-says"),
}


@pytest.mark.parametrize(("data", "expected"), TYPES.values(), ids=TYPES.keys())
def test_an_image_is_what_its_first_bytes_say(data: bytes, expected: str) -> None:
    source = {"data": base64.b64encode(data + b"\0" * 100).decode(), "media_type": "image/what-it-says"}
    assert image_type(source) == expected


@pytest.mark.parametrize("data", ["x", "ä" * 40])
def test_what_is_no_base64_is_what_it_says(data: str) -> None:
    assert image_type({"data": data, "media_type": "image/png"}) == "image/png"


def test_only_neighbouring_texts_are_joined() -> None:
    assert joined_texts([text("a"), text("b"), PICTURE, PICTURE, text("c")], "\n") == [
        text("a\nb"),
        PICTURE,
        PICTURE,
        text("c"),
    ]
