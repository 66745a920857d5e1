"""A backend's own web search, as the blocks that Anthropic's would have given."""

from typing import Any

import pytest

from anthropic_proxy.translate.chat.citations import search_pieces
from anthropic_proxy.translate.pieces import Block, Citation

ANSWER = "Anna won. Ben came second."


def cited(url: Any = "https://example.test/a", title: Any = "Race", start: Any = 0, end: Any = 9) -> dict[str, Any]:
    return {
        "type": "url_citation",
        "url_citation": {"url": url, "title": title, "start_index": start, "end_index": end},
    }


def citation(url: str = "https://example.test/a", title: str | None = "Race", text: str = "Anna won.") -> Citation:
    return Citation(
        {"type": "web_search_result_location", "url": url, "title": title, "encrypted_index": "", "cited_text": text}
    )


def result(url: str = "https://example.test/a", title: str = "Race") -> dict[str, Any]:
    return {"type": "web_search_result", "url": url, "title": title, "encrypted_content": "", "page_age": None}


B = "https://example.test/b"

CASES: dict[str, tuple[list[Any], list[Citation], list[dict[str, Any]]]] = {
    "a citation and its page": ([cited()], [citation()], [result()]),
    "pages in the order they were cited, each once": (
        [cited(), cited(B, "Result", 10, 26), cited(start=10, end=14)],
        [citation(), citation(B, "Result", "Ben came second."), citation(text="Ben ")],
        [result(), result(B, "Result")],
    ),
    "a citation that comes again counts once": ([cited(), cited()], [citation()], [result()]),
    "a page without a title has its address": (
        [cited(title=None), cited(B, ""), cited(B, "Late", 1, 2)],
        [citation(title=None), citation(B, None), citation(B, "Late", "n")],
        [result(title="https://example.test/a"), result(B, "Late")],
    ),
    "places that are none cite nothing": (
        [cited(start=None), cited(start=5, end=2), cited(start=-3)],
        [citation(text="")] * 3,
        [result()],
    ),
}


@pytest.mark.parametrize(("annotations", "citations", "results"), CASES.values(), ids=CASES.keys())
def test_search(annotations: list[Any], citations: list[Citation], results: list[dict[str, Any]]) -> None:
    assert search_pieces(annotations, ANSWER, "Who won?", "srvtoolu_1") == [
        *citations,
        Block({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "Who won?"}}),
        Block({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": results}),
    ]


@pytest.mark.parametrize(
    "annotations", [[], [None, {}, {"type": "file_citation"}, {"url_citation": "x"}, cited(url=7)]]
)
def test_no_search(annotations: list[Any]) -> None:
    assert search_pieces(annotations, ANSWER, "Who won?", "srvtoolu_1") == []
