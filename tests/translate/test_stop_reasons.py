"""Why the model stopped: every finish reason that was seen, in Anthropic's terms."""

import pytest

from anthropic_proxy.translate.chat.stop_reasons import (
    BROKEN,
    CALLED,
    END,
    LENGTH,
    REFUSED,
    WINDOW,
    finish,
    meaning,
    stronger,
)
from anthropic_proxy.translate.pieces import Finish

MEANINGS: dict[str, tuple[str, ...]] = {
    END: ("stop", "end", "eos", "eos_token", "STOP", "COMPLETE", "end_turn", "stop_sequence", "never_heard_of", ""),
    LENGTH: ("length", "max_tokens", "MAX_TOKENS", "model_length"),
    WINDOW: ("model_context_window_exceeded",),
    CALLED: ("tool_calls", "function_call", "tool_use", "TOOL_CALL"),
    REFUSED: (
        *("content_filter", "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "ERROR_TOXIC"),
        *("guardrail_intervened", "content_filtered", "refusal", "sensitive"),
    ),
    BROKEN: (
        *("error", "network_error", "abort", "aborted", "insufficient_system_resource"),
        *("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE"),
    ),
}


@pytest.mark.parametrize(("reason", "expected"), [(reason, end) for end, all_ in MEANINGS.items() for reason in all_])
def test_finish_reason(reason: str, expected: str) -> None:
    assert meaning(reason) == expected


STRONGER: dict[str, tuple[str, str, str]] = {
    "a call more than a plain stop": ("stop", "tool_calls", "tool_calls"),
    "a limit more than a call": ("tool_calls", "length", "length"),
    "a failure more than all": ("error", "length", "error"),
    "of equals the first": ("stop", "eos", "stop"),
    "nothing less than anything": ("", "stop", "stop"),
    "in either order": ("stop", "", "stop"),
}


@pytest.mark.parametrize(("one", "other", "expected"), STRONGER.values(), ids=STRONGER.keys())
def test_of_several_choices(one: str, other: str, expected: str) -> None:
    assert stronger(one, other) == expected


def details(explanation: str | None) -> dict[str, object]:
    return {"type": "refusal", "category": None, "explanation": explanation}


FINISHES: dict[str, tuple[Finish, Finish]] = {
    "a plain end": (finish(END, stop_sequence=None, refusal=None, called=False), Finish(END)),
    "a call counts, whatever the backend says": (
        finish(END, stop_sequence=None, refusal=None, called=True),
        Finish(CALLED),
    ),
    "no call, whatever it says": (finish(CALLED, stop_sequence=None, refusal=None, called=False), Finish(END)),
    "a limit counts more than a call": (finish(LENGTH, stop_sequence=None, refusal=None, called=True), Finish(LENGTH)),
    "a full window": (finish(WINDOW, stop_sequence=None, refusal=None, called=False), Finish(WINDOW)),
    "a cap that was lowered to the window": (
        finish(LENGTH, stop_sequence=None, refusal=None, called=False, fills_window=True),
        Finish(WINDOW),
    ),
    "a lowered cap that was not reached": (
        finish(END, stop_sequence=None, refusal=None, called=False, fills_window=True),
        Finish(END),
    ),
    "a filter": (finish(REFUSED, stop_sequence=None, refusal=None, called=True), Finish(REFUSED, None, details(None))),
    "words of refusal": (
        finish(END, stop_sequence=None, refusal="No.", called=False),
        Finish(REFUSED, None, details("No.")),
    ),
    "a stop sequence counts more than all": (
        finish(LENGTH, stop_sequence="END", refusal="No.", called=True, fills_window=True),
        Finish("stop_sequence", "END"),
    ),
}


@pytest.mark.parametrize(("found", "expected"), FINISHES.values(), ids=FINISHES.keys())
def test_finish(found: Finish, expected: Finish) -> None:
    assert found == expected
