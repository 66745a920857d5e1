"""Top-level fields: what is read, refused, dropped by name, or ignored."""

from typing import Any

import pytest
from anthropic.types import message_create_params
from anthropic.types.beta import message_create_params as beta_message_create_params

from anthropic_proxy.errors import InvalidRequest
from anthropic_proxy.translate.fields import DROPPED, IGNORED, REFUSED, USED, dropped_fields, refuse_unsupported

REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "another region": ({"inference_geo": "eu"}, "inference_geo: this proxy cannot choose a region"),
    "a compaction": ({"compaction": {"type": "summarize"}}, "compaction: not supported by this proxy"),
    "MCP servers": (
        {"mcp_servers": [{"type": "url"}]},
        "mcp_servers: this proxy cannot connect to MCP servers; connect them in the client",
    ),
    "a thread": (
        {"thread": {"type": "create"}},
        "thread: this proxy keeps no threads; send the whole conversation",
    ),
    "another payer": (
        {"billing_policy": {"bill_to": "customer"}},
        "billing_policy: this proxy cannot bill anyone but its own account",
    ),
    "no payer": ({"billing_policy": 5}, "billing_policy: this proxy cannot bill anyone but its own account"),
    "skills": ({"container": {"skills": [{}]}}, "container: skills are not supported by this proxy"),
}


@pytest.mark.parametrize(("body", "message"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_must_not_be_lost_is_refused(body: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        refuse_unsupported(body)
    assert caught.value.message == message


def test_a_thread_is_refused_under_its_own_code() -> None:
    with pytest.raises(InvalidRequest) as caught:
        refuse_unsupported({"thread": {"type": "create"}})
    assert caught.value.error_code == "thread_unsupported_request"


ACCEPTED = {
    "no wish for a region": {"inference_geo": None},
    "any region": {"inference_geo": "global"},
    "no MCP server": {"mcp_servers": []},
    "the payer himself": {"billing_policy": {"bill_to": "self"}},
}


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_asks_for_nothing_is_neither_refused_nor_dropped(body: dict[str, Any]) -> None:
    refuse_unsupported(body)
    assert dropped_fields(body) == []


def test_what_has_no_effect_is_named_with_its_reason() -> None:
    body: dict[str, Any] = {
        "model": "m",
        "container": "c_1",
        "safeguards": [{}],
        "fallbacks": None,
        "tags": {},
        "diagnostics": {},
        "x_future": 1,
    }
    assert dropped_fields(body) == [
        "container: no code-execution container exists here",
        "safeguards: meant for Anthropic's own safety check, which is not made here",
        "x_future: not known to this proxy",
    ]


def test_a_container_without_skills_is_dropped() -> None:
    body = {"container": {"id": "c_1", "skills": []}}
    refuse_unsupported(body)
    assert dropped_fields(body) == ["container: no code-execution container exists here"]


FIELDS = {
    name
    for module in (message_create_params, beta_message_create_params)
    for name in module.MessageCreateParamsBase.__annotations__
}


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_every_field_of_the_sdk_has_its_place(field: str) -> None:
    assert field in USED | IGNORED.keys() | DROPPED.keys() | REFUSED.keys()
