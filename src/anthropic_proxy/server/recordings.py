"""Recordings: the documents that exchanges are kept as, and how bytes are written in them."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, pairwise
from typing import Any, TypeAlias

from anthropic_proxy.server.logs import Redactor
from anthropic_proxy.translate.redaction import REDACTED

VERSION = 1
"""Of the documents. One of another version is not played back."""

Document: TypeAlias = dict[str, Any]

SHOWN = frozenset(
    {
        *("accept", "content-type", "content-encoding", "retry-after", "server", "user-agent"),
        *("anthropic-beta", "anthropic-version", "x-app", "x-initiator", "copilot-vision-request"),
        *("request-id", "x-request-id", "x-should-retry", "x-upstream-model", "x-upstream-id", "x-proxy-dropped"),
    }
)
SHOWN_PREFIXES = ("x-claude-code-", "x-stainless-", "x-ratelimit-", "anthropic-ratelimit-")
"""Headers whose values are recorded. Of all others, which may hold anything, only the names are."""


def headers_shown(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers as they are recorded, names in lower case."""
    lower = {name.lower(): value for name, value in headers.items()}
    return {name: value if _is_shown(name) else REDACTED for name, value in lower.items()}


def _is_shown(name: str) -> bool:
    return name in SHOWN or name.startswith(SHOWN_PREFIXES)


def blotted(value: Any, redactor: Redactor) -> Any:
    """`value`, which is JSON, with the keys blotted out of its texts, names among them."""
    if isinstance(value, str):
        return redactor(value)
    if isinstance(value, dict):
        return {redactor(name): blotted(item, redactor) for name, item in value.items()}
    if isinstance(value, list):
        return [blotted(item, redactor) for item in value]
    return value


def read_texts(reads: list[bytes], redactor: Redactor) -> list[Any]:
    """Reads of the network, each as text, or `{"base64": …}` where a character was cut or it is no text.

    Keys are blotted out of the whole, for a read may end within one.
    """
    whole = b"".join(reads).decode(errors="surrogateescape")
    clean = redactor(whole)
    cuts = [0, *accumulate(map(len, reads))]
    if clean != whole:
        # The cuts stay where they were, as far as there is something to cut.
        reads = list(_cut(clean.encode(errors="surrogateescape"), cuts))
    return [_written(data) for data in reads]


def _cut(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    *inner, (last, _) = pairwise(cuts)
    yield from (data[start:end] for start, end in inner if data[start:end])
    yield data[last:]


def _written(data: bytes) -> Any:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def read_bytes(texts: Iterable[Any]) -> list[bytes]:
    """The reads that `read_texts` wrote. Raises ValueError, KeyError or TypeError if it did not write them."""
    return [base64.b64decode(text["base64"]) if isinstance(text, dict) else text.encode() for text in texts]


def event_texts(stream: str) -> list[str]:
    """An event stream, one text an event, without its pings: these come when the clock says so."""
    return [event for event in stream.split("\n\n") if event and not event.startswith("event: ping\n")]
