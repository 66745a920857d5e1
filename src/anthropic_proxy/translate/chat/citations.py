"""Web search by the backend: its URL citations as Anthropic's search blocks and citations."""

from typing import Any

from anthropic_proxy.translate.pieces import Block, Citation, Piece


def _cited(annotations: list[Any]) -> list[dict[str, Any]]:
    """The `url_citation` objects among a message's annotations."""
    return [
        annotation["url_citation"]
        for annotation in annotations
        if isinstance(annotation, dict)
        and isinstance(annotation.get("url_citation"), dict)
        and isinstance(annotation["url_citation"].get("url"), str)
    ]


def search_citations(annotations: list[Any], answer: str) -> list[Piece]:
    """A citation for each place in `answer` that the backend marked."""
    return [
        Citation(
            {
                "type": "web_search_result_location",
                "url": cited["url"],
                "title": cited.get("title"),
                "encrypted_index": "",
                "cited_text": _slice(answer, cited.get("start_index"), cited.get("end_index")),
            }
        )
        for cited in _cited(annotations)
    ]


def _slice(answer: str, start: object, end: object) -> str:
    return answer[start:end] if isinstance(start, int) and isinstance(end, int) and 0 <= start <= end else ""


def search_blocks(annotations: list[Any], query: str, call_id: str) -> list[Piece]:
    """The search as a call and its result, each page once. What a page said is not known here."""
    pages = {cited["url"]: cited.get("title") or cited["url"] for cited in reversed(_cited(annotations))}
    results = [
        {"type": "web_search_result", "url": url, "title": title, "encrypted_content": "", "page_age": None}
        for url, title in reversed(pages.items())
    ]
    return [
        Block({"type": "server_tool_use", "id": call_id, "name": "web_search", "input": {"query": query}}),
        Block({"type": "web_search_tool_result", "tool_use_id": call_id, "content": results}),
    ]
