"""What becomes of each top-level field of a request: used, refused, dropped or ignored.

Anthropic's API grows a field a month. A field the proxy does not know is dropped and named, never a
reason to refuse: a client must not break because it is newer than its proxy.
"""

from collections.abc import Callable, Mapping
from typing import Any

from anthropic_proxy.errors import InvalidRequest

USED = frozenset(
    {
        "model",
        "max_tokens",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "stop_sequences",
        "stream",
        "thinking",
        "output_config",
        "output_format",
        "temperature",
        "top_p",
        "top_k",
        "metadata",
        "service_tier",
        "speed",
        "cache_control",
        "context_management",
    }
)
"""Fields the translator reads."""

IGNORED: dict[str, str] = {
    "diagnostics": "asks why a cache was missed; the answer is always null",
    "tags": "labels for a gateway's own books",
    "betas": "a header in disguise",
    "user_profile_id": "a header in disguise",
    "workspace_id": "a header in disguise",
}
"""Fields without effect on the reply, each with the reason nobody needs to hear of it."""

DROPPED: dict[str, str] = {
    "container": "no code-execution container exists here",
    "fallbacks": "no other model is tried after a refusal",
    "fallback_credit_token": "no other model is tried after a refusal",
    # It holds paths and identity, so it is not sent on; and a proxy must not make up a verdict.
    "safeguards": "meant for Anthropic's own safety check, which is not made here",
}
"""Fields that ask for something this proxy cannot give, each with what the client goes without."""

REFUSED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "inference_geo": (lambda value: value != "global", "this proxy cannot choose a region"),
    "compaction": (lambda _: True, "not supported by this proxy"),
    "mcp_servers": (bool, "this proxy cannot connect to MCP servers; connect them in the client"),
    "thread": (lambda _: True, "this proxy keeps no threads; send the whole conversation"),
    "billing_policy": (
        lambda value: not (isinstance(value, dict) and value.get("bill_to") == "self"),
        "this proxy cannot bill anyone but its own account",
    ),
    "container": (
        lambda value: isinstance(value, dict) and bool(value.get("skills")),
        "skills are not supported by this proxy",
    ),
}
"""Fields whose loss would change meaning or money: when each is refused, and the message."""

ERROR_CODES: dict[str, str] = {"thread": "thread_unsupported_request"}
"""Anthropic's finer names for refusals of fields."""


def refuse_unsupported(body: Mapping[str, Any]) -> None:
    """Raises InvalidRequest for a field that must not be dropped and cannot be served."""
    for field, value in body.items():
        refused = REFUSED.get(field)
        if refused is None or value is None:
            continue
        unsupported, reason = refused
        if unsupported(value):
            raise InvalidRequest(f"{field}: {reason}", error_code=ERROR_CODES.get(field))


_HARMLESS = USED | IGNORED.keys() | (REFUSED.keys() - DROPPED.keys())
"""Fields of which nothing is said, for they are read, without effect, or refused where they have one."""


def dropped_fields(body: Mapping[str, Any]) -> list[str]:
    """`field: reason` for each top-level field that has a value and no effect."""
    return [
        f"{field}: {DROPPED.get(field, 'not known to this proxy')}"
        for field, value in body.items()
        if value is not None and field not in _HARMLESS
    ]
