"""How long a prompt is, before it is sent. The backend is never asked."""

from dataclasses import replace

from anthropic_proxy.backend import Way
from anthropic_proxy.dialects import Dialect
from anthropic_proxy.errors import InvalidRequest, UnsupportedBlock
from anthropic_proxy.routing import Route
from anthropic_proxy.translate.api import Client, Translation
from anthropic_proxy.translate.count import Count, count_tokens
from anthropic_proxy.wire.anthropic import MessagesRequest
from anthropic_proxy.wire.json import dumps

COUNTING = Client(emulate_prefill=True)
"""A count may end with the assistant's message: Claude Code counts its messages one by one."""


def estimated_tokens(asked: MessagesRequest, way: Way) -> int:
    """Tokens of the prompt, as the backend of `way` would count them, as far as that is known.

    Raises InvalidRequest for what cannot be translated at all.
    """
    route, backend = way
    translation = translated(asked, route, backend.known_dialect(route))
    return backend.calibration.tokens(route.model, size_of(translation, dumps(translation.body)))


def size_of(translation: Translation, data: bytes) -> Count:
    """How many tokens a translated request is thought to hold; `data` is the JSON text of its body."""
    return count_tokens(data, translation.media, translation.media_tokens, translation.frame_tokens)


def translated(asked: MessagesRequest, route: Route, dialect: Dialect) -> Translation:
    """The request as it would be sent, but that what this backend cannot be sent is counted all the same."""
    complete: MessagesRequest = {"max_tokens": 1, **asked, "stream": False}
    try:
        try:
            return route.api.translate(complete, route.model, dialect, COUNTING)
        except UnsupportedBlock:
            able = replace(dialect, vision=True, content="parts", image_urls=True, pdf="file", pdf_urls=True)
            return route.api.translate(complete, route.model, able, COUNTING)
    except RecursionError:
        raise InvalidRequest("body: JSON is nested too deeply") from None
