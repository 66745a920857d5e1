"""Takes keys out of text that a client or a log will see."""

import re
from collections.abc import Iterable

REDACTED = "[redacted]"

_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Keys with a prefix of their own. Some hosts echo them half covered by asterisks.
        (r"\bsk-[A-Za-z0-9_*-]{8,}", REDACTED),
        (r"\b(?:xai|pplx|nvapi|csk|glpat)-[A-Za-z0-9_*-]{16,}", REDACTED),
        (r"\b(?:gsk|hf|r8|tgp_v1|github_pat|gh[opsur])_[A-Za-z0-9_*]{16,}", REDACTED),
        (r"\bAIza[\w-]{20,}", REDACTED),
        (r"\bya29\.[\w.-]{8,}", REDACTED),
        (r"\bAKIA[0-9A-Z]{12,}", REDACTED),
        (r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?", REDACTED),
        # An Authorization header. The words that follow `Bearer` in a sentence are let through.
        (
            r"(?i)\b(bearer|basic)\s+(?!auth|token|credential|scheme|realm)[A-Za-z0-9._~+/=*-]{8,}",
            rf"\1 {REDACTED}",
        ),
        # A URL's user and password, and keys in its query.
        (r"(://)[^/\s:@]*:[^/\s@]+@", rf"\1{REDACTED}@"),
        (r"(?i)([?&;](?:[\w-]*key|[\w-]*token|sig|signature|secret|password)=)[^&\s\"'<>]+", rf"\1{REDACTED}"),
        # What is called a key: 16 characters or more, with a digit and a letter or asterisk.
        (
            r"(?i)((?:key|token|secret|password|authorization|credential)s?"
            r"(?:\s+(?:provided|used|hash|is|was))*\s*(?:\([^)\n]{0,20}\))?[\"'`]?\s*[:=]?\s*[\"'`]*)"
            r"(?=[^\s\"'`]*\d)(?=[^\s\"'`]*[a-z*])[A-Za-z0-9+/_=*~-]{16,}",
            rf"\1{REDACTED}",
        ),
    )
)


SHORTEST = 8
"""Characters of a key below which it is not looked for: such are no secrets, and stand in too many words."""

_SECRET_HEADER = re.compile(r"key|token|secret|password|auth|cookie|credential", re.IGNORECASE)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` with these keys, and everything that looks like one, replaced by `[redacted]`."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST:
            text = text.replace(secret, REDACTED)
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def secret_values(headers: Iterable[tuple[str, str]]) -> list[str]:
    """The values of headers that are called as if they held a key."""
    return [value for name, value in headers if _SECRET_HEADER.search(name)]
