"""The command: what it prints, what it reads, and how it gives up."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from anthropic_proxy import __version__
from anthropic_proxy.config import Settings
from anthropic_proxy.server.banner import banner
from tests.certificates import AUTHORITY, CERTIFICATE, KEY

BACKEND = "http://127.0.0.1:9/v1"
"""Nothing listens on that port, and nothing asks."""


def environment(**variables: str) -> dict[str, str]:
    """What the command inherits: the way to Python, and `variables`."""
    return {"PATH": os.environ["PATH"], **variables}


def command(*words: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "anthropic_proxy", *words],
        cwd=cwd,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_version(tmp_path: Path) -> None:
    done = command("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"anthropic-proxy {__version__}\n")


GIVES_UP = {
    "without a backend": ([], {}, None, "OPENAI_API_BASE: missing; "),
    "on a wrong option": (
        ["--port", "x"],
        {"OPENAI_API_BASE": BACKEND},
        None,
        "PORT='x': must be a whole number from 0 to 65535 (from --port)",
    ),
    "on a wrong variable": (
        [],
        {"OPENAI_API_BASE": BACKEND, "PORT": "x"},
        None,
        "PORT='x': must be a whole number from 0 to 65535",
    ),
    "on a wrong line of .env, which is named": (
        [],
        {},
        f"OPENAI_API_BASE={BACKEND}\n\nPORT=x\n",
        "PORT='x': must be a whole number from 0 to 65535 (from .env, line 3)",
    ),
    "on a line of .env that makes no sense": ([], {}, "MODEL=m\nwhat is this\n", ".env: line 2 is not NAME=value"),
    "on a reference that nothing replaced": (
        [],
        {},
        "OPENAI_API_BASE=http://${WHERE}/v1\n",
        "OPENAI_API_BASE: still holds ${WHERE}, which nothing replaced (from .env, line 1)",
    ),
    "on certificates that are not there": (
        ["--backend-url", "https://127.0.0.1:9/v1"],
        {"SSL_CERT_FILE": "/nowhere.pem"},
        None,
        "SSL_CERT_FILE: cannot read /nowhere.pem: ",
    ),
    "on a file of keys that is not there": (
        ["--backend-url", BACKEND],
        {"PROXY_API_KEY_FILE": "/nowhere.txt"},
        None,
        "PROXY_API_KEY_FILE: cannot read /nowhere.txt: No such file or directory",
    ),
    "on a certificate that is not there": (
        ["--backend-url", BACKEND],
        {"TLS_CERT_FILE": "/nowhere.pem", "TLS_KEY_FILE": "/nowhere.key"},
        None,
        "TLS_CERT_FILE or TLS_KEY_FILE cannot be read: No such file or directory",
    ),
    "on a certificate that is none": (
        ["--backend-url", BACKEND],
        {"TLS_CERT_FILE": __file__, "TLS_KEY_FILE": __file__},
        None,
        "TLS_CERT_FILE and TLS_KEY_FILE are not a certificate and its key in PEM: ",
    ),
    "on an open door": (["--backend-url", BACKEND, "--host", "0.0.0.0"], {}, None, "PROXY_API_KEY: missing; HOST=0.0"),
}


@pytest.mark.parametrize(("options", "variables", "env_file", "line"), GIVES_UP.values(), ids=GIVES_UP.keys())
def test_it_gives_up_in_one_line(
    options: list[str], variables: dict[str, str], env_file: str | None, line: str, tmp_path: Path
) -> None:
    if env_file is not None:
        (tmp_path / ".env").write_text(env_file)
    done = command("serve", *options, cwd=tmp_path, **variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"anthropic-proxy: {line}")
    assert done.stderr.count("\n") == 1


def test_it_gives_up_in_one_line_when_the_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command("serve", "--backend-url", BACKEND, "--port", str(port), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"anthropic-proxy: cannot listen on 127.0.0.1 port {port}: Address already in use\n"


@contextmanager
def served(*options: str, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The running command and the lines of its banner."""
    with subprocess.Popen(
        [sys.executable, "-m", "anthropic_proxy", "serve", "--port", "0", *options],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, [process.stdout.readline().rstrip("\n") for _ in range(5)]
        finally:
            process.kill()


def test_it_serves_and_stops_when_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"OPENAI_API_BASE={BACKEND}/chat/completions\nMODEL=from-the-file\n")
    with served("--model", "m", cwd=tmp_path) as (process, lines):
        address = lines[0].split()[2]
        assert lines == [
            f"anthropic-proxy {__version__}: {address} -> {BACKEND}",
            "models: MODEL=m",
            "To point a client at it:",
            f"  export ANTHROPIC_BASE_URL={address}",
            "  export ANTHROPIC_AUTH_TOKEN=anything",
        ]
        with urllib.request.urlopen(f"{address}/health", timeout=30) as response:
            assert response.status == 200
            assert response.headers["request-id"].startswith("req_")
            assert response.headers["server"] is None
        assert_answers_what_is_no_http(int(address.rpartition(":")[2]))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert "took /chat/completions off its end" in errors


def test_it_serves_https_with_a_certificate(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text(CERTIFICATE)
    (tmp_path / "key.pem").write_text(KEY)
    (tmp_path / ".env").write_text(f"OPENAI_API_BASE={BACKEND}\nTLS_CERT_FILE=cert.pem\nTLS_KEY_FILE=key.pem\n")
    with served(cwd=tmp_path) as (_, lines):
        address = lines[0].split()[2]
        assert lines[3] == f"  export ANTHROPIC_BASE_URL={address}"
        trusting = ssl.create_default_context(cadata=AUTHORITY)
        with urllib.request.urlopen(f"{address}/health", timeout=30, context=trusting) as response:
            assert (response.status, address.partition(":")[0]) == (200, "https")


def assert_answers_what_is_no_http(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"\x16\x03\x01 this is TLS\r\n\r\n")
        head, _, body = b"".join(iter(lambda: connection.recv(4096), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    error = json.loads(body)
    assert (error["type"], error["error"]["type"]) == ("error", "invalid_request_error")
    assert f"request-id: {error['request_id']}".encode() in head


BANNERS = {
    "every model that is set": (
        Settings(openai_api_base=BACKEND, model="m", reasoning_model="r"),
        "models: MODEL=m, REASONING_MODEL=r",
    ),
    "no model": (Settings(openai_api_base=BACKEND), "models: as the client asks"),
    "a wildcard address as one that can be connected to": (
        Settings(openai_api_base=BACKEND, host="0.0.0.0", proxy_api_key=SecretStr("very-secret")),
        "  export ANTHROPIC_BASE_URL=http://localhost:3000\n  export ANTHROPIC_AUTH_TOKEN=<the PROXY_API_KEY>",
    ),
    "an IPv6 address in brackets": (
        Settings(openai_api_base=BACKEND, host="::1"),
        "  export ANTHROPIC_BASE_URL=http://[::1]:3000",
    ),
    "whose key is forwarded": (
        Settings(openai_api_base=BACKEND, forward_key=True),
        "  export ANTHROPIC_AUTH_TOKEN=<your key for the backend>",
    ),
}


@pytest.mark.parametrize(("settings", "part"), BANNERS.values(), ids=BANNERS.keys())
def test_the_banner_shows(settings: Settings, part: str) -> None:
    shown = banner(settings, 3000)
    assert part in shown
    assert "very-secret" not in shown


def test_asking_for_the_version_loads_no_web_framework() -> None:
    code = "import sys, anthropic_proxy.cli; print({'fastapi', 'aiohttp', 'uvicorn', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "set()\n"
