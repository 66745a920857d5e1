"""GitHub's device flow: a code to type in a browser, and waiting until it was typed.

Described in GitHub's documentation, "Authorizing OAuth apps: Device flow", and in RFC 8628.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from anthropic_proxy.copilot.github import Answer, Unreachable, ask
from anthropic_proxy.copilot.places import Places
from anthropic_proxy.copilot.tokens import CopilotError, checked_token

INTERVAL = 5.0
"""Seconds between two questions, where GitHub names no other (RFC 8628, 3.2)."""

SLOWER = 5.0
"""Seconds more after `slow_down` (RFC 8628, 3.5)."""

LIFETIME = 900.0
"""Seconds that a code is good for, where GitHub names no other."""

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class DeviceCode(NamedTuple):
    """What the user types, and where."""

    user_code: str
    address: str
    device_code: str
    """Our side of it. Secret."""
    interval: float
    """Seconds between two questions whether it was typed."""
    lifetime: float
    """Seconds."""


async def device_code(where: Places) -> DeviceCode:
    """Asks GitHub for a code. Raises CopilotError."""
    answer = await ask(where.device_code_url, {"client_id": where.client_id, "scope": "read:user"})
    code = DeviceCode(
        user_code=answer.text("user_code"),
        address=answer.text("verification_uri"),
        device_code=answer.text("device_code"),
        interval=answer.number("interval") or INTERVAL,
        lifetime=answer.number("expires_in") or LIFETIME,
    )
    if not (code.user_code and code.address and code.device_code):
        raise CopilotError(f"GitHub gave no code to sign in with: {_said(answer)}")
    return code


class Waiting(NamedTuple):
    """What there is to say while nothing happened yet."""

    left: float
    """Seconds until the code expires."""
    trouble: str
    """What went wrong with the last question. It is asked again."""


async def wait_for_token(
    where: Places,
    code: DeviceCode,
    tell: Callable[[Waiting], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> str:
    """Asks again and again until the code was typed, and returns GitHub's token.

    `tell` hears of it after each question. Raises CopilotError where the user refused or was too late.
    """
    interval, left, trouble = code.interval, code.lifetime, ""
    question = {"client_id": where.client_id, "device_code": code.device_code, "grant_type": GRANT}
    while left > 0:
        tell(Waiting(left, trouble))
        await sleep(interval)
        left -= interval
        try:
            answer = await ask(where.access_token_url, question)
        except Unreachable as broke:
            trouble = str(broke)
            continue
        if token := answer.text("access_token"):
            return checked_token(token, "GitHub's answer")
        error = answer.text("error")
        if error in _FINAL:
            raise CopilotError(_FINAL[error])
        if error not in _PATIENT and answer.status < 500 and answer.status != 429:
            raise CopilotError(f"GitHub refused the sign-in: {_said(answer)}")
        if error == "slow_down":
            interval = max(answer.number("interval"), interval + SLOWER)
        trouble = "" if error in _PATIENT else f"GitHub says: {_said(answer)}"
    raise CopilotError(_FINAL["expired_token"])


_PATIENT = ("authorization_pending", "slow_down")

_FINAL = {
    "expired_token": "the code has expired; run the command again for a new one",
    "access_denied": "the sign-in was cancelled in the browser",
    "device_flow_disabled": "GitHub has switched this kind of sign-in off for the application",
    "incorrect_client_credentials": "GitHub does not know the application; is GITHUB_COPILOT_CLIENT_ID right?",
    "incorrect_device_code": "GitHub does not know the code any more; run the command again for a new one",
}
"""Answers that another question will not change."""


def _said(answer: Answer) -> str:
    """GitHub's own words, or the status where it has none."""
    return answer.text("error_description") or answer.text("message") or answer.text("error") or f"HTTP {answer.status}"
