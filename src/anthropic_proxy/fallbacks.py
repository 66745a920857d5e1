"""Fallbacks: one model after another is asked, until one begins to answer."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.exchange import Ask
from anthropic_proxy.translate.pieces import Estimate, Failure, Piece

OTHERS_MAY = frozenset({401, 402, 403, 404, 408, 429})
"""Statuses below 500 at which another backend may do better: they are about this one, not about the request."""

OF_THE_KEY = frozenset({401, 402, 403, 429})
"""Statuses that are about the key. A client's own is no reason to leave the model in peace for others."""

LONGEST_PAUSE = 600.0
"""Seconds for which a model is left in peace, even if it asks for more."""


async def willing_replies(
    asks: Sequence[Ask], source: Callable[[Ask], AsyncGenerator[list[Piece], None]], cool_down: float
) -> AsyncGenerator[list[Piece], None]:
    """The reply of the first that gives one. Nothing has come of a reply yet when the next one is asked.

    Those that failed a while ago come last.
    """
    exchange = asks[0].exchange
    ordered = sorted(asks, key=lambda ask: ask.backend.rests(ask.route.model))
    exchange.fallbacks += [f"{ask.route.model}: failed a while ago" for ask in asks[: asks.index(ordered[0])]]
    for ask in ordered[:-1]:
        failure: Failure | None = None
        async with aclosing(source(ask)) as lists:
            begun = False
            try:
                async for pieces in lists:
                    failure = None if begun else _failure_in(pieces)
                    if failure is not None:
                        break
                    begun = begun or any(type(piece) is not Estimate for piece in pieces)
                    yield pieces
            except UpstreamBroke as error:
                if begun:
                    raise
                failure = Failure(error.type, error.message, error.status, error.headers)
        if failure is None:
            return
        if not (failure.status in OF_THE_KEY and ask.backend.takes(ask.key)):
            ask.backend.rest(ask.route.model, _pause(failure, cool_down))
        exchange.fallbacks.append(f"{ask.route.model}: {failure.status} {failure.type}")
        exchange.calls_in_vain, exchange.habits = exchange.calls, None
    async with aclosing(source(ordered[-1])) as lists:
        async for pieces in lists:
            yield pieces


def _failure_in(pieces: Sequence[Piece]) -> Failure | None:
    """The failure that begins the reply, if others may do better."""
    failures = (piece for piece in pieces if type(piece) is Failure)
    return next((one for one in failures if one.status >= 500 or one.status in OTHERS_MAY), None)


def _pause(failure: Failure, usual: float) -> float:
    """Seconds to leave it in peace: as long as it asks for, if it does."""
    asked = failure.headers.get("retry-after", "")
    return min(float(asked), LONGEST_PAUSE) if asked.isdecimal() else usual
