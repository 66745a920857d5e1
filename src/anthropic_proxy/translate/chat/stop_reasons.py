"""Why a model stopped: finish reasons in Anthropic's terms."""

from typing import Final

END: Final = "end_turn"
LENGTH: Final = "max_tokens"
WINDOW: Final = "model_context_window_exceeded"
REFUSED: Final = "refusal"
CALLED: Final = "tool_use"
BROKEN: Final = "broken"
"""Not an end: the model or its server failed."""

STOP_REASONS: dict[str, str] = {
    # OpenAI
    "stop": END,
    "length": LENGTH,
    "tool_calls": CALLED,
    "function_call": CALLED,
    "content_filter": REFUSED,
    # Others, seen in clients' own lists (read 2026-11-22); compared in lower case
    "max_tokens": LENGTH,
    "model_length": LENGTH,
    "model_context_window_exceeded": WINDOW,
    "tool_use": CALLED,
    "tool_call": CALLED,
    "safety": REFUSED,
    "sensitive": REFUSED,
    "recitation": REFUSED,
    "blocklist": REFUSED,
    "prohibited_content": REFUSED,
    "spii": REFUSED,
    "error_toxic": REFUSED,
    "guardrail_intervened": REFUSED,
    "content_filtered": REFUSED,
    "refusal": REFUSED,
    "error": BROKEN,
    "network_error": BROKEN,
    "abort": BROKEN,
    "aborted": BROKEN,
    "insufficient_system_resource": BROKEN,
    "malformed_function_call": BROKEN,
    "unexpected_tool_call": BROKEN,
    "missing_thought_signature": BROKEN,
}
"""By finish reason. Any other, such as `eos` or `COMPLETE`, is an ordinary end."""


def meaning(finish_reason: str) -> str:
    """What `finish_reason` means, one of the constants above."""
    return STOP_REASONS.get(finish_reason.lower(), END)
