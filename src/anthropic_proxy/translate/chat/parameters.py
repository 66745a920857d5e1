"""Parameters: the fields of a chat request beside messages and tools, one function a concern.

Together they are an allow-list: what no function writes is not sent.
"""

import hashlib
from collections.abc import Callable
from typing import TypeAlias

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.errors import InvalidRequest
from anthropic_proxy.translate.api import Client
from anthropic_proxy.translate.asked import thinking_off
from anthropic_proxy.translate.chat.system import system_blocks
from anthropic_proxy.wire.anthropic import MessagesRequest
from anthropic_proxy.wire.chat import ChatRequest
from anthropic_proxy.wire.json import InvalidJson, loads

Parameter: TypeAlias = Callable[[MessagesRequest, Dialect, Client, list[str]], ChatRequest]
"""Gives the fields it is about; appends `field: reason` to the list for what it had to drop."""


ROOM_TO_THINK = 4096
"""Tokens added to a cap smaller than this where thinking is off and the model cannot stop: the cap was meant for the
answer alone. Claude Code's safety check has 64, and without a verdict in them every command is refused."""


def sent_cap(request: MessagesRequest, dialect: Dialect) -> int:
    """Tokens the reply may have: `max_tokens`, lowered to what the model accepts, for Claude Code asks for
    128,000 of any model.

    Zero asks only to fill the prompt cache; backends want one at least, and the reader discards it.
    """
    cap = request["max_tokens"]
    if 0 < cap < ROOM_TO_THINK and not dialect.effort_off and thinking_off(request):
        cap += ROOM_TO_THINK
    most = dialect.max_output_tokens
    return max(1, cap if most is None else min(cap, most))


def reply_cap(request: MessagesRequest, dialect: Dialect, client: Client, dropped: list[str]) -> ChatRequest:
    """`max_tokens` under the name the backend knows."""
    if request["max_tokens"] == 0 and request.get("stream"):
        raise InvalidRequest("max_tokens: 0 is not possible together with stream")
    return {dialect.max_tokens_field: sent_cap(request, dialect)}


def sampling(request: MessagesRequest, dialect: Dialect, client: Client, dropped: list[str]) -> ChatRequest:
    """`temperature`, `top_p`, `top_k` where the dialect takes them. 0 to 1 means the same on OpenAI's scale."""
    fields: ChatRequest = {}
    for name in ("temperature", "top_p", "top_k"):
        value = request.get(name)
        if value is None:
            continue
        if name not in dialect.sampling:
            dropped.append(f"{name}: not accepted by this upstream")
        elif name == "temperature":
            fields[name] = min(request["temperature"], dialect.max_temperature)
        else:
            fields[name] = value
    return fields


def service_tier(request: MessagesRequest, dialect: Dialect, client: Client, dropped: list[str]) -> ChatRequest:
    """`service_tier` and `speed`, both of which are a service tier elsewhere. A wish for speed is the stronger."""
    if "speed" not in request and "service_tier" not in request:
        return {}
    tiers = dict(dialect.service_tiers)
    for wish in (request.get("speed"), request.get("service_tier")):
        if wish in tiers:
            return {"service_tier": tiers[str(wish)]}
    if request.get("speed", "standard") != "standard":
        dropped.append("speed: this upstream has no such tier")
    return {}


def user(request: MessagesRequest, dialect: Dialect, client: Client, dropped: list[str]) -> ChatRequest:
    """A hash of `metadata.user_id`, if the settings ask for it. The id itself holds account and device."""
    if not client.hash_user_id:
        return {}
    user_id = request.get("metadata", {}).get("user_id")
    if not isinstance(user_id, str) or not user_id:
        return {}
    return {dialect.user_field: hashlib.sha256(user_id.encode("utf-8", "replace")).hexdigest()[:32]}


def cache_key(request: MessagesRequest, dialect: Dialect, client: Client, dropped: list[str]) -> ChatRequest:
    """The same value for all requests of one session, so that they meet the same cache."""
    if not dialect.cache_key and not dialect.session_id:
        return {}
    names = [
        name for name, wanted in (("prompt_cache_key", dialect.cache_key), ("session_id", dialect.session_id)) if wanted
    ]
    seed = f"{client.session or _session_of(request) or _opening(request)}/{client.agent}"
    key = hashlib.sha256(seed.encode("utf-8", "replace")).hexdigest()[:32]
    return dict.fromkeys(names, key)


def _session_of(request: MessagesRequest) -> str:
    """Claude Code's session id, which sits in a JSON text in `metadata.user_id`."""
    user_id = request.get("metadata", {}).get("user_id")
    if not isinstance(user_id, str):
        return ""
    try:
        account = loads(user_id.encode("utf-8", "replace"))
    except InvalidJson:
        return ""
    session = account.get("session_id") if isinstance(account, dict) else None
    return session if isinstance(session, str) else ""


def _opening(request: MessagesRequest) -> str:
    """How the conversation begins, which stays the same as it grows."""
    said = (block for message in request["messages"] if message["role"] == "user" for block in message["content"])
    first = next((block["text"] for block in said if block["type"] == "text"), "")
    return "\n".join([*(block["text"] for block in system_blocks(request)), first])


PARAMETERS: tuple[Parameter, ...] = (reply_cap, sampling, service_tier, user, cache_key)
