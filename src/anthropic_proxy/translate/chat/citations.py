"""Web search by the backend: its URL citations as Anthropic's search blocks and citations."""

from typing import Any

from anthropic_proxy.translate.pieces import Block, Citation, Piece


def search_pieces(annotations: list[Any], answer: str, query: str, call_id: str) -> list[Piece]:
    """A citation for each place in `answer` that the backend marked, then the search as a call and its result.

    Each page is named once; what it said is not known here. Nothing where nothing was cited.
    """
    cited = _cited(annotations)
    if not cited:
        return []
    pages: dict[str, str | None] = {}
    for citation in cited:
        pages[citation["url"]] = pages.get(citation["url"]) or _title(citation)
    results = [
        {"type": "web_search_result", "url": url, "title": title or url, "encrypted_content": "", "page_age": None}
        for url, title in pages.items()
    ]
    return [
        *(_citation(citation, answer) for citation in cited),
        Block({"type": "server_tool_use", "id": call_id, "name": "web_search", "input": {"query": query}}),
        Block({"type": "web_search_tool_result", "tool_use_id": call_id, "content": results}),
    ]


def _cited(annotations: list[Any]) -> list[dict[str, Any]]:
    """The `url_citation` objects among a message's annotations. Streams may repeat them; each counts once."""
    found: list[dict[str, Any]] = []
    for annotation in annotations:
        citation = annotation.get("url_citation") if isinstance(annotation, dict) else None
        if isinstance(citation, dict) and isinstance(citation.get("url"), str) and citation not in found:
            found.append(citation)
    return found


def _citation(citation: dict[str, Any], answer: str) -> Citation:
    return Citation(
        {
            "type": "web_search_result_location",
            "url": citation["url"],
            "title": _title(citation),
            "encrypted_index": "",
            "cited_text": _slice(answer, citation.get("start_index"), citation.get("end_index")),
        }
    )


def _title(citation: dict[str, Any]) -> str | None:
    title = citation.get("title")
    return title if isinstance(title, str) and title else None


def _slice(answer: str, start: object, end: object) -> str:
    return answer[start:end] if isinstance(start, int) and isinstance(end, int) and 0 <= start <= end else ""
