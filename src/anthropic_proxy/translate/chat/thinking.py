"""Thinking: how a request asks for it in each dialect's words, and how earlier reasoning goes back."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.translate.carriers import Carrier, is_ours, unpack
from anthropic_proxy.wire.anthropic import Block, MessagesRequest
from anthropic_proxy.wire.chat import ChatRequest

ON = ("enabled", "adaptive")

LEVELS = ("low", "medium", "high", "xhigh", "max")
"""Anthropic's effort levels, weakest first. OpenAI has the same and two below."""

_RANK = {"none": -1, "minimal": 0} | {level: rank for rank, level in enumerate(LEVELS, 1)}

BUDGETS = ((4096, "low"), (16384, "medium"))
"""A thinking budget in tokens, at most, and the effort it stands for; above the last, `high`."""

TEXT_FIELDS = ("reasoning_content", "reasoning", "reasoning_text")
"""Fields whose value is plain reasoning text, so that one can stand in for another."""

SMALLEST_BUDGET = 1024
"""Tokens; Anthropic's own lower limit."""


def thinking_on(request: MessagesRequest) -> bool:
    """Does the request ask for thinking? The seed's `true` and Anthropic's objects alike."""
    return request.get("thinking", {}).get("type") in ON


def thinking_off(request: MessagesRequest) -> bool:
    """Does the request ask for no thinking? That is not the same as saying nothing."""
    return "thinking" in request and not thinking_on(request)


def thinking_fields(request: MessagesRequest, dialect: Dialect, forced_off: bool = False) -> ChatRequest:
    """The body fields that switch reasoning on, off or to a level, in the dialect's words.

    `forced_off`: a tool is forced and the dialect cannot do both; the forced call is the stronger wish.
    """
    write = _WRITERS.get(dialect.reasoning)
    if write is None:
        return {}
    if forced_off or thinking_off(request):
        return write(_Wish(False, None, None), dialect)
    effort = _effort(request)
    if not thinking_on(request):
        return write(_Wish(None, effort, None), dialect) if effort else {}
    return write(_Wish(True, effort or _effort_of_budget(request), _budget(request)), dialect)


class _Wish(NamedTuple):
    on: bool | None
    level: str | None
    budget: int | None


def _effort(request: MessagesRequest) -> str | None:
    """The request's effort; a system message's own overrides it from there on."""
    effort: str | None = request.get("output_config", {}).get("effort")
    for message in request["messages"]:
        if message["role"] == "system":
            effort = (message.get("output_config") or {}).get("effort") or effort
    return effort if effort in LEVELS else None


def _budget(request: MessagesRequest) -> int | None:
    """The thinking budget in tokens, kept below the reply's cap, of which it is a part."""
    budget: int | None = request["thinking"].get("budget_tokens")
    if budget is None:
        return None
    return max(SMALLEST_BUDGET, min(budget, request["max_tokens"] - 1))


def _effort_of_budget(request: MessagesRequest) -> str | None:
    budget = request["thinking"].get("budget_tokens")
    if budget is None:
        return None
    return next((level for limit, level in BUDGETS if budget <= limit), "high")


def nearest_effort(level: str, efforts: tuple[str, ...]) -> str | None:
    """The one of `efforts` nearest to `level`, ties upward; None if there are none."""
    known = [effort for effort in efforts if _RANK.get(effort, -1) >= 0]
    if not known:
        return None
    return min(known, key=lambda effort: (abs(_RANK[effort] - _RANK[level]), -_RANK[effort]))


def _level_field(wish: _Wish, dialect: Dialect) -> ChatRequest:
    level = nearest_effort(wish.level, dialect.efforts) if wish.level else None
    return {"reasoning_effort": level} if level else {}


def _as_effort(wish: _Wish, dialect: Dialect) -> ChatRequest:
    if wish.on is False:
        return {"reasoning_effort": dialect.effort_off} if dialect.effort_off else {}
    return _level_field(wish, dialect)


def _as_reasoning_object(wish: _Wish, dialect: Dialect) -> ChatRequest:
    if wish.on is False:
        return {"reasoning": {"effort": dialect.effort_off}} if dialect.effort_off else {}
    if wish.budget is not None:
        return {"reasoning": {"max_tokens": wish.budget}}
    level = nearest_effort(wish.level, dialect.efforts) if wish.level else None
    return {"reasoning": {"effort": level} if level else {"enabled": True}}


def _as_thinking_object(wish: _Wish, dialect: Dialect) -> ChatRequest:
    if wish.on is False:
        return {"thinking": {"type": "disabled"}} if dialect.effort_off else {}
    level = _level_field(wish, dialect) if dialect.thinking_effort else {}
    if wish.on is None:
        return level
    return {"thinking": {"type": "enabled", **dict(dialect.thinking_extra)}, **level}


