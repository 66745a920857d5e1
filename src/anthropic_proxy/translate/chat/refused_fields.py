"""Which fields of a request a backend's error refuses, and what to change about each."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.translate.error_bodies import ErrorSays
from anthropic_proxy.wire.chat import ChatRequest

Changes: TypeAlias = dict[str, object]
"""Fields of a Dialect and their new values."""


class Refused(NamedTuple):
    """A request that was refused, and why."""

    says: ErrorSays
    words: str
    """What the error says, for a search."""
    sent: ChatRequest
    dialect: Dialect


_KEPT = frozenset({"model", "messages", "tools", "stream", "max_tokens", "max_completion_tokens"})
"""Fields without which there is no request; never dropped."""

_NO = (
    r"(?:\bun(?:supported|known|recogni[sz]ed|expected|available)|\binvalid\b|\bincompatible|\bdeprecated|\bdisabled"
    r"|\b(?:not|cannot|can't|isn't|aren't|never)\b(?: \w+){0,3} (?:support(?:ed)?|allow(?:ed)?|permit(?:ted)?"
    r"|accept(?:ed)?|recogni[sz]ed|available|used|set|specified|enabled|disabled|combined|valid|exist)\b"
    r"|(?:does not|doesn't|do not|don't) (?:\w+ ){0,2}(?:support|accept|allow|take|have)|extra (?:inputs?|fields?)"
    r"|extra_forbidden|additional properties|cannot find field|no endpoints found that (?:support|can handle)"
    r"|only (?:the default|\d|supports?|allows?)|restricted to|must be|input should be|cannot both|mutually exclusive)"
)
"""Words of refusal."""

_NEAR = r"(?:[^.\n]|\.(?=\S)){0,100}?"
"""The same sentence, not too far. A point inside a model's name ends no sentence."""

_CODES = re.compile(r"\b(?:unsupported|unknown|invalid)_(?:parameter|value|argument)\b|extra_forbidden")

_LIST_OF_OTHERS = re.compile(
    r",? ?(?:expected one of|(?:supported|allowed|valid|accepted|known) (?:parameters|fields|arguments|properties)"
    r"(?! ?:? ?\[?['\"`]?\w+['\"`]?\]? (?:is|are) not))(?:[^.\n]|\.(?=\S))*",
    re.I,
)
"""`unknown field x, expected one of a, b, c`: those named last are the ones that are fine."""


def _named(name: str) -> str:
    """How an error names the field `name`. Words of everyday English count only where they look like a field."""
    if "_" in name or name == "temperature":
        return rf"\b{name}\b"
    return (
        rf"(?:[`'\"]{name}[`'\"]|(?:parameter|argument|property|field|name)s?:? [\[`'\"]*{name}\b"
        rf"|(?<![\w.\]]){name}: |\bbody\.{name}\b|: {name}[.\s]*$)"
    )


_ALSO_NAMED: dict[str, str] = {
    "parallel_tool_calls": r"parallel (?:tool|function) call(?:s|ing)",
    "reasoning_effort": r"reasoning effort|effort parameter",
    "response_format": r"structured outputs?|json[_ ](?:schema|mode|object)|response format",
    "stop": r"stop (?:sequences?|words?|parameter)",
    "stream_options": r"stream options|include_usage",
    "thinking": r"(?<!\w)thinking(?= (?:is|mode|parameter|config))",
    "tool_choice": r"tool choice",
}
"""What else errors call a field."""

_USER = r"(?:(?:parameter|argument|property|field|name)s?:? [\[`'\"]*user\b|(?<![\w.\]])user: extra|\bbody\.user\b)"
"""A quoted `user` is mostly a role."""


@cache
def _refusal_of(name: str) -> re.Pattern[str]:
    names = _USER if name == "user" else "|".join(filter(None, (_named(name), _ALSO_NAMED.get(name))))
    return re.compile(rf"(?:{names}){_NEAR}{_NO}|{_NO}{_NEAR}(?:{names})", re.I)


