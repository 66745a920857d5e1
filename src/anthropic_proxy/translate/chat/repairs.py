"""Asks a backend for less where it refused more: what one refusal teaches about its dialect.

Parameters are dropped or replaced. What the user wrote or attached never is: a refusal that is about
content is no repair, or it makes the translator refuse the content by its place.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.translate.api import Repair
from anthropic_proxy.translate.chat import refused_shapes as shapes
from anthropic_proxy.translate.chat.refused_fields import MANDATORY, Changes, Refused, any_of, changes_for
from anthropic_proxy.translate.error_bodies import error_text
from anthropic_proxy.translate.failures import VISION_REFUSED
from anthropic_proxy.translate.overflow import LEAST_ROOM, find_overflow
from anthropic_proxy.wire.chat import ChatRequest

STATUSES = frozenset({400, 404, 422})
"""Statuses that may refuse a parameter."""


def repair(status: int, body: bytes, sent: ChatRequest, dialect: Dialect) -> Repair | None:
    """What the refusal of `sent` teaches, or None where asking for less does not help.

    `body` is the backend's error reply. Every change differs from what `dialect` says, and none undoes
    another, so that a caller who applies the changes and asks again comes to an end.
    """
    says = error_text(body)
    if status not in STATUSES or says.html or not says.words or _NO_PARAMETER.search(says.words):
        return None
    case = Refused(says, says.words, sent, dialect)
    if find_overflow(case.words, says.figures) is not None:
        return _fit_window(case)
    for rule in _RULES:
        found = rule.words.search(case.words)
        if found:
            return _by_rule(rule, rule.change(case, found), case)
    names, changes = changes_for(case)
    if not changes:
        return None
    quoted = ", ".join(f"`{name}`" for name in names)
    return Repair(changes, True, f"model {_model(sent)} refused {quoted}; {_remedy(changes, len(names))}")


_NO_PARAMETER = any_of(
    r"\brate limit",
    r"rate_limit_",
    r"too many requests",
    r"throttling",
    r"tokens per (?:min|hour|day)",
    r"insufficient_quota",
    r"credit balance",
    r"content_filter",
    r"content_policy",
    r"ResponsibleAI",
    r"content management policy",
    r"model_not_found",
    r"invalid_api_key",
)
"""Refusals that have to do with anything but the request's parameters."""


class _Rule(NamedTuple):
    """One kind of refusal. Where the words match, the rule alone decides, also that nothing can be done."""

    words: re.Pattern[str]
    change: Callable[[Refused, re.Match[str]], Changes]
    about: str
    """What was refused, for the log."""
    remember: bool = True


def _by_rule(rule: _Rule, changes: Changes, case: Refused) -> Repair | None:
    changes = {field: value for field, value in changes.items() if getattr(case.dialect, field) != value}
    if not changes:
        return None
    says = f"model {_model(case.sent)} refused {rule.about}; {_remedy(changes, 1)}"
    return Repair(changes, rule.remember, says if rule.remember else f"{says}, for this request")


def _model(sent: ChatRequest) -> str:
    return str(sent.get("model", ""))


def _remedy(changes: Changes, fields: int) -> str:
    """`it is no longer sent`, or the dialect's fields with their new values. Never the backend's own text."""
    told = [f"{field} is now {value!r}" for field, value in changes.items() if field != "dropped"]
    return ", ".join(told) or ("it is no longer sent" if fields == 1 else "they are no longer sent")


# --- The cap on the reply


def sent_cap(sent: ChatRequest) -> int | None:
    """The cap on the reply in a request, in tokens."""
    caps = (sent.get("max_tokens"), sent.get("max_completion_tokens"))
    return next((cap for cap in caps if isinstance(cap, int)), None)


def _fit_window(case: Refused) -> Repair | None:
    """A smaller cap for this request, where the prompt fits the window and prompt and cap together do not."""
    cap = sent_cap(case.sent)
    overflow = find_overflow(case.words, case.says.figures, cap)
    if overflow is None or cap is None or overflow.room is None or not LEAST_ROOM <= overflow.room < cap:
        return None
    says = (
        f"model {_model(case.sent)} has a window of {overflow.window} tokens, too few for a prompt of "
        f"{overflow.prompt} and a cap of {cap}; the cap is {overflow.room} for this request"
    )
    return Repair({"max_output_tokens": overflow.room}, False, says)


