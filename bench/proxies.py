"""The proxies that are measured, and how each is started in front of the upstream."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

OURS, NGINX, LITELLM = "anthropic-proxy", "nginx", "litellm"
DIRECT = "direct"
"""No proxy at all: what the upstream and the load generator take by themselves."""


@dataclass(frozen=True)
class Proxy:
    """How to start one. `{port}`, `{upstream}` (a port, too) and `{folder}` stand for what is known at the start."""

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """To be written into its working directory, by name."""
    path: str = "/v1/messages"
    headers: tuple[str, ...] = ("x-api-key: sk-bench",)
    starts_within: float = 20
    """Seconds until it answers, at most."""
    slow: bool = False
    """Gets fewer rounds, for its figures are far from the others'."""
    version: str = ""

    def filled(self, port: int, upstream: int) -> "Proxy":
        def fill(text: str) -> str:
            return text.replace("{port}", str(port)).replace("{upstream}", str(upstream))

        return Proxy(
            self.name,
            tuple(map(fill, self.command)),
            {name: fill(value) for name, value in self.environ.items()},
            {name: fill(text) for name, text in self.files.items()},
            self.path,
            self.headers,
            self.starts_within,
            self.slow,
            self.version,
        )


class Missing(Exception):
    """A proxy cannot be measured here. The message says why, and what would help."""


def ours(settings: Mapping[str, str]) -> Proxy:
    """This proxy with its defaults, but for `settings`."""
    return Proxy(
        OURS,
        (sys.executable, "-m", "anthropic_proxy", "serve"),
        {
            "OPENAI_API_BASE": "http://127.0.0.1:{upstream}/v1",
            "OPENAI_API_KEY": "sk-bench",
            "HOST": "127.0.0.1",
            "PORT": "{port}",
            **settings,
        },
        version=_output(sys.executable, "-m", "anthropic_proxy", "--version").removeprefix("anthropic-proxy "),
    )


def layers() -> list[Proxy]:
    """What the proxy stands on, passing on bytes, or JSON: see bench/layers.py."""
    return [
        Proxy(
            layer,
            (sys.executable, "-m", "bench.layers", layer, "{port}", "{upstream}"),
            {"PYTHONPATH": str(ROOT)},
        )
        for layer in ("bytes", "json")
    ]


NGINX_CONFIG = """
daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid nginx.pid;
error_log stderr error;
events { worker_connections 8192; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 3600;
    client_max_body_size 64m;
    client_body_buffer_size 4m;
    upstream backend {
        server 127.0.0.1:{upstream};
        keepalive 2048;
        keepalive_requests 1000000000;
        keepalive_timeout 3600;
    }
    server {
        listen 127.0.0.1:{port} backlog=4096;
        location / {
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_request_buffering off;
        }
    }
}
"""


def nginx() -> Proxy:
    """nginx, which passes bytes through: the price of a hop. Its temporary files stay in its working directory."""
    command = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if command is None:
        raise Missing("nginx is not installed, so there are no ratios and no verdicts: apt-get install nginx-light")
    return Proxy(
        NGINX,
        (command, "-p", "{folder}", "-c", "nginx.conf", "-e", "stderr"),
        files={"nginx.conf": NGINX_CONFIG},
        version=_output(command, "-v").rpartition("/")[2],
    )


LITELLM_CONFIG: dict[str, Any] = {
    "model_list": [
        {
            "model_name": "*",
            "litellm_params": {
                "model": "hosted_vllm/*",
                "api_base": "http://127.0.0.1:{upstream}/v1",
                "api_key": "sk-bench",
            },
        }
    ]
}

STAYS_HOME = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_TELEMETRY": "False",
}
"""Keeps LiteLLM's start off the network."""


def litellm() -> Proxy:
    """LiteLLM's own `/v1/messages`, in the environment that `run_tests.sh` makes."""
    python = ROOT / ".venvs" / "litellm" / "bin" / "python"
    if not python.exists():
        raise Missing("LiteLLM is not installed in .venvs/litellm: ./run_tests.sh makes that environment")
    arguments = ("--config", "config.yaml", "--host", "127.0.0.1", "--port", "{port}")
    version = "from importlib.metadata import version; print(version('litellm'))"
    return Proxy(
        LITELLM,
        (str(python), "-c", "from litellm import run_server; run_server()", *arguments),
        {**STAYS_HOME, "LITELLM_MASTER_KEY": "sk-bench", "LITELLM_LOG": "ERROR"},
        {"config.yaml": json.dumps(LITELLM_CONFIG)},
        starts_within=120,
        slow=True,
        version=_output(str(python), "-c", version),
    )


KNOWN: dict[str, Callable[[], Proxy]] = {NGINX: nginx, LITELLM: litellm}
"""Those that may be missing."""


def peers(file: Path) -> list[Proxy]:
    """Other proxies, from a JSON file: a list of objects with `name`, `command` (a list) and, as wanted, `environ`,
    `path`, `headers` (a list), `starts_within`, `slow` and `version`.

    They speak the Messages API and have their backend on `{upstream}`. Raises ValueError.
    """
    entries = json.loads(file.read_text())
    known = Proxy.__dataclass_fields__.keys()
    for entry in entries:
        if unknown := entry.keys() - known:
            raise ValueError(f"{file}: unknown field {min(unknown)}")
        if not {"name", "command"} <= entry.keys():
            raise ValueError(f"{file}: each peer needs a name and a command")
    return [_peer(entry) for entry in entries]


def _peer(entry: dict[str, Any]) -> Proxy:
    lists: dict[str, Any] = {name: tuple(entry[name]) for name in ("command", "headers") if name in entry}
    return Proxy(**{**entry, **lists})


def _output(*command: str) -> str:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env={**os.environ}
    )
    return done.stdout.strip()
