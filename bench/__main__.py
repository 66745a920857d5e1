"""`python -m bench`: measures this proxy beside others, and prints a table."""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import uvloop

from bench import plot, report
from bench.process import cores
from bench.proxies import KNOWN, LITELLM, NGINX, ROOT, Missing, Proxy, layers, ours, peers
from bench.rows import GROWS_FROM, ROWS
from bench.run import run
from bench.samples import QUICK, Scale

RESULTS = ROOT / "bench" / "RESULTS.md"
LAYER_ROWS = ["small", "large", "burst", "first", "paced-10", "paced-100", "paced-500"]
STARTED = time.monotonic()
PLOT = ROOT / "docs" / "assets" / "performance.svg"


def main(arguments: Sequence[str]) -> int:
    """0, or 1 if this proxy gave wrong replies."""
    options = _parser().parse_args(arguments)
    scale = QUICK if options.quick else Scale()
    if options.rounds:
        scale = replace(scale, rounds=options.rounds, slow_rounds=min(options.rounds, scale.slow_rounds))
    if options.soak_requests is not None:
        scale = replace(scale, soak_requests=options.soak_requests)
    names = options.only or (LAYER_ROWS if options.layers else _names(options.quick, options.growth))
    if scale.soak_requests == 0:
        names = [name for name in names if name != "soak"]
    settings = dict(options.set)
    without = {*options.without, *([LITELLM] if options.quick or options.growth or options.layers else [])}
    others = [*(layers() if options.layers else []), *(peers(options.peers) if options.peers else [])]
    proxies, notes = _proxies(settings, without, others)
    _allow_many_files()
    os.sched_setaffinity(0, {cores()[0]})
    told = report.conditions(proxies, scale, settings)
    done = uvloop.run(run(proxies, names, scale, _say))
    done.notes[:0] = notes
    print(report.terminal(done, told))
    if options.json:
        options.json.write_text(json.dumps(report.as_json(done, told), indent=2) + "\n")
    if options.write:
        RESULTS.write_text(report.page(done, told))
        PLOT.parent.mkdir(exist_ok=True)
        PLOT.write_text(plot.drawn(done.samples))
    return int(report.has_failed(done))


def _names(quick: bool, growth: bool) -> list[str]:
    if growth:
        return [name for name, row in ROWS.items() if row.growth or name in GROWS_FROM]
    return [name for name, row in ROWS.items() if not row.growth and (row.quick or not quick)]


def _proxies(settings: dict[str, str], without: set[str], others: list[Proxy]) -> tuple[list[Proxy], list[str]]:
    """Those that are to be measured, and a line for each that is missing."""
    found, notes = [], []
    for name, make in KNOWN.items():
        if name not in without:
            try:
                found.append(make())
            except Missing as error:
                notes.append(str(error))
    # After the floor and before the slow ones, so that floor and proxy are measured close together.
    found.insert(1 if found and found[0].name == NGINX else 0, ours(settings))
    return [*found, *others], notes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute: one short round, without LiteLLM")
    parser.add_argument("--growth", action="store_true", help="instead: how costs grow with sizes, groups and streams")
    parser.add_argument("--layers", action="store_true", help="instead: what of a cost is HTTP, JSON, and the rest")
    parser.add_argument("--only", type=_rows, metavar="ROW,ROW", help="rows to measure: " + ", ".join(ROWS))
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds, of which medians are taken (5)")
    parser.add_argument("--without", action="append", default=[], choices=KNOWN, help="leave this proxy out")
    parser.add_argument("--peers", type=Path, metavar="FILE", help="other proxies to measure; see bench/README.md")
    parser.add_argument(
        "--set", type=_setting, action="append", default=[], metavar="NAME=VALUE", help="a setting of ours"
    )
    parser.add_argument(
        "--soak-requests", type=int, metavar="N", help="requests of the soak (200,000); 0 leaves it out"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures of all rounds there")
    parser.add_argument("--write", action="store_true", help="rewrite bench/RESULTS.md and the plot of the README")
    return parser


def _rows(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in ROWS:
            raise argparse.ArgumentTypeError(f"no row {name!r}; there are {', '.join(ROWS)}")
    return names


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _allow_many_files() -> None:
    """A thousand streams are two thousand sockets here, and as many in a proxy, which inherits the limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _say(text: str) -> None:
    """What is going on, beside the table."""
    print(f"{time.monotonic() - STARTED:4.0f} s  {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
