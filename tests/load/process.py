"""The proxy as a process of its own, as users start it, and what it holds: memory, files, connections."""

import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

LINUX_ONLY = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")

MIB = 2**20

STOPS_WITHIN = 30
"""Seconds. Only a proxy that hangs takes so long, if it has no running requests."""


class Proxy:
    """A running proxy."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self.process = process
        self._log = log
        assert process.stdout is not None
        banner = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+) ->", banner)
        assert found, banner + self.log
        self.port = int(found[1])
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def memory(self) -> int:
        """Resident memory, in bytes."""
        return self._status("VmRSS")

    @property
    def peak(self) -> int:
        """Most resident memory since `forget_peak`, in bytes."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    @property
    def files(self) -> int:
        """Open files, connections among them."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def _status(self, field: str) -> int:
        found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found
        return int(found[1]) * 1024


@contextmanager
def serving(backend_url: str, folder: Path, **settings: str) -> Iterator[Proxy]:
    """Starts the proxy in front of a backend, and stops it at the end. `settings` are variables in small letters."""
    variables = {
        "PATH": os.environ["PATH"],
        "PORT": "0",
        "OPENAI_API_BASE": f"{backend_url}/v1",
        "BACKEND": "plain",
        "LOG_FORMAT": "json",
        **{name.upper(): value for name, value in settings.items()},
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "anthropic_proxy", "serve"],
            cwd=folder,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    with process:
        try:
            yield Proxy(process, folder / "log")
        finally:
            process.terminate()
            try:
                process.wait(STOPS_WITHIN)
            finally:
                process.kill()


def allow_files(wanted: int) -> int:
    """How many files this process may open, once that has been raised as far as it goes and is wanted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft
