"""A process under test: pinned to one core, its CPU time and memory read from the kernel, stopped at the end."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

STOPS_WITHIN = 5.0
"""Seconds. Then it is killed."""


@cache
def cores() -> tuple[int, int]:
    """The core for the load generator and the one for the proxy: the same if there is only one.

    Those that this process may use when it first asks.
    """
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port: int = bound.getsockname()[1]
        return port


class Process:
    """A running program with a working directory of its own, in which it may write."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], core: int, files: Mapping[str, str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bench-"))
        for name, text in files.items():
            (self.folder / name).write_text(text)
        self.started = time.monotonic()
        with (self.folder / "log").open("wb") as log, _running_on(core):
            self._process = subprocess.Popen(
                [part.replace("{folder}", str(self.folder)) for part in command],
                env={**_plain_environ(), **environ},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def cpu(self) -> float:
        """Seconds of CPU time, user and system, of all its threads and of the processes it started."""
        return sum(map(_cpu_of, self._family()))

    def waited(self) -> float:
        """Seconds in which it could have run, but something else had its core. 0 where the kernel does not tell."""
        return sum(map(_waited_of, self._family()))

    def memory(self) -> float:
        """Resident memory in MiB, with that of the processes it started."""
        return sum(map(_resident, self._family())) / 2**20

    def pause(self) -> None:
        """Holds it, so that it cannot disturb the measurement of another."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.killpg(self._process.pid, signal.SIGCONT)

    def stop(self) -> None:
        if self.running:
            self.go_on()
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(STOPS_WITHIN)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _family(self) -> list[int]:
        family = [self._process.pid]
        for pid in family:
            family += _children(pid)
        return family


@contextmanager
def _running_on(core: int) -> Iterator[None]:
    """What is started in the block runs on `core`, and so do its threads."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _plain_environ() -> dict[str, str]:
    """This environment without what would configure a proxy or send it through another."""
    return {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _cpu_of(pid: int) -> float:
    """CPU seconds of a process to the nanosecond: /proc counts in hundredths, its CPU clock does not.

    The clock's number is made as the C library's clock_getcpuclockid makes it.
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def _waited_of(pid: int) -> float:
    """Nanoseconds in the queue of its core are the second number of each thread's schedstat."""
    try:
        threads = [file.read_text().split() for file in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    except OSError:
        return 0.0
    return sum(int(numbers[1]) for numbers in threads if len(numbers) > 1) / 1e9


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
