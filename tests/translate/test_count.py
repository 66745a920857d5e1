"""Token estimates: near what a tokenizer counts, and nearer still once a backend has counted."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.dialects import PLAIN
from anthropic_proxy.estimate import size_of
from anthropic_proxy.translate.api import Client, Translation
from anthropic_proxy.translate.chat.frames import CALL_TOKENS, MESSAGE_TOKENS, REPLY_TOKENS
from anthropic_proxy.translate.chat.request import translate
from anthropic_proxy.translate.count import MOST_MODELS, Calibration, Count, count_tokens
from anthropic_proxy.translate.validate import messages_request
from anthropic_proxy.wire.json import dumps

CORPUS = Path(__file__).parent.parent / "corpus"
COUNTS: dict[str, int] = json.loads((CORPUS / "counts.json").read_text())
"""Tokens of each file by o200k_base, without frames. `test_the_counts_are_a_tokenizers` counts them anew."""

FRAMES = REPLY_TOKENS + MESSAGE_TOKENS


SEES_ALL = replace(PLAIN, pdf="file")


def translated(body: dict[str, Any]) -> Translation:
    request = messages_request({"model": "claude-test", "max_tokens": 100, **body})
    return translate(request, "upstream-model", SEES_ALL, Client())


def estimated(body: dict[str, Any]) -> Count:
    translation = translated(body)
    return size_of(translation, dumps(translation.body))


def asking(content: Any, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], **fields}


def request_with(file: str) -> tuple[dict[str, Any], int]:
    """A request that holds the file of the corpus, and the tokens of all else in it."""
    text = (CORPUS / file).read_text()
    if file == "conversation.json":
        return json.loads(text), 0
    if file == "tools.json":
        return asking("foo", tools=json.loads(text)), FRAMES + 1
    return asking(text), FRAMES


def test_the_corpus_is_whole() -> None:
    assert {path.name for path in CORPUS.iterdir()} == COUNTS.keys() | {"counts.json"}


@pytest.mark.parametrize("file", COUNTS)
def test_an_estimate_is_near_a_tokenizers_count(file: str) -> None:
    body, beside = request_with(file)
    expected = COUNTS[file] + beside
    assert abs(estimated(body).text - expected) < 0.15 * expected


def test_a_large_request_is_estimated_as_well_as_its_parts() -> None:
    texts = [file for file in COUNTS if not file.endswith(".json")]
    content = [{"type": "text", "text": (CORPUS / file).read_text()} for file in texts * 12]
    expected = 12 * sum(COUNTS[file] for file in texts)
    assert abs(estimated(asking(content)).text - expected) < 0.1 * expected


@pytest.mark.parametrize("file", COUNTS)
def test_the_counts_are_a_tokenizers(file: str) -> None:
    """Only where the tokenizer is installed: it is large, and the counts do not change."""
    tokenizer = pytest.importorskip("bpe_openai", reason="optional; needs `pip install bpe-openai`")
    encoding = tokenizer.get_encoding("o200k_base")

    def tokens(text: str) -> int:
        return len(encoding.encode_ordinary(text))

    text = (CORPUS / file).read_text()
    if file == "conversation.json":
        assert framed_tokens(json.loads(text), tokens) == COUNTS[file]
    elif file == "tools.json":
        assert tokens(dumps(json.loads(text)).decode()) == COUNTS[file]
    else:
        assert tokens(text) == COUNTS[file]


def framed_tokens(body: dict[str, Any], tokens: Any) -> int:
    """Tokens of the conversation, frames and all, with a message for each tool result."""
    total = REPLY_TOKENS
    for message in [{"content": body["system"]}, *body["messages"]]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        results = [block["content"] for block in blocks if block["type"] == "tool_result"]
        for result in results:
            total += MESSAGE_TOKENS + tokens(result if isinstance(result, str) else result[0]["text"])
        rest = [block for block in blocks if block["type"] != "tool_result"]
        total += MESSAGE_TOKENS if rest else 0
        total += sum(tokens(block["text"]) for block in rest if block["type"] == "text")
        calls = [block for block in rest if block["type"] == "tool_use"]
        total += sum(CALL_TOKENS + tokens(c["name"]) + tokens(dumps(c["input"]).decode()) for c in calls)
    return total


SMALL = {
    "a greeting": (asking("Hello"), 8),
    "a greeting with settings, which no model reads": (
        asking("Hello", temperature=0.2, stream=True, stop_sequences=["###", "END OF THE ANSWER"]),
        8,
    ),
    "two short turns": (
        {"messages": [{"role": role, "content": "Good."} for role in ("user", "assistant", "user")]},
        21,
    ),
}


@pytest.mark.parametrize(("body", "tokens"), SMALL.values(), ids=SMALL.keys())
def test_frames_do_not_make_a_small_request_large(body: dict[str, Any], tokens: int) -> None:
    assert abs(estimated(body).text - tokens) <= max(6, 0.5 * tokens)


# Base64

ICON = "iVBORw0KGgoAAAANSUhEUgAAASwAAADIAAAA"
"""The head of a PNG of 300 by 200 pixels: 80 tokens."""

SCREENSHOT = ICON + "A" * 200_000


def image(data: str) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE" * 50_000}}

MEDIA: dict[str, tuple[list[Any], int]] = {
    "an image counts by its pixels": ([image(SCREENSHOT)], 80),
    "each of several": ([image(SCREENSHOT), image(ICON), image(SCREENSHOT)], 240),
    "an image at an address is taken for the largest": (
        [{"type": "image", "source": {"type": "url", "url": "https://example.test/a.png"}}],
        1600,
    ),
    "an address may be the image itself": (
        [{"type": "image", "source": {"type": "url", "url": f"data:image/png;base64,{SCREENSHOT}"}}],
        80,
    ),
    "a PDF counts by its pages, which are guessed": ([PDF], 3 * 1800),
    "a text about base64 is a text": (
        [{"type": "text", "text": 'url("data:image/png;base64,AAAA") and ;base64, too'}, image(SCREENSHOT)],
        80,
    ),
}


@pytest.mark.parametrize(("content", "tokens"), MEDIA.values(), ids=MEDIA.keys())
def test_what_base64_shows_is_counted_and_not_its_letters(content: list[Any], tokens: int) -> None:
    count = estimated(asking([*content, {"type": "text", "text": "What is this?"}]))
    assert count.media == tokens
    assert count.text < 120


def test_an_image_in_a_result_counts_as_any_other() -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "screenshot", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [image(SCREENSHOT)]}
    messages = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    count = estimated({"messages": messages})
    assert (count.media, count.text < 120) == (80, True)


@given(st.binary(max_size=300), st.integers(0, 10**6), st.floats(-1e4, 1e4))
def test_no_request_is_nothing(data: bytes, media: int, frame_tokens: float) -> None:
    assert count_tokens(data, min(media, len(data)), 0, frame_tokens).text >= 1


# Calibration

BACKENDS: dict[str, Any] = {
    "a coarser tokenizer": lambda size: 1.45 * size,
    "a finer one": lambda size: 0.85 * size,
    "a preamble of its own": lambda size: size + 68,
    "both": lambda size: 1.2 * size + 400,
    "an estimate that was right": lambda size: size,
}


@pytest.mark.parametrize("counts", BACKENDS.values(), ids=BACKENDS.keys())
@pytest.mark.parametrize("sizes", [[2000.0] * 5, [400.0, 9000.0, 800.0, 20000.0, 15000.0]], ids=["alike", "growing"])
def test_after_five_replies_an_estimate_is_as_the_backend_counts(counts: Any, sizes: list[float]) -> None:
    calibration = Calibration()
    for size in sizes:
        calibration.learn("m", Count(size), round(counts(size)))
    for size in (sizes[-1], 1.5 * sizes[-1]):
        assert calibration.tokens("m", Count(size)) == pytest.approx(counts(size), rel=0.08)


def test_a_small_prompt_does_not_spoil_the_estimate_of_a_large_one() -> None:
    calibration = Calibration()
    calibration.learn("m", Count(8), 90)
    assert calibration.tokens("m", Count(100_000)) == pytest.approx(100_000, rel=0.1)


def test_each_model_is_learned_by_itself() -> None:
    calibration = Calibration()
    calibration.learn("coarse", Count(1000), 2000)
    assert calibration.tokens("coarse", Count(1000)) > 1500
    assert calibration.tokens("other", Count(1000)) == 1000


def test_what_media_cost_is_not_learned_from() -> None:
    calibration = Calibration()
    calibration.learn("m", Count(100, 1600), 400)
    calibration.learn("m", Count(100, 1600), 1000)
    assert calibration.tokens("m", Count(100, 1600)) == 1700


def test_a_backend_that_counts_something_else_is_not_believed() -> None:
    calibration = Calibration()
    for _ in range(10):
        calibration.learn("m", Count(1000), 10**9)
    assert calibration.tokens("m", Count(1000)) <= 6000


def test_only_so_many_models_are_remembered() -> None:
    calibration = Calibration()
    for number in range(MOST_MODELS + 1):
        calibration.learn(f"m{number}", Count(1000), 2000)
    assert calibration.tokens("m0", Count(1000)) == 1000
    assert calibration.tokens(f"m{MOST_MODELS}", Count(1000)) > 1500


OBSERVATIONS = st.tuples(st.floats(1, 1e6), st.integers(0, 10**5), st.integers(0, 10**7))


@given(st.lists(OBSERVATIONS, max_size=20), st.floats(1, 1e6), st.integers(0, 10**5))
def test_whatever_backends_say_an_estimate_stays_a_count(
    observations: list[tuple[float, int, int]], text: float, media: int
) -> None:
    calibration = Calibration()
    for size, shown, counted in observations:
        calibration.learn("m", Count(size, shown), counted)
    assert 1 <= calibration.tokens("m", Count(text, media)) - media <= 4 * text + 2001
