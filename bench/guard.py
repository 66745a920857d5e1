"""The guard: counts the work of three requests, and fails where one takes over a tenth more than the committed figures.

    python -m bench.guard            compares with bench/guard.json
    python -m bench.guard --update   rewrites it
    python -m bench.guard --where    shows the functions that run the most instructions

Work is counted, not timed, so that a loaded machine changes nothing: the bytecode instructions that run, the
calls of Python and C functions, and the most memory that is allocated at once. C code counts as one call; what it
does to a large body shows in the memory. The whole application runs, in one process: an ASGI request goes in, a
Replay answers in the backend's place, and the log line is written. The HTTP server and the HTTP client are not in it.
"""

import argparse
import asyncio
import gc
import io
import json
import os
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Message

from anthropic_proxy.config import Settings
from anthropic_proxy.server.app import create_app
from anthropic_proxy.server.logs import configure
from anthropic_proxy.upstream.replay import Recorded, Replay
from bench import bodies
from bench.marks import mark
from bench.upstream import chunk_event, stream_events, whole_body

FIGURES = Path(__file__).parent / "guard.json"

TOLERANCE = 0.10
"""Share by which a figure may grow."""

HASH_SEED = "0"
"""For PYTHONHASHSEED: the order of sets, and so the work done on them, must not vary."""

MOST_SHOWN = 25
"""Functions that `--where` lists."""

CHUNKS, READ = 1000, 10
"""A stream's chunks, and how many come with one read."""


class Work(NamedTuple):
    """One request and its reply."""

    request: bytes
    reply: Recorded


def works() -> dict[str, Work]:
    """What is counted, by name."""
    whole = Recorded(whole_body(mark(0)), headers={"content-type": "application/json"})
    one_read = len(chunk_event(mark(0))) * READ
    stream = Recorded(stream_events(CHUNKS), read_size=one_read)
    return {
        "small request": Work(bodies.small().encoded("bench-model", stream=False), whole),
        "large request": Work(bodies.large().encoded("bench-model", stream=False), whole),
        f"stream of {CHUNKS} chunks": Work(bodies.small().encoded("bench-model", stream=True), stream),
    }


class Counts(NamedTuple):
    """The work of one request."""

    instructions: int
    """Of Python's bytecode."""
    calls: int
    """Of Python and C functions; resumed generators count again."""
    peak_bytes: int
    """Most memory that was allocated at once, beyond what there was before."""


def counted(work: Work) -> tuple[Counts, Counter[CodeType]]:
    """Counts the request that follows two of its kind, which fill the caches. Instructions also by their function."""
    return asyncio.run(_counted(work))


async def _counted(work: Work) -> tuple[Counts, Counter[CodeType]]:
    settings = Settings(openai_api_base="http://127.0.0.1:1/v1", backend="plain")
    app = create_app(settings, Replay(work.reply))
    configure(settings, io.StringIO())
    for _ in range(2):
        await _post(app, work.request)
    gc.collect()
    gc.disable()
    tally = _Tally()
    tally.begin()
    await _post(app, work.request)
    tally.end()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    await _post(app, work.request)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    gc.enable()
    return Counts(tally.instructions.total(), tally.calls, peak - before), tally.instructions


class _Tally:
    """Counts what runs between `begin` and `end`."""

    def __init__(self) -> None:
        self.instructions: Counter[CodeType] = Counter()
        self.calls = 0

    def begin(self) -> None:
        sys.setprofile(self._profile)
        sys.settrace(self._trace)

    def end(self) -> None:
        sys.settrace(None)
        sys.setprofile(None)

    def _profile(self, frame: FrameType, event: str, arg: object) -> None:
        if event in ("call", "c_call"):
            self.calls += 1

    def _trace(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any]:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode":
            self.instructions[frame.f_code] += 1
        return self._trace


async def _post(app: ASGIApp, body: bytes) -> None:
    """One request and its answer, which must be a 200 and come to its end. Raises AssertionError."""
    incoming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    statuses: list[int] = []
    ended = False

    async def receive() -> Message:
        if incoming:
            return incoming.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        nonlocal ended
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
        else:
            ended = not message.get("more_body", False)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/messages",
        "raw_path": b"/v1/messages",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await app(scope, receive, send)
    assert (statuses, ended) == ([200], True)


def compared(counts: Counts, committed: Counts) -> list[str]:
    """What grew too much, in words."""
    return [
        f"{name} {now:,} instead of {before:,} ({now / before - 1:+.1%})"
        for name, now, before in zip(Counts._fields, counts, committed, strict=True)
        if now > before * (1 + TOLERANCE)
    ]


def committed_figures() -> dict[str, dict[str, list[int]]]:
    """The committed figures, by Python version and by work. Versions compile to different bytecode."""
    figures: dict[str, dict[str, list[int]]] = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    return figures


def main() -> int:
    """0, or 1 if there is more work than there was."""
    parser = argparse.ArgumentParser(prog="python -m bench.guard")
    parser.add_argument("--update", action="store_true", help=f"rewrite {FIGURES.name}")
    parser.add_argument("--where", action="store_true", help="show the functions that run the most instructions")
    options = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        os.execve(sys.executable, [sys.executable, "-m", "bench.guard", *sys.argv[1:]], _seeded())
    figures = committed_figures()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    counts = {}
    for name, work in works().items():
        counts[name], instructions = counted(work)
        if options.where:
            print(*_where(name, instructions), sep="\n")
    if options.update:
        figures[version] = {name: list(count) for name, count in counts.items()}
        FIGURES.write_text(json.dumps(figures, indent=2) + "\n")
    failed = False
    for name, count in counts.items():
        print(f"{name}: " + ", ".join(f"{value:,} {what}" for what, value in count._asdict().items()))
        if version not in figures:
            continue
        grown = compared(count, Counts(*figures[version][name]))
        for line in grown:
            print(f"  TOO MUCH: {line}")
        failed = failed or bool(grown)
    if version not in figures:
        print(f"no figures are committed for Python {version}: nothing to compare with")
    elif failed:
        print("Find what the work is for. Where it is worth its price: make guard-update, and say why in the commit.")
    return int(failed)


def _where(name: str, instructions: Counter[CodeType]) -> list[str]:
    total = instructions.total()
    return [f"{name}:"] + [
        f"  {count / total:6.1%}  {_place(code)} {code.co_qualname}"
        for code, count in instructions.most_common(MOST_SHOWN)
    ]


def _place(code: CodeType) -> str:
    return f"{'/'.join(Path(code.co_filename).parts[-2:])}:{code.co_firstlineno}"


def _seeded() -> dict[str, str]:
    return {**os.environ, "PYTHONHASHSEED": HASH_SEED}


if __name__ == "__main__":
    sys.exit(main())
