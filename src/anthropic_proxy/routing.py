"""Which upstream model serves a request, over which API: the model map first, then the three model variables."""

from collections.abc import Callable
from typing import NamedTuple

from anthropic_proxy.config import Settings
from anthropic_proxy.model_map import NO_MAP, Found, ModelMap, Target
from anthropic_proxy.translate.api import UpstreamApi
from anthropic_proxy.translate.asked import is_safety_check, thinking_on
from anthropic_proxy.translate.body_fields import BodyFields
from anthropic_proxy.translate.chat import CHAT
from anthropic_proxy.translate.model_list import ALIAS
from anthropic_proxy.wire.anthropic import MessagesRequest


class Route(NamedTuple):
    """One request's way."""

    model: str
    """The name that goes upstream."""
    api: UpstreamApi
    reasoning: bool
    """Was the model named for requests that think? Then it is taken to understand effort levels."""
    target: Target | None = None
    """The backend, if it is not that of OPENAI_API_BASE."""
    overrides: tuple[tuple[str, object], ...] = ()
    """What the map says of the dialect for this model."""
    fields: BodyFields | None = None
    """What it says of the fields of the request's body."""
    mapped: bool = False
    """Has the model map chosen it?"""
    why: str = ""
    """What in the settings has chosen it, for people to read."""
    fallbacks: "tuple[Route, ...]" = ()
    """Where to go, in this order, if it fails before the first of its reply."""


def route_for(
    settings: Settings,
    request: MessagesRequest,
    models: ModelMap = NO_MAP,
    tokens: Callable[[Route], int] | None = None,
) -> Route:
    """The route of a request: of its safety check or its long prompt, else of the model it names.

    `tokens` estimates how long the prompt is for a route. It is asked only where the map has a way for long ones.
    """
    if models.safety_check is not None and is_safety_check(request):
        return _route(settings, request, models, models.safety_check, "safety_check: ")
    route = _route(settings, request, models, request["model"])
    if models.long_context is not None and tokens is not None and tokens(route) > models.long_context.above:
        return _route(settings, request, models, models.long_context.model, "long_context: ")
    return route


def _route(settings: Settings, request: MessagesRequest, models: ModelMap, asked: str, why: str = "") -> Route:
    thinking = thinking_on(request)
    prefix, _, aliased = asked.partition(ALIAS)
    is_alias = settings.claude_aliases and bool(aliased) and not prefix
    found = models.find(aliased if is_alias else asked)
    if found is None and is_alias:
        return Route(aliased, CHAT, False, why=f"{why}CLAUDE_ALIASES")
    if found is None:
        return _by_settings(settings, asked, thinking, why)
    fallbacks = (_mapped(spare) for name in found.rule.fallbacks if (spare := models.find(name)))
    return _mapped(found, why)._replace(fallbacks=tuple(fallbacks))


def _mapped(found: Found, why: str = "") -> Route:
    rule = found.rule
    why = f"{why}models: {rule.pattern} {found.how}"
    return Route(found.model, CHAT, rule.reasoning, rule.target, rule.overrides, rule.fields, True, why)


def _by_settings(settings: Settings, asked: str, thinking: bool, why: str) -> Route:
    """REASONING_MODEL for requests with thinking on, COMPLETION_MODEL for the others, MODEL for both.

    With none of them set, the client's own choice goes upstream as it is; so it does if CLIENT_MODELS lists it.
    """
    if settings.client_models and asked in settings.models_by_name:
        return Route(asked, CHAT, False, why=f"{why}CLIENT_MODELS")
    special, variable = settings.completion_model, "COMPLETION_MODEL"
    if thinking:
        special, variable = settings.reasoning_model, "REASONING_MODEL"
    reasoning = thinking and settings.reasoning_model is not None
    if special:
        return Route(special, CHAT, reasoning, why=f"{why}{variable}")
    if settings.model:
        return Route(settings.model, CHAT, reasoning, why=f"{why}MODEL")
    return Route(asked, CHAT, reasoning, why=f"{why}as the client asks")


def default_model(settings: Settings) -> str | None:
    """Stands in for a missing `model` where the settings choose the model anyway."""
    return settings.model or settings.completion_model or settings.reasoning_model
