"""Who asks: what GitHub Copilot wants to know of a request, for it bills a user's prompts and not an agent's turns."""

import re

from anthropic_proxy.translate.chat.turns import Turn

_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)


def initiator_headers(last: Turn, agent: bool, images: bool) -> dict[str, str]:
    """`X-Initiator`, and a word on images. `agent`: the request comes from a sub-agent."""
    headers = {"X-Initiator": "user" if is_prompt(last) and not agent else "agent"}
    if images:
        headers["Copilot-Vision-Request"] = "true"
    return headers


def is_prompt(turn: Turn) -> bool:
    """Has the user written it? Not if it brings results of tools, or nothing but reminders."""
    return turn.role == "user" and not turn.has("tool_result") and bool(written_text(turn))


def written_text(turn: Turn) -> str:
    """The texts of a turn without what the client reminds the model of."""
    texts = (placed.block["text"] for placed in turn.blocks if placed.block["type"] == "text")
    return "\n".join(said for text in texts if (said := _REMINDER.sub("", text).strip()))
