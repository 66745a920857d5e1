"""A reply that is Anthropic's already, as far as it can be trusted."""

from typing import Any

import pytest

from anthropic_proxy.translate.native import message_blocks, message_usage
from anthropic_proxy.translate.pieces import Block, Usage

GOOD: list[dict[str, Any]] = [
    {"type": "text", "text": "a"},
    {"type": "thinking", "thinking": "a", "signature": "sig"},
    {"type": "redacted_thinking", "data": "x"},
    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}},
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "a"}},
    {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "a", "server_name": "b", "input": {}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
]

BAD: list[Any] = [
    None,
    {"text": "no type"},
    {"type": "text"},
    {"type": "thinking"},
    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": "x"},
    {"type": "tool_use", "id": None, "name": "weather", "input": {}},
    {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "a", "input": {}},
    {"type": "hologram"},
]


def test_blocks_a_client_can_read_are_kept() -> None:
    assert message_blocks({"content": [*GOOD, *BAD]}) == [Block(block) for block in GOOD]


@pytest.mark.parametrize("content", [None, "text", {}])
def test_content_that_is_no_list_is_none(content: object) -> None:
    assert message_blocks({"content": content}) == []


USAGES: dict[str, tuple[object, Usage | None]] = {
    "cached tokens stand beside the prompt's": (
        {"input_tokens": 20, "output_tokens": 5, "cache_read_input_tokens": 64, "cache_creation_input_tokens": 8},
        Usage(20, 5, 64, 8),
    ),
    "searches and the tier": (
        {"input_tokens": 20, "server_tool_use": {"web_search_requests": 2}, "service_tier": "priority"},
        Usage(20, None, web_searches=2, service_tier="priority"),
    ),
    "what is no count is not there": (
        {"input_tokens": True, "output_tokens": -1, "cache_read_input_tokens": None, "server_tool_use": {}},
        Usage(None, None),
    ),
    "none": (None, None),
}


@pytest.mark.parametrize(("usage", "expected"), USAGES.values(), ids=USAGES.keys())
def test_usage(usage: object, expected: Usage | None) -> None:
    assert message_usage({"usage": usage}) == expected
