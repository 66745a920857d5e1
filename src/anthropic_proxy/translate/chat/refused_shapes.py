"""What to change where a backend refuses the shape of tools or messages.

Each pattern has its function beside it: (the refusal, the match) → changes to the dialect. None
possible: an empty dict. What the messages say is never changed, only how it is laid out.
"""

import re
from itertools import pairwise

from anthropic_proxy.translate.chat.refused_fields import Changes, Refused, any_of, objects
from anthropic_proxy.wire.chat import ChatMessage

# --- A tool's schema

SCHEMA = any_of(
    r"(?:invalid|unsupported|incorrect) (?:json )?(?:schema|parameters) (?:for|of|in) (?:function|tool)"
    r" ['\"`]?(?P<name>[\w-]+)",
    r"(?:schema|parameters) (?:for|of|in) (?:function|tool) ['\"`]?(?P<other>[\w-]+)['\"`]?[^\n]{0,80}"
    r"(?:invalid|not valid|unsupported|not supported)",
    r"tools\W{1,3}(?P<index>\d{1,4})\W+(?:function\W+parameters|custom\W+input_schema|input_schema)",
    r"tools\W{1,3}\d+\W+function_declarations\W+(?P<gemini>\d{1,4})",
    r"(?P<grammar>(?:failed to|unable to|error)[^\n]{0,20} grammar|unable to generate [^\n]{0,20}parser"
    r"|json schema conversion failed)",
)

_KEYWORD = re.compile(
    r"[`'\"(](\$schema|\$id|\$ref|\$defs|\$comment|definitions|additionalProperties|unevaluatedProperties"
    r"|patternProperties|propertyNames|minProperties|maxProperties|exclusiveMinimum|exclusiveMaximum|minimum"
    r"|maximum|multipleOf|minLength|maxLength|pattern|format|minItems|maxItems|uniqueItems|contains|prefixItems"
    r"|const|enum|default|examples|title|oneOf|anyOf|allOf|not|if|then|else|dependentSchemas"
    r"|dependentRequired)[`'\")]|\b(regex)\b|does not support (oneOf|anyOf|allOf)"
)
_MEANT = {"regex": "pattern"}

_MOST_STEPS = 3
"""Steps in which one tool's schema is cut back: `Dialect.schema_steps`."""


def clean_schema(case: Refused, found: re.Match[str]) -> Changes:
    """The schemas of a family of backends, if one is told by its words; else one tool's, a step further."""
    family = "gemini" if found["gemini"] else "grammar" if found["grammar"] else None
    if family and case.dialect.schema == "raw":
        return {"schema": family}
    names = [function.get("name") for function in _functions(case)]
    index = int(found["index"] or found["gemini"] or -1)
    name = found["name"] or found["other"] or (names[index] if 0 <= index < len(names) else None)
    return _next_step(str(name), case) if name in names else {}


def _next_step(name: str, case: Refused) -> Changes:
    """The keyword that is named; then what backends stumble over most; then all but the names.

    A second keyword that the second step would not take out goes on to the third.
    """
    steps = case.dialect.schema_steps
    done, before = next(((step, keyword) for tool, step, keyword in steps if tool == name), (0, ""))
    match = _KEYWORD.search(case.words)
    keyword = next((group for group in match.groups() if group), "") if match else ""
    keyword = _MEANT.get(keyword, keyword)
    step = done + 1 if done or keyword else 2
    if done == 1 and keyword not in ("", before, "pattern", "format"):
        step = _MOST_STEPS
    if step > _MOST_STEPS:
        return {}
    return {"schema_steps": (*(entry for entry in steps if entry[0] != name), (name, step, before or keyword))}


def _functions(case: Refused) -> list[dict[str, object]]:
    functions = (tool.get("function") for tool in objects(case.sent.get("tools")))
    return [function for function in functions if isinstance(function, dict)]


# --- Lengths and ids

_LENGTH = re.compile(
    r"(?:maximum length|at most|length of|limit of|less than or equal to|<=|up to)\D{0,10}(\d{1,9})", re.I
)

DESCRIPTION = any_of(
    r"description[^\n]{0,120}?(?:too long|maximum length|at most|less than or equal to|characters)",
)
_OLD_DESCRIPTION_MAX = 1024
"""Characters. Older deployments of OpenAI's models."""


def shorten_description(case: Refused, found: re.Match[str]) -> Changes:
    length = _LENGTH.search(case.words)
    most = int(length[1]) if length else _OLD_DESCRIPTION_MAX
    too_long = any(len(str(function.get("description", ""))) > most for function in _functions(case))
    return {"description_max": most} if too_long else {}


TOOL_ID = any_of(
    r"(?:tool[_ ]?call[_ ]id|tool_calls\W+\d+\W+id|tool_use(?:_id|\.id))\b[^\n]{0,120}?"
    r"(?:too long|at most|maximum length|length of|pattern|must be a-z|characters)",
)
_OPENAI_ID_MAX = 40


