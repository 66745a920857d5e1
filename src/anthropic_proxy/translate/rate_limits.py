"""Rate-limit and waiting headers of a backend, in Anthropic's names."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

UNITS = ("requests", "tokens")

LONGEST_WAIT = 120.0
"""Seconds. Beyond it a client is told not to retry: the Anthropic SDK 2.x would sleep that long."""

_PART = r"(\d+(?:\.\d+)?)\s*(milliseconds?|ms|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)"
_ONE_PART = re.compile(_PART, re.I)
_DURATION = re.compile(rf"\s*(?:{_PART}\s*)+\Z", re.I)
_IN_TEXT = re.compile(
    rf"(?:try(?:ing)? again|retry(?:ing)?|wait)(?:\s+(?:in|after|for|at least|about))*:?\s+((?:{_PART}\s*)+)", re.I
)
_SECONDS = {"m": 60.0, "h": 3600.0, "s": 1.0}


def seconds(duration: str) -> float | None:
    """The length of `6m0s`, `350ms`, `1h2m3.5s`, `20 seconds` or a plain `20`; None for anything else."""
    try:
        plain = float(duration)
    except ValueError:
        plain = math.nan
    if math.isfinite(plain):
        return plain if plain >= 0 else None
    if not _DURATION.match(duration):
        return None
    length = sum(float(number) * _unit(unit) for number, unit in _ONE_PART.findall(duration))
    return length if math.isfinite(length) else None


def _unit(unit: str) -> float:
    unit = unit.lower()
    if unit == "ms" or unit.startswith("milli"):
        return 0.001
    return _SECONDS[unit[0]]


def retry_after(headers: Mapping[str, str], text: str = "") -> str | None:
    """The `retry-after` to send: whole seconds, or an HTTP date that could not be counted. Never invented.

    `headers` are the backend's, names in lower case, `text` its error message. A wait that the
    backend names for this refusal counts before the reset of a limit that is not used up.
    """
    stated = _stated_wait(headers)
    if stated is not None:
        return stated
    found = _IN_TEXT.search(text)
    waits = (_reset(headers, used_up=True), seconds(found[1]) if found else None, _reset(headers, used_up=False))
    wait = next((wait for wait in waits if wait is not None), None)
    return _whole(wait) if wait is not None else None


def _stated_wait(headers: Mapping[str, str]) -> str | None:
    milliseconds = seconds(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _whole(milliseconds / 1000)
    value = headers.get("retry-after", "").strip()
    wait = seconds(value)
    if wait is not None:
        return _whole(wait)
    until, now = _http_date(value), _http_date(headers.get("date", ""))
    if until is None:
        return None
    return _whole(max(0.0, (until - now).total_seconds())) if now else value


def _whole(wait: float) -> str:
    """Rounded up: a client that reads whole seconds only must not come too early."""
    return str(math.ceil(wait))


def _reset(headers: Mapping[str, str], *, used_up: bool) -> float | None:
    """Seconds until the limits that are used up are lifted; else until the first of all limits is."""
    waits = [
        wait
        for unit in UNITS
        if (headers.get(f"x-ratelimit-remaining-{unit}", "").strip() == "0") == used_up
        if (wait := _reset_wait(headers, unit)) is not None
    ]
    if not waits:
        return None
    return max(waits) if used_up else min(waits)


_SMALLEST_EPOCH = 1e9
"""A larger plain number is a time since 1970, in seconds or, from 1e12 on, in milliseconds."""


def _reset_wait(headers: Mapping[str, str], unit: str) -> float | None:
    wait = seconds(headers.get(f"x-ratelimit-reset-{unit}", ""))
    return wait if wait is not None and wait < _SMALLEST_EPOCH else None


def rate_limit_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """OpenAI's `x-ratelimit-*` headers, names in lower case, as `anthropic-ratelimit-*`.

    A reset is a duration at OpenAI and a time at Anthropic; it is counted from the reply's own
    `date` and left out where that is missing. `anthropic-ratelimit-unified-*` is never sent: Claude
    Code takes it for a subscriber's quota.
    """
    renamed: dict[str, str] = {}
    for name, new_name, read in _RENAMED:
        stated = headers.get(name)
        value = read(stated, headers) if stated else None
        if value is not None:
            renamed[new_name] = value
    return renamed


def _figure(stated: str, headers: Mapping[str, str]) -> str | None:
    value = stated.strip()
    return value if value.isdecimal() else None


def _reset_time(stated: str, headers: Mapping[str, str]) -> str | None:
    wait = seconds(stated)
    if wait is None:
        return None
    now = datetime.fromtimestamp(0, UTC) if wait >= _SMALLEST_EPOCH else _http_date(headers.get("date", ""))
    wait = wait / 1000 if wait >= 1000 * _SMALLEST_EPOCH else wait
    try:
        return (now + timedelta(seconds=math.ceil(wait))).strftime("%Y-%m-%dT%H:%M:%SZ") if now else None
    except OverflowError:
        return None


_RENAMED = tuple(
    (f"x-ratelimit-{figure}-{unit}", f"anthropic-ratelimit-{unit}-{figure}", read)
    for unit in UNITS
    for figure, read in (("limit", _figure), ("remaining", _figure), ("reset", _reset_time))
)
"""Headers, each with its new name and what reads it."""


def _http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
