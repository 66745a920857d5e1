"""A reply that is Anthropic's already, as some gateways give for Claude models on any path."""

from typing import Any

from anthropic_proxy.translate.pieces import Block, Finish, Piece, Usage


def message_pieces(message: dict[str, Any]) -> list[Piece]:
    """The pieces of a whole Message. Its id and model are replaced on the way out, the rest is kept."""
    content = message.get("content")
    pieces: list[Piece] = [Block(block) for block in (content if isinstance(content, list) else []) if _is_block(block)]
    usage = message.get("usage")
    if isinstance(usage, dict):
        pieces.append(
            Usage(
                _count(usage.get("input_tokens")),
                _count(usage.get("output_tokens")),
                _count(usage.get("cache_read_input_tokens")) or 0,
                _count(usage.get("cache_creation_input_tokens")) or 0,
            )
        )
    details = message.get("stop_details")
    sequence = message.get("stop_sequence")
    pieces.append(
        Finish(
            str(message.get("stop_reason") or "end_turn"),
            sequence if isinstance(sequence, str) else None,
            details if isinstance(details, dict) else None,
        )
    )
    return pieces


def _is_block(block: object) -> bool:
    return isinstance(block, dict) and isinstance(block.get("type"), str)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
