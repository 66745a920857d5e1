"""Running: the requests that are being answered. Not too many at once, of all and of each client, and no new ones at
a shutdown."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from anthropic_proxy.errors import ProxyError

TRY_AGAIN = "1"
"""Seconds, as `retry-after`. A place becomes free whenever a reply ends."""


def shutting_down() -> ProxyError:
    """What a client is told that comes too late, or whose answer is not ready in time."""
    return ProxyError("the proxy is shutting down", type="overloaded_error")


class Running:
    """Held with `with` while a request is answered. Entering it raises ProxyError where there is no place."""

    def __init__(self, most: int) -> None:
        """`most` requests at once; 0 sets no limit."""
        self.now = 0
        """Requests that are being answered."""
        self.draining = False
        """Is the proxy about to stop? Set once."""
        self._most = most

    def __enter__(self) -> Self:
        if self.draining:
            raise shutting_down()
        if self._most and self.now >= self._most:
            raise ProxyError(
                f"the proxy is answering {self._most} requests, and takes no more at once (setting MAX_CONCURRENT)",
                type="overloaded_error",
                headers={"retry-after": TRY_AGAIN},
            )
        self.now += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.now -= 1


class Callers:
    """How many requests of each client are being answered. Counted in this process alone."""

    def __init__(self, most: int) -> None:
        """`most` requests of one client at once; 0 sets no limit."""
        self._most = most
        self.running: dict[str, int] = {}
        """By client, of those that have any."""

    @contextmanager
    def place(self, caller: str) -> Iterator[None]:
        """Held while a request of `caller` is answered.

        Raises ProxyError, a 429, where it is one too many: who is told so has used up what is theirs, while others
        are served.
        """
        now = self.running.get(caller, 0)
        if self._most and now >= self._most:
            raise ProxyError(
                f"this proxy answers {self._most} requests of each client at once (setting KEY_CONCURRENCY)",
                type="rate_limit_error",
                headers={"retry-after": TRY_AGAIN},
            )
        self.running[caller] = now + 1
        try:
            yield
        finally:
            self.running[caller] -= 1
            if not self.running[caller]:
                del self.running[caller]
