"""Keys stay out of what clients and logs see; other words stay in."""

import pytest

from anthropic_proxy.translate.redaction import redacted, secret_values

SECRETS = {
    "OpenAI": "key sk-proj-AbCdEf0123456789 refused",
    "OpenAI half covered": "Incorrect API key provided: sk-abc1********wxyz.",
    "OpenRouter": "sk-or-v1-0123456789abcdef",
    "Anthropic": "sk-ant-api03-AAAAAAAAAA_BBBBBBBB",
    "a bearer": "Authorization: Bearer abcdefgh.ijklmnop",
    "basic": "basic dXNlcjpwYXNzd29yZA==",
    "Google": "AIzaSyA0123456789abcdefghijklmnopqrstuv",
    "GitHub": "gho_0123456789abcdefABCDEF0123456789abcd",
    "GitHub, fine-grained": "github_pat_11ABCDEFG0123456789_abcdefghijkl",
    "Groq": "gsk_0123456789abcdefABCDEF01",
    "xAI": "xai-0123456789abcdefABCDEF01",
    "Hugging Face": "hf_abcdefghijABCDEFGHIJ01",
    "Amazon": "AKIAIOSFODNN7EXAMPLE",
    "a JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "a URL's password": "https://me:hunter2secret@llm.test/v1",
    "a URL's key": "https://llm.test/v1?api-version=1&api-key=abcdef",
    "a URL's token": "https://llm.test/v1?access_token=abcdef&x=1",
    "hex behind the word": "Received API Key = 0123456789abcdef0123456789abcdef",
    "a hash behind the word": "Key Hash (Token) =0123456789abcdef0123456789abcdef0123456789abcdef",
    "quoted in JSON": '{"api_key": "0123456789abcdef01234567"}',
    "a token": "token=abcd0123abcd0123abcd",
}
LEAKS = [
    *("AbCdEf", "wxyz", "0123456789abcdef", "AAAAAAAAAA", "ijklmnop", "dXNl", "SyA0", "ABCDEFG"),
    *("abcdefghij", "IOSF", "c2lnbm", "hunter2", "=abcdef", "abcd0123"),
]
"""Pieces of the keys above."""


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS.keys())
def test_keys_are_taken_out(text: str) -> None:
    shown = redacted(text)
    assert "[redacted]" in shown
    assert [leak for leak in LEAKS if leak in shown] == []


HARMLESS = {
    "a model's name": "The model `claude-sonnet-4-5-20250929` does not exist",
    "a count": "exceeded model token limit: 262144 (requested: 269030)",
    "a path": "tools[0].function.parameters: Invalid schema, key 'additionalProperties' is not allowed",
    "an id": "tool_call_id: call_1 has no result",
    "a task": "task-management-system is down",
    "words about bearers": "Missing bearer authentication in header",
    "a URL": "see https://llm.test/docs?page=errors&lang=en",
    "a position": "messages.3.content.0.image.source: bad",
}


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS.keys())
def test_other_text_is_left_alone(text: str) -> None:
    assert redacted(text) == text


KNOWN = {
    "of no known form": ("it was Zebra.crossing/77, not mine", ["Zebra.crossing/77"], "it was [redacted], not mine"),
    "that begins like another": ("Zebra.crossing", ["Zebra.cr", "Zebra.crossing"], "[redacted]"),
    "too short to be one": ("say anybody", ["anybody"], "say anybody"),
    "that is not there": ("say anything", ["Zebra.crossing"], "say anything"),
}


@pytest.mark.parametrize(("text", "secrets", "shown"), KNOWN.values(), ids=KNOWN.keys())
def test_a_known_key(text: str, secrets: list[str], shown: str) -> None:
    assert redacted(text, secrets) == shown


def test_headers_that_hold_keys_are_known_by_their_names() -> None:
    headers = [("X-Api-Key", "1"), ("editor-version", "2"), ("Cookie", "3"), ("Proxy-Authorization", "4")]
    assert secret_values(headers) == ["1", "3", "4"]
