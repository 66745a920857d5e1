"""A field that a backend refuses is dropped, or sent in the next poorer way it may know."""

from dataclasses import replace
from typing import Any

import pytest

from anthropic_proxy.dialects import PLAIN, Dialect
from anthropic_proxy.wire.json import dumps
from tests.translate.refusals import (
    FORCED,
    HELLO,
    SENT,
    WITH_TOOLS,
    Case,
    changes,
    dropped,
    extra,
    rounds,
    saying,
    says,
    sending,
)

JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "output", "schema": {}}}

LENGTH: dict[str, Case] = {
    "OpenAI's reasoning models want the other field": (
        says(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            code="unsupported_parameter",
            param="max_tokens",
        ),
        SENT,
        PLAIN,
        {"max_tokens_field": "max_completion_tokens", **dropped("max_tokens")},
    ),
    "others want the older one": (
        extra("max_completion_tokens"),
        {"model": "x", "messages": [HELLO], "max_completion_tokens": 100},
        replace(PLAIN, max_tokens_field="max_completion_tokens"),
        {"max_tokens_field": "max_tokens", **dropped("max_completion_tokens")},
    ),
    "both refused is no repair": (
        says("Unknown parameter: 'max_completion_tokens'."),
        {"model": "x", "messages": [HELLO], "max_completion_tokens": 100},
        replace(PLAIN, max_tokens_field="max_completion_tokens", dropped=frozenset({"max_tokens"})),
        None,
    ),
    "OpenAI's cap": (
        says(
            "max_tokens is too large: 32000. This model supports at most 16384 completion tokens, "
            "whereas you provided 32000."
        ),
        SENT,
        PLAIN,
        {"max_output_tokens": 16384},
    ),
    "Anthropic's cap": (
        says("max_tokens: 32000 > 8192, which is the maximum allowed number of output tokens for claude-x"),
        SENT,
        PLAIN,
        {"max_output_tokens": 8192},
    ),
    "DeepSeek's cap": (
        says("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"),
        SENT,
        PLAIN,
        {"max_output_tokens": 8192},
    ),
    "DashScope's cap": (
        says("Range of max_tokens should be [1, 8192]"),
        SENT,
        PLAIN,
        {"max_output_tokens": 8192},
    ),
    "Groq's cap": (
        says(
            "`max_tokens` must be less than or equal to `16384`, the maximum value for `max_tokens` is less than the "
            "`context_window` for this model"
        ),
        SENT,
        PLAIN,
        {"max_output_tokens": 16384},
    ),
    "Gemini's cap, which excludes its end": (
        says(
            "Unable to submit request because it has a maxOutputTokens value of 32000 but the supported range is from "
            "1 (inclusive) to 8193 (exclusive). Update the value and try again."
        ),
        SENT,
        PLAIN,
        {"max_output_tokens": 8192},
    ),
    "Bedrock's cap": (
        says("The maximum tokens you requested exceeds the model limit of 4,096. Try again with fewer."),
        SENT,
        PLAIN,
        {"max_output_tokens": 4096},
    ),
    "Pydantic's cap": (
        dumps({"detail": [{"loc": ["body", "max_tokens"], "msg": "Input should be less than or equal to 4096"}]}),
        SENT,
        PLAIN,
        {"max_output_tokens": 4096},
    ),
    "a cap below the one named is not at fault": (
        says("max_tokens must be at most 64000"),
        SENT,
        PLAIN,
        None,
    ),
    "a limit that is not the reply's": (says("This model supports at most 128 tools."), WITH_TOOLS, PLAIN, None),
}

