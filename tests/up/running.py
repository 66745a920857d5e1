"""`anthropic-proxy up` in a process of its own, with a stand-in for LiteLLM behind it."""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

from tests.grammar import parse_stream, violations
from tests.servers import wait_until

FAKE = Path(__file__).parent / "fake"

CONFIG: dict[str, Any] = {
    "model_list": [
        {"model_name": "first", "litellm_params": {"model": "openai/one"}},
        {"model_name": "second", "litellm_params": {"model": "openai/two"}},
    ]
}

ENDS_WITHIN = 60
"""Seconds. Only a broken command takes so long."""

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens URLs of this machine, whatever HTTP proxy the environment names."""


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """What the command inherits: nothing of ours but the way to Python."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(FAKE),
        "LITELLM_PYTHON": sys.executable,
        "FAKE_LITELLM_LOG": str(folder / "starts"),
        "PORT": "0",
        "LITELLM_PORT": "0",
        **variables,
    }


def words(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "anthropic_proxy", *arguments]


def written_config(folder: Path, config: Mapping[str, Any] = CONFIG) -> None:
    (folder / "config.yaml").write_text(json.dumps(config))


class Up:
    """The running command."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.lines: list[str] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line.rstrip("\n") for line in self.process.stdout)

    @property
    def base_url(self) -> str:
        """Of the proxy, once the banner is there."""
        self.wait_for("Ctrl-C stops both.")
        (line,) = [line for line in self.lines if line.startswith("anthropic-proxy ")]
        return line.split()[2]

    @property
    def starts(self) -> list[dict[str, Any]]:
        """What LiteLLM was given at each of its starts: pid, argv, environ."""
        log = self.folder / "starts"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def wait_for(self, text: str, times: int = 1) -> None:
        wait_until(lambda: self.seen(text) >= times or self.process.poll() is not None, ENDS_WITHIN)
        assert self.seen(text) >= times, "\n".join(self.lines)

    def seen(self, text: str) -> int:
        """In how many lines."""
        return sum(text in line for line in list(self.lines))

    def children(self) -> dict[str, int]:
        """The running servers and their processes."""
        found = {}
        for pid in processes():
            if parent_of(pid) == self.process.pid:
                target = next((word for word in command_of(pid) if ":" in word), "")
                found[{"litellm:run_server": "litellm"}.get(target, "proxy")] = pid
        return found

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tells it to stop, and returns its exit code."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        code = self.process.wait(ENDS_WITHIN)
        self._reading.join(ENDS_WITHIN)
        return code


@contextmanager
def up(folder: Path, *options: str, **variables: str) -> Iterator[Up]:
    """Runs `up` in `folder`. Afterwards nothing of it is left."""
    if not (folder / "config.yaml").exists():
        written_config(folder)
    with subprocess.Popen(
        words("up", *options),
        cwd=folder,
        env=environment(folder, **variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield Up(process, folder)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(ENDS_WITHIN)


def ask(base_url: str, model: str, text: str = "hello") -> dict[str, Any]:
    """A whole reply."""
    with DIRECT.open(_request(base_url, {"model": model}, text), timeout=ENDS_WITHIN) as answer:
        message: dict[str, Any] = json.loads(answer.read())
        return message


class Stream(threading.Thread):
    """A stream that runs while the test does other things."""

    def __init__(self, base_url: str, seconds: float) -> None:
        super().__init__(daemon=True)
        self._request = _request(base_url, {"model": "first", "stream": True}, f"seconds={seconds}")
        self._read = b""
        self.start()
        wait_until(lambda: b"content_block_delta" in self._read or not self.is_alive())

    def run(self) -> None:
        # One that is cut is seen by its events.
        with suppress(OSError, HTTPException), DIRECT.open(self._request, timeout=ENDS_WITHIN) as answer:
            while some := answer.read1():
                self._read += some

    def events(self) -> list[dict[str, Any]]:
        """All of them, once it has ended. They are legal."""
        self.join(ENDS_WITHIN)
        assert not self.is_alive()
        events = parse_stream(self._read)
        assert violations(events) == []
        return list(events)


def _request(base_url: str, fields: dict[str, Any], text: str) -> urllib.request.Request:
    body = {"max_tokens": 1000, "messages": [{"role": "user", "content": text}], **fields}
    return urllib.request.Request(
        f"{base_url}/v1/messages", json.dumps(body).encode(), {"content-type": "application/json"}
    )


def processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def alive(pid: int) -> bool:
    """Is it running? One that has ended and was not asked how is not."""
    return _status(pid)[:1] not in ([], ["Z"])


def parent_of(pid: int) -> int:
    return int((_status(pid) or ["", "0"])[1])


def command_of(pid: int) -> list[str]:
    return _content(Path(f"/proc/{pid}/cmdline")).split("\0")


def environment_of(pid: int) -> list[str]:
    """`NAME=value` each."""
    return _content(Path(f"/proc/{pid}/environ")).split("\0")


def _status(pid: int) -> list[str]:
    """State, parent, and so on: what stands behind the name in /proc/PID/stat."""
    return _content(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()


def _content(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def all_gone(pids: list[int]) -> bool:
    wait_until(lambda: not any(map(alive, pids)))
    return not any(map(alive, pids))
