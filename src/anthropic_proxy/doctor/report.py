"""What the doctor found: as lines for a reader, as one JSON object, as settings, as an exit code."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from anthropic_proxy import __version__
from anthropic_proxy.config import Settings
from anthropic_proxy.dialects import Dialect, entry_for, parse_overrides
from anthropic_proxy.dialects.overrides import overrides_text, value_text
from anthropic_proxy.doctor.diagnosis import Diagnosis
from anthropic_proxy.doctor.exchange import Cost, clipped
from anthropic_proxy.doctor.probe import WORKS, Facts, Finding, Verdict
from anthropic_proxy.env_file import quoted

WORKABLE = 0
UNWORKABLE = 1
WRONG_SETTINGS = 2
"""Exit codes: Claude Code can work with the backend; it cannot; the settings are wrong."""

_SECRET = {"headers"}
"""Facts whose values may hold a key. They are written to the file and not shown."""


class Row(NamedTuple):
    """One line of the table of capabilities."""

    name: str
    finding: Finding
    vital: bool = False


class Departure(NamedTuple):
    """A field of the dialect that is not as expected. The values are as DIALECT writes them."""

    field: str
    expected: str
    seen: str


@dataclass(slots=True)
class Report:
    """Filled in while the doctor is at work."""

    base_url: str
    model: str = ""
    dialect: str = ""
    rows: list[Row] = field(default_factory=list)
    problems: list[Diagnosis] = field(default_factory=list)
    """What must be mended."""
    notes: list[Diagnosis] = field(default_factory=list)
    """What may be in the way of others."""
    departures: list[Departure] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    """Variables that should be set, with their values."""
    cost: Cost = field(default_factory=Cost)
    seconds: float = 0.0

    @property
    def missing(self) -> list[str]:
        """What Claude Code needs and the backend was not seen to have."""
        return [row.name for row in self.rows if row.vital and row.finding.verdict not in WORKS]

    @property
    def exit_code(self) -> int:
        if any(problem.settings for problem in self.problems):
            return WRONG_SETTINGS
        return UNWORKABLE if self.problems or self.missing or not self.rows else WORKABLE


def departures(facts: Facts, expected: Dialect) -> dict[str, object]:
    """The facts that differ from what the dialect says."""
    names = (field.name for field in fields(Dialect))
    return {name: facts[name] for name in names if name in facts and facts[name] != getattr(expected, name)}


def as_departures(found: Facts, expected: Dialect) -> list[Departure]:
    return [
        Departure(name, value_text(name, getattr(expected, name)), value_text(name, value))
        for name, value in found.items()
    ]


def fitting(settings: Settings, expected: Dialect, found: Facts) -> dict[str, str]:
    """The variables that should be set so that the proxy knows all this from the start."""
    wanted: dict[str, str] = {}
    overrides = parse_overrides(settings.dialect)
    recognised = entry_for(settings.openai_api_base).dialect.name != expected.name
    if recognised and settings.backend is None and "name" not in overrides:
        wanted["BACKEND"] = expected.name
    if found:
        wanted["DIALECT"] = overrides_text({**overrides, **found})
    return wanted


VERDICTS: Mapping[Verdict, tuple[str, int]] = {
    "yes": ("yes", 32),
    "part": ("partly", 33),
    "no": ("no", 31),
    "unclear": ("unclear", 33),
    "skipped": ("-", 2),
}
"""The word for each verdict, and its colour on a terminal."""

NAME_WIDTH = 19
WORD_WIDTH = 7


def row_line(row: Row, colour: bool = False) -> str:
    """One line of the table."""
    word, code = VERDICTS[row.finding.verdict]
    shown = f"{word:<{WORD_WIDTH}}"
    if colour:
        shown = f"\x1b[{code}m{shown}\x1b[0m"
    return f"  {row.name:<{NAME_WIDTH}} {shown} {row.finding.says}".rstrip()


def diagnosis_line(diagnosis: Diagnosis) -> str:
    return f"{diagnosis.cause}: {diagnosis.remedy}" if diagnosis.remedy else diagnosis.cause


def shown_settings(settings: Mapping[str, str]) -> list[str]:
    """The lines for `.env`, without what may hold a key."""
    lines = []
    for name, value in settings.items():
        if name == "DIALECT":
            facts = parse_overrides(value)
            hidden = [f"{field}=…" for field in facts if field in _SECRET]
            value = " ".join([overrides_text({k: v for k, v in facts.items() if k not in _SECRET}), *hidden]).strip()
        lines.append(f"{name}={quoted(value)}")
    return lines


def closing_lines(report: Report, written: str = "") -> list[str]:
    """What follows the table. `written` names the file that the settings were saved to."""
    lines: list[str] = []
    if report.departures:
        lines += ["", "Other than the dialect says:"]
        lines += [f"  {one.field}: expected {one.expected}, seen {one.seen}" for one in report.departures]
    if report.settings:
        where = f"saved to {written}" if written else "for .env; `anthropic-proxy doctor --write` saves them"
        lines += ["", f"Settings that fit ({where}):"]
        lines += [f"  {line}" for line in shown_settings(report.settings)]
    for title, found in (("Note", report.notes), ("Problem", report.problems)):
        lines += ["", *(f"{title}: {diagnosis_line(one)}" for one in found)] if found else []
    return [*lines, "", conclusion(report), cost_line(report)]


def conclusion(report: Report) -> str:
    if report.exit_code == WORKABLE:
        return "Claude Code can work with this backend."
    if report.exit_code == WRONG_SETTINGS:
        return "The settings are wrong."
    needs = f": it needs {', '.join(report.missing)}" if report.missing and not report.problems else ""
    return f"Claude Code cannot work with this backend{needs}."


def cost_line(report: Report) -> str:
    requests, before, after = report.cost
    return f"This took {requests} requests, {before:,} tokens in, {after:,} out, {report.seconds:.0f} s."


def as_json(report: Report, written: str = "") -> dict[str, Any]:
    """The report for programs. Names and verdicts stay the same; the texts are for people."""
    return {
        "version": __version__,
        "base_url": clipped(report.base_url),
        "model": report.model,
        "dialect": report.dialect,
        "can_work": report.exit_code == WORKABLE,
        "exit_code": report.exit_code,
        "problems": [_diagnosis_object(one) for one in report.problems],
        "notes": [_diagnosis_object(one) for one in report.notes],
        "capabilities": [
            {"name": row.name, "verdict": row.finding.verdict, "says": row.finding.says, "vital": row.vital}
            for row in report.rows
        ],
        "departures": [one._asdict() for one in report.departures],
        "settings": dict(line.split("=", 1) for line in shown_settings(report.settings)),
        "written": written or None,
        "cost": report.cost._asdict(),
        "seconds": round(report.seconds, 1),
    }


def _diagnosis_object(diagnosis: Diagnosis) -> dict[str, Any]:
    return {"name": diagnosis.name, "cause": diagnosis.cause, "remedy": diagnosis.remedy}
