"""Which upstream model serves a request, over which API. The three model variables meet it here and nowhere else."""

from typing import NamedTuple

from anthropic_proxy.config import Settings
from anthropic_proxy.translate.api import UpstreamApi
from anthropic_proxy.translate.asked import thinking_on
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


def route_for(settings: Settings, request: MessagesRequest) -> Route:
    """REASONING_MODEL for requests with thinking on, COMPLETION_MODEL for the others, MODEL for both.

    With none of them set, the client's own choice goes upstream as it is; so it does if CLIENT_MODELS lists it,
    and without its prefix if it is an alias of our own model list (CLAUDE_ALIASES).
    """
    prefix, _, aliased = request["model"].partition(ALIAS)
    if settings.claude_aliases and aliased and not prefix:
        return Route(aliased, CHAT, False)
    if settings.client_models and request["model"] in settings.models_by_name:
        return Route(request["model"], CHAT, False)
    thinking = thinking_on(request)
    special = settings.reasoning_model if thinking else settings.completion_model
    model = special or settings.model or request["model"]
    return Route(model, CHAT, thinking and settings.reasoning_model is not None)


def default_model(settings: Settings) -> str | None:
    """Stands in for a missing `model` where the settings choose the model anyway."""
    return settings.model or settings.completion_model or settings.reasoning_model
