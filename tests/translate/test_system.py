"""The leading system message."""

from dataclasses import replace
from typing import Any

import pytest

from anthropic_proxy.dialects import PLAIN
from anthropic_proxy.translate.chat.system import system_message
from anthropic_proxy.translate.validate import messages_request

ATTRIBUTION = "x-anthropic-billing-header: cc_version=2.1.330.abc; cc_entrypoint=cli;"


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


CASES: dict[str, tuple[Any, list[str], str | None]] = {
    "none": (None, [], None),
    "an empty one": ("", [], None),
    "one of white space": ([text(" \n")], [], None),
    "a string": ("Be kind.", [], "Be kind."),
    "blocks are paragraphs": ([text("Be kind."), text(" "), text("Be brief.")], [], "Be kind.\n\nBe brief."),
    "the attribution is no prompt": ([text(ATTRIBUTION), text("Be kind.")], [], "Be kind."),
    "nor is its line": (f"{ATTRIBUTION}\nBe kind.", [], "Be kind."),
    "only where it begins the prompt": ([text("Be kind."), text(ATTRIBUTION)], [], f"Be kind.\n\n{ATTRIBUTION}"),
    "nothing but the attribution": ([text(ATTRIBUTION)], [], None),
    "what must be added goes to the end": ("Be kind.", ["Call a tool.", "Now."], "Be kind.\n\nCall a tool.\n\nNow."),
    "or makes the message": (None, ["Call a tool."], "Call a tool."),
}


@pytest.mark.parametrize(("system", "additions", "expected"), CASES.values(), ids=CASES.keys())
def test_one_message_or_none(system: Any, additions: list[str], expected: str | None) -> None:
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "?"}], "system": system}
    message, marks = system_message(messages_request(body), additions, replace(PLAIN, system_role="developer"))
    assert message == (None if expected is None else {"role": "developer", "content": expected})
    assert marks == []
