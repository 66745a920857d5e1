"""What a user's text offers to fill a tool's arguments with: quoted words, names, paths, URLs, numbers."""

import re
from collections.abc import Iterable
from typing import NamedTuple


class Clues(NamedTuple):
    """What was found in a text, each in the order of the text and without repetition."""

    text: str
    quoted: tuple[str, ...]
    names: tuple[str, ...]
    paths: tuple[str, ...]
    urls: tuple[str, ...]
    numbers: tuple[str, ...]


def clues_in(text: str) -> Clues:
    """The clues in `text`."""
    bare = _URL.sub(" ", text)
    return Clues(
        text=text,
        quoted=_once(match[1] or match[2] or match[3] for match in _QUOTED.finditer(text)),
        names=_once(match[0] for match in _NAME.finditer(bare)),
        paths=_once(match[0].rstrip(".") for match in _PATH.finditer(bare)),
        urls=_once(match[0].rstrip(".,;:!?)") for match in _URL.finditer(text)),
        numbers=_once(match[0] for match in _NUMBER.finditer(text)),
    )


_QUOTED = re.compile(r"\"([^\"\n]+)\"|“([^”\n]+)”|`([^`\n]+)`")
_NAME = re.compile(r"(?<=[^\W\d_][,;:] )[A-Z][\w-]+|(?<=[^\W\d_] )[A-Z][\w-]+(?: [A-Z][\w-]+)*")
"""Words with a capital that do not begin a sentence, several in a row as one."""
_PATH = re.compile(r"(?:[\w.~-]*/)+[\w.-]+|\b[\w-]+\.[a-z]\w{0,4}\b")
_URL = re.compile(r"https?://\S+")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*[^\W\d])")


def _once(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))
