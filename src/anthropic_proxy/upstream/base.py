"""What the rest of the proxy asks of the network: requests out, replies in."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol


class Timeouts(NamedTuple):
    """How long to wait, in seconds; 0 waits for ever. There is no limit on a reply that keeps coming."""

    connect: float = 10
    """For the connection: name, TCP and TLS. Setting CONNECT_TIMEOUT."""
    first_byte: float = 600
    """For the reply's status and headers, from the start of the request. Setting FIRST_BYTE_TIMEOUT."""
    silence: float = 600
    """For more of the body, counted while we wait for it. Setting SILENCE_TIMEOUT."""


class Connections(NamedTuple):
    """How many connections there are to a backend, by what they do."""

    busy: int = 0
    """In use by a request."""
    idle: int = 0
    """Open, and kept for the next request."""
    opening: int = 0
    """Not there yet: requests that wait for one. There is no limit that they could wait for instead."""


class Reply(Protocol):
    """A backend's reply, its body still on the way."""

    @property
    def status(self) -> int:
        """The HTTP status, whatever it is. Redirects are not followed."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, names in lower case."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes off the network, an item or more for each read. The body is read once.

        Raises UpstreamBroke where it breaks off or falls silent, after all that came before that.
        """

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises UpstreamBroke as `chunks` does, and where it has over `limit` bytes."""


class Upstream(Protocol):
    """A backend.

    Both requests raise UpstreamBroke if no reply begins. A reply lives inside its `async with`;
    leaving that before the body's end closes the connection at once, so that the backend stops.
    """

    @property
    def base_url(self) -> str:
        """What the paths are below."""

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Reply]:
        """Send JSON to the path below the base URL."""

    def get(self, path: str, headers: Mapping[str, str] = {}) -> AbstractAsyncContextManager[Reply]:
        """Fetch the path below the base URL."""

    def connections(self) -> Connections:
        """What connections there are now."""

    async def close(self) -> None:
        """Give up all connections, those in use too."""
