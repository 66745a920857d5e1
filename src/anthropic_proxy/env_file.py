"""The `.env` file: read with its references resolved, and changed without touching its other lines."""

import os
import re
import tempfile
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from anthropic_proxy.config import SettingsError

PRIVATE = 0o600
"""Mode of a new file: it will hold keys."""

_KEYS, _KEYS_FILE = "PROXY_API_KEY", "PROXY_API_KEY_FILE"
_REFERENCE = re.compile(r"\$\{(\w+)\}")
_BOM = "\ufeff"


def read_env_file(path: Path, environ: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """Variables in a `.env` file, each with its value and line. No file, no variables.

    `${NAME}` stands for an earlier variable of the file or one of `environ`. One that nobody knows
    stays as it is, for Settings to complain of. Raises SettingsError for a line that makes no sense.
    """
    found: dict[str, tuple[str, int]] = {}
    for binding in parse_stream(StringIO(_text(path).removeprefix(_BOM))):
        line = _line(binding)
        if binding.error:
            raise SettingsError(str(path), f": line {line} is not NAME=value")
        if binding.key is None or binding.value is None:
            continue
        value = _REFERENCE.sub(lambda match: _lookup(match, environ, found), binding.value)
        found[binding.key] = (value, line)
    return found


def with_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with the keys of PROXY_API_KEY_FILE in PROXY_API_KEY, behind those it has.

    Raises SettingsError where the file cannot be read or has no keys.
    """
    name = environ.get(_KEYS_FILE, "").strip()
    if not name:
        return dict(environ)
    try:
        lines = Path(name).read_text(encoding="utf-8").removeprefix(_BOM).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(_KEYS_FILE, f": cannot read {name}: {reason}") from None
    written = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not written:
        raise SettingsError(_KEYS_FILE, f": no key in {name}; write one a line")
    given = environ.get(_KEYS, "").strip()
    return {**environ, _KEYS: ",".join([given, *written] if given else written)}


def write_env_file(path: Path, values: Mapping[str, str]) -> None:
    """Sets these variables in the file: in their own lines where it has such, else at its end.

    All other lines stay as they are, and so does the file's mode. The new file takes the place of the old at
    once, so that nobody ever reads half of one. Raises SettingsError where it cannot be read or written.
    """
    path = path.resolve()  # A link stays a link.
    text = _text(path)
    mark = _BOM if text.startswith(_BOM) else ""
    bindings = list(parse_stream(StringIO(text.removeprefix(_BOM), newline="")))
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = [_changed(binding, values) for binding in bindings]
    known = {binding.key for binding in bindings}
    added = [f"{name}={quoted(value)}{newline}" for name, value in values.items() if name not in known]
    if added and lines and not lines[-1].endswith(("\n", "\r")):
        lines[-1] += newline
    lines += added
    try:
        _replace(path, (mark + "".join(lines)).encode())
    except OSError as error:
        raise SettingsError(str(path), f": cannot be written: {error.strerror}") from None


def quoted(value: str) -> str:
    """`value` as it is written behind the equals sign, so that it is read back as it was."""
    if _PLAIN.fullmatch(value):
        return value
    if '"' not in value and "\\" not in value:
        return f'"{value}"'
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


_PLAIN = re.compile(r"[\w.,:/@%+-]*", re.ASCII)
"""Values that need no quotes, in a shell either."""


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(str(path), f": cannot be read: {error}") from None


def _line(binding: Binding) -> int:
    """The line a statement stands on. The parser counts the blank lines before it as part of it."""
    original = binding.original
    return original.line + original.string.removesuffix(original.string.lstrip()).count("\n")


def _lookup(match: re.Match[str], environ: Mapping[str, str], found: Mapping[str, tuple[str, int]]) -> str:
    name = match[1]
    return environ.get(name) or found.get(name, (match[0], 0))[0]


_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?['\"]?[\w.]+['\"]?[^\S\r\n]*=?")


def _changed(binding: Binding, values: Mapping[str, str]) -> str:
    original = binding.original.string
    begins = _ASSIGNMENT.match(original)
    if binding.key is None or binding.key not in values or begins is None:
        return original
    end = original[len(original.rstrip("\r\n")) :]
    return f"{begins[0].rstrip().removesuffix('=').rstrip()}={quoted(values[binding.key])}{end}"


def _replace(path: Path, data: bytes) -> None:
    mode = path.stat().st_mode & 0o7777 if path.exists() else PRIVATE
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
