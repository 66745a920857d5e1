"""Clearing of old tool results, as `context_management` asks for it."""

from typing import Any

import pytest

from anthropic_proxy.dialects import PLAIN
from anthropic_proxy.translate.api import Client, Translation
from anthropic_proxy.translate.chat.clearing import CLEARED, Clearing, clearing_in, without_old_results
from anthropic_proxy.translate.chat.request import translate
from anthropic_proxy.translate.validate import messages_request

FOUND = "It was found. " * 200


def use(number: int, name: str = "Read") -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": {"path": f"/{number}"}}


def result(number: int, content: Any = FOUND, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": content, **more}


def history(*rounds: tuple[dict[str, Any], dict[str, Any]]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Read."}]
    for call, answer in rounds:
        messages += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [answer]}]
    return messages


FIVE = history(*((use(number), result(number)) for number in range(5)))


def asked(messages: list[dict[str, Any]], **edit: Any) -> Any:
    management = {"edits": [{"type": "compact_20260112"}, {"type": "clear_tool_uses_20250919", **edit}]}
    return messages_request({"model": "m", "max_tokens": 9, "messages": messages, "context_management": management})


def tokens(value: int) -> dict[str, Any]:
    return {"type": "input_tokens", "value": value}


def uses(value: object) -> dict[str, Any]:
    return {"type": "tool_uses", "value": value}


EDITS: dict[str, tuple[dict[str, Any], Clearing]] = {
    "nothing said": ({}, Clearing()),
    "nulls": ({"trigger": None, "keep": None, "clear_at_least": None, "clear_tool_inputs": None}, Clearing()),
    "a size": ({"trigger": tokens(50)}, Clearing(trigger=50)),
    "a number of uses": ({"trigger": uses(5)}, Clearing(by_tokens=False, trigger=5)),
    "uses to keep": ({"keep": uses(0)}, Clearing(keep=0)),
    "what is no number": ({"keep": uses("x"), "trigger": {"value": True}}, Clearing()),
    "less than nothing": ({"keep": uses(-1)}, Clearing()),
    "what a clearing must save": ({"clear_at_least": tokens(7)}, Clearing(at_least=7)),
    "tools to leave alone": ({"exclude_tools": ["a", 1]}, Clearing(excluded=frozenset({"a"}))),
    "all arguments": ({"clear_tool_inputs": True}, Clearing(inputs=True)),
    "those of some tools": ({"clear_tool_inputs": ["a"]}, Clearing(inputs=frozenset({"a"}))),
}


@pytest.mark.parametrize(("edit", "expected"), EDITS.values(), ids=EDITS.keys())
def test_what_the_edit_says(edit: dict[str, Any], expected: Clearing) -> None:
    assert clearing_in(asked(FIVE, **edit)) == expected


def test_other_edits_clear_nothing() -> None:
    body = {"model": "m", "max_tokens": 9, "messages": FIVE}
    assert clearing_in(messages_request(dict(body))) is None
    edits = [{"type": "clear_thinking_20251015"}]
    assert clearing_in(messages_request({**body, "context_management": {"edits": edits}})) is None


MIXED = history((use(0, "Web"), result(0)), (use(1), result(1)), (use(2), result(2)), (use(3), result(3)))
LOADS = [{"type": "tool_reference", "tool_name": "x"}]

CASES: dict[str, tuple[list[dict[str, Any]], dict[str, Any], int, list[int]]] = {
    "below the size nothing goes": (FIVE, {}, 100_000, []),
    "above it all but three go": (FIVE, {}, 100_001, [0, 1]),
    "by size at another place": (FIVE, {"trigger": tokens(10), "keep": uses(4)}, 11, [0]),
    "as many uses as may be": (FIVE, {"trigger": uses(5)}, 10**6, []),
    "one use more": (FIVE, {"trigger": uses(4)}, 1, [0, 1]),
    "none are kept": (FIVE, {"trigger": uses(1), "keep": uses(0)}, 1, [0, 1, 2, 3, 4]),
    "more are kept than there are": (FIVE, {"trigger": uses(1), "keep": uses(9)}, 1, []),
    "a tool that is left alone": (MIXED, {"trigger": uses(1), "keep": uses(2), "exclude_tools": ["Web"]}, 1, [1]),
    "a result that loads a tool stays": (
        history((use(0), result(0, LOADS)), *((use(number), result(number)) for number in range(1, 5))),
        {"trigger": uses(1)},
        1,
        [1],
    ),
    "one that says less than what would stand there stays": (
        history((use(0), result(0, "ok")), (use(1), result(1, [])), (use(2), result(2))),
        {"trigger": uses(1), "keep": uses(1)},
        1,
        [],
    ),
    "a use without a result": (
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": [use(0)]}, *FIVE[3:]],
        {"trigger": uses(1)},
        1,
        [1],
    ),
}


