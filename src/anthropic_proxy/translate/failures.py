"""A backend's error, in Anthropic's terms: one table of wordings, one of statuses.

The wording counts first, then the code, then the status, for many gateways answer 400 or 500 to
everything. The backend's own text is carried, since clients and users go by it.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from anthropic_proxy.errors import STATUS
from anthropic_proxy.translate.error_bodies import ErrorSays, error_in, error_says, error_text
from anthropic_proxy.translate.overflow import Overflow, find_overflow, overflow_message
from anthropic_proxy.translate.pieces import Failure
from anthropic_proxy.translate.rate_limits import LONGEST_WAIT, rate_limit_headers, retry_after, seconds
from anthropic_proxy.translate.redaction import redacted

__all__ = ["Asked", "ErrorSays", "error_in", "error_text", "redacted", "refusal", "stream_failure"]

MOST_TEXT = 2000
"""Characters of the backend's text that are carried."""

_FULL = 0.9
"""Share of the window, by our own estimate, from which a refusal without a word is taken for an overflow."""


OWN_KEY = "the proxy's OPENAI_API_KEY"
CLIENTS_KEY = "the API key that came with this request"


class Asked(NamedTuple):
    """What is known of the call that failed."""

    base_url: str
    model: str
    """The name the backend was asked for."""
    client_model: str = ""
    """The name the client asked for."""
    tokens: int = 0
    """Tokens of the prompt, estimated."""
    window: int | None = None
    """The model's window in tokens, if known."""
    cap: int | None = None
    """The cap on the reply that was sent, in tokens."""
    key_name: str = OWN_KEY
    """The key that was sent, in words: in forward mode it was the client's."""
    url_name: str = "OPENAI_API_BASE"
    """Where the settings have `base_url`, in words."""
    secrets: tuple[str, ...] = ()
    """The keys that were sent. A backend may quote them."""


class _Answer(NamedTuple):
    """What the client is told. `message` is a format: `text`, `model`, `base`, `setting`, `key`."""

    type: str
    message: str = "{text}"
    status: int | None = None
    """Where it is not the type's own."""
    retry: bool = True
    """False: `x-should-retry: false`, for what another try will not mend."""
    waits: bool = False
    """May `retry-after` go with it?"""


class _Rule(NamedTuple):
    statuses: frozenset[int]
    words: re.Pattern[str]
    answer: _Answer


def _rule(statuses: set[int], words: str, answer: _Answer) -> _Rule:
    return _Rule(frozenset(statuses), re.compile(words, re.I), answer)


_BAD = {400, 404, 415, 422}
"""Statuses with which backends refuse a request's content."""

_REFUSED = r"(?:not (?:currently )?support(?:ed)?|n't support|unsupported|not (?:accept|allow|enabled)|unavailable)"

_IMAGES = r"images?(?: (?:inputs?|content|data|urls?|messages|parts?|understanding))?"

VISION_REFUSED = re.compile(
    rf"\b{_IMAGES} (?:is|are) (?:not (?:currently )?|un)support"
    rf"|(?:not|n't) (?:currently )?(?:support|accept)(?:ing|ed)? (?:\w+ )?(?:{_IMAGES}|image_url|vision|multi-?modal)\b"
    r"(?!/| ?(?:formats?|types?|of|files?|sizes?|with|larger)\b)"
    r"|\b(?:vision|multi-?modal)\b[^\n]{0,30}(?:not supported|unsupported|not enabled)"
    r"|image_url[`'\"]? (?:is |are )?(?:not supported|unsupported|not allowed|only supported)"
    r"|unsupported[^\n]{0,30}image_url|unknown variant [`'\"]image_url"
    r"|not a (?:multi-?modal|vision) model|support image input|at most 0 image|missing data required for image",
    re.I,
)
"""A model that sees no images, as against an image or a kind of image that it cannot read. OpenAI, OpenRouter,
vLLM, llama.cpp, Ollama, DeepSeek."""

