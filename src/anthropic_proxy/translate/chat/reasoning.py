"""Reasoning in a reply: its text becomes thinking blocks, its opaque state the carriers that bring it back."""

from typing import Any

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.translate.carriers import EMPTY_SIGNATURE, Carrier, pack
from anthropic_proxy.translate.chat.thinking import carrier_for
from anthropic_proxy.translate.pieces import Block, Piece, Signature, Thinking

DETAIL_TEXTS = ("text", "summary", "signature", "data")
"""Fields of a `reasoning_details` entry that come in fragments."""


class ReasoningReader:
    """Gathers the reasoning of one reply. `think` and the `add_…` take it in; `sign` ends a block.

    `show` is `text`, `omitted` (a block with a signature alone) or `none`: then nothing is shown, and
    the state is lost, for there is no block that could carry it.
    """

    def __init__(self, dialect: Dialect, model: str, show: str) -> None:
        self._dialect = dialect
        self._model = model
        self._show = show
        self._open = False
        self._texts: list[str] = []
        self._field = dialect.reasoning_fields[0]
        self._state_field = ""
        self._state: Any = None

    def think(self, field: str, text: str) -> list[Piece]:
        """More reasoning text, met in `field`."""
        if self._show == "none":
            return []
        self._field = field
        self._texts.append(text)
        if self._show == "text":
            self._open = True
            return [Thinking(text)]
        if self._open:
            return []
        self._open = True
        return [Thinking("")]

    def add_details(self, details: list[Any], shown_already: bool) -> list[Piece]:
        """OpenRouter's `reasoning_details`: merged by kind and index; their text is shown if no other field had it."""
        pieces: list[Piece] = []
        merged = self._gathered("reasoning_details")
        for detail in details:
            if not isinstance(detail, dict):
                continue
            text = detail.get("text") or detail.get("summary")
            if isinstance(text, str) and not shown_already:
                pieces += self.think("reasoning_details", text)
            known = next((other for other in reversed(merged) if _same_detail(other, detail)), None)
            if known is None:
                merged.append(dict(detail))
            else:
                _merge(known, detail)
        return pieces

    def add_thinking_blocks(self, blocks: list[Any], shown_already: bool) -> list[Piece]:
        """LiteLLM's `thinking_blocks` for Claude: fragments belong to the last block until its signature comes."""
        pieces: list[Piece] = []
        merged = self._gathered("thinking_blocks")
        for block in blocks:
            if not isinstance(block, dict):
                continue
            text = block.get("thinking")
            if isinstance(text, str) and text and not shown_already:
                pieces += self.think("thinking_blocks", text)
            last = merged[-1] if merged else None
            if last and last.get("type") == "thinking" == block.get("type") and not last.get("signature"):
                last["thinking"] = (last.get("thinking") or "") + (text or "")
                last["signature"] = block.get("signature") or ""
            else:
                merged.append({name: value for name, value in block.items() if value is not None})
        return pieces

    def add_opaque(self, value: str) -> None:
        """Copilot's `reasoning_opaque`."""
        self._state_field, self._state = "reasoning_opaque", value

    def add_part(self, part: dict[str, Any]) -> list[Piece]:
        """Mistral's content part of type `thinking`."""
        inner = part.get("thinking")
        entries = inner if isinstance(inner, list) else [{"type": "text", "text": inner}]
        text = "".join(e["text"] for e in entries if isinstance(e, dict) and isinstance(e.get("text"), str))
        merged = self._gathered("mistral_parts")
        if merged:
            merged[-1]["thinking"][0]["text"] += text
        elif text:
            merged.append({"type": "thinking", "thinking": [{"type": "text", "text": text}]})
        return self.think("mistral_parts", text) if text else []

    def sign(self, call_signature: object = None, call_id: str = "") -> list[Piece]:
        """Ends the thinking block, for something else follows. State without text becomes a redacted block.

        `call_signature` is Gemini's for the call that follows; it takes the place of a block's own state.
        """
        if self._show == "none":
            return []
        pieces: list[Piece] = []
        if call_signature is not None and (not self._open or self._state is not None):
            pieces += self.sign()
        carrier = self._taken()
        if call_signature is not None:
            text = carrier.text if carrier else ""
            carrier = Carrier("thought_signature", self._model, call_signature, call_id, text)
        if self._open:
            pieces.append(Signature(pack(carrier) if carrier else EMPTY_SIGNATURE))
        elif carrier is not None:
            pieces.append(Block({"type": "redacted_thinking", "data": pack(carrier)}))
        self._open = False
        return pieces

    def close(self, calls: bool) -> list[Piece]:
        """What is left at the end: state goes along after calls, else only where the dialect wants it on every turn."""
        if not self._open and not calls and self._dialect.reasoning_back != "all":
            return []
        return self.sign()

    def _gathered(self, field: str) -> list[Any]:
        if self._state_field != field or not isinstance(self._state, list):
            self._state_field, self._state = field, []
        state: list[Any] = self._state
        return state

    def _taken(self) -> Carrier | None:
        """The carrier for what was gathered since the last block."""
        field = self._state_field or self._field
        state = self._state or None
        carrier = carrier_for(field, self._model, state, self._show == "text", "".join(self._texts), self._dialect)
        self._texts, self._state_field, self._state = [], "", None
        return carrier


def _same_detail(one: dict[str, Any], other: dict[str, Any]) -> bool:
    if one.get("type") != other.get("type"):
        return False
    if one.get("index") is not None or other.get("index") is not None:
        return one.get("index") == other.get("index")
    return one.get("id") == other.get("id") and not one.get("signature")


def _merge(known: dict[str, Any], detail: dict[str, Any]) -> None:
    for name, value in detail.items():
        if name in DETAIL_TEXTS and isinstance(value, str) and isinstance(known.get(name), str):
            if name != "data" or known[name] != value:
                known[name] += value
        elif value is not None:
            known[name] = value