_CAP_TOO_LARGE = any_of(
    r"(?:supports? at most|limited to) `?(?P<supported>\d[\d,]{0,14})`? (?:completion |output |new )?tokens",
    r"(?:output|completion) tokens?(?: limit)? (?:is|of) `?(?P<limit>\d[\d,]{0,14})",
    r"max_(?:completion_|new_|output_)?tokens:? \d+ > (?P<maximum>\d[\d,]{0,14})",
    r"range (?:of max_(?:completion_|output_)?tokens (?:is|should be)|is from) \[?\d+(?: \(inclusive\) to|,)\s*"
    r"(?P<range>\d[\d,]{0,14})(?P<exclusive> \(exclusive\))?",
    r"max_?(?:completion_|new_|output_)?tokens\b[^\n]{0,80}?"
    r"(?:less than or equal to|at most|no more than|cannot exceed|must not exceed|up to|<=|between \d+ and"
    r"|exceeds?(?: the)?(?: model)?(?:'s)?(?: maximum)?(?: limit)?(?: of)?|maximum (?:of|is|value is|allowed is)"
    r"|cannot be (?:greater|larger|more) than)\s*:?\s*`?(?P<bound>\d[\d,]{0,14})",
    r"maximum tokens you requested exceeds the model limit of (?P<model>\d[\d,]{0,14})",
)
"""A cap above the model's own. OpenAI, Anthropic, DeepSeek, DashScope, Gemini, Groq, Bedrock."""

_CAP_NUMBERS = ("supported", "limit", "maximum", "range", "bound", "model")


def _lower_cap(case: Refused, found: re.Match[str]) -> Changes:
    most = next(int(found[name].replace(",", "")) for name in _CAP_NUMBERS if found[name])
    most -= 1 if found["exclusive"] else 0
    cap = sent_cap(case.sent)
    return {"max_output_tokens": most} if cap is not None and 0 < most < cap else {}


# --- The rest of the table


def _stream_only(case: Refused, found: re.Match[str]) -> Changes:
    return {} if case.sent.get("stream") else {"stream_only": True}


def _tools_with_history(case: Refused, found: re.Match[str]) -> Changes:
    return {} if "tools" in case.sent else {"tools_with_history": True}


def _no_json(case: Refused, found: re.Match[str]) -> Changes:
    return {"json": "none"} if "response_format" in case.sent else {}


def _always_on(case: Refused, found: re.Match[str]) -> Changes:
    return {"effort_off": ""}


_STREAM_ONLY = any_of(
    r"only supports? stream", r"non-streaming", r"stream(?:ing)? (?:mode )?only", r"streaming is required"
)
_NO_TOOLS = any_of(r"tool calling without [`'\"]?tools")
_TOOLS_AND_JSON = any_of(
    r"json (?:mode|schema|object)[^\n]{0,40}(?:combined|together|not supported) with (?:tool|function)"
)

_RULES: tuple[_Rule, ...] = (
    _Rule(_CAP_TOO_LARGE, _lower_cap, "the cap on the reply"),
    _Rule(_STREAM_ONLY, _stream_only, "a whole reply"),
    _Rule(shapes.SCHEMA, shapes.clean_schema, "a tool's schema"),
    _Rule(shapes.SIGNATURE_MISSING, shapes.signature_placeholder, "calls without a signature"),
    _Rule(shapes.REASONING_MISSING, shapes.reasoning_placeholder, "calls without their reasoning"),
    _Rule(MANDATORY, _always_on, "to stop reasoning"),
    _Rule(shapes.TOOL_ID, shapes.fit_ids, "the id of a tool call"),
    _Rule(shapes.DESCRIPTION, shapes.shorten_description, "a tool's description"),
    _Rule(VISION_REFUSED, shapes.no_images, "images"),
    _Rule(shapes.DEVELOPER, shapes.plain_roles, "the role `developer`"),
    _Rule(shapes.ORDER, shapes.plain_order, "the order of roles"),
    _Rule(_NO_TOOLS, _tools_with_history, "calls without tools"),
    _Rule(_TOOLS_AND_JSON, _no_json, "a schema beside tools", remember=False),
    _Rule(shapes.STRING_CONTENT, shapes.string_content, "the form of a message's content"),
    _Rule(shapes.EMPTY_CONTENT, shapes.fill_content, "empty content"),
)
"""First match decides. What matches none of them is searched for the name of a field."""