_IMAGE_BROKEN = (
    r"(?:invalid|unsupported|corrupt(?:ed)?|malformed)[ _](?:base64[ _])?image"
    r"|image_parse_error|(?:could not|cannot|can't|failed to|unable to)"
    r" (?:process|decode|parse|load|open|identify|download|fetch)(?: the| this| an?| input)? image"
    r"|image[^\n]{0,40}(?:too (?:large|small|big)|could not be|exceeds|is not valid|is invalid)"
)

_PDF_REFUSED = (
    rf"(?:\bpdfs?\b|file_data|[`'\"]file[`'\"]|\bfile (?:input|content|part)s?)[^\n]{{0,60}}{_REFUSED}"
    rf"|{_REFUSED}[^\n]{{0,60}}(?:\bpdfs?\b|file_data|[`'\"]file[`'\"]|\bfile (?:input|content|part)s?)"
    r"|invalid (?:value|type|content type)[^\n]{0,20}[`'\"]file[`'\"]"
)

_NO_CREDIT = _Answer("billing_error", retry=False)
_BUSY = _Answer("overloaded_error", waits=True)
_TIMEOUT = _Answer("timeout_error")
_LIMITED = _Answer("rate_limit_error", waits=True)
_BAD_KEY = _Answer("authentication_error", "the upstream refused {key}: {text}", retry=False)
_NO_COPILOT = _Answer(
    "authentication_error",
    "Copilot does not accept LiteLLM's sign-in; sign in again with: anthropic-proxy login copilot ({text})",
    retry=False,
)
_NO_MODEL = _Answer("not_found_error", "model: {model} ({text})")
_OTHER_API = _Answer(
    "not_found_error",
    "model: {model} is not served at /chat/completions, and nothing else is asked here; choose another ({text})",
    retry=False,
)
_NO_PATH = _Answer("api_error", "no /chat/completions at {base}: check {setting} ({text})", status=502, retry=False)

OTHER_API = re.compile(
    r"only (?:supported|available|accessible) (?:in|via|through|on) (?:the )?(?:/?v1/)?responses"
    r"|not (?:accessible|supported|available) (?:in|via|through|on) the /chat/completions|not a chat model"
    r"|unsupported_api_for_model|v1/completions endpoint"
    r"|use (?:the )?(?:/?v1/)?responses (?:api|endpoint)(?! instead of| or)",
    re.I,
)
"""A model that its maker serves at another endpoint only. OpenAI 404 "This model is only supported in v1/responses and
not in v1/chat/completions", Copilot 400 "model … is not accessible via the /chat/completions endpoint", code
`unsupported_api_for_model`: ericc-ch/copilot-api#117."""

