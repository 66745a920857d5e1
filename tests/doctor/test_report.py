"""The report as lines, as settings and as an exit code."""

import io
from typing import Any

import pytest

from anthropic_proxy.config import Settings
from anthropic_proxy.dialects import PLAIN, dialect_for
from anthropic_proxy.doctor.diagnosis import Diagnosis
from anthropic_proxy.doctor.exchange import Cost
from anthropic_proxy.doctor.probe import Finding
from anthropic_proxy.doctor.report import (
    Report,
    Row,
    closing_lines,
    departures,
    diagnosis_line,
    fitting,
    row_line,
    shown_settings,
)
from anthropic_proxy.doctor.terminal import Lines, Live, shown_on

GOOD = Row("tools", Finding("yes"), vital=True)
BAD = Row("tools", Finding("no", "none came"), vital=True)
ODD = Row("stop", Finding("no", "ignored"))

EXIT_CODES: dict[str, tuple[dict[str, Any], int]] = {
    "all that Claude Code needs": ({"rows": [GOOD, ODD]}, 0),
    "something missing that it needs": ({"rows": [BAD]}, 1),
    "something nobody knows that it needs": ({"rows": [Row("tools", Finding("unclear"), vital=True)]}, 1),
    "something skipped that it needs": ({"rows": [Row("tools", Finding("skipped"), vital=True)]}, 1),
    "half of something that it needs": ({"rows": [Row("tools", Finding("part"), vital=True)]}, 0),
    "a backend that is down": ({"rows": [GOOD], "problems": [Diagnosis("refused", "", "", settings=False)]}, 1),
    "wrong settings": ({"rows": [GOOD], "problems": [Diagnosis("port_in_use", "", "")]}, 2),
    "wrong settings before anything was asked": ({"problems": [Diagnosis("setting", "", "")]}, 2),
    "a note alone": ({"rows": [GOOD], "notes": [Diagnosis("proxy_catches_loopback", "", "")]}, 0),
    "nothing at all": ({}, 1),
}


@pytest.mark.parametrize(("fields", "code"), EXIT_CODES.values(), ids=EXIT_CODES.keys())
def test_exit_code(fields: dict[str, Any], code: int) -> None:
    assert Report("http://h/v1", **fields).exit_code == code


FITTING: dict[str, tuple[dict[str, str], dict[str, object], dict[str, str]]] = {
    "nothing, where all is as expected": ({"openai_api_base": "https://api.openai.com/v1"}, {}, {}),
    "the facts, where the host tells the backend": (
        {"openai_api_base": "https://api.openai.com/v1"},
        {"stop_max": 0},
        {"DIALECT": "stop_max=0"},
    ),
    "the facts on top of those that are set": (
        {"openai_api_base": "https://api.openai.com/v1", "dialect": "stop_max=2 json=none"},
        {"stop_max": 0},
        {"DIALECT": "stop_max=0 json=none"},
    ),
    "the name, where the backend was recognised": (
        {"openai_api_base": "http://127.0.0.1:8000/v1"},
        {},
        {"BACKEND": "vllm"},
    ),
    "no name, where one is set": ({"openai_api_base": "http://127.0.0.1:8000/v1", "backend": "vllm"}, {}, {}),
    "no name, where the facts have one": (
        {"openai_api_base": "http://127.0.0.1:8000/v1", "dialect": "name=vllm"},
        {},
        {},
    ),
}


@pytest.mark.parametrize(("settings", "found", "expected"), FITTING.values(), ids=FITTING.keys())
def test_fitting(settings: dict[str, str], found: dict[str, object], expected: dict[str, str]) -> None:
    local = "127.0.0.1" in settings["openai_api_base"]
    dialect = dialect_for(settings["openai_api_base"], "m", name="vllm" if local else None)
    assert fitting(Settings.model_validate(settings), dialect, found) == expected


def test_a_fact_that_is_as_expected_is_no_departure() -> None:
    assert departures({"stop_max": 4, "json": "object"}, PLAIN) == {"json": "object"}


def test_headers_are_saved_and_not_shown() -> None:
    lines = shown_settings({"DIALECT": "headers=X-Key:very-secret stop_max=0"})
    assert lines == ['DIALECT="stop_max=0 headers=…"']


def test_what_cannot_work_says_what_it_needs() -> None:
    report = Report("http://h/v1", rows=[BAD], cost=Cost(3, 1200, 34), seconds=2.4)
    assert closing_lines(report)[-2:] == [
        "Claude Code cannot work with this backend: it needs tools.",
        "This took 3 requests, 1,200 tokens in, 34 out, 2 s.",
    ]


LINES: dict[str, tuple[Row, bool, str]] = {
    "plain": (ODD, False, "  stop                no      ignored"),
    "without words": (GOOD, False, "  tools               yes"),
    "in colour": (ODD, True, "  stop                \x1b[31mno     \x1b[0m ignored"),
    "skipped": (Row("stop", Finding("skipped", "needs tools")), False, "  stop                -       needs tools"),
}


@pytest.mark.parametrize(("row", "colour", "line"), LINES.values(), ids=LINES.keys())
def test_row_line(row: Row, colour: bool, line: str) -> None:
    assert row_line(row, colour) == line


def test_a_diagnosis_without_a_remedy_is_its_cause() -> None:
    assert diagnosis_line(Diagnosis("setting", "PORT: wrong", "")) == "PORT: wrong"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_file_gets_lines_and_no_commands() -> None:
    out = io.StringIO()
    show = shown_on(out, {"TERM": "xterm"})
    show.title(Report("http://h/v1", model="m"))
    show.begin("stop")
    show.waiting(5)
    show.row(ODD)
    assert out.getvalue() == (
        "http://h/v1, model m\n\n  busy; asking again in 5 s\n  stop                no      ignored\n"
    )


def test_a_terminal_gets_each_row_in_the_place_of_its_question() -> None:
    out = Terminal()
    show = shown_on(out, {"TERM": "xterm", "NO_COLOR": "1"})
    show.begin("stop")
    show.waiting(5)
    show.row(ODD)
    assert out.getvalue().split("\r\x1b[K") == [
        "",
        "  stop                …",
        "  stop                busy; asking again in 5 s …",
        "  stop                no      ignored\n",
    ]


TERMINALS: dict[str, tuple[io.StringIO, dict[str, str], type]] = {
    "a terminal": (Terminal(), {"TERM": "xterm"}, Live),
    "a terminal that knows no commands": (Terminal(), {"TERM": "dumb"}, Lines),
    "a file": (io.StringIO(), {"TERM": "xterm"}, Lines),
}


@pytest.mark.parametrize(("out", "environ", "kind"), TERMINALS.values(), ids=TERMINALS.keys())
def test_shown_on(out: io.StringIO, environ: dict[str, str], kind: type) -> None:
    assert type(shown_on(out, environ)) is kind
