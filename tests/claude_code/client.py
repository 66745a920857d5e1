"""Claude Code as npm has it: installed once in an environment of its own, run without a terminal and away from home."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.clients.install import ENVIRONMENTS, why_missing

ENDS_WITHIN = 120
"""Seconds. A run takes one or two."""

ALLOWED = "Bash Read Edit Write Agent WebSearch WebFetch StructuredOutput"
"""Tools that run without a question. The runs' backend is our script, which asks for nothing evil."""


NEWER = os.environ.get("CLAUDE_CODE")
"""Another Claude Code to judge by, in place of the pinned one: the program's path."""


def program() -> Path | None:
    """The client's own binary for this machine, if it is installed.

    Not the package's `bin/`, which an install script fills that we do not run.
    """
    if NEWER:
        return Path(NEWER)
    return next((ENVIRONMENTS / "claude-code").glob("node_modules/@anthropic-ai/claude-code-*/claude"), None)


def why_not() -> str | None:
    """Why it cannot run here; None if it can."""
    return None if NEWER else why_missing("claude-code")


class Run(NamedTuple):
    """What came of one run."""

    code: int
    messages: list[dict[str, Any]]
    """The lines of `--output-format stream-json`."""
    errors: str

    @property
    def result(self) -> dict[str, Any]:
        """The last line: the answer, or what went wrong."""
        assert self.messages, f"the client said nothing: {self.errors}"
        return self.messages[-1]

    @property
    def answer(self) -> str:
        """The answer as the person reads it, an error too."""
        return str(self.result["result"])

    @property
    def session(self) -> str:
        return str(self.result["session_id"])

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """Every block the model said, in order."""
        said = [message["message"] for message in self.messages if message["type"] == "assistant"]
        return [block for message in said for block in message["content"]]


class Desk(NamedTuple):
    """Where the client works: an empty home with a project in it, and a trap for what tries to leave the machine."""

    home: Path
    project: Path
    environ: Mapping[str, str]

    def command(self, *options: str, allowed: str = ALLOWED) -> list[str]:
        """The program and its options, for a run that takes its prompt from standard input."""
        found = program()
        assert found is not None
        shape = ["--output-format", "stream-json", "--verbose", "--permission-mode", "default"]
        return [str(found), "-p", *shape, "--allowedTools", allowed, *options]

    def run(self, base_url: str, prompt: str, *options: str, allowed: str = ALLOWED, **environ: str) -> Run:
        """One headless run to its end."""
        done = subprocess.run(
            self.command(*options, allowed=allowed),
            input=prompt,
            env={**self.environ, "ANTHROPIC_BASE_URL": base_url, **environ},
            cwd=self.project,
            capture_output=True,
            text=True,
            timeout=ENDS_WITHIN,
        )
        return Run(done.returncode, read_lines(done.stdout.splitlines()), done.stderr)

    @contextmanager
    def talk(self, base_url: str, *options: str) -> Iterator["Talk"]:
        """A run that takes several prompts, and can be interrupted."""
        shape = ["--input-format", "stream-json", "--include-partial-messages"]
        with subprocess.Popen(
            self.command(*shape, *options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**self.environ, "ANTHROPIC_BASE_URL": base_url},
            cwd=self.project,
            text=True,
        ) as process:
            try:
                yield Talk(process)
                process.communicate(timeout=ENDS_WITHIN)
            finally:
                process.kill()


class Talk:
    """A running client that reads JSON lines."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def say(self, text: str) -> None:
        """The person's next prompt."""
        self._write({"type": "user", "message": {"role": "user", "content": text}})

    def interrupt(self) -> None:
        """What Esc is on a terminal."""
        self._write({"type": "control_request", "request_id": "stop", "request": {"subtype": "interrupt"}})

    def until(self, kind: str, text: str = "") -> dict[str, Any]:
        """The next message of that type whose line holds `text`. Fails if the client ends first."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message: dict[str, Any] = json.loads(line)
            if message["type"] == kind and text in line:
                return message
        raise AssertionError(f"the client ended without a message of type {kind} with {text!r}")

    def _write(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()


def read_lines(lines: Sequence[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines if line.startswith("{")]


@contextmanager
def desk(folder: Path) -> Iterator[Desk]:
    """A place to work in `folder`. Fails at the end if the client tried to reach any host but this one."""
    home, project = folder / "home", folder / "project"
    home.mkdir()
    project.mkdir()
    with no_way_out() as proxies:
        # Built from nothing, so that neither keys nor settings of who runs the tests get in.
        yield Desk(
            home,
            project,
            {
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "HOME": str(home),
                "TMPDIR": str(home),
                "LANG": "C.UTF-8",
                "ANTHROPIC_AUTH_TOKEN": "anything",
                "ANTHROPIC_MODEL": "my-model",
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                **proxies,
            },
        )


@contextmanager
def no_way_out() -> Iterator[dict[str, str]]:
    """Variables that send whatever is not for this machine into a trap. Fails at the end if anything fell into it."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.setblocking(False)
        address = f"http://127.0.0.1:{trap.getsockname()[1]}"
        yield {"HTTP_PROXY": address, "HTTPS_PROXY": address, "NO_PROXY": "127.0.0.1,localhost"}
        assert _visitor(trap) is None, "the client tried to reach another host"


def _visitor(trap: socket.socket) -> object:
    try:
        return trap.accept()
    except BlockingIOError:
        return None
