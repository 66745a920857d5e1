"""What the command writes and shows besides its answers: recordings to be played back, and figures."""

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from tests.servers import ScriptedBackend, serving, streamed
from tests.test_cli import BACKEND, command, environment, served

ASKED = {"model": "m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "Hello?"}]}


def ask(address: str) -> bytes:
    headers = {"content-type": "application/json", "x-api-key": "sk-client-secret-1"}
    request = urllib.request.Request(f"{address}/v1/messages", json.dumps(ASKED).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        body: bytes = answer.read()
    return body


def test_an_exchange_is_recorded_and_played_back(tmp_path: Path) -> None:
    with (
        serving(ScriptedBackend(lambda request: streamed({"content": "Good "}, {"content": "day"}))) as backend,
        served("--backend-url", f"{backend}/v1", "--record", "recordings", cwd=tmp_path) as (process, lines),
    ):
        answer = ask(lines[0].split()[2])
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert "RECORD_DIR: prompts and replies are written to recordings" in errors
    (file,) = (tmp_path / "recordings").iterdir()
    recorded = json.loads(file.read_bytes())
    assert "".join(f"{event}\n\n" for event in recorded["answer"]["body"]).encode() == answer
    done = command("replay", str(file), cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[1:], done.stderr) == (0, ["the same now"], "")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port: int = bound.getsockname()[1]
        return port


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_figures_are_on_a_port_of_their_own(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / ".env").write_text(f"OPENAI_API_BASE={BACKEND}\nMETRICS={port}\n")
    with served(cwd=tmp_path) as (_, lines):
        address, figures = lines[0].split()[2], f"http://127.0.0.1:{port}"
        assert [status(f"{address}/health"), status(f"{address}/metrics")] == [200, 404]
        assert [status(f"{figures}/health"), status(f"{figures}/metrics")] == [404, 200]


def test_a_port_for_figures_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        program = [sys.executable, "-m", "anthropic_proxy", "serve", "--port", "0", "--backend-url", BACKEND]
        done = subprocess.run(
            program,
            cwd=tmp_path,
            env=environment(METRICS=str(port)),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == f"anthropic-proxy: METRICS: cannot listen on port {port}: Address already in use\n"
