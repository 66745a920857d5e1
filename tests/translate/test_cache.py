"""Cache marks: put where the client put them, four at most, and messages the same whether marked or not."""

from dataclasses import replace
from typing import Any

import pytest

from anthropic_proxy.dialects import PLAIN, Dialect
from anthropic_proxy.translate.api import Client
from anthropic_proxy.translate.chat.cache import Mark, last_control, message_marks, part_marks, write_marks
from anthropic_proxy.translate.chat.request import translate
from anthropic_proxy.translate.validate import messages_request

ANTHROPIC = replace(PLAIN, cache="anthropic")
COPILOT = replace(PLAIN, cache="copilot")

EPHEMERAL = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def text(content: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": content, **more}


def marked(content: str) -> dict[str, Any]:
    return text(content, cache_control=EPHEMERAL)


def body(dialect: Dialect, *messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    request = {"model": "m", "max_tokens": 1, "messages": list(messages), **fields}
    return translate(messages_request(request), "m", dialect, Client()).body


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def assistant(*content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(content)}


CALL = {"type": "tool_use", "id": "t", "name": "x", "input": {}}
IMAGE = {"type": "image", "source": {"type": "url", "url": "https://e.test"}}
IMAGE_PART = {"type": "image_url", "image_url": {"url": "https://e.test"}}

PLACES: dict[str, tuple[list[dict[str, Any]], list[Any]]] = {
    "on its own text": ([user(marked("a"), text("b"))], [[marked("a"), text("b")]]),
    "on the only text": ([user(marked("a"))], [[marked("a")]]),
    "on the text before a picture": (
        [user(text("a"), {**IMAGE, "cache_control": EPHEMERAL})],
        [[marked("a"), IMAGE_PART]],
    ),
    "nowhere if there is no text": ([user({**IMAGE, "cache_control": EPHEMERAL})], [[IMAGE_PART]]),
    "on what a tool said": (
        [
            assistant(CALL),
            user({"type": "tool_result", "tool_use_id": "t", "content": "ok", "cache_control": EPHEMERAL}),
        ],
        [None, [marked("ok")]],
    ),
    "also if it is inside": (
        [assistant(CALL), user({"type": "tool_result", "tool_use_id": "t", "content": [marked("ok"), text("b")]})],
        [None, [marked("ok\nb")]],
    ),
    "on what the assistant said": (
        [user(text("a")), assistant(marked("b")), user(text("c"))],
        ["a", [marked("b")], "c"],
    ),
    "nowhere on a call alone": (
        [
            assistant({**CALL, "cache_control": EPHEMERAL}),
            user({"type": "tool_result", "tool_use_id": "t", "content": "ok"}),
        ],
        [None, "ok"],
    ),
    "on a reminder": (
        [user(text("a")), {"role": "system", "content": [marked("b")]}],
        [[text("a"), marked("<system-reminder>\nb\n</system-reminder>")]],
    ),
    "several texts without a mark stay several": ([user(text("a"), text("b"))], [[text("a"), text("b")]]),
    "one text without a mark is a string": ([user(text("a"))], ["a"]),
}


@pytest.mark.parametrize(("messages", "expected"), PLACES.values(), ids=PLACES.keys())
def test_a_mark_stands(messages: list[dict[str, Any]], expected: list[Any]) -> None:
    assert [message["content"] for message in body(ANTHROPIC, *messages)["messages"]] == expected


def test_the_system_prompt_keeps_its_blocks_where_one_is_marked() -> None:
    system = [marked("a"), text("b")]
    assert body(ANTHROPIC, user(text("c")), system=system)["messages"][0]["content"] == system
    assert body(ANTHROPIC, user(text("c")), system=[text("a"), text("b")])["messages"][0]["content"] == "a\n\nb"
    assert body(PLAIN, user(text("c")), system=system)["messages"][0]["content"] == "a\n\nb"


def test_the_last_four_marks_win() -> None:
    found = body(
        ANTHROPIC,
        user(marked("1")),
        assistant(text("2")),
        user(marked("3"), marked("4")),
        system=[marked("0")],
        tools=[{"name": "x", "input_schema": {"type": "object"}, "cache_control": EPHEMERAL}],
    )
    assert "cache_control" not in found["tools"][0]
    assert str(found["messages"]).count("cache_control") == 4


def test_a_mark_at_the_top_is_one_on_the_last_thing_the_user_said() -> None:
    found = body(ANTHROPIC, user(text("a")), assistant(text("b")), user(text("c"), text("d")), cache_control=HOUR)
    assert found["messages"][-1]["content"] == [text("c"), text("d", cache_control=HOUR)]
    assert found["messages"][0]["content"] == "a"


def test_only_what_others_know_of_a_mark_is_sent() -> None:
    mark = {"type": "ephemeral", "ttl": "1h", "scope": "global", "x_future": 1}
    found = body(ANTHROPIC, user(text("a", cache_control=mark), text("b", cache_control={**mark, "ttl": 5})))
    assert [part["cache_control"] for part in found["messages"][0]["content"]] == [HOUR, EPHEMERAL]


def test_copilot_marks_messages() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": "ok", "cache_control": EPHEMERAL}
    found = body(COPILOT, user(marked("a"), text("b")), assistant(CALL), user(result, text("c")), system=[marked("s")])
    assert ["copilot_cache_control" in message for message in found["messages"]] == [True, True, False, True, False]
    assert found["messages"][1] == {"role": "user", "content": "a\n\nb", "copilot_cache_control": EPHEMERAL}
    assert "'cache_control'" not in str(found)


def test_elsewhere_there_are_no_marks() -> None:
    found = body(PLAIN, user(marked("a"), text("b")), system=[marked("s")], cache_control=EPHEMERAL)
    assert "cache_control" not in str(found)


def unmarked(messages: list[dict[str, Any]]) -> list[list[str]]:
    """The texts of each message, however they are written."""
    return [
        [part["text"] for part in message["content"]]
        if isinstance(message["content"], list)
        else [str(message["content"])]
        for message in messages
    ]


def test_a_mark_that_moves_on_leaves_the_message_as_it_was() -> None:
    first = [user(text("a"), marked("b"))]
    later = [user(text("a"), text("b")), assistant(text("c")), user(marked("d"))]
    system = [marked("s")]
    before = body(ANTHROPIC, *first, system=system)["messages"]
    after = body(ANTHROPIC, *later, system=system)["messages"]
    assert unmarked(after)[: len(before)] == unmarked(before)


def test_two_marks_on_one_place_count_once() -> None:
    parts = [text(str(number)) for number in range(5)]
    write_marks([Mark(part, control) for part in parts for control in (EPHEMERAL, HOUR)], ANTHROPIC)
    assert parts == [text("0"), *(text(str(number), cache_control=HOUR) for number in range(1, 5))]


def test_no_mark_is_made_of_none() -> None:
    assert part_marks([text("a")], None, ANTHROPIC) == []
    assert message_marks({"role": "user", "content": "a"}, None, ANTHROPIC) == []
    assert last_control([text("a"), {"type": "tool_result", "content": "ok"}]) is None
