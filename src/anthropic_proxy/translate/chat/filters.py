"""Filters for the text of a reply. Each takes text as it comes and gives back what may be shown."""

from typing import Protocol

from anthropic_proxy.wire.json import without_surrogates

OPENING = "<think>"
CLOSING = "</think>"
_TAGS = (OPENING, CLOSING)
FENCE = "```"


class TextFilter(Protocol):
    """Feed with `feed`; `close` gives what was still held back."""

    def feed(self, text: str) -> str:
        """What of the text may be passed on now."""

    def close(self) -> str:
        """What was held back, once no more text follows in this block."""


def beginning_of(mark: str, text: str) -> int:
    """Length of the longest end of `text` that may begin `mark`, all of `mark` excepted."""
    at = text.find(mark[0], max(0, len(text) - len(mark) + 1))
    while at >= 0:
        if mark.startswith(text[at:]):
            return len(text) - at
        at = text.find(mark[0], at + 1)
    return 0


class WholeCharacters:
    """Joins the halves of surrogate pairs that a backend cut in two. What is lost of one becomes U+FFFD."""

    __slots__ = ("half",)

    def __init__(self) -> None:
        self.half = ""
        """The first half of a pair, whose other half comes with the next text."""

    def feed(self, text: str) -> str:
        """The text, but for half a character at its end."""
        if not self.half and not "\ud800" <= text[-1:] <= "\udbff":
            return text
        text = self.half + text
        self.half = ""
        if "\ud800" <= text[-1] <= "\udbff":
            text, self.half = text[:-1], text[-1]
        joined: str = without_surrogates(text)
        return joined

    def close(self) -> str:
        """U+FFFD for a half whose other half never came."""
        half, self.half = self.half, ""
        return "\ufffd" if half else ""


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
            held = max(held, len(text) - start)
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
    """Takes `<think>…</think>` at the very start of a reply apart from the text after it.

    A closing tag alone at the start, which GLM leaves behind, is taken out. Tags further on are text.
    """

    def __init__(self) -> None:
        self._held = ""
        self._inside: bool | None = None
        """None until it is clear whether the reply begins with a tag."""
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
            if start not in _TAGS and any(tag.startswith(start) for tag in _TAGS):
                self._held = text
                return "", ""
            self._inside = start.startswith(OPENING)
            if not self._inside:
                self._trimming = start.startswith(CLOSING)
                return "", self._trimmed(start.removeprefix(CLOSING)) if self._trimming else text
            text = start.removeprefix(OPENING)
        return self._until_closing(text)

    def close(self) -> tuple[str, str]:
        """What was held back, as reasoning or as text. A reply that began without a tag has none later."""
        held, self._held = self._held, ""
        if self._inside:
            return held, ""
        self._inside = False
        return "", held

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
    """Takes a Markdown code fence off text that should be JSON alone. Text that begins otherwise passes as it comes."""

    def __init__(self) -> None:
        self._held = ""
        self._fenced: bool | None = None
        """None until it is clear whether the text begins with a fence."""

    def feed(self, text: str) -> str:
        """The text, unless it begins with a fence: then only the whole shows whether that fence is closed."""
        text = self._held + text
        self._held = ""
        if self._fenced is None:
            start = text.lstrip()[: len(FENCE)]
            self._fenced = start == FENCE or (None if FENCE.startswith(start) else False)
        if self._fenced is False:
            return text
        self._held = text
        return ""

    def close(self) -> str:
        """What was held, without its fence."""
        held, self._held, self._fenced = self._held, "", None
        return unfenced(held)


def unfenced(text: str) -> str:
    """`text` without a code fence round all of it."""
    bare = text.strip()
    if not (bare.startswith(FENCE) and bare.endswith(FENCE) and len(bare) > 2 * len(FENCE)):
        return text
    first_line, newline, rest = bare[len(FENCE) : -len(FENCE)].partition("\n")
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
        held, self._held, self._decided = self._held, "", True
        return held
