"""The benchmark's arithmetic: from samples to medians, ratios and verdicts."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

import pytest

from bench import plot, report
from bench.figures import Line, lines
from bench.guard import Counts, compared
from bench.proxies import DIRECT, LITELLM, NGINX, OURS, Proxy
from bench.rows import ROWS
from bench.run import Run
from bench.samples import Sample, quantile
from bench.soak import growth

QUANTILES = {
    "the middle of three": ([3, 1, 2], 0.5, 2),
    "the highest": ([3, 1, 2], 0.99, 3),
    "one value is every quantile": ([7], 0.5, 7),
    "nothing": ([], 0.5, 0),
}


@pytest.mark.parametrize(("values", "share", "expected"), QUANTILES.values(), ids=QUANTILES.keys())
def test_quantiles(values: list[float], share: float, expected: float) -> None:
    assert quantile(values, share) == expected


def samples(value: str, *rounds: float, flaws: dict[str, int] | None = None) -> list[Sample]:
    return [Sample({value: figure}, flaws or {}) for figure in rounds]


def line(row: str, value: str, results: dict[str, list[Sample]]) -> Line:
    return next(line for line in lines({row: results}) if line.figure.value == value)


def test_a_figure_is_the_median_of_its_rounds() -> None:
    told = line("small", "cpu_us", {OURS: samples("cpu_us", 90, 100, 500), NGINX: samples("cpu_us", 10, 20, 30)})
    assert told.medians == {OURS: 100, NGINX: 20}
    assert told.spans[OURS] == (90, 500)


def test_a_ratio_is_taken_within_each_round() -> None:
    """In the second round the machine was three times slower for both."""
    told = line("small", "cpu_us", {OURS: samples("cpu_us", 50, 150, 50), NGINX: samples("cpu_us", 10, 30, 10)})
    assert told.ratio == 5


def test_what_is_added_is_taken_within_each_round() -> None:
    told = line(
        "first",
        "first_p50_ms",
        {OURS: samples("first_p50_ms", 0.5, 1.5, 0.5), DIRECT: samples("first_p50_ms", 0.25, 1.25, 0.25)},
    )
    assert told.medians == {OURS: 0.25, DIRECT: 0.25}
    assert told.ratio is None


def test_a_round_in_which_one_failed_is_left_out_of_the_ratio() -> None:
    ours = [Sample({"cpu_us": 50}), Sample({}, {"status 500": 3})]
    told = line("small", "cpu_us", {OURS: ours, NGINX: samples("cpu_us", 10, 10)})
    assert (told.ratio, told.met) == (5, False)


def small(ours: float, nginx: float | None = None, litellm: float | None = None) -> dict[str, list[Sample]]:
    figures = {OURS: ours, NGINX: nginx, LITELLM: litellm}
    return {name: samples("cpu_us", figure) for name, figure in figures.items() if figure is not None}


VERDICTS: dict[str, tuple[str, str, dict[str, list[Sample]], bool | None]] = {
    "within both budgets": ("small", "cpu_us", small(60, 10, 9000), True),
    "more than six times nginx": ("small", "cpu_us", small(61, 10, 60_000), False),
    "not light enough beside LiteLLM": ("small", "cpu_us", small(60, 10, 8000), False),
    "without LiteLLM the other budget counts": ("small", "cpu_us", small(60, 10), True),
    "with nothing to compare with nothing is said": ("small", "cpu_us", small(60), None),
    "a budget in its own unit needs no other": ("start", "start_s", {OURS: samples("start_s", 0.51)}, False),
    "chunks must be delivered": ("paced-500", "delivered", {OURS: samples("delivered", 0.99)}, False),
    "nearly all chunks in time is enough": ("paced-500", "delivered", {OURS: samples("delivered", 0.996)}, True),
    "a fast wrong answer meets no budget": (
        "start",
        "start_s",
        {OURS: samples("start_s", 0.1, flaws={"1 of 2 marks": 1})},
        False,
    ),
    "no budget, no verdict": ("images", "cpu_us", small(60, 10), None),
}


@pytest.mark.parametrize(("row", "value", "results", "expected"), VERDICTS.values(), ids=VERDICTS.keys())
def test_verdicts(row: str, value: str, results: dict[str, list[Sample]], expected: bool | None) -> None:
    assert line(row, value, results).met is expected


GROWTHS: dict[str, tuple[Sequence[float], float]] = {
    "flat is zero": ([60] * 8, 0),
    "the beginning does not count": ([50, 55, 60, 60, 60, 60, 60, 60], 0),
    "a leak is seen": ([60, 60, 61, 62, 63, 64, 65, 66], 5),
    "a single look is no growth": ([60], 0),
}


@pytest.mark.parametrize(("memory", "expected"), GROWTHS.values(), ids=GROWTHS.keys())
def test_growth(memory: Sequence[float], expected: float) -> None:
    assert growth([(number, level) for number, level in enumerate(memory)]) == expected


def test_a_proxy_that_falls_behind_is_spared_more_streams() -> None:
    run = Run()
    assert not run.is_beyond(LITELLM, ROWS["paced-500"])
    run.see_streams(LITELLM, ROWS["paced-100"], delivered=0.3)
    assert run.is_beyond(LITELLM, ROWS["paced-500"])
    assert not run.is_beyond(LITELLM, ROWS["paced-100"])
    assert not run.is_beyond(LITELLM, ROWS["small"])
    assert not run.is_beyond(OURS, ROWS["paced-500"])


def a_run() -> Run:
    run = Run()
    for name, results in small(60, 10, 9000).items():
        run.add("small", name, results[0])
    run.add("burst", OURS, Sample({"cpu_us": 3.0}, {"1 of 2 marks": 2}))
    run.add("burst", OURS, Sample({"cpu_us": 3.0}, {"1 of 2 marks": 1}))
    return run


def test_the_table_has_a_line_for_each_figure_and_says_what_was_met() -> None:
    first, second = report.table(a_run())[1:]
    assert first[-4:] == ["6.0x", "150x", "<= 6x nginx, >= 150x lighter than LiteLLM", "met"]
    assert second[:4] == ["CPU per chunk, bursts of 200, µs", "", "3.00", ""]


def test_wrong_replies_are_counted_over_the_rounds() -> None:
    assert report.flaws(a_run()) == [f"burst, {OURS}: 3 x 1 of 2 marks"]
    assert report.has_failed(a_run())


def test_columns_stand_under_one_another() -> None:
    written = report.aligned([["", "a"], ["long name", "1"], ["x", "1,000"]]).splitlines()
    assert written == [
        "|           |     a |",
        "|-----------|------:|",
        "| long name |     1 |",
        "| x         | 1,000 |",
    ]


def test_the_plot_is_svg_with_a_bar_for_each_figure() -> None:
    root = ElementTree.fromstring(plot.drawn(a_run().samples))
    assert len(root.findall("{http://www.w3.org/2000/svg}rect")) == 4


def test_the_port_and_the_upstream_are_filled_in_everywhere() -> None:
    proxy = Proxy("x", ("run", "--port", "{port}"), {"BASE": "http://127.0.0.1:{upstream}"}, {"a": "{port} {x}"})
    filled = proxy.filled(1, 2)
    assert (filled.command, dict(filled.environ), dict(filled.files)) == (
        ("run", "--port", "1"),
        {"BASE": "http://127.0.0.1:2"},
        {"a": "1 {x}"},
    )


GUARDED = {
    "as much as before": (Counts(1000, 100, 5000), []),
    "a tenth more is allowed": (Counts(1100, 110, 5500), []),
    "less is no fault": (Counts(1, 1, 1), []),
    "more is told by name": (Counts(1101, 100, 6000), ["instructions 1,101 instead of 1,000 (+10.1%)",
                                                       "peak_bytes 6,000 instead of 5,000 (+20.0%)"]),
}  # fmt: skip


@pytest.mark.parametrize(("counts", "expected"), GUARDED.values(), ids=GUARDED.keys())
def test_the_guard_compares_with_the_committed_figures(counts: Counts, expected: list[str]) -> None:
    assert compared(counts, Counts(1000, 100, 5000)) == expected
