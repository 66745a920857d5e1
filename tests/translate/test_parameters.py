"""Parameters: the cap, sampling, tiers, the user, and the key that keeps a session on one cache."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from anthropic_proxy.dialects import PLAIN, Dialect
from anthropic_proxy.errors import InvalidRequest
from anthropic_proxy.translate.api import Client
from anthropic_proxy.translate.chat.parameters import cache_key, reply_cap, sampling, service_tier, user
from anthropic_proxy.translate.validate import messages_request

NEWER = replace(PLAIN, max_tokens_field="max_completion_tokens")
SMALL = replace(PLAIN, max_output_tokens=8192)
ALL = replace(PLAIN, sampling=frozenset({"temperature", "top_p", "top_k"}), max_temperature=1.0)
NONE = replace(PLAIN, sampling=frozenset())
TIERS = replace(PLAIN, service_tiers=(("standard_only", "default"), ("fast", "priority")))
KEYED = replace(PLAIN, cache_key=True)
BOTH_KEYS = replace(PLAIN, cache_key=True, session_id=True)
SAFETY = replace(PLAIN, user_field="safety_identifier")
NOBODY = Client()
HASHING = Client(hash_user_id=True)


def asked(parameter: Callable[..., Any], dialect: Dialect, client: Client = NOBODY, **fields: Any) -> Any:
    """The fields a parameter gives, and what it dropped."""
    body = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello?"}], **fields}
    dropped: list[str] = []
    return parameter(messages_request(body), dialect, client, dropped), dropped


Case = tuple[Callable[..., Any], Dialect, dict[str, Any], dict[str, Any], list[str]]

CASES: dict[str, Case] = {
    "the cap under its name": (reply_cap, PLAIN, {}, {"max_tokens": 100}, []),
    "or its newer one": (reply_cap, NEWER, {}, {"max_completion_tokens": 100}, []),
    "lowered to what the model accepts": (reply_cap, SMALL, {"max_tokens": 128_000}, {"max_tokens": 8192}, []),
    "but never raised": (reply_cap, SMALL, {"max_tokens": 5}, {"max_tokens": 5}, []),
    "no cap at all is one token": (reply_cap, PLAIN, {"max_tokens": 0}, {"max_tokens": 1}, []),
    "nothing asked, nothing sent": (sampling, ALL, {}, {}, []),
    "values pass as they are": (
        sampling,
        ALL,
        {"temperature": 0.3, "top_p": 0.9, "top_k": 40},
        {"temperature": 0.3, "top_p": 0.9, "top_k": 40},
        [],
    ),
    "zero is a value": (sampling, ALL, {"temperature": 0, "top_k": 0}, {"temperature": 0, "top_k": 0}, []),
    "too hot is lowered": (sampling, ALL, {"temperature": 1.5}, {"temperature": 1.0}, []),
    "what the backend does not take is dropped": (
        sampling,
        PLAIN,
        {"temperature": 1, "top_k": 5},
        {"temperature": 1},
        ["top_k: not accepted by this upstream"],
    ),
    "all of it may be": (
        sampling,
        NONE,
        {"temperature": 1, "top_p": 1},
        {},
        ["temperature: not accepted by this upstream", "top_p: not accepted by this upstream"],
    ),
    "a tier in the backend's words": (
        service_tier,
        TIERS,
        {"service_tier": "standard_only"},
        {"service_tier": "default"},
        [],
    ),
    "speed is a tier too, and the stronger wish": (
        service_tier,
        TIERS,
        {"service_tier": "standard_only", "speed": "fast"},
        {"service_tier": "priority"},
        [],
    ),
    "automatic is nothing": (service_tier, TIERS, {"service_tier": "auto", "speed": "standard"}, {}, []),
    "a tier nobody has is ignored": (service_tier, PLAIN, {"service_tier": "standard_only"}, {}, []),
    "a speed nobody has is dropped": (
        service_tier,
        PLAIN,
        {"speed": "fast"},
        {},
        ["speed: this upstream has no such tier"],
    ),
    "the user stays here": (user, PLAIN, {"metadata": {"user_id": "me"}}, {}, []),
    "no key where none is wanted": (cache_key, PLAIN, {}, {}, []),
}


@pytest.mark.parametrize(("parameter", "dialect", "fields", "expected", "dropped"), CASES.values(), ids=CASES.keys())
def test_a_parameter(
    parameter: Callable[..., Any],
    dialect: Dialect,
    fields: dict[str, Any],
    expected: dict[str, Any],
    dropped: list[str],
) -> None:
    assert asked(parameter, dialect, **fields) == (expected, dropped)


def test_no_cap_cannot_be_streamed() -> None:
    with pytest.raises(InvalidRequest, match=r"^max_tokens: 0 is not possible together with stream$"):
        asked(reply_cap, PLAIN, max_tokens=0, stream=True)


HASH = "2744ccd10c7533bd736ad890f9dd5cab"
"""The first half of `me` in SHA-256."""


def test_the_user_is_a_hash_where_the_settings_say_so() -> None:
    assert asked(user, PLAIN, HASHING, metadata={"user_id": "me"}) == ({"user": HASH}, [])
    assert asked(user, SAFETY, HASHING, metadata={"user_id": "me"}) == ({"safety_identifier": HASH}, [])


@pytest.mark.parametrize("metadata", [{}, {"user_id": None}, {"user_id": ""}, {"user_id": 5}])
def test_no_user_is_no_hash(metadata: dict[str, Any]) -> None:
    assert asked(user, PLAIN, HASHING, metadata=metadata) == ({}, [])


def key(client: Client = NOBODY, **fields: Any) -> str:
    fields, _ = asked(cache_key, KEYED, client, **fields)
    return str(fields["prompt_cache_key"])


UID = '{"device_id":"d","session_id":"s1"}'


def test_a_session_has_one_key() -> None:
    by_header = key(Client(session="s1"))
    assert len(by_header) == 32
    assert key(metadata={"user_id": UID}) == by_header
    assert key(Client(session="s1"), metadata={"user_id": '{"session_id":"s2"}'}) == by_header
    assert key(Client(session="s1", agent="a")) != by_header
    assert key(Client(session="s2")) != by_header


def test_without_a_session_the_beginning_tells_conversations_apart() -> None:
    first = key(system="s")
    more = [
        {"role": "user", "content": "Hello?"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "?"},
    ]
    assert key(system="s", messages=more) == first
    assert key(system="x-anthropic-billing-header: a;\ns") == first
    assert key(system="t") != first
    assert key(system="s", messages=[{"role": "user", "content": "Other"}]) != first


ODD = ["me", "{", "[1]", '{"session_id":5}', 5, None]


@pytest.mark.parametrize("user_id", ODD)
def test_a_user_id_without_a_session_is_no_session(user_id: object) -> None:
    assert key(metadata={"user_id": user_id}) == key()


def test_a_conversation_without_any_text_has_a_key_too() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://e.test"}}
    assert len(key(messages=[{"role": "user", "content": [image]}])) == 32


def test_both_names_carry_the_same_key() -> None:
    fields, _ = asked(cache_key, BOTH_KEYS, Client(session="s1"))
    assert fields == {"prompt_cache_key": key(Client(session="s1")), "session_id": key(Client(session="s1"))}
