"""LiteLLM: where it is installed, what its configuration says, and the environment it gets."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from anthropic_proxy.copilot.tokens import names_copilot
from anthropic_proxy.up.failure import CannotStart

SERVER = "litellm:run_server"

DEMO_API_BASE = "DEMO_API_BASE"
"""Variable that `config.yaml` names as the address of the demo model."""

_ENVIRONMENT = "os.environ/"
"""What values begin with that LiteLLM takes from a variable."""

STAYS_HOME = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_TELEMETRY": "False",
}
"""Keeps it from fetching lists and telling its makers (litellm 1.105.2). It connects to the models' hosts only."""

QUIET = {
    "LITELLM_DONT_SHOW_FEEDBACK_BOX": "true",
    "LITELLM_DISABLE_ACCESS_LOG_PATHS": "/health/liveliness",
    "PYTHONUNBUFFERED": "1",
}

PRODUCTION = {"LITELLM_MODE": "PRODUCTION"}
"""Else it reads a `.env` by itself. It gets the variables of ours already, with the references in them resolved."""

NOT_FOR_LITELLM = frozenset(
    {
        # Its command line takes options from these, which are meant for others.
        *("HOST", "PORT", "DEBUG", "DETAILED_DEBUG", "NUM_WORKERS", "LIMIT_CONCURRENCY", "KEEPALIVE_TIMEOUT"),
        *("SSL_KEYFILE_PATH", "SSL_CERTFILE_PATH", "PROMETHEUS_METRICS_PORT", "MAX_REQUESTS_BEFORE_RESTART"),
        # It would set up its tables in whatever database these name, which is another program's.
        *("DATABASE_URL", "DIRECT_URL", "DATABASE_URL_READ_REPLICA"),
        *("DATABASE_HOST", "DATABASE_USERNAME", "DATABASE_PASSWORD", "DATABASE_NAME"),
        # What clients show the proxy is not for those behind it.
        *("PROXY_API_KEY", "RATE_LIMIT_STORE"),
    }
)
"""Variables kept from LiteLLM, but for those that its configuration names."""

LOOPBACK = "127.0.0.1,localhost,::1"


class Found(NamedTuple):
    """What `config.yaml` says, as far as it matters here."""

    models: list[str]
    """The names by which models can be asked for, in the file's order."""
    config: dict[str, Any]

    @property
    def wants_demo(self) -> bool:
        return self.names_variable(DEMO_API_BASE)

    @property
    def any_name(self) -> bool:
        """Does an entry with a wildcard take names that the file does not list?"""
        return any("*" in name for name in self.models)

    @property
    def names_copilot(self) -> bool:
        return bool(self.copilot_models)

    @property
    def copilot_models(self) -> list[str]:
        """The names behind which GitHub Copilot is."""
        entries = self.config["model_list"]
        return [entry["model_name"] for entry in entries if names_copilot({"model_list": [entry]})]

    def names_variable(self, name: str) -> bool:
        return f'"{_ENVIRONMENT}{name}"' in json.dumps(self.config)

    def master_key(self, environ: Mapping[str, str]) -> str | None:
        """The key that the file sets. LiteLLM prefers it to that of its environment."""
        settings = self.config.get("general_settings")
        key = settings.get("master_key") if isinstance(settings, dict) else None
        if not isinstance(key, str):
            return None
        return environ.get(key.removeprefix(_ENVIRONMENT)) if key.startswith(_ENVIRONMENT) else key


def interpreter(environ: Mapping[str, str]) -> str:
    """The Python that has LiteLLM: that of LITELLM_PYTHON, else this one, else that of the `litellm` on PATH.

    Raises CannotStart.
    """
    if named := environ.get("LITELLM_PYTHON"):
        if shutil.which(named) is None:
            raise CannotStart(f"LITELLM_PYTHON={named}: is no program")
        return named
    if find_spec("litellm") is not None:
        return sys.executable
    command = shutil.which("litellm", path=environ.get("PATH"))
    if command is not None:
        python = Path(command).resolve().parent / "python"
        if python.exists():
            return str(python)
    raise CannotStart(
        "LiteLLM is not installed; ./setup_litellm_copilot.sh does that, or LITELLM_PYTHON names the Python that has "
        "it. With another backend: OPENAI_API_BASE=http://… anthropic-proxy serve"
    )


def read_config(python: str, path: Path) -> Found:
    """What the file says, read by LiteLLM's own YAML parser. Raises CannotStart."""
    if not path.is_file():
        raise CannotStart(f"{path}: is not there; --config names LiteLLM's configuration file")
    script = Path(__file__).with_name("read_config.py")
    done = subprocess.run([python, str(script), str(path)], capture_output=True, text=True, check=False)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise CannotStart(f"{python} cannot read {path}: {last}") from None
    if "error" in answer:
        raise CannotStart(answer["error"])
    return Found(_model_names(answer["config"], path), answer["config"])


def _model_names(config: Mapping[str, Any], path: Path) -> list[str]:
    entries = config.get("model_list")
    if not isinstance(entries, list) or not entries:
        raise CannotStart(f"{path}: model_list: must be a list with at least one model")
    names = []
    for number, entry in enumerate(entries):
        name = entry.get("model_name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name:
            raise CannotStart(f"{path}: model_list.{number}.model_name: missing")
        names.append(name)
    return list(dict.fromkeys(names))


def environment(environ: Mapping[str, str], found: Found, key: str, address: str) -> dict[str, str]:
    """What LiteLLM gets: the user's variables without those that would mislead it, and `key` as its master key.

    `address` is where it will listen itself: sent there by OPENAI_API_BASE, it would ask itself for ever.
    """
    own = {name: value for name, value in environ.items() if name not in NOT_FOR_LITELLM or found.names_variable(name)}
    for name in ("OPENAI_API_BASE", "OPENAI_BASE_URL"):
        if same_place(own.get(name, ""), address):
            del own[name]
    for name in ("NO_PROXY", "no_proxy"):
        own[name] = ",".join(filter(None, (environ.get("NO_PROXY") or environ.get("no_proxy"), LOOPBACK)))
    return {**QUIET, **own, **STAYS_HOME, **PRODUCTION, "LITELLM_MASTER_KEY": key}


def same_place(url: str, address: str) -> bool:
    """Does the URL lead to that host and port of this machine?"""
    place = re.sub(r"^https?://", "", url).partition("/")[0]
    return re.sub(r"^(localhost|\[::1\])(?=:)", "127.0.0.1", place) == address


def arguments(config: Path, port: int) -> list[str]:
    return ["--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]


def debugging(environ: Mapping[str, str]) -> bool:
    """Has LiteLLM been asked to log everything?"""
    return environ.get("LITELLM_LOG", "").upper() == "DEBUG"


def clone() -> Path | None:
    """The folder that the set-up made `.venv` in, if this is that `.venv`."""
    folder = Path(sys.prefix).parent
    return folder if (folder / "config.yaml").is_file() and os.path.basename(sys.prefix) == ".venv" else None


def config_file(environ: Mapping[str, str]) -> Path:
    """LiteLLM's configuration: what LITELLM_CONFIG names, else `config.yaml` here, else that of the clone."""
    if named := environ.get("LITELLM_CONFIG"):
        return Path(named)
    here, home = Path("config.yaml"), clone()
    return here if home is None or here.is_file() else home / here
