"""A plugin of pytest's that writes the tables of `docs/clients.md` from the run: `make clients` uses it.

python -m pytest -p tests.clients.table tests/sdk tests/clients tests/claude_code
"""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.claude_code.client import program
from tests.clients.install import CLIENTS, ROOT
from tests.clients.test_clients import CALLS

PAGE = ROOT / "docs" / "clients.md"
MARK = "<!-- Written by `make clients` from here on. -->"

WORDS = {"passed": "yes", "failed": "**no**", "skipped": "not run"}

_reports: list[pytest.TestReport] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keeps what decides about a test: its call, or a set-up that skips or fails it."""
    if report.when == "call" or (report.when == "setup" and not report.passed):
        _reports.append(report)


def pytest_sessionfinish() -> None:
    by_hand, mark, _ = PAGE.read_text().partition(MARK)
    assert mark, f"{PAGE} has no line {MARK}"
    PAGE.write_text("\n".join([f"{by_hand}{MARK}\n", *_clients(), *_python_sdk(), *_claude_code()]) + "\n")


def _clients() -> Iterator[str]:
    scenes = list(CALLS)
    yield "## What each client got\n"
    yield f"| client | version | {' | '.join(scenes)} |"
    yield f"|---|---|{'---|' * len(scenes)}"
    outcomes: dict[str, dict[str, str]] = {}
    versions: dict[str, str] = {}
    for report in _of("tests/clients/"):
        found = re.search(r"test_a_program_gets_what_it_asks_for\[(.+)-(\w+)\]", report.nodeid)
        if found:
            outcomes.setdefault(found[1], {})[found[2]] = WORDS[report.outcome]
            versions.setdefault(found[1], str(_properties(report).get("version", "")))
    for client, seen in outcomes.items():
        yield f"| {client} | {versions[client]} | {' | '.join(seen.get(scene, '') for scene in scenes)} |"
    yield ""


def _python_sdk() -> Iterator[str]:
    """The official Python SDK has a program of its own, with more scenarios."""
    counts: dict[str, Counter[str]] = {}
    for report in _of("tests/sdk/"):
        found = re.search(r"\[(?:.*-)?([\d.]+)(?:-.*)?\]", report.nodeid)
        version = found[1] if found else "any"
        counts.setdefault(version, Counter())[report.outcome] += 1
    yield "| official Python SDK | tests passed | failed | not run |"
    yield "|---|---|---|---|"
    for name, count in counts.items():
        yield f"| {name} | {count['passed']} | {count['failed']} | {count['skipped']} |"
    yield ""


def _claude_code() -> Iterator[str]:
    yield f"## Claude Code {_claude_code_version()}\n"
    yield "| scenario | as it should be | requests upstream |"
    yield "|---|---|---|"
    for report in _of("tests/claude_code/test_claude_code.py"):
        calls = _properties(report).get("calls", "")
        yield f"| {_sentence(report.nodeid)} | {WORDS[report.outcome]} | {calls} |"


def _claude_code_version() -> str:
    found = program()
    if found is None:
        lock = json.loads(CLIENTS["claude-code"].lock.read_text())
        return str(lock["packages"]["node_modules/@anthropic-ai/claude-code"]["version"])
    return subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout.split()[0]


def _sentence(nodeid: str) -> str:
    """`test_x.py::test_a_word[and a case]` as words: the case, where it is a sentence, else all of it."""
    name, _, case = nodeid.rpartition("::")[2].partition("[")
    words = name.removeprefix("test_").replace("_", " ")
    case = case.removesuffix("]")
    if words in SAID_BY_CASES:
        return case
    return f"{words}: {case}" if case else words


SAID_BY_CASES = {"a prompt", "a fault passes"}


def _of(folder: str) -> list[pytest.TestReport]:
    return [report for report in _reports if report.nodeid.startswith(folder)]


def _properties(report: pytest.TestReport) -> dict[str, object]:
    return dict(report.user_properties)
