"""Token counts without a tokenizer: an estimate from what is sent, corrected by what backends have counted."""

from dataclasses import dataclass
from typing import NamedTuple

from anthropic_proxy.translate.byte_pairs import text_tokens


class Count(NamedTuple):
    """An estimate in its two parts, before any correction."""

    text: float = 0
    """Tokens of what is read as text."""
    media: int = 0
    """Tokens of images and documents."""


def count_tokens(data: bytes, media: int = 0, media_tokens: int = 0, frame_tokens: float = 0) -> Count:
    """Tokens of a translated request, from its JSON text.

    `media` of its characters are base64 data that stand for `media_tokens`. `frame_tokens` is what the model reads
    in place of the JSON round the texts, less what that JSON counts as text.
    """
    return Count(max(text_tokens(_without_media(data, media)) + frame_tokens, 1.0), media_tokens)


_MARK = b";base64,"


def _without_media(data: bytes, media: int) -> bytes:
    """`data` without its base64 data, whose length is known."""
    if not media:
        return data
    pieces = []
    end, start = 0, data.find(_MARK)
    while start >= 0:
        pieces.append(data[end : start + len(_MARK)])
        # To the end of the string, as looking for the next mark inside base64 would take much longer.
        end = max(data.find(b'"', start), start + len(_MARK))
        start = data.find(_MARK, end)
    rest = b"".join([*pieces, data[end:]])
    if len(data) - len(rest) == media:
        return rest
    # Some text speaks of base64, too. Then all we know is how much is left.
    return _TYPICAL * ((len(data) - media) // len(_TYPICAL))


_TYPICAL = b'{"role":"user","content":"What a request says in most cases is prose, or code:\\n    return None\\n"}'


@dataclass(slots=True)
class _Observed:
    """Decaying sums over what one model's backend counted (y) where the estimate was x, weighted by 1/y²."""

    xx: float = 0.0
    x: float = 0.0
    one: float = 0.0
    xy: float = 0.0
    y: float = 0.0

    def add(self, estimate: float, counted: float) -> None:
        weight = 1 / counted**2
        self.xx = self.xx * KEPT + weight * estimate**2
        self.x = self.x * KEPT + weight * estimate
        self.one = self.one * KEPT + weight
        self.xy = self.xy * KEPT + weight * estimate * counted
        self.y = self.y * KEPT + weight * counted


KEPT = 0.8
"""How much an earlier reply counts beside the newest one."""

DOUBT = 0.03
"""How much a first reply is doubted: what it costs to take a model's ratio for 2, in squared relative error."""

OFFSET_UNIT = 100
"""Tokens of a hidden preamble that are as likely as a ratio of 2."""

LEAST_RATIO, MOST_RATIO = 0.25, 4.0
MOST_OFFSET = 2000
"""Beyond these a backend counts something else than tokens."""

MOST_MEDIA = 0.2
"""Share of images and documents from which a prompt teaches nothing of text: what they cost differs much."""

MOST_MODELS = 1024
"""Models that are remembered: clients name models as they like."""


class Calibration:
    """What backends have counted, by model, and what that says of our estimates.

    A backend's count is taken as `ratio` times the estimate, for its tokenizer, plus an offset, for what its
    template puts before each prompt. Both are fitted with each reply that counts its prompt.
    """

    def __init__(self) -> None:
        self._observed: dict[str, _Observed] = {}
        self._fits: dict[str, tuple[float, float]] = {}

    def learn(self, model: str, estimate: Count, counted: int) -> None:
        """Notes that the backend counted so many tokens in a prompt of `model`."""
        text = counted - estimate.media
        if text <= 0 or estimate.media > MOST_MEDIA * counted:
            return
        if model not in self._observed and len(self._observed) >= MOST_MODELS:
            self._forget(next(iter(self._observed)))
        observed = self._observed.setdefault(model, _Observed())
        observed.add(estimate.text, text)
        self._fits[model] = _fit(observed)

    def tokens(self, model: str, estimate: Count) -> int:
        """`estimate` as the backend of `model` would count it, as far as is known."""
        ratio, offset = self._fits.get(model, (1.0, 0.0))
        return max(1, round(ratio * estimate.text + offset)) + estimate.media

    def _forget(self, model: str) -> None:
        del self._observed[model], self._fits[model]


def _fit(observed: _Observed) -> tuple[float, float]:
    """Ratio and offset of the least squared relative error, drawn towards 1 and 0 (ridge regression)."""
    xx, one = observed.xx + DOUBT, observed.one + DOUBT / OFFSET_UNIT**2
    xy, y = observed.xy + DOUBT, observed.y
    determinant = xx * one - observed.x**2
    ratio = (xy * one - observed.x * y) / determinant
    offset = (xx * y - observed.x * xy) / determinant
    return min(max(ratio, LEAST_RATIO), MOST_RATIO), min(max(offset, -MOST_OFFSET), MOST_OFFSET)
