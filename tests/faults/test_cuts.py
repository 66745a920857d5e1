"""A reply that is cut off at any byte at all never looks finished, unless it is."""

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from tests.faults.matrix import BROKEN, BROKEN_EVENT, COMPLETE
from tests.faults.scripts import CONTENT, COUNTS, DONE, FIRST_TEXT, OPENING, STREAM, WHOLE
from tests.faults.trying import SETTINGS, question
from tests.proxying import ask_in, proxying
from tests.scripted import Close, Request, ScriptedServer, Send, Step, chunk, head, stream_head

TOLD = len(STREAM) - len(COUNTS + DONE)
"""Bytes of the stream with which the finish reason is told: its counts and its end may be missing."""

BEGUN = len(OPENING + FIRST_TEXT)
"""Bytes that hold a first piece, if the event is ended."""


def script(request: Request) -> list[Step]:
    body = json.loads(request.body)
    cut = int(body["model"])
    if body.get("stream"):
        return [Send(stream_head() + (chunk(STREAM[:cut]) if cut else b"")), Close()]
    return [Send(head("200 OK", {"content-length": str(len(WHOLE))}) + WHOLE[:cut]), Close()]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url() -> AsyncIterator[str]:
    async with ScriptedServer(script) as backend:
        settings = SETTINGS.model_copy(update={"openai_api_base": f"{backend.url}/v1"})
        async with proxying(settings) as url:
            yield url


@pytest.mark.asyncio(loop_scope="module")
async def test_a_stream_cut_at_any_byte(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        for cut in range(len(STREAM)):
            answer = await ask_in(session, url, question(str(cut), stream=True))
            expected = COMPLETE if cut >= TOLD else BROKEN_EVENT if cut >= BEGUN else BROKEN
            assert answer.outcome == expected, STREAM[:cut]
            assert answer.outcome != COMPLETE or answer.texts == CONTENT


@pytest.mark.asyncio(loop_scope="module")
async def test_a_whole_reply_cut_at_any_byte(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        for cut in range(len(WHOLE)):
            answer = await ask_in(session, url, question(str(cut), stream=False))
            assert answer.outcome == BROKEN, WHOLE[:cut]