def refused_names(case: Refused) -> list[str]:
    """The fields that were sent and that the error refuses, in the order they were sent."""
    sent = list(dict.fromkeys(_sent_names(case.sent)))
    pointed = _pointed_at(case.says.param, case.sent)
    own = pointed in _RULES or (pointed in case.sent and pointed not in _KEPT)
    if own and pointed in sent and (_CODES.search(case.words) or re.search(_NO, case.words, re.I)):
        return [pointed]
    text = _LIST_OF_OTHERS.sub("", case.says.message)
    found = [name for name in sent if name in _RULES or (name in case.sent and name not in _KEPT)]
    return [name for name in found if _refusal_of(name).search(text)]


def _pointed_at(param: str, sent: ChatRequest) -> str:
    """The field a path such as `tools[0].function.strict` or `stream_options.include_usage` is about."""
    parts = [part for part in re.split(r"[^\w$]+", param) if part and not part.isdecimal() and part != "body"]
    if not parts:
        return ""
    return parts[0] if parts[0] in sent and parts[0] not in ("messages", "tools") else parts[-1]


def _sent_names(sent: ChatRequest) -> Iterable[str]:
    """Names of fields in the request: its own, then those inside messages, their parts, calls and tools."""
    yield from sent
    for message in objects(sent.get("messages")):
        yield from message
        for inside in (*objects(message.get("content")), *objects(message.get("tool_calls"))):
            yield from inside
    for tool in objects(sent.get("tools")):
        yield from tool
        function = tool.get("function")
        yield from function if isinstance(function, dict) else ()


def any_of(*patterns: str) -> re.Pattern[str]:
    """One pattern that finds any of `patterns`, in either case."""
    return re.compile("|".join(patterns), re.I)


