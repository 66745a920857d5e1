"""What the user sees: lines told apart by who says them, and progress on a line of its own."""

import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

_COLOURS = {"litellm": "36", "proxy": "35"}
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

EVERY = 5.0
"""Seconds between two lines of progress where they cannot be written over each other."""


class Screen:
    """Where all lines go. `secrets` are blotted out in them."""

    def __init__(self, stream: TextIO = sys.stderr, secrets: Sequence[str] = ()) -> None:
        self._stream = stream
        self._secrets = secrets
        self._terminal = stream.isatty()
        self._colours = self._terminal and not os.environ.get("NO_COLOR")
        self._progress = False
        self._told = ("", 0.0)

    def line(self, who: str, text: str) -> None:
        """A line that one of the servers wrote."""
        prefix = f"{who:7} |"
        if self._colours:
            prefix = f"\x1b[{_COLOURS.get(who, '0')}m{prefix}\x1b[0m"
        else:
            text = _ESCAPES.sub("", text)
        self._write(f"{prefix} {text}\n")

    def say(self, text: str) -> None:
        """Lines of our own."""
        self._write(f"{text}\n")

    def wait(self, text: str, seconds: float) -> None:
        """Progress: `text`, and for how long already. The next line takes its place."""
        if self._terminal:
            self._write(f"{text} {seconds:.0f} s", keep=False)
            self._progress = True
        elif text != self._told[0] or seconds - self._told[1] >= EVERY:
            self._told = (text, seconds)
            self._write(f"{text} {seconds:.0f} s\n")

    def clear(self) -> None:
        """Takes the progress away, for others to write."""
        self._write("")

    def _write(self, text: str, keep: bool = True) -> None:
        for secret in self._secrets:
            text = text.replace(secret, "[key]")
        if self._progress:
            text = f"\r\x1b[K{text}"
            self._progress = not keep
        # The terminal may be gone, or whoever read the pipe. That is no reason to stop serving.
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
