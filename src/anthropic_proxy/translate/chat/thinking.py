"""Thinking: how a request asks for it in each dialect's words, and how earlier reasoning goes back."""

from typing import Any, NamedTuple

from msgspec import Struct

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.translate.asked import thinking_off, thinking_on
from anthropic_proxy.translate.carriers import Carrier, is_ours, unpack
from anthropic_proxy.translate.chat.parameters import sent_cap
from anthropic_proxy.wire.anthropic import Block, MessagesRequest
from anthropic_proxy.wire.chat import ChatRequest

LEVELS = ("low", "medium", "high", "xhigh", "max")
"""Anthropic's effort levels, weakest first. OpenAI has the same and two below."""

_RANK = {"none": -1, "minimal": 0} | {level: rank for rank, level in enumerate(LEVELS, 1)}

BUDGETS = ((4096, "low"), (16384, "medium"))
"""A thinking budget in tokens, at most, and the effort it stands for; above the last, `high`."""

TEXT_FIELDS = ("reasoning_content", "reasoning", "reasoning_text")
"""Fields whose value is plain reasoning text, so that one can stand in for another."""

SMALLEST_BUDGET = 1024
"""Tokens; Anthropic's own lower limit."""


class _Wish(NamedTuple):
    """What a request wants of thinking."""

    on: bool | None
    """On, off or unsaid."""
    level: str | None = None
    """Its effort, by name or else by budget."""
    budget: int | None = None
    """Tokens."""
    by_budget: bool = False
    """Is the effort known by the budget alone?"""


def thinking_fields(request: MessagesRequest, dialect: Dialect, forced_off: bool = False) -> ChatRequest:
    """The body fields that switch reasoning on, off or to a level, in the dialect's words.

    `forced_off`: a tool is forced and the dialect cannot do both; the forced call is the stronger wish.
    """
    write = _WRITERS.get(dialect.reasoning)
    if write is None:
        return {}
    if forced_off or thinking_off(request):
        return write(_Wish(False), dialect) if dialect.effort_off else {}
    effort = _effort(request)
    budget: int | None = request["thinking"].get("budget_tokens") if thinking_on(request) else None
    if budget is None:
        return write(_Wish(thinking_on(request) or None, effort), dialect)
    return write(_Wish(True, effort or effort_of(budget), _fitting(budget, request, dialect), effort is None), dialect)


def _effort(request: MessagesRequest) -> str | None:
    """The request's effort; a system message's own overrides it from there on."""
    configs = [message.get("output_config") for message in request["messages"] if message["role"] == "system"]
    efforts = [config.get("effort") for config in (request.get("output_config"), *configs) if config]
    return next((effort for effort in reversed(efforts) if effort in LEVELS), None)


def effort_of(budget: int) -> str:
    """The effort a thinking budget in tokens stands for."""
    return next((level for most, level in BUDGETS if budget <= most), "high")


def _fitting(budget: int, request: MessagesRequest, dialect: Dialect) -> int:
    """The budget, raised to what Anthropic accepts at least, but below the reply's cap, of which it is a part."""
    return max(1, min(max(budget, SMALLEST_BUDGET), sent_cap(request, dialect) - 1))


def nearest_effort(level: str, efforts: tuple[str, ...]) -> str | None:
    """The one of `efforts` nearest to `level`, ties upward; None if there are none."""
    known = [effort for effort in efforts if _RANK.get(effort, -1) >= 0]
    if not known:
        return None
    return min(known, key=lambda effort: (abs(_RANK[effort] - _RANK[level]), -_RANK[effort]))


def _as_effort(wish: _Wish, dialect: Dialect) -> ChatRequest:
    level = dialect.effort_off if wish.on is False else wish.level and nearest_effort(wish.level, dialect.efforts)
    return {"reasoning_effort": level} if level else {}


def _as_reasoning_object(wish: _Wish, dialect: Dialect) -> ChatRequest:
    if wish.by_budget:
        return {"reasoning": {"max_tokens": wish.budget}}
    effort = _as_effort(wish, dialect)
    if effort:
        return {"reasoning": {"effort": effort["reasoning_effort"]}}
    return {"reasoning": {"enabled": True}} if wish.on else {}


def _as_thinking_object(wish: _Wish, dialect: Dialect) -> ChatRequest:
    if wish.on is False:
        return {"thinking": {"type": "disabled"}}
    switch = {"thinking": {"type": "enabled", **dict(dialect.thinking_extra)}} if wish.on else {}
    return {**switch, **(_as_effort(wish, dialect) if dialect.thinking_effort else {})}


def _as_enable_thinking(wish: _Wish, dialect: Dialect) -> ChatRequest:
    if wish.on is None:
        return {}
    return {"enable_thinking": wish.on, **({"thinking_budget": wish.budget} if wish.budget else {})}


