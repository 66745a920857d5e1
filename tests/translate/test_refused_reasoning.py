"""A backend that refuses the switch for reasoning, or earlier reasoning in the messages, gets what it takes."""

from dataclasses import replace
from typing import Any

import pytest

from anthropic_proxy.dialects import PLAIN, Dialect
from anthropic_proxy.wire.json import dumps
from tests.translate.refusals import (
    CALLING,
    HELLO,
    RESULT,
    Case,
    changes,
    dropped,
    extra,
    rounds,
    saying,
    says,
    sending,
)

THINKING_OBJECT = replace(PLAIN, reasoning="thinking_object", thinking_effort=True, thinking_extra=(("keep", "all"),))

REASONING: dict[str, Case] = {
    "an effort Copilot's model does not know": (
        says('reasoning_effort "high" was provided, but model gpt-9 does not support reasoning effort'),
        sending(reasoning_effort="high"),
        PLAIN,
        {"reasoning": "none"},
    ),
    "an effort, in Anthropic's words": (
        says("This model does not support the effort parameter."),
        sending(reasoning_effort="high"),
        PLAIN,
        {"reasoning": "none"},
    ),
    "a list of efforts": (
        says(
            "Unsupported value: 'reasoning_effort' does not support 'none' with this model. Supported values are: "
            "'minimal', 'low', 'medium', and 'high'.",
            code="unsupported_value",
            param="reasoning_effort",
        ),
        sending(reasoning_effort="none"),
        PLAIN,
        {"efforts": ("low", "medium", "high"), "effort_off": "minimal"},
    ),
    "a list without an off": (
        dumps({"detail": [{"loc": ["body", "reasoning_effort"], "msg": "Input should be 'low', 'high' or 'max'"}]}),
        sending(reasoning_effort="medium"),
        PLAIN,
        {"efforts": ("low", "high", "max"), "effort_off": ""},
    ),
    "a list in words of refusal": (
        says("reasoning_effort is invalid, must be one of low, high, max"),
        sending(reasoning_effort="medium"),
        PLAIN,
        {"efforts": ("low", "high", "max"), "effort_off": ""},
    ),
    "an off that is none": (
        says("Unsupported value: 'reasoning_effort' does not support 'none' with this model."),
        sending(reasoning_effort="none"),
        PLAIN,
        {"effort_off": ""},
    ),
    "an effort beside a thinking object": (
        says("Unknown parameter: 'reasoning_effort'"),
        sending(thinking={"type": "enabled"}, reasoning_effort="high"),
        THINKING_OBJECT,
        {"thinking_effort": False},
    ),
    "a thinking object": (
        extra("thinking"),
        sending(thinking={"type": "enabled"}),
        THINKING_OBJECT,
        {"reasoning": "none"},
    ),
    "an entry of a thinking object": (
        extra("thinking", "keep"),
        sending(thinking={"type": "enabled", "keep": "all"}),
        THINKING_OBJECT,
        {"thinking_extra": ()},
    ),
    "a reasoning object": (
        says("Unknown parameter: 'reasoning'."),
        sending(reasoning={"effort": "high"}),
        replace(PLAIN, reasoning="reasoning_object"),
        {"reasoning": "none"},
    ),
    "a switch": (
        extra("enable_thinking"),
        sending(enable_thinking=True),
        replace(PLAIN, reasoning="enable_thinking"),
        {"reasoning": "none"},
    ),
    "a template's switch": (
        extra("chat_template_kwargs"),
        sending(chat_template_kwargs={}),
        replace(PLAIN, reasoning="template"),
        {"reasoning": "none"},
    ),
    "a template's budget": (
        extra("thinking_token_budget"),
        sending(thinking_token_budget=9),
        replace(PLAIN, thinking_budget=True),
        {"thinking_budget": False},
    ),
    "a budget": (extra("thinking_budget"), sending(thinking_budget=9), PLAIN, dropped("thinking_budget")),
    "reasoning that cannot be switched off": (
        says("Reasoning is mandatory for this endpoint and cannot be disabled."),
        sending(reasoning={"effort": "none"}),
        PLAIN,
        {"effort_off": ""},
    ),
    "reasoning that is wanted back": (
        says("thinking is enabled but reasoning_content is missing in assistant tool call message at index 2"),
        saying(HELLO, CALLING, RESULT),
        PLAIN,
        {"reasoning_back_field": "reasoning_content", "reasoning_placeholder": ""},
    ),
    "and not as an empty text": (
        says("Missing `reasoning_content` field in the assistant message"),
        saying(HELLO, CALLING, RESULT),
        replace(PLAIN, reasoning_back_field="reasoning_content", reasoning_placeholder=""),
        {"reasoning_placeholder": " "},
    ),
    "and on every turn": (
        says("The `reasoning_content` in the thinking mode must be passed back to the API."),
        saying(HELLO, CALLING, RESULT),
        replace(PLAIN, reasoning_back_field="reasoning_content", reasoning_placeholder=" "),
        {"reasoning_back": "all"},
    ),
    "and wanted after it had been refused": (
        says("reasoning_content is missing"),
        saying(HELLO, CALLING, RESULT),
        replace(PLAIN, reasoning_back_field="reasoning_content", reasoning_back="none", reasoning_placeholder=" "),
        {"reasoning_back": "tool_calls"},
    ),
    "and there is no more to give": (
        says("reasoning_content is missing"),
        saying(HELLO, CALLING, RESULT),
        replace(PLAIN, reasoning_back_field="reasoning_content", reasoning_back="all", reasoning_placeholder=" "),
        None,
    ),
    "reasoning that is not wanted back": (
        extra("messages", 1, "reasoning_content"),
        saying(HELLO, CALLING | {"reasoning_content": "Hm."}, RESULT),
        replace(PLAIN, reasoning_back_field="reasoning_content", reasoning_placeholder=""),
        {"reasoning_back": "none", "reasoning_placeholder": None},
    ),
    "thinking that is not wanted back": (
        extra("messages", 1, "reasoning"),
        saying(HELLO, CALLING | {"reasoning": "Hm."}, RESULT),
        replace(PLAIN, reasoning_back_field="reasoning"),
        {"reasoning_back": "none", "reasoning_placeholder": None},
    ),
    "Gemini's signature": (
        says("Function call is missing a thought_signature in functionCall parts."),
        saying(HELLO, CALLING, RESULT),
        PLAIN,
        {"reasoning_back_field": "extra_content", "reasoning_placeholder": "skip_thought_signature_validator"},
    ),
}


@pytest.mark.parametrize(("body", "sent", "dialect", "expected"), REASONING.values(), ids=REASONING.keys())
def test_field(body: bytes, sent: dict[str, Any], dialect: Dialect, expected: dict[str, object] | None) -> None:
    assert changes(body, sent, dialect) == expected


@pytest.mark.parametrize(("body", "sent", "dialect", "expected"), REASONING.values(), ids=REASONING.keys())
def test_a_backend_that_never_gives_in_is_not_asked_for_ever(
    body: bytes, sent: dict[str, Any], dialect: Dialect, expected: dict[str, object] | None
) -> None:
    asked = rounds(body, sent, dialect)
    assert len(asked) <= 6
    assert len(set(asked)) == len(asked)
