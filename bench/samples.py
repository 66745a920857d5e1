"""What one measurement of one subject gives, and how much is measured."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    rounds: int = 5
    slow_rounds: int = 2
    """For proxies that are slow."""
    seconds: float = 1.0
    """Of a measurement of whole replies."""
    stream_seconds: float = 2.0
    """Of a measurement of streams."""
    open_streams: int = 1000
    """For the memory they take."""
    soak_requests: int = 200_000
    soak_seconds: float = 120
    """Then a soak ends, however far it came."""


QUICK = Scale(
    rounds=1, slow_rounds=1, seconds=0.5, stream_seconds=1.0, open_streams=200, soak_requests=2000, soak_seconds=8
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Values by name, such as `cpu_us`, and which replies were not as they should be."""

    values: dict[str, float]
    flaws: dict[str, int] = field(default_factory=dict)
    """What was wrong with replies, and how often."""
    late: dict[str, int] = field(default_factory=dict)
    """What was given up waiting for, and how often: more was asked than could be done."""

    @property
    def is_sound(self) -> bool:
        return not self.flaws and not self.late


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of `values` do not exceed; they need not be sorted. 0 if there are none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
