"""How many tokens the model can take: from the settings, from what is known of it, or from the backend."""

import asyncio

from anthropic_proxy.backend import Backend
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.launcher.variables import Limits
from anthropic_proxy.routing import Route
from anthropic_proxy.server.app import http_upstream
from anthropic_proxy.translate.chat import CHAT
from anthropic_proxy.wire.json import InvalidJson, loads

PATIENCE = 3.0
"""Seconds for all questions together. Claude Code can do without the answers."""

LARGEST_LIST = 2**24
"""Bytes."""


async def limits_of(settings: Settings, model: str | None) -> Limits:
    """The limits of `model` on the backend of the settings."""
    if model is None:
        return Limits()
    try:
        backend = Backend(http_upstream(settings), settings)
    except ValueError:
        return Limits()
    try:
        async with asyncio.timeout(PATIENCE):
            dialect = await backend.dialect(Route(model, CHAT, False))
            known = Limits(dialect.context_window, dialect.max_output_tokens)
            return await _litellm_limits(backend, settings, model, known) if dialect.name == "litellm" else known
    except TimeoutError:
        return Limits()
    finally:
        await backend.close()


async def _litellm_limits(backend: Backend, settings: Settings, model: str, known: Limits) -> Limits:
    """LiteLLM knows the limits of most models behind it; its `/models` does not tell them (1.105.2)."""
    key = settings.openai_api_key
    headers = {"authorization": f"Bearer {key.get_secret_value()}"} if key is not None else {}
    try:
        async with backend.upstream.get("/model/info", headers) as reply:
            told = loads(await reply.body(LARGEST_LIST)) if reply.status == 200 else None
    except (UpstreamBroke, InvalidJson):
        return known
    found = limits_in(told, model)
    return Limits(known.window or found.window, known.output or found.output)


def limits_in(told: object, model: str) -> Limits:
    """The limits of `model` in LiteLLM's model info: the smallest of the deployments that share the name."""
    entries = told.get("data") if isinstance(told, dict) else None
    infos = [
        entry["model_info"]
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and entry.get("model_name") == model and isinstance(entry.get("model_info"), dict)
    ]
    return Limits(_least(infos, "max_input_tokens"), _least(infos, "max_output_tokens"))


def _least(infos: list[dict[str, object]], name: str) -> int | None:
    counts = [count for info in infos if isinstance(count := info.get(name), int) and count > 0]
    return min(counts, default=None)