def _as_template(wish: _Wish, dialect: Dialect) -> ChatRequest:
    if wish.on is None:
        return {}
    budget = {"thinking_token_budget": wish.budget} if wish.budget and dialect.thinking_budget else {}
    return {"chat_template_kwargs": {"enable_thinking": wish.on}, **budget}


_WRITERS = {
    "effort": _as_effort,
    "reasoning_object": _as_reasoning_object,
    "thinking_object": _as_thinking_object,
    "enable_thinking": _as_enable_thinking,
    "template": _as_template,
}
"""By `Dialect.reasoning`. Not listed: `none`, and `auto` that nobody settled, which say nothing."""


class Reasoning(Struct, frozen=True):
    """What one assistant message gives back."""

    message: dict[str, Any]
    """Fields of its message."""
    calls: dict[str, dict[str, Any]]
    """Fields of single calls, by tool_use id."""
    parts: list[Any]
    """Parts that go before the text in its content."""


NOTHING_BACK = Reasoning({}, {}, [])


def reasoning_back(blocks: list[Block], dialect: Dialect, model: str, call_ids: list[str]) -> Reasoning:
    """The earlier reasoning in an assistant message's thinking blocks, as the dialect wants it back.

    `call_ids` are the message's tool_use ids in order. What fits nowhere is left out without an error: a
    carrier of another backend or model, a foreign signature, a damaged one.
    """
    field = dialect.reasoning_back_field
    wanted = dialect.reasoning_back == "all" or (dialect.reasoning_back == "tool_calls" and bool(call_ids))
    if field == "none" or not wanted:
        return NOTHING_BACK
    found = [_reading(block, field, model) for block in blocks]
    if field in TEXT_FIELDS:
        demanded = dialect.reasoning_placeholder if call_ids else None
        return Reasoning(_text_back(field, found, demanded), {}, [])
    if field == "extra_content":
        return Reasoning({}, _signatures_back(found, dialect, call_ids), [])
    if field == "reasoning_opaque":
        return Reasoning(_opaque_back(found), {}, [])
    states = [item for reading in found if isinstance(reading.state, list) for item in reading.state]
    if field == "parts":
        return Reasoning({}, {}, states)
    return Reasoning({field: states} if states else {}, {}, [])


class _Reading(NamedTuple):
    """One thinking block: its text if any is known, and the opaque state if it fits."""

    text: str
    state: object
    call_id: str


def _reading(block: Block, field: str, model: str) -> _Reading:
    signature = block.get("signature") if block["type"] == "thinking" else block.get("data")
    carrier = unpack(signature)
    shown = block.get("thinking") or ""
    if carrier is None:
        foreign = field == "thinking_blocks" and bool(signature) and not is_ours(signature)
        return _Reading(shown, [block] if foreign else None, "")
    fits = carrier.model == model and _FIELD_OF_STATE.get(carrier.field, carrier.field) == field
    return _Reading(shown or carrier.text, carrier.value if fits else None, carrier.call_id)


_FIELD_OF_STATE = {"thought_signature": "extra_content", "mistral_parts": "parts"}
"""Carrier fields whose place in a request has another name."""


def _joined_text(found: list[_Reading]) -> str:
    return "\n\n".join(reading.text for reading in found if reading.text)


def _text_back(field: str, found: list[_Reading], demanded: str | None) -> dict[str, Any]:
    """The text, or what is `demanded` in its place."""
    text = _joined_text(found) or demanded
    return {} if text is None else {field: text}


def _opaque_back(found: list[_Reading]) -> dict[str, Any]:
    """Copilot's state, and the text it belongs to."""
    states = [reading.state for reading in found if isinstance(reading.state, str)]
    if not states:
        return {}
    text = _joined_text(found)
    return {"reasoning_opaque": states[-1], **({"reasoning_text": text} if text else {})}


def _signatures_back(found: list[_Reading], dialect: Dialect, call_ids: list[str]) -> dict[str, dict[str, Any]]:
    """Gemini's thought signatures, each on its own call; the first call of a turn must have one."""
    if not call_ids:
        return {}
    signatures = {reading.call_id or call_ids[0]: reading.state for reading in found if reading.state is not None}
    if dialect.reasoning_placeholder is not None:
        signatures.setdefault(call_ids[0], dialect.reasoning_placeholder)
    return {
        call_id: {"extra_content": {"google": {"thought_signature": signature}}}
        for call_id, signature in signatures.items()
    }


def carrier_for(field: str, model: str, value: object, shown: bool, text: str, dialect: Dialect) -> Carrier | None:
    """The carrier that closes a thinking block, or None if nothing in it will be wanted back."""
    hidden = "" if shown or dialect.reasoning_back_field == "none" else text
    if value is None and not hidden:
        return None
    return Carrier(field, model, value, "", hidden)
