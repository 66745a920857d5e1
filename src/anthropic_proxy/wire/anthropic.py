"""Anthropic's Messages API: the shapes a client sends and receives.

Requests stay parsed JSON; unknown fields survive in them. After `translate.validate` has let a
request through, `system` and every `content` are lists of blocks, whatever the client wrote.
Source: the types of anthropic (Python) 2.12, read 2026-11-22.
"""

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

Block: TypeAlias = dict[str, Any]
"""One content block: `type`, and what that type holds."""

Tool: TypeAlias = dict[str, Any]
"""One entry of `tools`: a custom tool, or one that Anthropic defines, told apart by `type`."""

StreamEvent: TypeAlias = dict[str, Any]
"""One event of the stream: `type`, and what that type holds."""


class MessageParam(TypedDict):
    """One turn of the conversation."""

    role: Literal["user", "assistant", "system"]
    content: list[Block]
    clear_at: NotRequired[str | None]
    output_config: NotRequired[dict[str, Any] | None]


class MessagesRequest(TypedDict, total=False):
    """The body of `POST /v1/messages`, as far as the proxy reads it."""

    model: str
    max_tokens: int
    messages: list[MessageParam]
    system: list[Block]
    tools: list[Tool]
    tool_choice: dict[str, Any]
    stop_sequences: list[str]
    stream: bool
    thinking: dict[str, Any]
    output_config: dict[str, Any]
    output_format: dict[str, Any]
    temperature: float
    top_p: float
    top_k: int
    metadata: dict[str, Any]
    service_tier: str
    speed: str
    cache_control: dict[str, Any]
    context_management: dict[str, Any]


class MessageUsage(TypedDict, total=False):
    """Token counts. The whole prompt is `input_tokens` plus both cache figures."""

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    cache_creation: dict[str, int] | None
    output_tokens: int
    output_tokens_details: dict[str, int]
    server_tool_use: dict[str, int]
    service_tier: str


class Message(TypedDict):
    """A whole reply."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[Block]
    stop_reason: str | None
    stop_sequence: str | None
    stop_details: NotRequired[dict[str, Any] | None]
    usage: MessageUsage
    context_management: NotRequired[dict[str, Any]]
    """What was cleared of the prompt, where something was."""


class ErrorBody(TypedDict):
    """What an error looks like, in a reply's body and as a stream event."""

    type: Literal["error"]
    error: dict[str, Any]
    request_id: NotRequired[str]
