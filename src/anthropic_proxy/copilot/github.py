"""Requests to GitHub: JSON out, JSON in, failures in plain words."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from anthropic_proxy.copilot.tokens import CopilotError
from anthropic_proxy.errors import BreakKind, UpstreamBroke
from anthropic_proxy.upstream.base import Timeouts
from anthropic_proxy.upstream.http import HttpUpstream
from anthropic_proxy.wire.json import InvalidJson, dumps, loads

PATIENCE = Timeouts(connect=10, first_byte=30, silence=30)

LARGEST_ANSWER = 2**20
"""Bytes."""

_HEADERS = {
    "accept": "application/json",
    "editor-version": "vscode/1.85.1",
    "editor-plugin-version": "copilot/1.155.0",
    "user-agent": "GithubCopilot/1.155.0",
}
"""What LiteLLM's provider says of itself (authenticator.py, 1.105.2), as it will use the token."""

_WORDS: dict[BreakKind, str] = {
    "dns": "{host} cannot be found: is the network up? HTTPS_PROXY names a proxy, if you need one",
    "connect_timeout": "no connection to {host}: is the network up? HTTPS_PROXY names a proxy, if you need one",
    "first_byte_timeout": "{host} does not answer; try again later",
    "silence_timeout": "{host} does not answer; try again later",
}
"""For breaks whose usual words speak of settings that have no part in this."""


class Unreachable(CopilotError):
    """No answer, for reasons of the network."""


class Answer(NamedTuple):
    """An answer of GitHub's."""

    status: int
    body: dict[str, Any]
    """Empty where the answer was no JSON object."""

    def text(self, field: str) -> str:
        """The field, if it is there and a text, else an empty one."""
        value = self.body.get(field)
        return value if isinstance(value, str) else ""

    def number(self, field: str) -> float:
        """The field, if it is there and a number, else 0."""
        value = self.body.get(field)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


async def ask(url: str, body: Mapping[str, str] | None = None, token: str | None = None) -> Answer:
    """POSTs `body`, or GETs where there is none. Goes through the proxy that the environment names.

    Raises Unreachable, and CopilotError where the address or the certificates cannot be used.
    """
    base, _, path = url.rpartition("/")
    headers = {**_HEADERS, **({"authorization": f"token {token}"} if token else {})}
    try:
        upstream = HttpUpstream(base, headers=headers, timeouts=PATIENCE, ssl_cert_file=os.environ.get("SSL_CERT_FILE"))
    except ValueError as error:
        raise CopilotError(f"{url}: {error}") from None
    request = upstream.get(path) if body is None else upstream.post(path, dumps(body), {})
    try:
        async with request as reply:
            return Answer(reply.status, _object(await reply.body(LARGEST_ANSWER)))
    except UpstreamBroke as broke:
        host = base.partition("://")[2].partition("/")[0]
        raise Unreachable(_WORDS.get(broke.kind, broke.message).format(host=host)) from None
    finally:
        await upstream.close()


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = loads(data)
    except InvalidJson:
        return {}
    return value if isinstance(value, dict) else {}
