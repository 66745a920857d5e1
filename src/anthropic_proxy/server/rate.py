"""Rate limits: how often each client may ask. The only import of the library that counts, an extra."""

import logging
import math
import time
from typing import Any

from limits import parse_many
from limits.aio.storage import RedisStorage
from limits.aio.storage.redis.redispy import RedispyBridge
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string

from anthropic_proxy.config import Settings
from anthropic_proxy.errors import ProxyError

log = logging.getLogger("anthropic_proxy")

PATIENCE = 1.0
"""Seconds to wait for Redis."""

SAY_AGAIN = 60.0
"""Seconds between two lines that say that Redis cannot be reached."""


class RateLimit:
    """The limits of RATE_LIMIT, for each caller by itself, over windows that move with the clock.

    Raises ValueError for a store that cannot be one.
    """

    def __init__(self, settings: Settings) -> None:
        self._rates = parse_many(settings.rate_limit)
        uri = settings.rate_limit_store.get_secret_value() if settings.rate_limit_store else "memory://"
        options = {} if uri == "memory://" else {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE}
        try:
            storage = storage_from_string(f"async+{uri}", implementation="redispy", wrap_exceptions=True, **options)
        except (ConfigurationError, ValueError):
            # The library's own words may hold the address, and with it the password.
            raise ValueError("RATE_LIMIT_STORE: not the address of a Redis, such as redis://host:6379") from None
        self._storage = storage
        self._limiter = MovingWindowRateLimiter(storage)
        self._told = -SAY_AGAIN

    async def check(self, caller: str) -> None:
        """Counts a request of `caller`. Raises ProxyError, a 429 that says when to come again, if it is one too many.

        A store that cannot be reached refuses nobody: those who are let in have shown their key.
        """
        try:
            for rate in self._rates:
                if not await self._limiter.hit(rate, caller):
                    window = await self._limiter.get_window_stats(rate, caller)
                    raise _too_many(str(rate), math.ceil(window.reset_time - time.time()))
        except StorageError as error:
            self._tell(error)

    async def close(self) -> None:
        """Closes the connections to Redis."""
        if isinstance(self._storage, RedisStorage) and isinstance(self._storage.bridge, RedispyBridge):
            connection: Any = self._storage.bridge.get_connection()  # whose type the library knows but in part
            await connection.aclose()

    def _tell(self, error: StorageError) -> None:
        now = time.monotonic()
        if now - self._told >= SAY_AGAIN:
            self._told = now
            log.error("RATE_LIMIT_STORE: cannot be reached, so requests are not counted: %s", error)


def _too_many(rate: str, seconds: int) -> ProxyError:
    return ProxyError(
        f"this proxy takes {rate} from each client (setting RATE_LIMIT)",
        type="rate_limit_error",
        headers={"retry-after": str(max(seconds, 1))},
    )
