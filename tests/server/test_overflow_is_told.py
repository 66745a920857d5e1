"""A prompt that is too long is told in the words on which Claude Code compacts, whatever the backend's were."""

import json
import re

import pytest

from tests.proxying import ask
from tests.server.asgi import question
from tests.servers import Reply, refused
from tests.talking import BOTH, Answering, talking
from tests.translate.test_overflow import WITH_NUMBERS

WORDS = {name: case[0] for name, case in WITH_NUMBERS.items()} | {
    "Ollama, without numbers": "the input length exceeds the context length",
    "OpenAI's code alone": "Please reduce the length of the messages.",
}

WAYS: dict[str, int] = {"a 400": 400, "a 413": 413, "a 500": 500}


def refusing(status: int, words: str) -> Answering:
    return lambda body: refused(status, words, code="context_length_exceeded" if "reduce" in words else None)


def in_the_stream(words: str) -> Answering:
    line = json.dumps({"error": {"message": words, "code": 400}}).encode()
    return lambda body: Reply([b"data: " + line + b"\n\n", b"data: [DONE]\n\n"], "text/event-stream")


@BOTH
@pytest.mark.parametrize("way", [*WAYS, "the first event of a 200"])
@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS.keys())
async def test_too_long(words: str, way: str, stream: bool) -> None:
    async with talking(refusing(WAYS[way], words) if way in WAYS else in_the_stream(words)) as talk:
        answer = await ask(talk.url, question(stream=stream))
    assert answer.outcome == "400 invalid_request_error"
    assert answer.message.lower().startswith("prompt is too long")
    assert words.rpartition("AnthropicException - ")[2].replace(",", "")[:20] in answer.message.replace(",", "")


OTHER = {
    "a parameter": "Invalid value for 'temperature': must be at most 2.",
    "a cap": "max_tokens must be at least 1.",
    "a picture": "image exceeds 5 MB maximum: 6000000 bytes > 5242880 bytes",
    "a name": "Invalid 'tools[0].function.name': string too long. Expected a string with maximum length 64.",
    "a description": "Invalid 'tools[0].function.description': string too long. Expected maximum length 1024.",
}


@BOTH
@pytest.mark.parametrize("words", OTHER.values(), ids=OTHER.keys())
async def test_another_mistake_is_not_told_so(words: str, stream: bool) -> None:
    async with talking(lambda body: refused(400, words)) as talk:
        answer = await ask(talk.url, question(stream=stream))
    assert answer.outcome == "400 invalid_request_error"
    assert not re.search("prompt is too long", answer.message, re.I)
    assert words[:20] in answer.message