def fit_ids(case: Refused, found: re.Match[str]) -> Changes:
    length = _LENGTH.search(case.words)
    most = int(length[1]) if length else _OPENAI_ID_MAX
    if length and most == 9:  # Mistral: nine letters and digits, no more and no fewer.
        return {"tool_id": "alnum9"}
    if "pattern" in case.words and case.dialect.tool_id == "verbatim":
        return {"tool_id": "any"}
    return {"tool_id_max": most} if most < case.dialect.tool_id_max else {}


# --- Messages


def _messages(case: Refused) -> list[ChatMessage]:
    return objects(case.sent.get("messages"))


def _roles(case: Refused) -> list[str]:
    return [str(message.get("role")) for message in _messages(case)]


def no_images(case: Refused, found: re.Match[str]) -> Changes:
    """Images in tool results then become text; one that the user attached is refused by the translator."""
    parts = [part for message in _messages(case) for part in objects(message.get("content"))]
    return {"vision": False} if any(part.get("type") == "image_url" for part in parts) else {}


DEVELOPER = any_of(r"[`'\"]developer[`'\"]", r"\bdeveloper (?:role|message)", r"\brole:? developer")


def plain_roles(case: Refused, found: re.Match[str]) -> Changes:
    return {"system_role": "system"} if "developer" in _roles(case) else {}


ORDER = any_of(
    r"system (?:message|role|prompt)s?[^\n]{0,40}(?:must|should|can only|has to|only) [^\n]{0,20}"
    r"(?:first|beginning|start)",
    r"first message (?:must|should|can|has to)",
    r"expected first message",
    r"only the first message",
    r"roles must alternate",
    r"must alternate between",
    r"unexpected (?:message )?role",
    r"invalid role order",
)


def plain_order(case: Refused, found: re.Match[str]) -> Changes:
    """The first remedy whose cause is in the messages: a late system message, a wrong first, a user after a tool."""
    roles = _roles(case)
    conversation = roles[1:] if roles and roles[0] in ("system", "developer") else roles
    late_system = {"system", "developer"} & set(conversation)
    if late_system and case.dialect.mid_system == "keep" and re.search(r"system|developer|alternate", case.words, re.I):
        return {"mid_system": "fold"}
    if not case.dialect.first_user and conversation and conversation[0] != "user":
        return {"first_user": True}
    return {"after_tool": "bridge"} if ("tool", "user") in pairwise(conversation) else {}


_NO_TEXT = r"(?:null|\bnone\b|\bnil\b)"

STRING_CONTENT = any_of(
    r"content[^\n]{0,80}(?:must be a string|should be a (?:valid )?string|expected (?:a )?string|of type '?string"
    rf"|is not a string|{_NO_TEXT})",
    r"(?:invalid type: (?:sequence|null)|mismatch type string with value|cannot unmarshal array)",
    rf"{_NO_TEXT}[^\n]{{0,40}}\bcontent",
)


def string_content(case: Refused, found: re.Match[str]) -> Changes:
    """Strings for lists of parts, or a string for `null`: what the messages have and the words fit."""
    null = any(message.get("role") == "assistant" and message.get("content") is None for message in _messages(case))
    lists = {message.get("role") for message in _messages(case) if isinstance(message.get("content"), list)}
    if null and (not lists or re.search(_NO_TEXT, case.words, re.I)):
        return {"null_content": False}
    if lists == {"tool"}:
        return {"tool_images": False}
    return {"content": "string"} if lists else {}


EMPTY_CONTENT = any_of(
    r"(?:content|message|text)\b[^\n]{0,60}(?:must not be empty|must be non-?empty|(?:cannot|can't|may not) be empty"
    r"|is empty|non-whitespace|is required)",
    r"empty (?:content|message|text)",
    r"content or (?:tool_calls|thinking)",
)


def fill_content(case: Refused, found: re.Match[str]) -> Changes:
    contents = [message.get("content", "…") for message in _messages(case) if message.get("role") == "assistant"]
    if None in contents:
        return {"null_content": False}
    return {"empty_content": "(empty)"} if "" in contents else {}


# --- Reasoning in the messages

REASONING_MISSING = any_of(
    r"reasoning_content[^\n]{0,60}(?:missing|must be (?:passed|provided|returned|sent|included)|is required)",
    r"missing[^\n]{0,30}reasoning_content",
)


def reasoning_placeholder(case: Refused, found: re.Match[str]) -> Changes:
    """Its field first, with an empty text; then a space, which Kimi wants; then every assistant turn."""
    dialect = case.dialect
    back: Changes = {"reasoning_back_field": "reasoning_content"} if dialect.reasoning_back_field == "none" else {}
    if dialect.reasoning_back == "none":
        back["reasoning_back"] = "tool_calls"
    if back or dialect.reasoning_placeholder is None:
        return {**back, "reasoning_placeholder": dialect.reasoning_placeholder or ""}
    return {"reasoning_placeholder": " "} if dialect.reasoning_placeholder == "" else {"reasoning_back": "all"}


SIGNATURE_MISSING = any_of(r"missing (?:a )?[`'\"]?thought_signature")


def signature_placeholder(case: Refused, found: re.Match[str]) -> Changes:
    return {"reasoning_back_field": "extra_content", "reasoning_placeholder": "skip_thought_signature_validator"}