@pytest.mark.parametrize(("messages", "edit", "size", "cleared"), CASES.values(), ids=CASES.keys())
def test_which_results_go(messages: list[dict[str, Any]], edit: dict[str, Any], size: int, cleared: list[int]) -> None:
    request = asked(messages, **edit)
    clearing = clearing_in(request)
    assert clearing is not None
    shorter, number = without_old_results(request, clearing, size)
    blocks = [block for message in shorter["messages"] for block in message["content"]]
    gone = [block["tool_use_id"] for block in blocks if block.get("content") == CLEARED]
    assert gone == [f"toolu_{place}" for place in cleared]
    assert number == len(cleared)
    assert (shorter is request) == (not cleared)


def test_what_stands_in_place_of_a_result_is_no_error_and_keeps_its_mark() -> None:
    mark = {"type": "ephemeral"}
    request = asked(history((use(0), result(0, is_error=True, cache_control=mark)), (use(1), result(1))))
    shorter, _ = without_old_results(request, Clearing(by_tokens=False, trigger=1, keep=1), 1)
    assert shorter["messages"][2]["content"] == [result(0, CLEARED, is_error=False, cache_control=mark)]


@pytest.mark.parametrize(
    ("inputs", "cleared"), [(False, []), (True, ["Web", "Read"]), (["Web"], ["Web"])], ids=["none", "all", "some"]
)
def test_arguments_go_where_they_are_to(inputs: object, cleared: list[str]) -> None:
    request = asked(MIXED, trigger=uses(1), keep=uses(2), clear_tool_inputs=inputs)
    clearing = clearing_in(request)
    assert clearing is not None
    shorter, _ = without_old_results(request, clearing, 1)
    calls = [message["content"][0] for message in shorter["messages"] if message["role"] == "assistant"]
    assert [call["name"] for call in calls if not call["input"]] == cleared


# In the translation


def translated(request: Any) -> Translation:
    return translate(request, "m", PLAIN, Client())


def test_the_reply_will_tell_how_much_was_cleared() -> None:
    whole = translated(messages_request({"model": "m", "max_tokens": 9, "messages": FIVE}))
    cleared = translated(asked(FIVE, trigger=tokens(100)))
    contents = [message["content"] for message in cleared.body["messages"] if message["role"] == "tool"]  # type: ignore[attr-defined]
    assert contents == [CLEARED, CLEARED, *[FOUND] * 3]
    (edit,) = cleared.applied_edits
    assert (edit["type"], edit["cleared_tool_uses"]) == ("clear_tool_uses_20250919", 2)
    assert 900 < edit["cleared_input_tokens"] < 1800  # type: ignore[operator]
    assert cleared.dropped == ("context_management.edits.0: compact_20260112 is not carried out here",)
    assert whole.applied_edits == ()


def test_where_too_little_would_be_saved_nothing_is_cleared() -> None:
    whole = translated(asked(FIVE, trigger=tokens(100), clear_at_least=tokens(5000)))
    assert CLEARED not in str(whole.body)
    assert whole.applied_edits == ()


def test_a_longer_history_clears_what_a_shorter_one_did() -> None:
    """So the prompt begins as before, up to what is cleared next, and the backend's cache finds it."""
    sixth = [*FIVE, {"role": "assistant", "content": [use(5)]}, {"role": "user", "content": [result(5)]}]
    earlier = translated(asked(FIVE, trigger=tokens(100))).body["messages"]
    later = translated(asked(sixth, trigger=tokens(100))).body["messages"]
    assert later[:5] == earlier[:5]  # type: ignore[index]
