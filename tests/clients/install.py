"""Installs the clients that the tests play: each in an environment of its own under `.venvs`, as its lock pins it.

    python tests/clients/install.py              all of them
    python tests/clients/install.py claude-code  the named ones

What cannot be installed is said, with the reason, and the tests of it are skipped with the same words.
The exit status is 0 all the same: a machine without Node can test the rest.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENTS = ROOT / ".venvs"
INSTALLED = "installed.txt"
"""A copy of the lock, in an environment that is whole."""
FAILED = "failed.txt"
"""Why there is none, in one line."""

NODE = Path(__file__).parent / "node"
REQUIREMENTS = ROOT / "requirements"


class CannotInstall(Exception):
    """In words for the one who reads why a test was skipped."""


class Environment(NamedTuple):
    """One environment: its lock, and how it is filled."""

    lock: Path
    fill: Callable[[Path, Path], None]


def python_packages(folder: Path, lock: Path) -> None:
    """A virtual environment with what a requirements file pins. uv does not read pip's settings, so pip is second."""
    python = folder / "bin" / "python"
    uv = shutil.which("uv") or shutil.which("uv", path=str(ROOT / ".venv" / "bin"))
    # Trust whom the machine trusts, as pip does.
    environ = {"UV_SYSTEM_CERTS": "true", **os.environ}
    if uv is not None:
        _run([uv, "venv", "--quiet", "--seed", "--clear", "--python", sys.executable, str(folder)], environ)
    else:
        _run([sys.executable, "-m", "venv", "--clear", str(folder)], environ)
    pinned = ["--quiet", "--require-hashes", "--requirement", str(lock)]
    try:
        if uv is None:
            raise CannotInstall
        _run([uv, "pip", "install", "--python", str(python), *pinned], environ)
    except CannotInstall:
        _run([str(python), "-m", "pip", "--disable-pip-version-check", "install", *pinned], environ)


def node_packages(folder: Path, lock: Path) -> None:
    """A folder with what a `package-lock.json` pins."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise CannotInstall("needs Node and npm, which are not on PATH")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(lock.parent / name, folder / name)
    # No install scripts: none of these clients needs one to run.
    _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], dict(os.environ), folder)


def _run(command: list[str], environ: dict[str, str], folder: Path = ROOT) -> None:
    try:
        done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True)
    except OSError as error:
        raise CannotInstall(f"{command[0]}: {error.strerror}") from None
    if done.returncode != 0:
        words = [line for line in done.stderr.splitlines() if line.strip()]
        raise CannotInstall(
            f"{Path(command[0]).name} failed: {words[0] if words else f'exit status {done.returncode}'}"
        )


CLIENTS = {
    "claude-code": Environment(ROOT / "tests" / "claude_code" / "package-lock.json", node_packages),
    "client-typescript-sdk": Environment(NODE / "typescript-sdk" / "package-lock.json", node_packages),
    "client-vercel-ai": Environment(NODE / "vercel-ai" / "package-lock.json", node_packages),
    "client-agent-sdk": Environment(REQUIREMENTS / "client-agent-sdk.txt", python_packages),
    "client-langchain": Environment(REQUIREMENTS / "client-langchain.txt", python_packages),
    "client-pydantic-ai": Environment(REQUIREMENTS / "client-pydantic-ai.txt", python_packages),
    "client-llm": Environment(REQUIREMENTS / "client-llm.txt", python_packages),
    "litellm": Environment(REQUIREMENTS / "litellm.txt", python_packages),
}
"""Environments by the name of their folder in `.venvs`. LiteLLM's is the one with its proxy, for other tests too."""


def why_missing(name: str) -> str | None:
    """Why the environment cannot be used; None if it is whole. A stale one is not used: its versions are others."""
    folder, lock = ENVIRONMENTS / name, CLIENTS[name].lock
    if _text(folder / INSTALLED) == lock.read_text():
        return None
    failed = _text(folder / FAILED)
    return f"{name}: {failed.strip()}" if failed else f"{name} is not installed: `make clients` does it"


def install(name: str) -> str | None:
    """Makes the environment, if it is missing or stale. Returns why that failed, or None."""
    if why_missing(name) is None:
        return None
    folder, environment = ENVIRONMENTS / name, CLIENTS[name]
    (folder / INSTALLED).unlink(missing_ok=True)
    try:
        environment.fill(folder, environment.lock)
    except CannotInstall as error:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FAILED).write_text(f"{error}\n")
        return str(error)
    (folder / FAILED).unlink(missing_ok=True)
    shutil.copy(environment.lock, folder / INSTALLED)
    return None


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def main(*names: str) -> None:
    for name in names or CLIENTS:
        if why_missing(name) is not None:
            print(f"installing {name} into {ENVIRONMENTS.name}", flush=True)
            if failure := install(name):
                print(f"  not installed: {failure}")


if __name__ == "__main__":
    main(*sys.argv[1:])
