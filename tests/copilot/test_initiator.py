"""What LiteLLM is asked to tell Copilot: who asks, that there are images, and that an editor is at work."""

from typing import Any

import pytest

from anthropic_proxy.dialects import dialect_for, parse_overrides
from anthropic_proxy.translate.api import Client
from anthropic_proxy.translate.chat import CHAT
from anthropic_proxy.translate.validate import messages_request

EDITOR = {
    "copilot-integration-id": "vscode-chat",
    "editor-version": "vscode/1.107.0",
    "editor-plugin-version": "copilot-chat/0.35.0",
    "openai-intent": "conversation-panel",
}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Seen."}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}

CASES: dict[str, tuple[list[Any], str, dict[str, str]]] = {
    "a user asks": (["Hello"], "", {"X-Initiator": "user"}),
    "a sub-agent asks": (["Hello"], "agent-1", {"X-Initiator": "agent"}),
    "a reminder asks": (["<system-reminder>x</system-reminder>"], "", {"X-Initiator": "agent"}),
    "a tool's result asks": (["Hello", [CALL], [RESULT]], "", {"X-Initiator": "agent"}),
    "a user shows an image": ([[IMAGE]], "", {"X-Initiator": "agent", "Copilot-Vision-Request": "true"}),
    "a user asks about an image": (
        [[IMAGE, {"type": "text", "text": "What is it?"}]],
        "",
        {"X-Initiator": "user", "Copilot-Vision-Request": "true"},
    ),
}


def body(turns: list[Any], agent: str, overrides: str) -> dict[str, Any]:
    """The chat request for these turns, the user's and the assistant's by turns, to LiteLLM."""
    roles = ("user", "assistant")
    messages = [{"role": roles[number % 2], "content": content} for number, content in enumerate(turns)]
    request = messages_request({"model": "m", "max_tokens": 9, "messages": messages}, None)
    dialect = dialect_for("http://127.0.0.1:9/v1", "m", name="litellm", overrides=parse_overrides(overrides))
    return CHAT.translate(request, "m", dialect, Client(agent=agent)).body


@pytest.mark.parametrize(("turns", "agent", "expected"), CASES.values(), ids=CASES.keys())
def test_who_asks_goes_into_the_body(turns: list[Any], agent: str, expected: dict[str, str]) -> None:
    assert body(turns, agent, "initiator_in_body=true")["extra_headers"] == {**EDITOR, **expected}


def test_nothing_is_said_unless_it_is_switched_on() -> None:
    assert "extra_headers" not in body(["Hello"], "", "")