_RULES: tuple[_Rule, ...] = (
    _rule(
        {429, 500, 502, 503, 504, 529},
        r"overloaded|at capacity|no healthy upstream|insufficient_system_resource",
        _BUSY,
    ),
    _rule({429}, r"insufficient_quota|\bcredits?\b|insufficient balance", _NO_CREDIT),
    _rule(
        {400, 403},
        r"insufficient_quota|credit balance is too low|(?:out of|no|not enough|insufficient|available) credits?\b"
        r"|insufficient balance",
        _NO_CREDIT,
    ),
    _rule(
        {400, 403, 422, 500},
        r"\brate limit(?:s|ed)?\b|ratelimit|rate_limit_(?:exceeded|error)|too many requests|throttling"
        r"|(?:tokens|requests) per (?:min|hour|day)",
        _LIMITED,
    ),
    _rule(
        {400, 403, 422, 500},
        r"content_filter|content_policy_violation|ResponsibleAIPolicyViolation|content management policy"
        r"|data_?inspection_?failed|content exists risk|inappropriate content"
        r"|requires moderation|input was flagged|prompt was flagged",
        _Answer("invalid_request_error", "Blocked by the upstream's content filter: {text}", retry=False),
    ),
    # LiteLLM, its github_copilot models: Copilot's token is revoked, or GitHub gives no new one. Seen with 1.105.2.
    _rule({401}, r"github_copilotexception", _NO_COPILOT),
    _rule({400, 401}, r"failed to refresh api key|failed to get access token", _NO_COPILOT),
    # The last is LiteLLM 1.105 without a database, where only the master key is right.
    _rule(
        {400},
        r"api[ _]key not valid|API_KEY_INVALID|(?:invalid|incorrect)[ _]api[ _]key|^no connected db\b",
        _BAD_KEY,
    ),
    _rule(
        _BAD,
        VISION_REFUSED.pattern,
        _Answer(
            "invalid_request_error",
            "Could not process image: the upstream model does not accept image input ({text})",
        ),
    ),
    _rule(_BAD, _IMAGE_BROKEN, _Answer("invalid_request_error", "Could not process image: {text}")),
    _rule(_BAD, _PDF_REFUSED, _Answer("invalid_request_error", "This model does not support PDF input ({text})")),
    _rule(_BAD, OTHER_API.pattern, _OTHER_API),
    # OpenRouter: the model is there, but nobody who serves it takes tools, or images, or a parameter.
    _rule({404}, r"no endpoints found", _Answer("invalid_request_error")),
    _rule({404}, r"\bmodels?\b|model_not_found|\bdeployment", _NO_MODEL),
    _rule(
        {400},
        r"model_not_found|invalid model\b(?! (?:output|response|parameter))|not a valid model|model not exist"
        r"|\bmodel\b \S{0,100} ?(?:does not exist|not found|is not found|is not supported\.?$)"
        r"|requested model is not supported",
        _NO_MODEL,
    ),
)
"""First match counts. The statuses keep a word in an unrelated error, or in its echo of the request, from deciding."""

_BY_STATUS: dict[int, _Answer] = {
    **dict.fromkeys((301, 302, 303, 307, 308), _NO_PATH),  # Redirects are not followed.
    401: _BAD_KEY,
    402: _NO_CREDIT,
    403: _Answer("permission_error", retry=False),
    404: _NO_PATH,
    405: _NO_PATH,
    408: _TIMEOUT,
    409: _Answer("conflict_error"),
    413: _Answer("request_too_large"),
    429: _LIMITED,
    503: _BUSY,
    504: _TIMEOUT,
    522: _TIMEOUT,  # Cloudflare: no connection to the host in time.
    524: _TIMEOUT,  # Cloudflare: no answer from the host in time.
    529: _BUSY,
}

_IN_STREAM: dict[int, _Answer] = {404: _Answer("not_found_error"), 405: _Answer("invalid_request_error")}
"""After a 200 the path was right."""

_STATUS_BY_NAME: dict[str, int] = {
    **{name.replace("_", ""): status for name, status in STATUS.items()},
    "badrequesterror": 400,
    "contentfilter": 400,
    "contextlengthexceeded": 400,
    "contextwindowexceedederror": 400,
    "failedprecondition": 400,
    "invalidargument": 400,
    "toolusefailed": 400,
    "invalidapikey": 401,
    "unauthenticated": 401,
    "permissiondenied": 403,
    "modelnotfound": 404,
    "notfound": 404,
    "notfounderror": 404,
    "insufficientquota": 429,
    "ratelimiterror": 429,
    "ratelimitexceeded": 429,
    "resourceexhausted": 429,
    "toomanyrequests": 429,
    "internal": 500,
    "internalservererror": 500,
    "servererror": 500,
    "serviceunavailableerror": 503,
    "unavailable": 503,
    "deadlineexceeded": 504,
    "timeout": 504,
    "engineoverloadederror": 529,
}
"""The status that a `code` or `type` stands for, where a 200 says none. OpenAI, LiteLLM, Google; no `_`, lower case."""