def objects(value: object) -> list[dict[str, Any]]:
    """The objects in `value`, if it is a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def changes_for(case: Refused) -> tuple[list[str], Changes]:
    """The fields refused, and the changes to the dialect that together answer them."""
    changes: Changes = {}
    names = []
    for name in refused_names(case):
        dialect = replace(case.dialect, **changes)  # type: ignore[arg-type]
        rule = _RULES.get(name) or _dropped
        found = rule(case._replace(dialect=dialect), name)
        if any(getattr(dialect, field) != value for field, value in found.items()):
            changes |= found
            names.append(name)
    return names, changes


# --- One function a field: (case, field name) → changes. None possible: an empty dict.


def _dropped(case: Refused, name: str) -> Changes:
    return {"dropped": case.dialect.dropped | {name}}


_UNKNOWN_FIELD = re.compile(
    r"unsupported|not supported|not support|unknown|unrecogni[sz]ed|not permitted|not allowed|unexpected|deprecated"
    r"|use [`'\"]?max_(?:completion_)?tokens",
    re.I,
)

_OTHER_CAP = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


def _max_tokens(case: Refused, name: str) -> Changes:
    """The other field. The one refused is noted in `dropped`, so that two refusals do not swap them for ever."""
    other = _OTHER_CAP[name]
    if other in case.dialect.dropped or not _UNKNOWN_FIELD.search(case.words):
        return {}
    return {"max_tokens_field": other, "dropped": case.dialect.dropped | {name}}


_MOST_STOPS = re.compile(r"(?:maximum|max|at most|up to|than)\D{0,20}(\d{1,9})", re.I)


def _stop(case: Refused, name: str) -> Changes:
    found = _MOST_STOPS.search(case.words)
    sent = case.sent.get("stop")
    most = int(found[1]) if found and isinstance(sent, list) else 0
    return {"stop_max": most if isinstance(sent, list) and most < len(sent) else 0}


LEVELS = ("low", "medium", "high", "xhigh", "max")

_LISTED = re.compile(
    r"(?:\b(?:supported|allowed|valid|permitted|acceptable|accepted|available)(?: \w+)?"
    r" (?:values?|options?|levels?|efforts?)"
    r"|\bmust be|\bone of|\binput should be|\bexpected)\b[^.\n]*",
    re.I,
)
_LEVEL = re.compile(r"\b(none|minimal|low|medium|high|xhigh|max)\b", re.I)


def _effort(case: Refused, name: str) -> Changes:
    """The values the error lists, if it does; else no effort, or no way to switch reasoning off."""
    listed = {level.lower() for part in _LISTED.findall(case.words) for level in _LEVEL.findall(part)}
    value = case.sent.get("reasoning_effort")
    levels = tuple(level for level in LEVELS if level in listed)
    if levels and value not in listed:
        return {"efforts": levels, "effort_off": next((off for off in ("none", "minimal") if off in listed), "")}
    if value == case.dialect.effort_off and re.search(rf"[`'\"]{value}[`'\"]|unsupported_value", case.words):
        return {"effort_off": ""}
    return {"thinking_effort": False} if "thinking" in case.sent else {"reasoning": "none"}


def _thinking(case: Refused, name: str) -> Changes:
    """The switch itself is refused, or an entry beside it."""
    if name not in case.sent:  # A field of the messages: earlier reasoning.
        return _reasoning_back(case, name)
    extra = {key for key, _ in case.dialect.thinking_extra}
    if any(re.search(rf"\b{key}\b", case.words) for key in extra):
        return {"thinking_extra": ()}
    return {"reasoning": "none"}


MANDATORY = re.compile(
    r"(?:reasoning|thinking)[^.\n]{0,40}(?:mandatory|cannot be (?:disabled|turned off)|can't be disabled|always on)"
    r"|(?:cannot|can't) (?:disable|turn off|switch off) (?:thinking|reasoning)",
    re.I,
)
"""A model that cannot stop reasoning. OpenRouter."""


def _reasoning_back(case: Refused, name: str) -> Changes:
    """Earlier reasoning in the messages is refused. Old deepseek-reasoner."""
    return {"reasoning_back": "none", "reasoning_placeholder": None}


_TOOL_CHOICES = ("all", "no_named", "no_required", "auto_only")


def _tool_choice(case: Refused, name: str) -> Changes:
    """The next poorer way to ask, and in the end none."""
    choice, dialect = case.sent.get("tool_choice"), case.dialect
    forced = isinstance(choice, dict) or choice == "required"
    if forced and dialect.forced_tool_while_thinking and re.search(r"thinking|reasoning", case.words, re.I):
        return {"forced_tool_while_thinking": False}
    poorer = (
        "no_named" if isinstance(choice, dict) else {"required": "no_required", "none": "auto_only"}.get(str(choice))
    )
    known = dialect.tool_choice in _TOOL_CHOICES
    if poorer and known and _TOOL_CHOICES.index(poorer) > _TOOL_CHOICES.index(dialect.tool_choice):
        return {"tool_choice": poorer}
    return _dropped(case, name)


def _response_format(case: Refused, name: str) -> Changes:
    wanted = case.sent.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    return {"json": "object" if kind == "json_schema" else "none"}


def _becomes(**changes: object) -> Callable[[Refused, str], Changes]:
    return lambda case, name: changes


_RULES: dict[str, Callable[[Refused, str], Changes]] = {
    "max_tokens": _max_tokens,
    "max_completion_tokens": _max_tokens,
    "stop": _stop,
    "stream_options": _becomes(usage_in_stream="never"),
    "parallel_tool_calls": _becomes(parallel_flag=False),
    "tool_choice": _tool_choice,
    "tool_stream": _becomes(tool_stream=False),
    "strict": _becomes(strict_flag=False),
    "response_format": _response_format,
    "reasoning_effort": _effort,
    "reasoning": _thinking,
    "thinking": _thinking,
    "enable_thinking": _becomes(reasoning="none"),
    "chat_template_kwargs": _becomes(reasoning="none"),
    "thinking_token_budget": _becomes(thinking_budget=False),
    "extra_headers": _becomes(initiator_in_body=False),
    "cache_control": _becomes(cache="implicit"),
    "copilot_cache_control": _becomes(cache="implicit"),
    "reasoning_content": _reasoning_back,
    "reasoning_text": _reasoning_back,
    "reasoning_opaque": _reasoning_back,
    "reasoning_details": _reasoning_back,
    "thinking_blocks": _reasoning_back,
    "extra_content": _reasoning_back,
}
"""Fields that have a switch of their own in the dialect, and those inside messages and tools. Any other field of
the body is dropped by name."""
