"""The variables that put Claude Code on the proxy, and how shells are told of them.

What Claude Code does with each was seen with version 2.1.330 on 2026-11-22.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

from anthropic_proxy.config import Settings
from anthropic_proxy.model_map import NO_MAP, ModelMap
from anthropic_proxy.model_map.names import TIERS

LOOPBACK = "127.0.0.1,localhost,::1"


class Limits(NamedTuple):
    """How much the model can take, in tokens, where that is known."""

    window: int | None = None
    output: int | None = None


WINDOW = "CLAUDE_CODE_MAX_CONTEXT_TOKENS"


def variables(
    settings: Settings, base_url: str, limits: Limits, environ: Mapping[str, str], models: ModelMap = NO_MAP
) -> dict[str, str | None]:
    """What to set, and with None what to unset. What the user has chosen in `environ` stays, but for the way in.

    A tier for which `models` has an entry of its own stays Claude Code's, or that entry would never be asked for.
    """
    model = settings.reasoning_model or settings.model or settings.completion_model
    wishes: dict[str, str] = {
        # A line in the system prompt that changes with each conversation spoils the backend's cache.
        "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",
        # Updates, telemetry and error reports go elsewhere.
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    if model:
        wishes["ANTHROPIC_MODEL"] = model
        mapped = {rule.pattern for rule in models.rules}
        wishes |= {f"ANTHROPIC_DEFAULT_{tier.upper()}_MODEL": model for tier in TIERS if tier not in mapped}
    if model and limits.window:
        # It takes models it does not know for ones of a million tokens, and would compact too late.
        wishes[WINDOW] = str(limits.window)
    if model and limits.output:
        wishes["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] = str(limits.output)
    chosen = {name: value for name, value in wishes.items() if not environ.get(name)}
    return {
        "ANTHROPIC_BASE_URL": base_url,
        "ANTHROPIC_AUTH_TOKEN": token(settings),
        # With two credentials it would warn, and perhaps send the user's own key here.
        "ANTHROPIC_API_KEY": None,
        **chosen,
        "NO_PROXY": with_loopback(environ.get("NO_PROXY") or environ.get("no_proxy") or ""),
    }


def unknown_window(settings: Settings, limits: Limits, environ: Mapping[str, str]) -> str | None:
    """What the user ought to know where nobody says how much the model can take."""
    model = settings.reasoning_model or settings.model or settings.completion_model
    if not model or limits.window or environ.get(WINDOW):
        return None
    return f"how many tokens {model} can take is not known, and Claude Code assumes a million; set {WINDOW}"


def token(settings: Settings) -> str:
    """What the proxy wants to be shown."""
    if settings.proxy_keys:
        return settings.proxy_keys[0]
    if settings.forward_key and settings.openai_api_key is not None:
        return settings.openai_api_key.get_secret_value()
    return "anything"


def with_loopback(no_proxy: str) -> str:
    """That list of hosts, with this machine in it."""
    known = [host.strip() for host in no_proxy.split(",") if host.strip()]
    return ",".join([*known, *(host for host in LOOPBACK.split(",") if host not in known)])


class Shell(StrEnum):
    """Shells whose language we speak. `sh` is bash's and zsh's too."""

    SH = "sh"
    FISH = "fish"
    POWERSHELL = "powershell"


def shell_of(environ: Mapping[str, str]) -> Shell:
    """The user's shell."""
    login_shell = environ.get("SHELL", "")
    if login_shell.endswith("fish"):
        return Shell.FISH
    return Shell.POWERSHELL if not login_shell and "PSModulePath" in environ else Shell.SH


def lines(shell: Shell, values: Mapping[str, str | None]) -> list[str]:
    """Statements that set and unset these variables."""
    sets, unsets = _STATEMENTS[shell]
    return [unsets(name) if value is None else sets(name, value) for name, value in values.items()]


def _sh(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def _fish(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _powershell(value: str) -> str:
    # It takes typographic quotes for quotes, too.
    return "'" + "".join(char * 2 if char in "'\u2018\u2019\u201a\u201b" else char for char in value) + "'"


_STATEMENTS: dict[Shell, tuple[Callable[[str, str], str], Callable[[str], str]]] = {
    Shell.SH: (lambda name, value: f"export {name}={_sh(value)}", lambda name: f"unset {name}"),
    Shell.FISH: (lambda name, value: f"set -gx {name} {_fish(value)}", lambda name: f"set -e {name}"),
    Shell.POWERSHELL: (
        lambda name, value: f"$env:{name} = {_powershell(value)}",
        lambda name: f"Remove-Item Env:{name} -ErrorAction SilentlyContinue",
    ),
}
