"""Fields that the settings put into a backend's request, or keep out of it, whatever the client asks for."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

OURS = frozenset({"model", "messages", "tools", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n"})
"""Fields that are never set from outside: the reply would not be what its reader expects."""

KEPT = frozenset({"model", "messages", "stream"})
"""Fields that are never left out."""


class BodyFields(NamedTuple):
    """By the backend's own names of its fields."""

    set: Mapping[str, object] = {}
    """Sent in any case, in place of the client's."""
    default: Mapping[str, object] = {}
    """Sent where the client's request has led to no such field."""
    drop: tuple[str, ...] = ()
    """Not sent."""

    def apply(self, body: dict[str, object], refused: Collection[str], why: str) -> list[str]:
        """Changes `body`, and gives `field: reason` for what was in it and is no longer; `why` is that reason.

        What the backend was seen to refuse is not put in again.
        """
        dropped = [f"{name}: {why}" for name in self.drop if body.pop(name, None) is not None]
        for name, value in self.default.items():
            if name not in refused:
                body.setdefault(name, value)
        body.update((name, value) for name, value in self.set.items() if name not in refused)
        return dropped
