"""The figures of the table: how they come from samples, and the budget of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import sub
from statistics import median
from typing import Literal, TypeAlias

from bench.proxies import DIRECT, LITELLM, NGINX, OURS
from bench.samples import Sample

Results: TypeAlias = Mapping[str, Mapping[str, Sequence[Sample]]]
"""The samples of each round, by row and subject."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What our figure may be at most."""

    limit: float
    than: Literal["itself", "nginx", "litellm", "at least"] = "itself"
    """`itself`: the figure; `at least`: the figure, from below; `nginx`: so many times nginx's; `litellm`: LiteLLM's
    is at least so many times ours."""

    @property
    def words(self) -> str:
        number = f"{self.limit:g}"
        return {
            "itself": f"<= {number}",
            "at least": f">= {number}",
            "nginx": f"<= {number}x nginx",
            "litellm": f">= {number}x lighter than LiteLLM",
        }[self.than]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    row: str
    value: str
    """Of the row's samples."""
    title: str
    unit: str
    digits: int
    budgets: tuple[Budget, ...] = ()
    added: bool = False
    """Shown as what a proxy adds to the same without a proxy."""
    ratio: bool = True
    """Does a ratio to nginx mean anything?"""
    scale: float = 1.0


PACED = (Budget(2.5, "nginx"),)
DELIVERED = (Budget(99.5, "at least"),)

FIGURES = (
    Figure("small", "cpu_us", "CPU per request of 1 KB", "µs", 1, (Budget(6, "nginx"), Budget(150, "litellm"))),
    Figure("large", "cpu_us", "CPU per request of 200 KB, 60 turns", "µs", 0, (Budget(10, "nginx"), Budget(1000))),
    Figure("images", "cpu_us", "CPU per request of 2 MB: images", "µs", 0),
    Figure("size-20k", "cpu_us", "CPU per request of 20 KB, 8 turns", "µs", 0),
    Figure("size-2m", "cpu_us", "CPU per request of 2 MB, 540 turns", "µs", 0),
    Figure("rate", "per_second", "Requests of 1 KB a second, 32 clients", "/s", 0, ratio=False),
    Figure("burst", "cpu_us", "CPU per chunk, bursts of 200", "µs", 2, (Budget(6, "nginx"), Budget(200, "litellm"))),
    Figure("paced-10", "cpu_us", "CPU per chunk, 10 streams, 20 ms apart", "µs", 1, PACED),
    Figure("paced-100", "cpu_us", "CPU per chunk, 100 streams", "µs", 1, PACED),
    Figure("paced-500", "cpu_us", "CPU per chunk, 500 streams", "µs", 1, PACED),
    Figure("paced-1000", "cpu_us", "CPU per chunk, 1,000 streams", "µs", 1, PACED),
    *(Figure(f"groups-{count}", "cpu_us", f"CPU per chunk, 20 streams, {count} at once every 20 ms", "µs", 2)
      for count in (1, 2, 5, 10, 50)),
    Figure("first", "first_p50_ms", "Added to the first delta, p50", "ms", 3, (Budget(0.3),), added=True),
    Figure("first", "first_p99_ms", "Added to the first delta, p99", "ms", 3, added=True),
    Figure("paced-10", "delay_p50_ms", "Added to a chunk, 10 streams, p50", "ms", 2, added=True),
    Figure("paced-10", "delay_p99_ms", "Added to a chunk, 10 streams, p99", "ms", 2, added=True),
    Figure("paced-100", "delay_p50_ms", "Added to a chunk, 100 streams, p50", "ms", 2, added=True),
    Figure("paced-100", "delay_p99_ms", "Added to a chunk, 100 streams, p99", "ms", 2, added=True),
    Figure("paced-500", "delay_p50_ms", "Added to a chunk, 500 streams, p50", "ms", 2, added=True),
    Figure("paced-500", "delay_p99_ms", "Added to a chunk, 500 streams, p99", "ms", 2, (Budget(25),), added=True),
    Figure("paced-500", "delivered", "Chunks delivered, 500 streams", "%", 1, DELIVERED, ratio=False, scale=100),
    Figure("paced-1000", "delay_p50_ms", "Added to a chunk, 1,000 streams, p50", "ms", 2, added=True),
    Figure("paced-1000", "delay_p99_ms", "Added to a chunk, 1,000 streams, p99", "ms", 2, added=True),
    Figure("paced-1000", "delivered", "Chunks delivered, 1,000 streams", "%", 1, ratio=False, scale=100),
    Figure("start", "start_s", "Start to the first answer", "s", 2, (Budget(0.5),)),
    Figure("start", "idle_mib", "Memory idle", "MiB", 1, (Budget(60),)),
    Figure("start", "streams_mib", "Memory added by 1,000 open streams", "MiB", 1, (Budget(40),)),
    Figure("soak", "growth_mib", "Memory added by the soak, 10 % abandoned", "MiB", 1, (Budget(3),), ratio=False),
)  # fmt: skip
"""In the order of the table. A soak that adds less than the budget is flat: an allocator wavers by as much."""


