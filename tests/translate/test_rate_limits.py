"""How long to wait, and what is left of a limit."""

import pytest

from anthropic_proxy.translate.rate_limits import rate_limit_headers, retry_after, seconds

DURATIONS = {
    "1s": 1.0,
    "6m0s": 360.0,
    "350ms": 0.35,
    "1h2m3.5s": 3723.5,
    "20": 20.0,
    "7.66s": 7.66,
    "20 seconds": 20.0,
    "2 minutes": 120.0,
    "1 hour 30 min": 5400.0,
    "": None,
    "soon": None,
    "5 apples": None,
    "-3": None,
    "nan": None,
    "inf": None,
}


@pytest.mark.parametrize(("text", "length"), DURATIONS.items(), ids=DURATIONS.keys())
def test_duration(text: str, length: float | None) -> None:
    assert seconds(text) == pytest.approx(length)


WAITS = {
    "seconds go through as they are": ({"retry-after": "7"}, "", "7"),
    "a fraction is rounded up": ({"retry-after": "0.2"}, "", "1"),
    "milliseconds count first": ({"retry-after-ms": "3200", "retry-after": "9"}, "", "4"),
    "a date is counted from the reply's own": (
        {"retry-after": "Wed, 25 Nov 2026 10:00:30 GMT", "date": "Wed, 25 Nov 2026 10:00:00 GMT"},
        "",
        "30",
    ),
    "a date in the past is no wait": (
        {"retry-after": "Wed, 25 Nov 2026 09:00:00 GMT", "date": "Wed, 25 Nov 2026 10:00:00 GMT"},
        "",
        "0",
    ),
    "a date that cannot be counted goes through": (
        {"retry-after": "Wed, 25 Nov 2026 10:00:30 GMT"},
        "",
        "Wed, 25 Nov 2026 10:00:30 GMT",
    ),
    "else the limit that is used up is lifted": (
        {
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "12s",
            "x-ratelimit-remaining-tokens": "900",
            "x-ratelimit-reset-tokens": "6m0s",
        },
        "Please try again in 3s.",
        "12",
    ),
    "the later of two that are used up": (
        {
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "12s",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-tokens": "1m",
        },
        "",
        "60",
    ),
    "else what the message says": (
        {"x-ratelimit-remaining-tokens": "900", "x-ratelimit-reset-tokens": "6m0s"},
        "Limit 30000, Used 29100, Requested 2500. Please try again in 3.2s. Visit the dashboard.",
        "4",
    ),
    "minutes in the message": ({}, "Please try again in 1m26.4s.", "87"),
    "milliseconds in the message": ({}, "Please try again in 250ms.", "1"),
    "Gemini's words": ({}, "You exceeded your quota. Please retry in 53.1s.", "54"),
    "others' words": ({}, "Too many requests, retry after 20 seconds", "20"),
    "else the first reset there is": (
        {"x-ratelimit-reset-requests": "8.64s", "x-ratelimit-reset-tokens": "58s"},
        "",
        "9",
    ),
    "nothing is invented": ({}, "Slow down.", None),
    "nonsense is nothing": ({"retry-after": "later", "x-ratelimit-reset-tokens": "?"}, "", None),
    "a time since 1970 is no duration": ({"x-ratelimit-reset-requests": "1795600000"}, "", None),
}


@pytest.mark.parametrize(("headers", "text", "wait"), WAITS.values(), ids=WAITS.keys())
def test_retry_after(headers: dict[str, str], text: str, wait: str | None) -> None:
    assert retry_after(headers, text) == wait


NOW = {"date": "Wed, 25 Nov 2026 10:00:00 GMT"}

LIMITS = {
    "limits and what remains keep their numbers": (
        {
            "x-ratelimit-limit-requests": "500",
            "x-ratelimit-remaining-requests": "499",
            "x-ratelimit-limit-tokens": "30000",
            "x-ratelimit-remaining-tokens": "29984",
        },
        {
            "anthropic-ratelimit-requests-limit": "500",
            "anthropic-ratelimit-requests-remaining": "499",
            "anthropic-ratelimit-tokens-limit": "30000",
            "anthropic-ratelimit-tokens-remaining": "29984",
        },
    ),
    "a duration becomes a time": (
        {**NOW, "x-ratelimit-reset-tokens": "6m0s"},
        {"anthropic-ratelimit-tokens-reset": "2026-11-25T10:06:00Z"},
    ),
    "a fraction of a second is rounded up": (
        {**NOW, "x-ratelimit-reset-requests": "120ms"},
        {"anthropic-ratelimit-requests-reset": "2026-11-25T10:00:01Z"},
    ),
    "a time since 1970 in seconds needs no date": (
        {"x-ratelimit-reset-requests": "1795600000"},
        {"anthropic-ratelimit-requests-reset": "2026-11-25T09:46:40Z"},
    ),
    "and in milliseconds": (
        {"x-ratelimit-reset-requests": "1795600000000"},
        {"anthropic-ratelimit-requests-reset": "2026-11-25T09:46:40Z"},
    ),
    "a duration without a date is left out": ({"x-ratelimit-reset-tokens": "6m0s"}, {}),
    "a duration beyond all time is left out": ({**NOW, "x-ratelimit-reset-tokens": "1e300"}, {}),
    "a date without a zone is UTC": (
        {"date": "Wed, 25 Nov 2026 10:00:00 -0000", "x-ratelimit-reset-tokens": "1s"},
        {"anthropic-ratelimit-tokens-reset": "2026-11-25T10:00:01Z"},
    ),
    "words are left out": ({"x-ratelimit-limit-tokens": "plenty", **NOW, "x-ratelimit-reset-tokens": "soon"}, {}),
    "a subscriber's quota is never sent": ({"anthropic-ratelimit-unified-status": "allowed"}, {}),
    "nothing gives nothing": ({"content-type": "application/json"}, {}),
}


@pytest.mark.parametrize(("headers", "renamed"), LIMITS.values(), ids=LIMITS.keys())
def test_rate_limit_headers(headers: dict[str, str], renamed: dict[str, str]) -> None:
    assert rate_limit_headers(headers) == renamed
