"""Holds the coverage of `wire` and `translate` above a floor, lines and branches each.

Run after `pytest --cov`; reads `.coverage` in the working directory.
"""

import contextlib
import io
import json
import sys

import coverage

FLOOR = 97.0
"""Percent. The pure core has no excuse: whatever it does can be shown on a literal."""

CORE = ["*/anthropic_proxy/wire/*", "*/anthropic_proxy/translate/*"]


def main() -> int:
    data = coverage.Coverage()
    data.load()
    data.report(include=CORE, show_missing=True, skip_covered=True)
    totals = core_totals(data)
    lines = share(totals["covered_lines"], totals["num_statements"])
    branches = share(totals["covered_branches"], totals["num_branches"])
    print(f"wire and translate: lines {lines:.1f} %, branches {branches:.1f} % (floor {FLOOR:.0f} %)")
    return 0 if min(lines, branches) > FLOOR else 1


def core_totals(data: coverage.Coverage) -> dict[str, int]:
    report = io.StringIO()
    with contextlib.redirect_stdout(report):
        data.json_report(include=CORE, outfile="-")
    totals: dict[str, int] = json.loads(report.getvalue())["totals"]
    return totals


def share(covered: int, of: int) -> float:
    return 100 * covered / of if of else 100.0


if __name__ == "__main__":
    sys.exit(main())