@dataclass(frozen=True, slots=True)
class Line:
    """A figure with what was measured."""

    figure: Figure
    medians: dict[str, float]
    """By subject. With `added`, of what is added to the direct way, and DIRECT's own."""
    spans: dict[str, tuple[float, float]]
    """The lowest and the highest round of each."""
    ratio: float | None
    """Of ours to nginx's: the median of the rounds' ratios."""
    lighter: float | None
    """LiteLLM's median by ours."""
    met: bool | None
    """Is the budget met? None where there is none, or it cannot be told."""


def lines(results: Results) -> list[Line]:
    """The table's lines, for the rows that were measured."""
    return [_line(figure, results[figure.row]) for figure in FIGURES if figure.row in results]


def _line(figure: Figure, samples: Mapping[str, Sequence[Sample]]) -> Line:
    series = {name: _series(figure, rounds) for name, rounds in samples.items()}
    series = {name: values for name, values in series.items() if any(value is not None for value in values)}
    if figure.added and DIRECT in series:
        direct = series[DIRECT]
        series = {name: values if name == DIRECT else _paired(values, direct, sub) for name, values in series.items()}
    known = {name: [value for value in values if value is not None] for name, values in series.items()}
    known = {name: values for name, values in known.items() if values}
    medians = {name: median(values) for name, values in known.items()}
    comparable = figure.ratio and not figure.added
    ratio = _ratio(series) if comparable else None
    lighter = None
    if comparable and medians.get(OURS) and LITELLM in medians:
        lighter = medians[LITELLM] / medians[OURS]
    sound = all(sample.is_sound for sample in samples.get(OURS, ()))
    met = _met(figure, medians.get(OURS), ratio, lighter)
    return Line(
        figure,
        medians,
        {name: (min(values), max(values)) for name, values in known.items()},
        ratio,
        lighter,
        met if met is None else met and sound,
    )


def _series(figure: Figure, rounds: Sequence[Sample]) -> list[float | None]:
    """The figure in each round; None where it was not to be had."""
    return [sample.values[figure.value] * figure.scale if figure.value in sample.values else None for sample in rounds]


def _paired(
    values: Sequence[float | None], floors: Sequence[float | None], combine: Callable[[float, float], float]
) -> list[float | None]:
    """`combine` of two subjects in each round that both have. The machine's moods are the same for both in a round."""
    return [
        None if value is None or floor is None else combine(value, floor)
        for value, floor in zip(values, floors, strict=False)
    ]


def _ratio(series: Mapping[str, Sequence[float | None]]) -> float | None:
    """Of ours to nginx's: the median of the rounds'. None where a difference is too near to zero for a ratio."""
    if OURS not in series or NGINX not in series:
        return None
    paired = _paired(series[OURS], series[NGINX], lambda value, floor: value / floor if floor > 0 else 0.0)
    told = [value for value in paired if value]
    return median(told) if told else None


def _met(figure: Figure, value: float | None, ratio: float | None, lighter: float | None) -> bool | None:
    if value is None:
        return None
    verdicts = [_keeps(budget, value, ratio, lighter) for budget in figure.budgets]
    told = [verdict for verdict in verdicts if verdict is not None]
    return all(told) if told else None


def _keeps(budget: Budget, value: float, ratio: float | None, lighter: float | None) -> bool | None:
    if budget.than == "nginx":
        return None if ratio is None else ratio <= budget.limit
    if budget.than == "litellm":
        return None if lighter is None else lighter >= budget.limit
    return value >= budget.limit if budget.than == "at least" else value <= budget.limit
