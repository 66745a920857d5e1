"""What a run has to say: the table, the notes, and the same as JSON and as a page."""

import os
import platform
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench.figures import Budget, Line, lines
from bench.process import cores
from bench.proxies import DIRECT, LITELLM, NGINX, OURS, ROOT, Proxy
from bench.run import Run
from bench.samples import Sample, Scale

VERDICTS = {True: "met", False: "NOT met", None: ""}

LIMITED = 0.95
"""Share of its core from which the load generator may have been what limited a rate."""

DISTURBED = 0.1
"""Share of the time in which a proxy may wait for its core, before a note says so."""


def table(run: Run) -> list[list[str]]:
    """The table as text, headings first."""
    told = lines(run.samples)
    others = sorted({name for line in told for name in line.medians} - {DIRECT, NGINX, LITELLM, OURS})
    names = [name for name in (DIRECT, NGINX, OURS, LITELLM, *others) if any(name in line.medians for line in told)]
    rows = [["", *names, "ours / nginx", "LiteLLM / ours", "budget", ""]]
    for line in told:
        cells = [_cell(line, name) for name in names]
        ratio = "" if line.ratio is None else f"{line.ratio:.1f}x"
        lighter = "" if line.lighter is None else f"{line.lighter:,.0f}x"
        budget = ", ".join(_budget(budget, line.figure.unit) for budget in line.figure.budgets)
        rows.append([f"{line.figure.title}, {line.figure.unit}", *cells, ratio, lighter, budget, VERDICTS[line.met]])
    return rows


def _cell(line: Line, name: str) -> str:
    if name not in line.medians:
        return ""
    text = f"{line.medians[name]:,.{line.figure.digits}f}"
    low, high = line.spans[name]
    if name == OURS and high > low:
        text += f" ({low:,.{line.figure.digits}f} to {high:,.{line.figure.digits}f})"
    return text


def _budget(budget: Budget, unit: str) -> str:
    return f"{budget.words} {unit}" if budget.than in ("itself", "at least") else budget.words


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns under one another; the first to the left, the rest to the right. It is a Markdown table, too."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    written = [
        "| " + " | ".join(cell.rjust(width) if number else cell.ljust(width)
                          for number, (cell, width) in enumerate(zip(row, widths, strict=True))) + " |"
        for row in rows
    ]  # fmt: skip
    rule = "|" + "|".join("-" * (width + 1) + (":" if number else "-") for number, width in enumerate(widths)) + "|"
    return "\n".join([written[0], rule, *written[1:]])


def flaws(run: Run) -> list[str]:
    """A line for each kind of wrong reply."""
    return _counted(run, lambda sample: sample.flaws)


def late(run: Run) -> list[str]:
    """A line for each kind of late reply."""
    return _counted(run, lambda sample: sample.late)


def _counted(run: Run, counts: Callable[[Sample], Mapping[str, int]]) -> list[str]:
    return [
        f"{row}, {subject}: {times:,} x {what}"
        for row, subjects in run.samples.items()
        for subject, samples in subjects.items()
        for what, times in _summed(map(counts, samples)).items()
    ]


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    summed: dict[str, int] = {}
    for what, times in [item for count in counts for item in count.items()]:
        summed[what] = summed.get(what, 0) + times
    return summed


def limits(run: Run) -> list[str]:
    """Where something else than the proxy may have been the limit."""
    return [
        line
        for row, subjects in run.samples.items()
        for subject, samples in subjects.items()
        if subject != DIRECT
        for line in _limits(f"{row}, {subject}", [sample.values for sample in samples])
    ]


def _limits(place: str, rounds: Sequence[Mapping[str, float]]) -> list[str]:
    metered = [values for values in rounds if "busy" in values]
    if not metered:
        return []
    busy, waited, load = (median(values[name] for values in metered) for name in ("busy", "waited", "load_busy"))
    found = []
    if load > LIMITED > busy:
        found.append(f"{place}: the load generator was {load:.0%} busy, so the proxy can do more")
    if waited > DISTURBED:
        found.append(f"{place}: something else ran on its core {waited:.0%} of the time, so delays and rates are poor")
    return found


def conditions(proxies: Sequence[Proxy], scale: Scale, settings: Mapping[str, str]) -> dict[str, str]:
    """Where and how it was measured."""
    load, proxy = cores()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _git(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "cores": f"proxy on core {proxy}, upstream and load generator together on core {load}"
        + (" (the same: this machine has but one, and the figures are poor)" if load == proxy else ""),
        "load of the machine": " ".join(f"{value:.2f}" for value in os.getloadavg()),
        "rounds": f"{scale.rounds}, interleaved; {scale.slow_rounds} for slow proxies",
        "Python": platform.python_version(),
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        "proxies": ", ".join(f"{proxy.name} {proxy.version}".strip() for proxy in proxies),
        "our settings": ", ".join(f"{name}={value}" for name, value in settings.items()) or "defaults",
    }


LIBRARIES = ("aiohttp", "fastapi", "httptools", "msgspec", "uvicorn", "uvloop")


def _git() -> str:
    def said(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    commit = said("rev-parse", "--short", "HEAD") or "unknown"
    return f"{commit} with changes in src" if said("status", "--porcelain", "src") else commit


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def as_json(run: Run, told: Mapping[str, str]) -> dict[str, Any]:
    """All of it, each round's values too."""
    return {
        "conditions": dict(told),
        "figures": [
            {
                "row": line.figure.row,
                "value": line.figure.value,
                "title": line.figure.title,
                "unit": line.figure.unit,
                "medians": line.medians,
                "spans": line.spans,
                "ratio_to_nginx": line.ratio,
                "lighter_than_litellm": line.lighter,
                "budget": [budget.words for budget in line.figure.budgets],
                "met": line.met,
            }
            for line in lines(run.samples)
        ],
        "samples": {
            row: {
                subject: [{"values": sample.values, "flaws": sample.flaws, "late": sample.late} for sample in samples]
                for subject, samples in subjects.items()
            }
            for row, subjects in run.samples.items()
        },
        "notes": run.notes,
    }


def page(run: Run, told: Mapping[str, str]) -> str:
    """RESULTS.md."""
    parts = [
        "# Results",
        "Written by `python -m bench --write`; [README.md](README.md) says what is measured and how.",
        aligned([["condition", "value"], *([name, value.replace("|", "/")] for name, value in told.items())]),
        aligned(table(run)),
        _list("Wrong replies", flaws(run)),
        _list("Late replies", late(run)),
        _list("Notes", [note.partition("\n")[0] for note in [*limits(run), *run.notes]]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def terminal(run: Run, told: Mapping[str, str]) -> str:
    """The same for a terminal."""
    parts = [
        "\n".join(f"{name}: {value}" for name, value in told.items()),
        aligned(table(run)),
        "\n".join(["wrong replies:", *flaws(run)]) if flaws(run) else "every reply was whole and right",
        "\n".join(["late replies:", *late(run)]) if late(run) else "",
        "\n".join([*limits(run), *(note.partition("\n")[0] for note in run.notes)]),
    ]
    return "\n\n".join(part for part in parts if part)


def _list(title: str, entries: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", *(f"- {entry}" for entry in entries)]) if entries else ""


def has_failed(run: Run) -> bool:
    """Did we give wrong replies?"""
    return any(sample.flaws for subjects in run.samples.values() for sample in subjects.get(OURS, ()))
