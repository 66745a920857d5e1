"""Tool names, both ways: an upstream accepts fewer than clients use."""

import re
from hashlib import sha256

from anthropic_proxy.dialects import Dialect

_LEGAL = {
    "any": re.compile(r"[a-zA-Z0-9_-]{1,64}"),
    "letter": re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}"),
}
"""What a backend takes as a name, by the dialect's `name_start`. OpenAI's reference: 64 characters."""

_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]")

_KEPT = 55
"""Characters kept of a name that has to change: with `_` and eight of the hash, 64 in all."""


class ToolNames:
    """The names of one request's tools, as the client and as the upstream spell them.

    What is sent follows from the name alone, so that a tool keeps it from turn to turn and needs no
    memory between requests. A toolset's member is sent as `<toolset>__<member>`.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._legal = _LEGAL[dialect.name_start]
        self._sent: dict[tuple[str, str], str] = {}
        self._clients: dict[str, tuple[str, str]] = {}

    def sent(self, name: str, toolset: str = "") -> str:
        """The upstream's name for a tool, remembered for the way back."""
        client = (name, toolset)
        sent = self._sent.get(client)
        if sent is None:
            sent = self._sent[client] = self._unused(f"{toolset}__{name}" if toolset else name)
            self._clients[sent] = client
        return sent

    def restored(self, name: str) -> tuple[str, str]:
        """The client's name for a tool the model called, and its toolset's name or `""`.

        Models change the case of names: where only one tool can be meant, it is. A name nobody sent
        passes, for the client to report.
        """
        client = self._clients.get(name)
        if client is not None:
            return client
        folded = name.lower()
        alike = [client for sent, client in self._clients.items() if sent.lower() == folded]
        return alike[0] if len(alike) == 1 else (name, "")

    def _unused(self, name: str) -> str:
        """A legal name for `name`. Where it would be another tool's, which takes malice, a new hash is tried."""
        sent = name if self._legal.fullmatch(name) else self._shortened(name, name)
        attempt = 0
        while sent in self._clients:
            attempt += 1
            sent = self._shortened(name, f"{name}\0{attempt}")
        return sent

    def _shortened(self, name: str, hashed: str) -> str:
        start = _ILLEGAL.sub("_", name)
        if start and not self._legal.match(start):
            start = f"t_{start}"
        digest = sha256(hashed.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return f"{start[:_KEPT]}_{digest}"
