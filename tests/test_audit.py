"""The audit of the locks: what pip-audit reports, and what becomes of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = Path(__file__).parent.parent / ".ci" / "audit.py"

FINE = {"name": "fine", "version": "1.0", "vulns": []}
BROKEN = {"name": "broken", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1", "3.0"]}]}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found on PyPI"}

REPORTS: dict[str, tuple[list[object], int, list[str]]] = {
    "nothing known": ([FINE], 0, ["lock.txt: 1 packages audited, 0 vulnerabilities"]),
    "a vulnerability": (
        [FINE, BROKEN],
        1,
        ["lock.txt: 2 packages audited, 1 vulnerabilities", "  broken 2.0: PYSEC-1; mended in 2.1, 3.0"],
    ),
    "a package nobody knows": (
        [FINE, UNKNOWN],
        0,
        ["lock.txt: 1 packages audited, 0 vulnerabilities", "  unknown: not known to the service"],
    ),
    "nothing but such packages": (
        [UNKNOWN],
        0,
        ["lock.txt: not audited: the service that knows of vulnerabilities knew none of its packages"],
    ),
}


@pytest.mark.parametrize(("packages", "status", "lines"), REPORTS.values(), ids=REPORTS.keys())
def test_report(packages: list[object], status: int, lines: list[str], tmp_path: Path) -> None:
    done = audited(f"print({json.dumps(json.dumps({'dependencies': packages}))})", tmp_path)
    assert (done.returncode, done.stdout.splitlines()) == (status, lines)


FAILURES: dict[str, tuple[str, int, str]] = {
    "no network": (
        "requests.exceptions.ConnectionError: no route",
        0,
        "lock.txt: not audited: the service that knows of vulnerabilities cannot be reached",
    ),
    "a fault of its own": ("Traceback\nKeyError: 'x'", 1, "lock.txt: pip-audit failed: KeyError: 'x'"),
    "silence": ("", 1, "lock.txt: pip-audit failed: pip-audit said nothing"),
}


@pytest.mark.parametrize(("error", "status", "line"), FAILURES.values(), ids=FAILURES.keys())
def test_no_report_for(error: str, status: int, line: str, tmp_path: Path) -> None:
    done = audited(f"import sys; sys.exit({error!r} or 3)", tmp_path)
    assert (done.returncode, done.stdout.splitlines()) == (status, [line])


def audited(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The audit, with a script in place of pip-audit."""
    program = folder / "pip-audit"
    program.write_text(f"#!{sys.executable}\n{script}\n")
    program.chmod(0o700)
    command = [sys.executable, str(AUDIT), str(program), "lock.txt"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
