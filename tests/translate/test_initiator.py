"""Who asks, as GitHub Copilot wants to know."""

from typing import Any

import pytest

from anthropic_proxy.translate.chat.initiator import initiator_headers, written_text
from anthropic_proxy.translate.chat.turns import Placed, Turn

REMINDER = "<system-reminder>\nBe kind.\n</system-reminder>"


def turn(role: str, *blocks: dict[str, Any]) -> Turn:
    return Turn(role, [Placed(0, number, block) for number, block in enumerate(blocks)])


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "ok"}
IMAGE = {"type": "image", "source": {}}

ASKED: dict[str, tuple[Turn, bool, str]] = {
    "what the user writes": (turn("user", text("Hello?")), False, "user"),
    "with a reminder before it": (turn("user", text(f"{REMINDER}\nHello?")), False, "user"),
    "or after it": (turn("user", text("Hello?"), text(REMINDER)), False, "user"),
    "reminders alone": (turn("user", text(f"{REMINDER}\n{REMINDER}"), text(REMINDER)), False, "agent"),
    "a result": (turn("user", RESULT), False, "agent"),
    "a result and a word": (turn("user", RESULT, text("Go on.")), False, "agent"),
    "a picture alone": (turn("user", IMAGE), False, "agent"),
    "what an agent is told": (turn("user", text("Hello?")), True, "agent"),
    "what the assistant began": (turn("assistant", text("It is")), False, "agent"),
}


@pytest.mark.parametrize(("last", "agent", "expected"), ASKED.values(), ids=ASKED.keys())
def test_who_asks(last: Turn, agent: bool, expected: str) -> None:
    assert initiator_headers(last, agent, images=False) == {"X-Initiator": expected}


def test_pictures_are_announced() -> None:
    headers = initiator_headers(turn("user", text("a")), agent=False, images=True)
    assert headers == {"X-Initiator": "user", "Copilot-Vision-Request": "true"}


def test_reminders_are_not_what_was_written() -> None:
    assert written_text(turn("user", text(f"a{REMINDER}b"), IMAGE, text(REMINDER), text("c"))) == "ab\nc"
