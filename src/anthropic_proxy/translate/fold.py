"""The whole reply from the streamed one, so that the two cannot come to disagree."""

from collections.abc import Iterable
from typing import Any, cast

from anthropic_proxy.wire.anthropic import Block, ErrorBody, Message, StreamEvent
from anthropic_proxy.wire.json import InvalidJson, loads, without_surrogates


def fold(events: Iterable[StreamEvent]) -> Message | ErrorBody:
    """The Message that a legal stream builds up, or the error that ended it."""
    message: dict[str, Any] = {}
    parts: list[str] = []
    for event in events:
        match event["type"]:
            case "message_start":
                message = {**event["message"], "content": []}
            case "content_block_start":
                message["content"].append(dict(event["content_block"]))
                parts = []
            case "content_block_delta":
                _add(message["content"][-1], event["delta"], parts)
            case "content_block_stop":
                _finish(message["content"][-1], parts)
            case "message_delta":
                message.update(event["delta"])
                if "context_management" in event:
                    message["context_management"] = event["context_management"]
                message["usage"] = {**message["usage"], **event["usage"], "cache_creation": None}
                written = message["usage"]["cache_creation_input_tokens"]
                if written:
                    message["usage"]["cache_creation"] = {
                        "ephemeral_5m_input_tokens": written,
                        "ephemeral_1h_input_tokens": 0,
                    }
            case "error":
                return cast("ErrorBody", event)
    return cast("Message", message)


def _add(block: Block, delta: dict[str, Any], parts: list[str]) -> None:
    match delta["type"]:
        case "text_delta":
            parts.append(delta["text"])
        case "thinking_delta":
            parts.append(delta["thinking"])
        case "input_json_delta":
            parts.append(delta["partial_json"])
        case "signature_delta":
            block["signature"] = delta["signature"]
        case "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta["citation"]]


def _finish(block: Block, parts: list[str]) -> None:
    match block["type"]:
        case "text":
            block["text"] += "".join(parts)
        case "thinking":
            block["thinking"] += "".join(parts)
        case "tool_use" | "server_tool_use" | "mcp_tool_use" if parts:
            block["input"] = _arguments("".join(parts))


def _arguments(text: str) -> Any:
    """The arguments of a call. Only a reply cut off by its token limit leaves them broken."""
    try:
        return loads(without_surrogates(text).encode())
    except InvalidJson:
        return {"__unparsed_arguments": text}
