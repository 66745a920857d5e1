"""What a GitHub token is good for: the exchange for Copilot's own token."""

from typing import NamedTuple

from anthropic_proxy.copilot.github import Answer, ask
from anthropic_proxy.copilot.places import Places
from anthropic_proxy.copilot.tokens import CopilotError, store
from anthropic_proxy.wire.json import dumps

_REFUSALS = {
    401: "GitHub does not accept the token; sign in again with: anthropic-proxy login copilot",
    403: "this account has no Copilot; see https://github.com/settings/copilot",
    404: "this kind of token opens no Copilot (a personal access token does not); "
    "sign in with: anthropic-proxy login copilot",
    429: "GitHub wants fewer questions; try again in a few minutes",
}


class Refused(CopilotError):
    """GitHub answered, and it was no."""


class Access(NamedTuple):
    """What GitHub says about a token that it accepts."""

    plan: str
    """GitHub's name for it, such as `copilot_for_business_seat`. Empty where it has none."""
    endpoint: str
    """Where Copilot answers for this account."""
    expires_at: float
    """When Copilot's own token expires, in seconds since 1970. LiteLLM fetches a new one then."""
    answer: Answer


async def access(where: Places, token: str) -> Access:
    """Exchanges GitHub's token for Copilot's. Raises Refused, Unreachable and CopilotError."""
    answer = await ask(where.api_key_url, token=token)
    if answer.status != 200 or not answer.text("token"):
        words = _REFUSALS.get(answer.status, f"GitHub gave no access to Copilot: HTTP {answer.status}")
        told = answer.text("message")
        raise Refused(f"{words} (GitHub says: {told})" if told else words)
    endpoints = answer.body.get("endpoints")
    endpoint = endpoints.get("api") if isinstance(endpoints, dict) else None
    plan = answer.text("sku") or answer.text("access_type_sku")
    return Access(plan, endpoint if isinstance(endpoint, str) else "", answer.number("expires_at"), answer)


def keep(where: Places, token: str, found: Access | None) -> None:
    """Stores both tokens where LiteLLM looks, or GitHub's alone. Raises CopilotError.

    Copilot's own goes along although LiteLLM would fetch it: LiteLLM reads the address of a business
    account out of that file, for Claude's own API even before it fetches anything. Without it, an
    older one must go, which may be another account's.
    """
    store(where, where.access_token_file, token)
    if found is None:
        where.api_key_file.unlink(missing_ok=True)
    else:
        store(where, where.api_key_file, dumps(found.answer.body).decode())
