"""A backend that refuses a parameter is asked for less; what else it refuses is not repaired."""

from typing import Any

import pytest

from anthropic_proxy.dialects import PLAIN
from anthropic_proxy.translate.chat.repairs import repair, sent_cap
from tests.translate.refusals import HELLO, SENT, changes, dropped, says, sending

JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "output", "schema": {}}}

WINDOW = says(
    "This model's maximum context length is 32768 tokens. However, you requested 32000 output tokens and your prompt "
    "contains at least 2000 input tokens, for a total of at least 34000 tokens."
)
FULL = says(
    "This model's maximum context length is 32768 tokens. However, you requested 32000 output tokens and your prompt "
    "contains at least 32000 input tokens, for a total of at least 64000 tokens."
)
SUM = says("This endpoint's maximum context length is 40000 tokens. However, you requested about 42000 tokens.")


def test_a_cap_that_does_not_fit_beside_the_prompt_is_lowered_for_this_request_alone() -> None:
    found = repair(400, WINDOW, SENT, PLAIN)
    assert found is not None
    assert found.changes == {"max_output_tokens": 32768 - 2000 - 16}
    assert not found.remember
    assert "the cap is 30752 for this request" in found.says


NO_ROOM = {
    "a cap that was lowered as far before": (WINDOW, sending(max_tokens=30752)),
    "too little room for an answer": (FULL, SENT),
    "a prompt that is too long": (says("prompt is too long: 9000 tokens > 8192 maximum"), SENT),
    "numbers nobody gives": (says("Your input exceeds the context window of this model."), SENT),
    "no cap to lower": (WINDOW, {"model": "gpt-9", "messages": [HELLO]}),
    "an overflow that names a parameter": (says("Unsupported: max_tokens reduce the length of the messages"), SENT),
}


@pytest.mark.parametrize(("body", "sent"), NO_ROOM.values(), ids=NO_ROOM.keys())
def test_an_overflow_is_no_repair(body: bytes, sent: dict[str, Any]) -> None:
    assert repair(400, body, sent, PLAIN) is None


def test_a_sum_is_taken_apart_by_the_cap_that_was_sent() -> None:
    assert changes(SUM, SENT) == {"max_output_tokens": 40000 - 10000 - 16}


def test_json_beside_tools_is_given_up_for_this_request_alone() -> None:
    found = repair(
        400,
        says("json mode cannot be combined with tool/function calling"),
        sending(response_format=JSON_SCHEMA),
        PLAIN,
    )
    assert found == (
        {"json": "none"},
        False,
        "model gpt-9 refused a schema beside tools; json is now 'none', for this request",
    )


NOT_ASKED = {
    "a broken server": (500, says("Unsupported parameter: 'temperature'")),
    "a wrong key": (401, says("Unsupported parameter: 'temperature'")),
    "a rate limit": (429, says("temperature is not supported")),
    "a rate limit with status 400": (400, says("Rate limit reached: temperature is not supported")),
    "a content filter": (400, says("temperature is not supported", code="content_filter")),
    "a page": (400, b"<html><title>temperature is not supported</title></html>"),
    "no words": (400, b""),
}


@pytest.mark.parametrize(("status", "body"), NOT_ASKED.values(), ids=NOT_ASKED.keys())
def test_no_other_refusal_is_repaired(status: int, body: bytes) -> None:
    assert repair(status, body, sending(temperature=1), PLAIN) is None


@pytest.mark.parametrize("status", [400, 404, 422])
def test_statuses_that_refuse_a_parameter(status: int) -> None:
    assert changes(says("Unsupported parameter: 'temperature'"), sending(temperature=1), status=status) == dropped(
        "temperature"
    )


SAYINGS = {
    "one field": (
        says("Unsupported parameter: 'temperature'"),
        "model gpt-9 refused `temperature`; it is no longer sent",
    ),
    "two fields": (
        says("does not support parameters: ['temperature', 'top_p']"),
        "model gpt-9 refused `temperature`, `top_p`; they are no longer sent",
    ),
    "a value": (
        says("max_tokens: 32000 > 8192, which is the maximum allowed number of output tokens"),
        "model gpt-9 refused the cap on the reply; max_output_tokens is now 8192",
    ),
}


@pytest.mark.parametrize(("body", "line"), SAYINGS.values(), ids=SAYINGS.keys())
def test_the_log_line_names_fields_and_no_word_of_the_backend(body: bytes, line: str) -> None:
    found = repair(400, body, sending(temperature=0.5, top_p=0.5), PLAIN)
    assert found is not None
    assert found.says == line


def test_the_cap_of_a_request() -> None:
    assert sent_cap({"max_tokens": 5}) == 5
    assert sent_cap({"max_completion_tokens": 6}) == 6
    assert sent_cap({}) is None
