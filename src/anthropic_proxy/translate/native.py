"""A reply that is Anthropic's already, as some gateways give for Claude models on any path. Source: litellm#29391."""

from typing import Any

from anthropic_proxy.translate.pieces import Block, Usage

FIELDS: dict[str, dict[str, type]] = {
    "text": {"text": str},
    "thinking": {"thinking": str},
    "redacted_thinking": {"data": str},
    "tool_use": {"id": str, "name": str, "input": dict},
    "server_tool_use": {"id": str, "name": str, "input": dict},
    "mcp_tool_use": {"id": str, "name": str, "server_name": str, "input": dict},
}
"""What a block must hold to be passed on, by type. Results of server tools hold what they like."""


def message_blocks(message: dict[str, Any]) -> list[Block]:
    """The blocks of a whole Message, as far as a client could read them."""
    content = message.get("content")
    return [Block(_signed(block)) for block in (content if isinstance(content, list) else []) if _is_block(block)]


def message_usage(message: dict[str, Any]) -> Usage | None:
    """The token counts of a whole Message, where cached tokens stand beside the prompt's."""
    usage = message.get("usage")
    if not isinstance(usage, dict):
        return None
    searched = usage.get("server_tool_use")
    tier = usage.get("service_tier")
    return Usage(
        _count(usage.get("input_tokens")),
        _count(usage.get("output_tokens")),
        _count(usage.get("cache_read_input_tokens")) or 0,
        _count(usage.get("cache_creation_input_tokens")) or 0,
        web_searches=_count(searched.get("web_search_requests")) or 0 if isinstance(searched, dict) else 0,
        service_tier=tier if isinstance(tier, str) else None,
    )


def _is_block(block: object) -> bool:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        return False
    fields = FIELDS.get(block["type"], {"tool_use_id": str})
    if block.get("data") == "":
        return False  # thinking that was hidden so well that nothing is left
    return all(isinstance(block.get(name), kind) for name, kind in fields.items())


def _signed(block: dict[str, Any]) -> dict[str, Any]:
    """`block`, without a signature that is none."""
    if isinstance(block.get("signature"), str | None):
        return block
    return {name: value for name, value in block.items() if name != "signature"}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
