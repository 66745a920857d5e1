"""Documents reach backends that read them, and are refused in their place where nobody does."""

import base64
import json

import pytest

from tests.claude_code.files import PDF
from tests.proxying import ask
from tests.server.asgi import question
from tests.talking import BOTH, Body, assistant, fine, result, talking, tool, user

DATA = base64.b64encode(PDF).decode()
PAPER = {
    "type": "document",
    "title": "paper.pdf",
    "source": {"type": "base64", "media_type": "application/pdf", "data": DATA},
    "citations": {"enabled": True},
}
NOTE = {"type": "document", "title": "a note", "source": {"type": "text", "media_type": "text/plain", "data": "Words."}}
FILE = {"type": "file", "file": {"filename": "paper.pdf", "file_data": f"data:application/pdf;base64,{DATA}"}}
USED = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}}


def in_a_result(block: Body) -> list[Body]:
    return [user("Read."), assistant(USED), user(result("toolu_1", [block]))]


@BOTH
@pytest.mark.parametrize("messages", [[user(PAPER)], in_a_result(PAPER)], ids=["the user's", "a tool's"])
async def test_a_pdf_goes_to_a_backend_that_reads_it(messages: list[Body], stream: bool) -> None:
    async with talking(fine, DIALECT="pdf=file") as talk:
        await talk.ask(stream, messages=messages, tools=[tool("read")])
    assert FILE in talk.asked[0]["messages"][-1]["content"]


@BOTH
@pytest.mark.parametrize("messages", [[user(PAPER)], in_a_result(PAPER)], ids=["the user's", "a tool's"])
async def test_a_pdf_is_refused_in_its_place_where_it_cannot_be_read(messages: list[Body], stream: bool) -> None:
    async with talking(fine) as talk:
        answer = await ask(talk.url, question(messages=messages, tools=[tool("read")], stream=stream))
    assert answer.outcome == "400 invalid_request_error"
    assert answer.message.startswith("messages.")
    assert "PDF" in answer.message
    assert talk.asked == []


@BOTH
@pytest.mark.parametrize("messages", [[user(NOTE)], in_a_result(NOTE)], ids=["the user's", "a tool's"])
async def test_a_text_document_is_text(messages: list[Body], stream: bool) -> None:
    async with talking(fine) as talk:
        await talk.ask(stream, messages=messages, tools=[tool("read")])
    told = json.dumps(talk.asked[0]["messages"][-1]["content"])
    assert "Words." in told
    assert "a note" in told