def refusal(status: int, headers: Mapping[str, str], body: bytes, asked: Asked) -> Failure:
    """What the client is told of an error that came before the first byte of a reply.

    `status`, `headers` (names in lower case) and `body` are the backend's reply as it came. A 200 with an
    error for a body is judged by that.
    """
    says = error_text(body)
    if status < 300:
        status = _own_status(says)
    return _failure(says, status, headers, asked, _BY_STATUS)


def stream_failure(error: object, asked: Asked) -> Failure:
    """What the client is told of an `error` value met inside a 200: an object, a string or a list."""
    says = error_says(error)
    return _failure(says, _own_status(says), {}, asked, _BY_STATUS | _IN_STREAM)


def _own_status(says: ErrorSays) -> int:
    """The status the error itself names, by number or by a known code or type; else 500."""
    if says.status is not None:
        return says.status
    names = (name.replace("_", "").lower() for name in (says.code, says.type))
    return next((_STATUS_BY_NAME[name] for name in names if name in _STATUS_BY_NAME), 500)


def _failure(
    says: ErrorSays, status: int, headers: Mapping[str, str], asked: Asked, by_status: Mapping[int, _Answer]
) -> Failure:
    text = _carried(says, status, asked.secrets)
    overflow = find_overflow(says.words, says.figures, asked.cap)
    if overflow is not None:
        message = overflow_message(overflow, text, asked.tokens, asked.window, asked.cap)
        return Failure("invalid_request_error", message, 400)
    if _is_mute_overflow(says, status, asked):
        message = overflow_message(Overflow(), text, asked.tokens, asked.window)
        return Failure("invalid_request_error", message, 400)
    answer = _answer(says, status, asked, by_status)
    message = answer.message.format(
        text=text, model=_model(asked), base=redacted(asked.base_url), key=asked.key_name, setting=asked.url_name
    )
    return Failure(
        answer.type, message, answer.status or STATUS[answer.type], _reply_headers(answer, headers, says.message)
    )


def _carried(says: ErrorSays, status: int, secrets: tuple[str, ...]) -> str:
    """The backend's text as the client may read it."""
    text = redacted(says.message, secrets)
    if says.html:
        text = f"upstream answered HTML: {text}" if text else "upstream answered HTML"
    text = text or redacted(says.code or says.type, secrets) or f"the upstream answered {status} without a message"
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1] + "…"


def _is_mute_overflow(says: ErrorSays, status: int, asked: Asked) -> bool:
    """Cerebras answers an overflow with 400 or 413 and no body. Told by our own estimate of the prompt."""
    if says.words or says.html or status not in (400, 413) or asked.window is None:
        return False
    return asked.tokens >= _FULL * asked.window


def _answer(says: ErrorSays, status: int, asked: Asked, by_status: Mapping[int, _Answer]) -> _Answer:
    words = "" if says.html else says.words
    for rule in _RULES:
        if status in rule.statuses and rule.words.search(words):
            return rule.answer
    if status == 404 and asked.model and asked.model.lower() in words.lower():
        return _NO_MODEL
    known = by_status.get(status)
    if known is not None:
        return known
    return _Answer("api_error", status=status) if status >= 500 else _Answer("invalid_request_error")


def _model(asked: Asked) -> str:
    if asked.client_model in ("", asked.model):
        return asked.model
    return f"{asked.client_model}, sent to the upstream as {asked.model}"


def _reply_headers(answer: _Answer, headers: Mapping[str, str], message: str) -> dict[str, str]:
    reply = rate_limit_headers(headers)
    retry = answer.retry
    # Only a limit's own text is searched for a time: an overloaded backend that names none gets none.
    wait = retry_after(headers, message if answer is _LIMITED else "") if answer.waits else None
    if wait is not None:
        reply["retry-after"] = wait
        retry = retry and (seconds(wait) or 0.0) <= LONGEST_WAIT
    return reply if retry else {**reply, "x-should-retry": "false"}