def _as_enable_thinking(wish: _Wish, dialect: Dialect) -> ChatRequest:
    if wish.on is None:
        return {}
    budget = {"thinking_budget": wish.budget} if wish.on and wish.budget is not None else {}
    return {"enable_thinking": wish.on, **budget}


def _as_template(wish: _Wish, dialect: Dialect) -> ChatRequest:
    if wish.on is None:
        return {}
    budget = {"thinking_token_budget": wish.budget} if wish.on and wish.budget and dialect.thinking_budget else {}
    return {"chat_template_kwargs": {"enable_thinking": wish.on}, **budget}


_WRITERS = {
    "effort": _as_effort,
    "reasoning_object": _as_reasoning_object,
    "thinking_object": _as_thinking_object,
    "enable_thinking": _as_enable_thinking,
    "template": _as_template,
}
"""By `Dialect.reasoning`. Not listed: `none`, and `auto` that nobody settled, which say nothing."""


class Reasoning(NamedTuple):
    """What one assistant turn gives back: fields of its message, and fields of single calls by tool_use id."""

    message: dict[str, Any]
    calls: dict[str, dict[str, Any]]


def reasoning_back(
    blocks: Iterable[Block], dialect: Dialect, model: str, call_ids: list[str], cleared: bool
) -> Reasoning:
    """The earlier reasoning in an assistant turn's thinking blocks, as the dialect wants it back.

    `call_ids` are the turn's tool_use ids in order; `cleared` says that the client's context
    management removes this turn's thinking. What fits nowhere is left out without an error: a
    carrier of another backend or model, a foreign signature, a damaged one.
    """
    field = dialect.reasoning_back_field
    wanted = (
        field != "none" and dialect.reasoning_back != "none" and (bool(call_ids) or dialect.reasoning_back == "all")
    )
    if not wanted:
        return Reasoning({}, {})
    found = [] if cleared else [_reading(block, field, model) for block in blocks]
    if field in TEXT_FIELDS:
        return Reasoning(_text_back(field, found, dialect), {})
    if field == "extra_content":
        return Reasoning({}, _signatures_back(found, dialect, call_ids))
    return Reasoning(_opaque_back(field, found), {})


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
    text = shown or carrier.text
    fits = carrier.model == model and _FIELD_OF_STATE.get(carrier.field, carrier.field) == field
    return _Reading(text, carrier.value if fits else None, carrier.call_id)


_FIELD_OF_STATE = {"thought_signature": "extra_content", "mistral_parts": "parts"}
"""Carrier fields whose place in a request has another name."""


def _text_back(field: str, found: list[_Reading], dialect: Dialect) -> dict[str, Any]:
    text = "\n\n".join(reading.text for reading in found if reading.text)
    if not text and dialect.reasoning_placeholder is None:
        return {}
    fields: dict[str, Any] = {field: text or dialect.reasoning_placeholder}
    if field == "reasoning_text":
        fields |= _opaque_back("reasoning_opaque", found)
    return fields


def _opaque_back(field: str, found: list[_Reading]) -> dict[str, Any]:
    states = [reading.state for reading in found if reading.state is not None]
    if not states:
        return {}
    if all(isinstance(state, list) for state in states):
        return {field: [item for state in states if isinstance(state, list) for item in state]}
    if field != "reasoning_opaque":
        return {field: states[-1]}
    text = "\n\n".join(reading.text for reading in found if reading.text)
    return {field: states[-1], **({"reasoning_text": text} if text else {})}


def _signatures_back(found: list[_Reading], dialect: Dialect, call_ids: list[str]) -> dict[str, dict[str, Any]]:
    """Gemini's thought signatures, each on its own call; the first call of a turn must have one."""
    signatures: dict[str, object] = {}
    for reading in found:
        if reading.state is not None and call_ids:
            signatures[reading.call_id or call_ids[0]] = reading.state
    if call_ids and dialect.reasoning_placeholder is not None:
        signatures.setdefault(call_ids[0], dialect.reasoning_placeholder)
    return {
        call_id: {"extra_content": {"google": {"thought_signature": signature}}}
        for call_id, signature in signatures.items()
        if call_id in call_ids
    }


def carrier_for(field: str, model: str, value: object, shown: bool, text: str, dialect: Dialect) -> Carrier | None:
    """The carrier that closes a thinking block, or None if nothing in it will be wanted back."""
    hidden = "" if shown or dialect.reasoning_back_field == "none" else text
    if value is None and not hidden:
        return None
    return Carrier(field, model, value, "", hidden)
