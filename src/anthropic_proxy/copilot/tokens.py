"""The stored tokens: read, written and removed so that nobody else gets at them."""

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from anthropic_proxy.copilot.places import TOKEN_VARIABLE, Places, places

MODEL_PREFIX = "github_copilot/"
"""What LiteLLM's names of Copilot models begin with."""

LONGEST_TOKEN = 4096
"""Characters. GitHub's are about 40."""


class CopilotError(Exception):
    """Signing in or out failed. The text is for the user: what happened, and the way out."""


def needs_login(config: object, environ: Mapping[str, str] = os.environ) -> bool:
    """Does LiteLLM's configuration, parsed from its `config.yaml`, name a Copilot model while nobody is signed in?"""
    return names_copilot(config) and stored_token(places(environ)) is None


def names_copilot(config: object) -> bool:
    """Is a Copilot model in the `model_list` of LiteLLM's configuration?"""
    entries = config.get("model_list") if isinstance(config, dict) else None
    entries = entries if isinstance(entries, list) else []
    parameters = [entry.get("litellm_params") for entry in entries if isinstance(entry, dict)]
    return any(
        str(one.get("model")).startswith(MODEL_PREFIX) or one.get("custom_llm_provider") == MODEL_PREFIX.rstrip("/")
        for one in parameters
        if isinstance(one, dict)
    )


def stored_token(where: Places) -> str | None:
    """GitHub's token, if one is stored. Raises CopilotError if the file is there and cannot be read."""
    try:
        return checked_token(_text(where.access_token_file), str(where.access_token_file)) or None
    except FileNotFoundError:
        return None


def read_token(path: Path) -> str:
    """The token in a file. Raises CopilotError, also if there is none."""
    try:
        token = checked_token(_text(path), str(path))
    except FileNotFoundError:
        raise CopilotError(f"{path}: is not there") from None
    if not token:
        raise CopilotError(f"{path}: holds no token")
    return token


def _text(path: Path) -> str:
    """Raises FileNotFoundError, and CopilotError for what else can be wrong."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise CopilotError(f"{path}: cannot be read: {reason(error)}") from None


def checked_token(text: str, origin: str) -> str:
    """`text` without space around it, if it can be a token. Raises CopilotError naming the origin, not the text."""
    token = text.strip()
    if len(token) > LONGEST_TOKEN or not all("!" <= char <= "~" for char in token):
        raise CopilotError(f"{origin}: holds no token; it should be one line such as gho_…")
    return token


def store(where: Places, path: Path, text: str) -> None:
    """Writes one of the token files: whole or not at all, for its owner alone, and through no symbolic link.

    Makes the directory if need be. Raises CopilotError.
    """
    for place in dict.fromkeys((where.directory, path.parent, path)):
        if place.is_symlink():
            raise CopilotError(f"{place}: is a symbolic link, which is not followed; remove it")
    try:
        _make_directory(where, path.parent)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with open(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise CopilotError(
            f"{path}: cannot be written: {reason(error)}; GITHUB_COPILOT_TOKEN_DIR names another directory"
        ) from None


def store_from_environment(environ: Mapping[str, str] = os.environ) -> bool:
    """Stores the token of GITHUB_COPILOT_TOKEN where LiteLLM finds it, if there is one. Asks nobody.

    Says whether there is one. Raises CopilotError.
    """
    token = checked_token(environ.get(TOKEN_VARIABLE, ""), TOKEN_VARIABLE)
    where = places(environ)
    if token and token != stored_token(where):
        forget(where)
        store(where, where.access_token_file, token)
    return bool(token)


def forget(where: Places) -> list[Path]:
    """Removes the stored tokens, and returns what was there. Raises CopilotError."""
    gone = []
    for path in (where.access_token_file, where.api_key_file):
        try:
            path.unlink()
            gone.append(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise CopilotError(f"{path}: cannot be removed: {reason(error)}") from None
    return gone


def reason(error: OSError | UnicodeDecodeError) -> str:
    """The system's words for `error`, without the path."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else "not text"


def _make_directory(where: Places, directory: Path) -> None:
    """Makes a directory that only its owner enters. One that is there already keeps its mode, unless it is LiteLLM's
    own, which LiteLLM makes for everybody to read."""
    missing = [place for place in (directory, *directory.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(mode=0o700, exist_ok=True)
    if where.is_default and directory == where.directory:
        directory.chmod(0o700)
