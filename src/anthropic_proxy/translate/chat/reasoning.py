"""Reasoning in a reply: its text becomes thinking blocks, its opaque state the carriers that bring it back."""

from typing import Any

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.translate.carriers import EMPTY_SIGNATURE, Carrier, pack
from anthropic_proxy.translate.chat.filters import WholeCharacters
from anthropic_proxy.translate.chat.thinking import carrier_for
from anthropic_proxy.translate.pieces import Block, Piece, Signature, Thinking
from anthropic_proxy.wire.chat import Delta

DETAIL_TEXTS = ("text", "summary", "signature", "data")
"""Fields of a `reasoning_details` entry that come in fragments."""

STATE_FIELDS = {"parts": "mistral_parts"}
"""Carrier fields whose place in a request, `Dialect.reasoning_back_field`, has another name."""


class ReasoningReader:
    """Gathers the reasoning of one reply. `read`, `think` and `add_part` take it in; `sign` ends a block.

    `show` is `text`, `omitted` (a block with a signature alone) or `none`: then nothing is shown, and
    the state is lost, for there is no block that could carry it.
    """

    def __init__(self, dialect: Dialect, model: str, show: str) -> None:
        self._dialect = dialect
        self._model = model
        self._show = show
        self.heard = False
        """Was there any reasoning, shown or not?"""
        self._open = False
        self._characters = WholeCharacters()
        self._texts: list[str] = []
        self._field = dialect.reasoning_fields[0]
        self._states: dict[str, Any] = {}
        """Opaque state by the field it came in."""

    @property
    def shown(self) -> bool:
        """Is there anything for the client, and thereby for the next turn?"""
        return self._show != "none"

    @property
    def pending(self) -> bool:
        """Must `sign` be called before something else is said?"""
        return self._open or (bool(self._states) and self.shown)

    def read(self, delta: Delta) -> list[Piece]:
        """The reasoning in a delta, under any of its names. Text that is there twice counts once."""
        pieces: list[Piece] = []
        before = len(self._texts)
        for name in self._dialect.reasoning_fields:
            text = getattr(delta, name, None)
            if isinstance(text, str) and text:
                pieces = self.think(name, text)
                break
        if not self.shown:
            return []
        if isinstance(delta.reasoning_details, list) and delta.reasoning_details:
            pieces += self._add_details(delta.reasoning_details, len(self._texts) > before)
        if isinstance(delta.thinking_blocks, list) and delta.thinking_blocks:
            pieces += self._add_thinking_blocks(delta.thinking_blocks, len(self._texts) > before)
        if isinstance(delta.reasoning_opaque, str) and delta.reasoning_opaque:
            self._states["reasoning_opaque"] = delta.reasoning_opaque
        return pieces

    def think(self, name: str, text: str) -> list[Piece]:
        """More reasoning text, met in the field `name`."""
        text = self._characters.feed(text)
        self.heard = True
        if not self.shown or not text:
            return []
        self._field = name
        self._texts.append(text)
        if self._show == "text":
            self._open = True
            return [Thinking(text)]
        if self._open:
            return []
        self._open = True
        return [Thinking("")]

    def add_part(self, part: dict[str, Any]) -> list[Piece]:
        """Mistral's content part of type `thinking`."""
        inner = part.get("thinking")
        entries = inner if isinstance(inner, list) else [{"text": inner}]
        text = "".join(e["text"] for e in entries if isinstance(e, dict) and isinstance(e.get("text"), str))
        if not text:
            return []
        merged = self._gathered("mistral_parts")
        if not merged:
            merged.append({"type": "thinking", "thinking": [{"type": "text", "text": ""}]})
        merged[0]["thinking"][0]["text"] += text
        return self.think("mistral_parts", text)

    def sign(self) -> list[Piece]:
        """Ends the thinking block, for something else follows. State without text becomes a redacted block."""
        if not self.pending:
            return []
        text = self._broken_character()
        carrier = self._taken()
        if not self._open:
            return [_redacted(carrier)] if carrier else []
        self._open = False
        return [*text, Signature(pack(carrier) if carrier else EMPTY_SIGNATURE)]

    def sign_for_call(self, signature: object, call_id: str) -> list[Piece]:
        """Ends the thinking block before a call that has a signature of its own: Gemini's.

        The block carries it, unless it has state already; then a redacted block of its own does.
        """
        if not self._open or self._states:
            return [*self.sign(), *self.carried(signature, call_id)]
        text = self._broken_character()
        carrier = self._taken()
        self._open = False
        return [*text, Signature(pack(self._call_carrier(signature, call_id, carrier.text if carrier else "")))]

    def carried(self, signature: object, call_id: str) -> list[Piece]:
        """A block that carries a call's signature and nothing else."""
        return [_redacted(self._call_carrier(signature, call_id))] if self.shown else []

    def close(self, calls: bool) -> list[Piece]:
        """What is left at the end: state goes along after calls, else only where the dialect wants it on every turn."""
        if not self._open and not calls and self._dialect.reasoning_back != "all":
            return []
        return self.sign()

    def _add_details(self, details: list[Any], told: bool) -> list[Piece]:
        """OpenRouter's `reasoning_details`: merged by kind and index; their text counts if no other field had it."""
        pieces: list[Piece] = []
        merged = self._gathered("reasoning_details")
        for detail in details:
            if not isinstance(detail, dict):
                continue
            text = detail.get("text") or detail.get("summary")
            if isinstance(text, str) and not told:
                pieces += self.think("reasoning_details", text)
            known = next((other for other in reversed(merged) if _same_detail(other, detail)), None)
            if known is None:
                merged.append(dict(detail))
            else:
                _merge(known, detail)
        return pieces

    def _add_thinking_blocks(self, blocks: list[Any], told: bool) -> list[Piece]:
        """LiteLLM's `thinking_blocks` for Claude: fragments belong to the last block until its signature comes."""
        pieces: list[Piece] = []
        merged = self._gathered("thinking_blocks")
        for block in blocks:
            if not isinstance(block, dict):
                continue
            text, signature = _text_of(block, "thinking"), _text_of(block, "signature")
            if text and not told:
                pieces += self.think("thinking_blocks", text)
            last = merged[-1] if merged else {}
            if last.get("type") == "thinking" == block.get("type") and not last["signature"]:
                last["thinking"] += text
                last["signature"] = signature
            elif block.get("type") == "thinking":
                merged.append({"type": "thinking", "thinking": text, "signature": signature})
            else:
                merged.append({name: value for name, value in block.items() if value is not None})
        return pieces

    def _gathered(self, name: str) -> list[Any]:
        state: list[Any] = self._states.setdefault(name, [])
        return state

    def _broken_character(self) -> list[Piece]:
        broken = self._characters.close()
        return [Thinking(broken)] if broken and self._show == "text" else []

    def _taken(self) -> Carrier | None:
        """The carrier for what was gathered since the last block: of several states the one that goes back."""
        back = self._dialect.reasoning_back_field
        wanted = STATE_FIELDS.get(back, back)
        filled = [name for name, state in self._states.items() if state]
        name = wanted if wanted in filled else (filled[0] if filled else self._field)
        state, text = self._states.get(name) or None, "".join(self._texts)
        self._texts, self._states = [], {}
        return carrier_for(name, self._model, state, self._show == "text", text, self._dialect)

    def _call_carrier(self, signature: object, call_id: str, text: str = "") -> Carrier:
        return Carrier("thought_signature", self._model, signature, call_id, text)


def _redacted(carrier: Carrier) -> Block:
    return Block({"type": "redacted_thinking", "data": pack(carrier)})


def _text_of(block: dict[str, Any], name: str) -> str:
    text = block.get(name)
    return text if isinstance(text, str) else ""


def _same_detail(one: dict[str, Any], other: dict[str, Any]) -> bool:
    if one.get("type") != other.get("type"):
        return False
    if one.get("id") and other.get("id") and one["id"] != other["id"]:
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
