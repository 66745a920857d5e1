"""What the tests of faults share: one cell of the matrix, and how it is tried."""

import asyncio
import json
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import SecretStr

from anthropic_proxy.config import Settings
from tests.faults.matrix import COMPLETE, MATRIX
from tests.faults.scripts import CONTENT, SCRIPTS, Moment, flood_text, good
from tests.proxying import THOROUGH, Answer, ask
from tests.scripted import Request, Step

KEY_OF_THE_PROXY = "sk-not-for-everybody"

SETTINGS = Settings(
    openai_api_base="http://127.0.0.1:1/v1", backend="plain", openai_api_key=SecretStr(KEY_OF_THE_PROXY)
).model_copy(update={} if THOROUGH else {"max_event_mb": 1, "max_arguments_mb": 1, "max_reply_mb": 2})

PATIENCE = {"first_byte_timeout": 0.4, "silence_timeout": 0.4}
"""For the faults that are silences; all others have the time that a loaded machine may need."""

CLIENTS = ("lean", "aiohttp")
"""What talks to the backend: each is tried with all of the matrix."""

NEVER = 60 if THOROUGH else 30
"""Seconds. A case that takes so long hangs."""


class Cell(NamedTuple):
    """One case of the matrix."""

    fault: str
    stream: bool
    midway: bool
    outcome: str

    @property
    def model(self) -> str:
        """What the client asks for, by which the backend knows what to do."""
        return json.dumps([self.fault, self.midway])


def cells_of(fault: str) -> Iterator[Cell]:
    places = [(False, False), (False, True), (True, False), (True, True)]
    for (stream, midway), outcome in zip(places, MATRIX[fault], strict=True):
        if outcome:
            yield Cell(fault, stream, midway, outcome)


def play(request: Request, elsewhere: str, begun: asyncio.Event | None = None) -> list[Step]:
    """What the backend does to a request: the fault that its model names, or a good reply."""
    body = json.loads(request.body)
    stream = bool(body.get("stream"))
    if body["model"] == "good":
        return good(Moment(stream, midway=False))
    fault, midway = json.loads(body["model"])
    return list(SCRIPTS[fault](Moment(stream, midway, THOROUGH, elsewhere, begun)))


def question(model: str, stream: bool, **fields: object) -> dict[str, object]:
    tool = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
    messages = [{"role": "user", "content": "How is the weather?"}]
    return {"model": model, "max_tokens": 100, "stream": stream, "messages": messages, "tools": [tool], **fields}


async def asked(url: str, cell: Cell, begun: asyncio.Event | None = None) -> Answer:
    async with asyncio.timeout(NEVER):
        return await ask(url, question(cell.model, cell.stream), begun)


def check(answer: Answer, cell: Cell) -> None:
    assert answer.outcome == cell.outcome
    if cell.outcome == COMPLETE:
        expected = (
            [flood_text(Moment(cell.stream, cell.midway, THOROUGH))] if "chunks as fast" in cell.fault else CONTENT
        )
        assert answer.texts == expected
    else:
        assert answer.message
        assert KEY_OF_THE_PROXY not in answer.message


async def try_good(url: str, stream: bool) -> None:
    """The same proxy, and nothing wrong."""
    check(await ask(url, question("good", stream)), Cell("nothing", stream, False, COMPLETE))
