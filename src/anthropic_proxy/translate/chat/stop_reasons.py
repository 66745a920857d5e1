"""Why a model stopped: finish reasons in Anthropic's terms."""

from typing import Final

from anthropic_proxy.translate.pieces import Finish

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


_RANK = (END, CALLED, REFUSED, LENGTH, WINDOW, BROKEN)
"""Where several choices end differently, the later one in this list counts."""


def meaning(finish_reason: str) -> str:
    """What `finish_reason` means, one of the constants above."""
    return STOP_REASONS.get(finish_reason.lower(), END)


def stronger(one: str, other: str) -> str:
    """The one of two finish reasons that says more; an empty one says nothing."""
    if not one or not other:
        return one or other
    return max(one, other, key=lambda reason: _RANK.index(meaning(reason)))


def finish(
    end: str, *, stop_sequence: str | None, refusal: str | None, called: bool, fills_window: bool = False
) -> Finish:
    """The end of a message. The first line that applies counts.

    `stop_sequence` is the one that matched; `refusal` the model's words of refusal, None if there are
    none; `called`: a tool was called; `fills_window`: the cap was lowered to what the window leaves.
    """
    if stop_sequence is not None:
        return Finish("stop_sequence", stop_sequence)
    if end == LENGTH and fills_window:
        return Finish(WINDOW)
    if end in (LENGTH, WINDOW):
        return Finish(end)
    if end == REFUSED or refusal is not None:
        return Finish(REFUSED, None, {"type": "refusal", "category": None, "explanation": refusal})
    return Finish(CALLED if called else END)
