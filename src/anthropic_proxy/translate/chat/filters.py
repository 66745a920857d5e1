"""Filters for the text of a reply. Each takes text as it comes and gives back what may be shown."""

from typing import Protocol

OPENING = "<think>"
CLOSING = "</think>"


class TextFilter(Protocol):
    """Feed with `feed`; `close` gives what was still held back."""

    def feed(self, text: str) -> str:
        """What of the text may be passed on now."""

    def close(self) -> str:
        """What was held back, once no more text follows in this block."""


def beginning_of(mark: str, text: str) -> int:
    """Length of the longest end of `text` that may begin `mark`, all of `mark` excepted."""
    for length in range(min(len(mark) - 1, len(text)), 0, -1):
        if mark.startswith(text[-length:]):
            return length
    return 0


class StopScanner:
    """Cuts text before the first stop sequence, which may come in pieces. The earliest match wins, then the longest."""

    def __init__(self, sequences: list[str]) -> None:
        self._sequences = sorted(sequences, key=len, reverse=True)
        self._held = ""
        self.matched: str | None = None
        """The sequence that was met. Nothing is passed on after it."""

    def feed(self, text: str) -> str:
        """The text up to a match, but for an end that may begin one."""
        if self.matched is not None:
            return ""
        text = self._held + text
        held = max(beginning_of(sequence, text) for sequence in self._sequences)
        found = [(at, sequence) for sequence in self._sequences if (at := text.find(sequence)) >= 0]
        if found:
            start = min(at for at, _ in found)
            if not self._longer_may_come(text, start):
                self.matched = next(sequence for at, sequence in found if at == start)
                self._held = ""
                return text[:start]
            held = len(text) - start
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def close(self) -> str:
        """The held end, which began no stop sequence after all."""
        held, self._held = self._held, ""
        if self.matched is not None:
            return ""
        found = [(at, -len(sequence), sequence) for sequence in self._sequences if (at := held.find(sequence)) >= 0]
        if not found:
            return held
        start, _, self.matched = min(found)
        return held[:start]

    def _longer_may_come(self, text: str, start: int) -> bool:
        """Might an earlier or a longer sequence still complete at or before `start`?"""
        first = max(0, len(text) - len(self._sequences[0]) + 1)
        return any(
            sequence.startswith(text[at:]) and len(sequence) > len(text) - at
            for at in range(first, start + 1)
            for sequence in self._sequences
        )


class ThinkTags:
    """Takes `<think>…</think>` at the very start of a reply apart from the text after it."""

    def __init__(self) -> None:
        self._held = ""
        self._inside: bool | None = None
        """None until it is clear whether the reply begins with the tag."""
        self._trimming = False
        """Between the closing tag and the text, where models put empty lines."""

    def split(self, text: str) -> tuple[str, str]:
        """The reasoning and the text in what came."""
        if self._inside is False:
            return "", self._trimmed(text)
        text = self._held + text
        self._held = ""
        if self._inside is None:
            start = text.lstrip()
            if OPENING.startswith(start) and start != OPENING:
                self._held = text
                return "", ""
            self._inside = start.startswith(OPENING)
            if not self._inside:
                return "", text
            text = start[len(OPENING) :]
        return self._until_closing(text)

    def close(self) -> tuple[str, str]:
        """What was held back, as reasoning or as text."""
        held, self._held = self._held, ""
        return (held, "") if self._inside else ("", held)

    def _trimmed(self, text: str) -> str:
        if self._trimming:
            text = text.lstrip()
            self._trimming = not text
        return text

    def _until_closing(self, text: str) -> tuple[str, str]:
        thinking, closing, after = text.partition(CLOSING)
        if closing:
            self._inside, self._trimming = False, True
            return thinking, self._trimmed(after)
        held = beginning_of(CLOSING, text)
        self._held = text[len(text) - held :]
        return text[: len(text) - held], ""


class WithoutFence:
    """Takes a Markdown code fence off text that should be JSON alone."""

    def __init__(self) -> None:
        self._text = ""

    def feed(self, text: str) -> str:
        """Nothing yet: only the whole text shows whether it is fenced."""
        self._text += text
        return ""

    def close(self) -> str:
        """The text without its fence."""
        text, self._text = self._text, ""
        return unfenced(text)


def unfenced(text: str) -> str:
    """`text` without a code fence round all of it."""
    bare = text.strip()
    if not (bare.startswith("```") and bare.endswith("```") and len(bare) > 6):
        return text
    first_line, newline, rest = bare[3:-3].partition("\n")
    if newline and (not first_line.strip() or first_line.strip().isalnum()):
        return rest.strip()
    return text


class WithoutPrefix:
    """Leaves out a beginning that the client has already: a prefill that the model said again."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._held = ""
        self._decided = False

    def feed(self, text: str) -> str:
        """The text, once it is clear whether it begins with the prefix."""
        if self._decided:
            return text
        text = self._held + text
        if len(text) < len(self._prefix) and self._prefix.startswith(text):
            self._held = text
            return ""
        self._decided, self._held = True, ""
        return text.removeprefix(self._prefix)

    def close(self) -> str:
        """What was held: too short to be the prefix."""
        held, self._held = self._held, ""
        return held
