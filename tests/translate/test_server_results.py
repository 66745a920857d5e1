"""Results of other servers' tools, as text."""

from typing import Any

import pytest

from anthropic_proxy.translate.chat.server_results import rendered_server_result

PAGE = {"type": "web_search_result", "url": "https://e.test", "title": "E", "encrypted_content": "x"}

RENDERED: dict[str, tuple[Any, str]] = {
    "pages, a line each": ([PAGE, {**PAGE, "title": None}], "E — https://e.test\n — https://e.test"),
    "no pages": ([], "(no output)"),
    "an error": ({"type": "web_search_tool_result_error", "error_code": "unavailable"}, "Error: unavailable"),
    "a page that was fetched": (
        {
            "type": "web_fetch_result",
            "url": "https://e.test",
            "content": {"type": "document", "source": {"type": "text", "data": "The page."}},
        },
        "https://e.test\nThe page.",
    ),
    "a PDF that was fetched": (
        {
            "type": "web_fetch_result",
            "url": "https://e.test",
            "content": {"type": "document", "source": {"type": "base64", "data": "JVBERi0="}},
        },
        "https://e.test",
    ),
    "a page without content": (
        {"type": "web_fetch_result", "url": "https://e.test", "content": None},
        "https://e.test",
    ),
    "a program that ran": (
        {"type": "code_execution_result", "stdout": "a\n", "stderr": "b\n", "return_code": 2, "content": []},
        "a\nb\nexit code 2",
    ),
    "one that said nothing": (
        {"type": "bash_code_execution_result", "stdout": "", "stderr": "", "return_code": 0},
        "exit code 0",
    ),
    "one whose output is encrypted": (
        {"type": "encrypted_code_execution_result", "encrypted_stdout": "abc", "stderr": "", "return_code": 1},
        "exit code 1",
    ),
    "a file that was shown": (
        {"type": "text_editor_code_execution_view_result", "file_type": "text", "content": "a\nb"},
        "a\nb",
    ),
    "a file that was changed": (
        {"type": "text_editor_code_execution_create_result", "is_file_update": True},
        '{"type":"text_editor_code_execution_create_result","is_file_update":true}',
    ),
    "tools that were found": (
        {
            "type": "tool_search_tool_search_result",
            "tool_references": [{"type": "tool_reference", "tool_name": "get_time"}, "x"],
        },
        "Tool loaded: get_time",
    ),
    "tools that are no list": ({"type": "tool_search_tool_search_result", "tool_references": 5}, "(no output)"),
    "text": ("It is done.", "It is done."),
    "texts": ([{"type": "text", "text": "a"}, {"type": "image"}, 5, {"type": "text", "text": "b"}], "a\nb"),
    "nothing": (None, "(no output)"),
}


@pytest.mark.parametrize(("content", "expected"), RENDERED.values(), ids=RENDERED.keys())
def test_what_a_model_reads(content: object, expected: str) -> None:
    assert rendered_server_result({"type": "x_tool_result", "tool_use_id": "s", "content": content}) == expected


def test_a_failure_says_so() -> None:
    result = {"type": "mcp_tool_result", "tool_use_id": "s", "content": "no such row", "is_error": True}
    assert rendered_server_result(result) == "Error: no such row"
