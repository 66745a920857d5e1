"""Where the sign-in happens, and where its tokens are kept: as LiteLLM's provider has it."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

TOKEN_VARIABLE = "GITHUB_COPILOT_TOKEN"
"""Holds a GitHub token where nobody can type a code: containers, CI. LiteLLM itself does not read it."""

_CLIENT_ID = "Iv1.b507a08c87ecfe98"
"""The public id of the editor application that LiteLLM signs in as (litellm 1.105.2 and 1.109.1)."""


class Places(NamedTuple):
    """Files and addresses. LiteLLM reads the same environment variables (its authenticator.py, 1.105.2)."""

    directory: Path
    access_token_file: Path
    """Holds GitHub's token, which lives until it is revoked."""
    api_key_file: Path
    """Holds Copilot's own token, which lives for about half an hour, and the address it is good for. JSON."""
    is_default: bool
    """Is the directory the one that is LiteLLM's own?"""
    client_id: str
    device_code_url: str
    access_token_url: str
    api_key_url: str


def places(environ: Mapping[str, str]) -> Places:
    """The places that `environ` names. Empty variables count as unset."""

    def setting(name: str, default: str) -> str:
        return environ.get(f"GITHUB_COPILOT_{name}") or default

    own = Path.home() / ".config" / "litellm" / "github_copilot"
    # Relative names, and `~` which nothing replaced, are taken as LiteLLM takes them: from where it is started.
    directory = Path(setting("TOKEN_DIR", str(own)))
    return Places(
        directory=directory,
        access_token_file=directory / setting("ACCESS_TOKEN_FILE", "access-token"),
        api_key_file=directory / setting("API_KEY_FILE", "api-key.json"),
        is_default=directory == own,
        client_id=setting("CLIENT_ID", _CLIENT_ID),
        device_code_url=setting("DEVICE_CODE_URL", "https://github.com/login/device/code"),
        access_token_url=setting("ACCESS_TOKEN_URL", "https://github.com/login/oauth/access_token"),
        api_key_url=setting("API_KEY_URL", "https://api.github.com/copilot_internal/v2/token"),
    )
