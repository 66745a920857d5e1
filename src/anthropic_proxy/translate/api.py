"""What an upstream API must offer to be translated to."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from msgspec import Struct

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.translate.failures import Asked
from anthropic_proxy.translate.pieces import Piece
from anthropic_proxy.wire.anthropic import MessagesRequest


class Client(Struct, frozen=True):
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
    strict: bool = False
    """Refuse what would be dropped (setting STRICT)."""
    largest_event: int = 16 * 2**20
    """Bytes of an event in the backend's stream (setting MAX_EVENT_MB)."""
    largest_reply: int = 64 * 2**20
    """Bytes of a reply that is put together here (setting MAX_REPLY_MB)."""
    longest_arguments: int = 16_000_000
    """Characters of one tool call's arguments in a reply (setting MAX_ARGUMENTS_MB)."""
    hash_user_id: bool = False
    """Send a hash of `metadata.user_id` on (setting FORWARD_USER_ID=hash)."""


class Reader(Protocol):
    """Reads one upstream reply. Feed it with `read`, end with `close`."""

    ending: bool
    """The model has stopped; only token counts may still come."""
    finished: bool
    """Nothing more is wanted: the connection may be closed."""
    done: bool
    """The upstream has said that nothing more comes, so the rest of the body may be read for good order."""
    misfit: str
    """Why the reply is not the structured output that was asked for; empty if it is, or none was."""
    upstream_id: str
    """The upstream's own id of the reply, once it has told it."""

    @property
    def warnings(self) -> list[str]:
        """What had to be mended in the reply, complete once it is closed."""

    def read(self, data: bytes) -> list[Piece]:
        """Pieces in one `data:` line of a stream."""

    def read_reply(self, data: bytes) -> list[Piece]:
        """Pieces in a whole reply."""

    def close(self) -> list[Piece]:
        """What was held back, and last a Finish, or a Failure if the reply had not come to its end."""


class Translation(Struct, frozen=True):
    """One Messages request, ready for one upstream."""

    body: dict[str, object]
    """The JSON body."""
    stream: bool
    """Whether the upstream is asked for a stream, which may differ from what the client wants."""
    headers: dict[str, str]
    """Extra request headers."""
    cap: int | None
    """The cap on the reply that is sent, in tokens."""
    media: int
    """Characters of `body` that are base64 data, which say nothing about tokens."""
    media_tokens: int
    """The estimated tokens of what that data shows."""
    frame_tokens: float
    """Tokens of what the model reads round the texts of `body`, less those that its JSON counts as text."""
    dropped: tuple[str, ...]
    """Paths of what could not be sent, each with a reason: `top_k: …`."""
    notes: tuple[str, ...]
    """Paths of what is sent and may not work as well as with Claude, each with the reason."""
    reader: Callable[[str, Asked], Reader]
    """A fresh reader for the reply: from the message id, which other ids are derived from, and what is
    known of the call, for errors inside the reply."""
    applied_edits: tuple[Mapping[str, object], ...] = ()
    """What was cleared of the prompt, as `context_management` asks: entries of its `applied_edits`."""


class Repair(NamedTuple):
    """What to change before the request is translated and sent again."""

    changes: dict[str, object]
    """Fields of the Dialect and their new values."""
    remember: bool
    """False where the change only fits this request."""
    says: str
    """One line for the log."""


class UpstreamApi(NamedTuple):
    """One upstream API: its name, its path below the base URL, and the way there and back."""

    name: str
    path: str
    translate: Callable[[MessagesRequest, str, Dialect, Client], Translation]
    repair: Callable[[int, bytes, dict[str, object], Dialect], Repair | None]
    """What a refusal teaches: from its status, its body, the body that was sent and the dialect."""