PARAMETERS: dict[str, Case] = {
    "a temperature OpenAI pins": (
        says(
            "Unsupported value: 'temperature' does not support 0.2 with this model. Only the "
            "default (1) value is supported.",
            code="unsupported_value",
            param="temperature",
        ),
        sending(temperature=0.2, top_p=0.9),
        PLAIN,
        dropped("temperature"),
    ),
    "a temperature Kimi pins": (
        says("invalid temperature: only 1 is allowed for this model"),
        sending(temperature=0.2),
        PLAIN,
        dropped("temperature"),
    ),
    "a deprecated temperature": (
        says("`temperature` is deprecated for this model."),
        sending(temperature=0.2),
        PLAIN,
        dropped("temperature"),
    ),
    "a parameter named with the model between": (
        says("temperature for model gpt-4.1-mini is not supported"),
        sending(temperature=0.2),
        PLAIN,
        dropped("temperature"),
    ),
    "top_k that Pydantic forbids": (extra("top_k"), sending(top_k=40), PLAIN, dropped("top_k")),
    "top_p beside a temperature": (
        says("`temperature` and `top_p` cannot both be specified for this model. Please use only one."),
        sending(temperature=0.2, top_p=0.9),
        PLAIN,
        dropped("temperature", "top_p"),
    ),
    "several at once, in LiteLLM's words": (
        says(
            "litellm.UnsupportedParamsError: openai does not support parameters: ['top_k', "
            "'service_tier'], for model=x. "
            "To drop these, set `litellm.drop_params=True`"
        ),
        sending(top_k=1, service_tier="auto", temperature=1),
        PLAIN,
        dropped("top_k", "service_tier"),
    ),
    "a property Groq does not know": (
        says("property 'user' is unsupported"),
        sending(user="a"),
        PLAIN,
        dropped("user"),
    ),
    "an argument xAI does not know": (
        says("Argument not supported on this model: stop"),
        sending(stop=["x"]),
        PLAIN,
        {"stop_max": 0},
    ),
    "a name Gemini does not know": (
        says('Invalid JSON payload received. Unknown name "prompt_cache_key": Cannot find field.'),
        sending(prompt_cache_key="a"),
        PLAIN,
        dropped("prompt_cache_key"),
    ),
    "an argument OpenAI does not know": (
        says("Unrecognized request argument supplied: session_id"),
        sending(session_id="a"),
        PLAIN,
        dropped("session_id"),
    ),
    "a list of what is known refuses none of it": (
        says("unknown field `top_k`, expected one of `model`, `messages`, `temperature`, `user`, `stop`"),
        sending(top_k=1, temperature=1, user="a", stop=["x"]),
        PLAIN,
        dropped("top_k"),
    ),
    "a field that was not sent": (says("Unsupported parameter: 'top_k'"), sending(temperature=1), PLAIN, None),
    "a field that is dropped already": (
        says("Unsupported parameter: 'top_k'"),
        sending(top_k=1),
        replace(PLAIN, dropped=frozenset({"top_k"})),
        None,
    ),
    "a field is added to those dropped before": (
        says("Unsupported parameter: 'top_k'"),
        sending(top_k=1),
        replace(PLAIN, dropped=frozenset({"store"})),
        dropped("store", "top_k"),
    ),
    "stop on a reasoning model": (
        says("Unsupported parameter: 'stop' is not supported with this model."),
        sending(stop=["x"]),
        PLAIN,
        {"stop_max": 0},
    ),
    "more stop sequences than are taken": (
        says(
            "Invalid 'stop': array too long. Expected an array with maximum length 2, but got an "
            "array with length 3 instead.",
            param="stop",
            code="invalid_value",
        ),
        sending(stop=["a", "b", "c"]),
        PLAIN,
        {"stop_max": 2},
    ),
    "stream_options": (
        extra("stream_options", "include_usage"),
        sending(stream_options={"include_usage": True}),
        PLAIN,
        {"usage_in_stream": "never"},
    ),
    "parallel calls in words": (
        says("This model does not support parallel tool calls."),
        sending(parallel_tool_calls=False),
        PLAIN,
        {"parallel_flag": False},
    ),
    "strict inside a tool": (extra("tools", 2, "function", "strict"), WITH_TOOLS, PLAIN, {"strict_flag": False}),
    "tool_stream": (
        extra("tool_stream"),
        sending(tool_stream=True),
        replace(PLAIN, tool_stream=True),
        {"tool_stream": False},
    ),
    "LiteLLM's extra_headers": (
        extra("extra_headers"),
        sending(extra_headers={}),
        replace(PLAIN, initiator_in_body=True),
        {"initiator_in_body": False},
    ),
    "cache marks on a part": (
        extra("messages", 0, "content", 0, "cache_control"),
        saying({"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]}),
        replace(PLAIN, cache="anthropic"),
        {"cache": "implicit"},
    ),
    "a named tool": (says("tool_choice: function is not supported"), FORCED, PLAIN, {"tool_choice": "no_named"}),
    "a required tool": (
        says("tool_choice 'required' is not supported"),
        sending(tool_choice="required"),
        PLAIN,
        {"tool_choice": "no_required"},
    ),
    "OpenRouter has no host for the choice": (
        says("No endpoints found that support the provided 'tool_choice' value."),
        sending(tool_choice="required"),
        PLAIN,
        {"tool_choice": "no_required"},
    ),
    "none": (says("Invalid tool_choice: none"), sending(tool_choice="none"), PLAIN, {"tool_choice": "auto_only"}),
    "the choice as such": (
        says("Unknown parameter: 'tool_choice'"),
        sending(tool_choice="required"),
        replace(PLAIN, tool_choice="no_required"),
        dropped("tool_choice"),
    ),
    "a forced tool while the model thinks": (
        says("tool_choice 'specified' is incompatible with thinking enabled"),
        FORCED,
        PLAIN,
        {"forced_tool_while_thinking": False},
    ),
    "a schema for the answer": (
        says("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."),
        sending(response_format=JSON_SCHEMA),
        PLAIN,
        {"json": "object"},
    ),
    "any format for the answer": (
        says("This response_format type is unavailable now"),
        sending(response_format={"type": "json_object"}),
        replace(PLAIN, json="object"),
        {"json": "none"},
    ),
    "no parameter at all": (says("Something is wrong."), sending(temperature=1), PLAIN, None),
    "a parameter in passing": (
        says("Your temperature of 0.2 is fine. Tools are not."),
        sending(temperature=0.2),
        PLAIN,
        None,
    ),
    "the messages themselves": (says("Invalid value", param="messages", code="invalid_value"), SENT, PLAIN, None),
}

ALL = {**LENGTH, **PARAMETERS}


@pytest.mark.parametrize(("body", "sent", "dialect", "expected"), ALL.values(), ids=ALL.keys())
def test_field(body: bytes, sent: dict[str, Any], dialect: Dialect, expected: dict[str, object] | None) -> None:
    assert changes(body, sent, dialect) == expected


@pytest.mark.parametrize(("body", "sent", "dialect", "expected"), ALL.values(), ids=ALL.keys())
def test_a_backend_that_never_gives_in_is_not_asked_for_ever(
    body: bytes, sent: dict[str, Any], dialect: Dialect, expected: dict[str, object] | None
) -> None:
    asked = rounds(body, sent, dialect)
    assert len(asked) <= 6
    assert len(set(asked)) == len(asked)
