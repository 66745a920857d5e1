"""A real LiteLLM proxy for tests, in the environment of its own that `run_tests.sh` makes."""

import json
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

LITELLM = Path(__file__).parent.parent.parent / ".venvs" / "litellm" / "bin" / "python"

STAYS_HOME = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_TELEMETRY": "False",
}
"""Keeps LiteLLM's start off the network."""

STARTED_WITHIN = 120
"""Seconds. LiteLLM takes about ten, and more on a loaded machine."""

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens URLs of this machine, whatever HTTP proxy the environment names."""


class LiteLLM(NamedTuple):
    """A LiteLLM proxy that answers."""

    base_url: str
    """Without a path."""
    key: str
    """Its master key."""


@contextmanager
def litellm_proxy(config: Mapping[str, Any], folder: Path, environ: Mapping[str, str] = {}) -> Iterator[LiteLLM]:
    """Runs LiteLLM with this configuration, its files in `folder`. Skips the test where it is not installed."""
    if not LITELLM.exists():
        pytest.skip("no environment with LiteLLM; ./run_tests.sh makes it")
    # JSON is YAML too.
    (folder / "config.yaml").write_text(json.dumps(config))
    key = f"sk-{secrets.token_hex(16)}"
    port = free_port()
    command = [str(LITELLM), "-c", "from litellm import run_server; run_server()", "--config", "config.yaml"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    base_url = f"http://127.0.0.1:{port}"
    variables = {**STAYS_HOME, **environ, "LITELLM_MASTER_KEY": key}
    with running(command, variables, folder, f"{base_url}/health/liveliness"):
        yield LiteLLM(base_url, key)


@contextmanager
def running(command: list[str], environ: Mapping[str, str], folder: Path, health: str) -> Iterator[None]:
    """Runs a server until the block ends. The block begins when `health` answers 200."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **environ}, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        try:
            started = _answers_in_time(process, health)
            assert started, (folder / "log").read_text()
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port: int = bound.getsockname()[1]
        return port


def _answers_in_time(process: subprocess.Popen[bytes], health: str) -> bool:
    give_up = time.monotonic() + STARTED_WITHIN
    while process.poll() is None and time.monotonic() < give_up:
        try:
            with DIRECT.open(health, timeout=5):
                return True
        except OSError:
            time.sleep(0.1)
    return False
