"""The text of a reply, from what the backend wrote to what the client may see."""

from anthropic_proxy.translate.chat.filters import (
    StopScanner,
    TextFilter,
    ThinkTags,
    WholeCharacters,
    WithoutFence,
    WithoutPrefix,
)


class ReplyText:
    """Takes the text of a reply through its filters, in order. Feed it with `feed`; `flush` ends a stretch of text."""

    def __init__(
        self, think_tags: bool, prefill: str, fenced: bool, stop_sequences: tuple[str, ...], keep: bool
    ) -> None:
        """`prefill` is what the client has already; `fenced`: the text should be JSON alone, without a
        code fence; `keep`: the whole answer is asked for later."""
        self._characters = WholeCharacters()
        self._tags = ThinkTags() if think_tags else None
        self._stops = StopScanner(list(stop_sequences)) if stop_sequences else None
        self._filters: list[TextFilter] = [
            *([WithoutPrefix(prefill)] if prefill else []),
            *([WithoutFence()] if fenced else []),
            *([self._stops] if self._stops else []),
        ]
        self._keep = keep
        self._answer: list[str] = []

    @property
    def passes(self) -> bool:
        """Does text pass as it is, as long as no half of a character comes?"""
        return not self._filters and self._tags is None and not self._keep and not self._characters.half

    @property
    def matched(self) -> str | None:
        """The stop sequence that was met, after which there is no more text."""
        return self._stops.matched if self._stops is not None else None

    @property
    def answer(self) -> str:
        """All visible text so far."""
        return "".join(self._answer)

    def feed(self, text: str) -> tuple[str, str]:
        """The reasoning in `text` that stood in tags, and the visible text, as far as they are certain."""
        text = self._characters.feed(text)
        thought = ""
        if self._tags is not None:
            thought, text = self._tags.split(text)
        if self._filters and text:
            for text_filter in self._filters:
                text = text_filter.feed(text)
        if self._keep:
            self._answer.append(text)
        return thought, text

    def flush(self) -> tuple[str, str]:
        """The rest of both: something else follows, so what was held back is only text."""
        thought, text = "", self._characters.close()
        if self._tags is not None:
            more, shown = self._tags.split(text)
            thought, held = self._tags.close()
            thought, text = more + thought, shown + held
        for text_filter in self._filters:
            text = text_filter.feed(text) + text_filter.close()
        if self._keep:
            self._answer.append(text)
        return thought, text
