"""The settings file on disk (CONFIG_FILE): read at the start, and again when it changes."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from anthropic_proxy.env_file import with_keys
from anthropic_proxy.model_map import FileError, Read, read

VARIABLE = "CONFIG_FILE"


class SettingsFile:
    """One file, which may change."""

    def __init__(self, path: Path, environ: Callable[[], Mapping[str, str]]) -> None:
        """`environ` gives the variables that hold the keys, as they are when it is asked."""
        self.path = path
        self._environ = environ
        self._seen: tuple[int, ...] | None = None

    def read(self) -> Read:
        """What it says now. Raises SettingsError, of which FileError is one."""
        self._seen = self._state()
        try:
            text = self.path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise FileError(f"{VARIABLE}: cannot read {self.path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise FileError(f"{VARIABLE}: cannot read {self.path}: it is not UTF-8") from None
        return read(text, self.path.name, self._environ())

    def changed(self) -> bool:
        """Is it another one than was read last? One that is away for a moment is being written."""
        state = self._state()
        return state is not None and state != self._seen

    def _state(self) -> tuple[int, ...] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def settings_file(
    environ: Mapping[str, str], again: Callable[[], Mapping[str, str]] | None = None
) -> SettingsFile | None:
    """The file that `environ` names, if it names one. `again` gives the environment for a later reading."""
    name = environ.get(VARIABLE, "").strip()
    return SettingsFile(Path(name).expanduser(), again or (lambda: environ)) if name else None


def complete(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with what its files hold: settings of CONFIG_FILE that it has not, and the keys of PROXY_API_KEY_FILE.

    Raises SettingsError.
    """
    file = settings_file(environ)
    written = file.read().settings if file else {}
    given = {name: value for name, value in environ.items() if value.strip()}
    return with_keys({**environ, **written, **given})


def origin(variable: str, environ: Mapping[str, str]) -> str:
    """` (from models.yaml, line 3)`, if the setting is the file's; else nothing."""
    file = settings_file(environ)
    if file is None or not variable or environ.get(variable, "").strip():
        return ""  # An error of the file itself, which has no variable, says where it is.
    line = file.read().lines.get(variable)
    return f" (from {file.path.name}, line {line})" if line else ""
