"""What an upstream API must offer to be translated to."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.translate.pieces import Piece
from anthropic_proxy.wire.anthropic import MessagesRequest


class Client(NamedTuple):
    """What a request's headers and this proxy's settings say beside its body."""

    session: str = ""
    """`x-claude-code-session-id`: groups requests that share a prompt prefix."""
    agent: str = ""
    """`x-claude-code-agent-id`: set on a sub-agent's requests."""
    show_thinking: bool = False
    """Show reasoning even where the client did not ask for thinking (setting SHOW_THINKING)."""
    stop_upstream: bool = False
    """Send stop sequences on and trust the backend (setting STOP_SEQUENCES=upstream)."""
    emulate_prefill: bool = False
    """Ask for the continuation of a last assistant message (setting PREFILL=emulate)."""
    hash_user_id: bool = False
    """Send a hash of `metadata.user_id` on (setting FORWARD_USER_ID=hash)."""


class Reader(Protocol):
    """Reads one upstream reply. Feed it with `read`, end with `close`."""

    finished: bool
    """Nothing more is wanted: the connection may be closed (a stop sequence matched)."""

    def read(self, data: bytes) -> Iterator[Piece]:
        """Pieces in one `data:` line of a stream, or in a whole reply."""

    def close(self, done: bool) -> Iterator[Piece]:
        """What was still held back. `done` says that the stream ended as it should (`[DONE]`)."""


class Translation(NamedTuple):
    """One Messages request, ready for one upstream."""

    body: dict[str, object]
    """The JSON body."""
    stream: bool
    """Whether the upstream is asked for a stream, which may differ from what the client wants."""
    headers: dict[str, str]
    """Extra request headers."""
    media: int
    """Characters of `body` that are base64 data, which say nothing about tokens."""
    media_tokens: int
    """The estimated tokens of what that data shows."""
    dropped: tuple[str, ...]
    """Paths of what could not be sent, each with a reason: `top_k: …`."""
    reader: Callable[[], Reader]
    """A fresh reader for the reply."""


class UpstreamApi(NamedTuple):
    """One upstream API: its name, its path below the base URL, and the way there and back."""

    name: str
    path: str
    translate: Callable[[MessagesRequest, str, Dialect, Client], Translation]
