"""A settings file as values, YAML or TOML, with the line that each of them stands on."""

import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from anthropic_proxy.config import SettingsError

Path: TypeAlias = tuple[str | int, ...]
"""Keys and positions, from the outermost."""


class FileError(SettingsError):
    """The file is wrong. The text is one line: the file, the line where it is known, the key, what is wrong."""

    def __init__(self, text: str) -> None:
        super().__init__("", text)


class Document(NamedTuple):
    """What a file holds."""

    name: str
    """The file's, for errors."""
    values: dict[str, Any]
    lines: Callable[[], Mapping[Path, int]]
    """Finds the lines of all values. Asked only for an error, or for a list that people read."""

    def error(self, path: Path, problem: str) -> FileError:
        """What is wrong with the value at `path`."""
        return FileError(f"{self.name}, line {self.line(path)}: {path_text(path)}: {problem}")

    def line(self, path: Path) -> int:
        """The line of the value at `path`, or of the nearest thing around it."""
        lines = self.lines()
        return next((lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in lines), 1)


def path_text(path: Path) -> str:
    """`path` as people write it: `models.opus.fallbacks.0`."""
    return ".".join(str(key) if re.fullmatch(r"[\w-]+", str(key)) else repr(key) for key in path)


def parse(text: str, name: str) -> Document:
    """The document in `text`; the ending of its name tells whether it is TOML or YAML. Raises FileError."""
    if name.lower().endswith(".toml"):
        return _toml(text, name)
    if name.lower().endswith((".yaml", ".yml")):
        return _yaml(text, name)
    raise FileError(f"{name}: its name must end in .yaml, .yml or .toml")


def _toml(text: str, name: str) -> Document:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileError(f"{name}: not TOML: {error}") from None
    return Document(name, values, lambda: _toml_lines(text))


_HEADER = re.compile(r"\s*(\[\[?)(.+?)\]\]?\s*(?:#.*)?$")
_PAIR = re.compile(
    r"""\s*((?:[\w-]+|"(?:[^"\\]|\\.)*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"(?:[^"\\]|\\.)*"|'[^']*'))*)\s*="""
)
_LONG_TEXT = re.compile(r'"""|' + "'''")


def _toml_lines(text: str) -> dict[Path, int]:
    """The lines of headers and keys. The parser of the standard library does not tell them."""
    lines: dict[Path, int] = {(): 1}
    table: Path = ()
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        begun_inside = inside
        inside ^= len(_LONG_TEXT.findall(line)) % 2 == 1
        if begun_inside:
            continue
        if header := _HEADER.fullmatch(line):
            table = _toml_key(header[2])
            lines.setdefault(table, number)
        elif pair := _PAIR.match(line):
            lines.setdefault(table + _toml_key(pair[1]), number)
    return lines


def _toml_key(text: str) -> Path:
    """The parts of a key that may be dotted and quoted."""
    try:
        value: Any = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return (text,)
    parts: list[str] = []
    while isinstance(value, dict):
        (part, value), *_ = value.items()
        parts.append(part)
    return tuple(parts)


def _yaml(text: str, name: str) -> Document:
    # Here and not above, because few have such a file, and a start is to be quick.
    import yaml

    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        lines: dict[Path, int] = {(): 1}
        if node is not None:
            _yaml_lines(node, (), lines, loader, name, ())
        values = {} if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}" if mark else ""
        raise FileError(f"{name}{place}: not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise FileError(f"{name}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise FileError(f"{name}, line 1: must hold keys with values, such as `models:`")
    return Document(name, values, lambda: lines)


def _yaml_lines(node: Any, path: Path, lines: dict[Path, int], loader: Any, name: str, above: tuple[Any, ...]) -> None:
    """Notes the lines of what is inside `node`. Raises FileError for what YAML's own reader would not mind."""
    if node in above:
        raise FileError(f"{name}, line {node.start_mark.line + 1}: {path_text(path)}: refers to itself")
    if node.id == "mapping":
        _refuse_doubles(node, path, name)
        loader.flatten_mapping(node)
        for key, value in node.value:
            inner = (*path, str(key.value))
            # Of what was merged in, the last one counts, and it stands behind.
            lines[inner] = key.start_mark.line + 1
            _yaml_lines(value, inner, lines, loader, name, (*above, node))
    elif node.id == "sequence":
        for number, value in enumerate(node.value):
            lines[(*path, number)] = value.start_mark.line + 1
            _yaml_lines(value, (*path, number), lines, loader, name, (*above, node))


def _refuse_doubles(node: Any, path: Path, name: str) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.id != "scalar":
            raise FileError(f"{name}, line {key.start_mark.line + 1}: {path_text(path)}: a key must be a text")
        if key.value in seen:
            place = path_text((*path, key.value))
            raise FileError(f"{name}, line {key.start_mark.line + 1}: {place}: stands there twice")
        seen.add(key.value)
