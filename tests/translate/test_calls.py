"""Tool calls are told apart, named and put together, however a backend cuts them."""

from typing import Any

import pytest

from anthropic_proxy.dialects import PLAIN
from anthropic_proxy.translate.chat.calls import CallReader
from anthropic_proxy.translate.chat.ids import CallIds
from anthropic_proxy.translate.chat.tool_names import ToolNames
from anthropic_proxy.translate.pieces import ToolCall

ROME, OSLO = '{"city":"Rome"}', '{"city":"Oslo"}'


def entry(index: Any = None, id: Any = None, name: Any = None, arguments: Any = None, **more: Any) -> dict[str, Any]:
    """One entry of `tool_calls`; what is None is left out."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    given = {key: value for key, value in (("index", index), ("id", id)) if value is not None}
    return {**given, "function": function, **more}


def reader(only_one: bool = False, whole: frozenset[str] = frozenset(), wait_for_id: bool = False) -> CallReader:
    return CallReader(ToolNames(PLAIN), CallIds(PLAIN, "msg_1", frozenset()), only_one, whole, wait_for_id)


def read(calls: CallReader, *deltas: Any, choice: int = 0) -> list[list[ToolCall]]:
    """What each delta says."""
    told = []
    for delta in deltas:
        pieces = []
        for call, said in calls.read(delta, choice):
            call.begun = call.begun or bool(said)
            pieces += said
        told.append(pieces)
    return told


def gathered(*deltas: Any, cut_off: bool = False, **options: Any) -> list[tuple[str, str]]:
    """Name and arguments of each call that the deltas make, in order. Ids that were made up do not matter."""
    calls = reader(**options)
    pieces = [piece for said in read(calls, *deltas) for piece in said] + calls.close(cut_off)
    found: dict[Any, tuple[str, str]] = {}
    for piece in pieces:
        name, arguments = found.get(piece.slot, ("", ""))
        found[piece.slot] = (name or piece.name, arguments + piece.arguments)
    assert len({piece.id for piece in pieces if piece.id}) == len(found)
    return list(found.values())


TWO = [("weather", ROME), ("weather", OSLO)]

SAME: dict[str, list[Any]] = {
    "index and id, as OpenAI has it": [
        [entry(0, "a", "weather", "")],
        [entry(0, arguments=ROME)],
        [entry(1, "b", "weather", "")],
        [entry(1, arguments=OSLO)],
    ],
    "interleaved": [
        [entry(0, "a", "weather", '{"city"'), entry(1, "b", "weather", '{"city"')],
        [entry(1, arguments=':"Oslo"}'), entry(0, arguments=':"Rome"}')],
    ],
    "every index the same, ids apart": [[entry(0, "a", "weather", ROME)], [entry(0, "b", "weather", OSLO)]],
    "every index the same, interleaved by id": [
        [entry(0, "a", "weather", '{"city"')],
        [entry(0, "b", "weather", '{"city"')],
        [entry(0, "a", arguments=':"Rome"}')],
        [entry(0, "b", arguments=':"Oslo"}')],
    ],
    "every index the same, no ids": [[entry(0, None, "weather", ROME)], [entry(0, None, "weather", OSLO)]],
    "every index the same in one list": [[entry(0, "a", "weather", ROME), entry(0, "b", "weather", OSLO)]],
    "no index": [[entry(None, "a", "weather", ROME)], [entry(None, "b", "weather", OSLO)]],
    "an index only in later fragments": [
        [entry(None, "a", "weather", '{"city":')],
        [entry(0, arguments='"Rome"}')],
        [entry(None, "b", "weather", '{"city":')],
        [entry(1, arguments='"Oslo"}')],
    ],
    "an index that is no number": [[entry("0", "a", "weather", ROME)], [entry("1", "b", "weather", OSLO)]],
    "no index, fragments by id": [
        [entry(None, "a", "weather", '{"city":')],
        [entry(None, "b", "weather", '{"city":')],
        [entry(None, "a", arguments='"Rome"}')],
        [entry(None, "b", arguments='"Oslo"}')],
    ],
    "no index, fragments by place": [
        [entry(None, "a", "weather", '{"city":'), entry(None, "b", "weather", '{"city":')],
        [entry(arguments='"Rome"}'), entry(arguments='"Oslo"}')],
    ],
    "neither index nor id": [
        [entry(None, None, "weather", '{"city":')],
        [entry(arguments='"Rome"}')],
        [entry(None, None, "weather", '{"city":')],
        [entry(arguments='"Oslo"}')],
    ],
    "neither, and the arguments do not begin with the name": [
        [entry(None, None, "weather", "")],
        [entry(arguments=ROME)],
        [entry(None, None, "weather", "")],
        [entry(arguments='{"city":')],
        [entry(arguments='"Oslo"}')],
    ],
    "neither, in one list": [[entry(None, None, "weather", ROME), entry(None, None, "weather", OSLO)]],
    "the name in every fragment, without ids": [
        [entry(0, None, "weather", '{"city":')],
        [entry(0, None, "weather", '"Rome"}')],
        [entry(1, None, "weather", '{"city":')],
        [entry(1, None, "weather", '"Oslo"}')],
    ],
    "empty ids and names in later fragments": [
        [entry(0, "a", "weather", "")],
        [entry(0, "", "", ROME)],
        [entry(1, "b", "weather", "")],
        [entry(1, "", "", OSLO)],
    ],
    "the id first, the name later": [
        [entry(0, "a")],
        [entry(0, None, "weather")],
        [entry(0, arguments=ROME)],
        [entry(1, "b")],
        [entry(1, None, "weather", OSLO)],
    ],
    "the name first, the id later": [
        [entry(None, None, "weather")],
        [entry(None, "a", "weather", ROME)],
        [entry(1, None, "weather")],
        [entry(1, "b", arguments=OSLO)],
    ],
    "the name last": [
        [entry(0, "a", arguments=ROME)],
        [entry(1, "b", arguments=OSLO)],
        [entry(1, name="weather")],
        [entry(0, name="weather")],
    ],
    "a fresh id with every fragment": [
        [entry(0, "a1", "weather", "")],
        [entry(0, "a2", arguments='{"city":')],
        [entry(0, "a3", arguments='"Rome"}')],
        [entry(1, "b1", "weather", "")],
        [entry(1, "b2", arguments=OSLO)],
    ],
    "one id for all calls, with an index": [[entry(0, "a", "weather", ROME)], [entry(1, "a", "weather", OSLO)]],
    "objects as arguments": [
        [entry(0, "a", "weather", {"city": "Rome"})],
        [entry(1, "b", "weather", {"city": "Oslo"})],
    ],
    "objects that come again with every delta": [
        [entry(0, None, "weather", {"city": "Rome"})],
        [entry(0, None, "weather", {"city": "Rome"})],
        [entry(1, None, "weather", {"city": "Oslo"})],
    ],
    "whole snapshots that come again": [
        [entry(0, None, "weather", '{"city')],
        [entry(0, None, "weather", ROME)],
        [entry(0, None, "weather", ROME)],
        [entry(1, None, "weather", OSLO)],
    ],
    "null where something might be": [
        [{"index": 0, "id": "a", "type": None, "function": {"name": "weather", "arguments": None}}],
        [{"index": 0, "id": None, "function": {"name": None, "arguments": ROME}}],
        [{"index": 0, "id": None, "function": None}],
        [{"index": 1, "id": "b", "function": {"name": "weather", "arguments": OSLO}}],
    ],
    "entries that are no objects": [
        [None, "x", entry(0, "a", "weather", ROME)],
        "x",
        entry(1, "b", "weather", OSLO),
    ],
    "white space after the end": [
        [entry(0, None, "weather", ROME)],
        [entry(0, None, "weather", "\n")],
        [entry(1, None, "weather", OSLO)],
    ],
}


@pytest.mark.parametrize("deltas", SAME.values(), ids=SAME.keys())
def test_two_calls(deltas: list[Any]) -> None:
    assert gathered(*deltas) == TWO


OTHERS: dict[str, tuple[list[Any], list[tuple[str, str]]]] = {
    "two equal calls in one list are two": (
        [[entry(None, None, "weather", ROME), entry(None, None, "weather", ROME)]],
        [("weather", ROME), ("weather", ROME)],
    ),
    "two calls without arguments are two": (
        [[entry(0, "a", "clock", "")], [entry(0, "b", "clock", "")]],
        [("clock", ""), ("clock", "")],
    ),
    "one id for all, without an index: another name is another call": (
        [[entry(None, "a", "weather", ROME)], [entry(None, "a", "clock", "{}")]],
        [("weather", ROME), ("clock", "")],
    ),
    "an entry that says nothing is no call": ([[entry(0, "a")], [{}], [entry(0, "")]], []),
    "arguments without a name are one": ([[entry(0, "a", None, ROME)]], [("", ROME)]),
    "a custom tool's text is its input": (
        [[{"id": "a", "custom": {"name": "grep", "input": "x"}}], [{"id": "a", "custom": {"input": "y"}}]],
        [("grep", '{"input":"xy"}')],
    ),
    "a place beyond the calls there are begins one": (
        [[entry(None, "a", "weather", ROME)], [entry(arguments=""), entry(None, None, "clock", "{}")]],
        [("weather", ROME), ("clock", "")],
    ),
}


@pytest.mark.parametrize(("deltas", "expected"), OTHERS.values(), ids=OTHERS.keys())
def test_other_calls(deltas: list[Any], expected: list[tuple[str, str]]) -> None:
    assert gathered(*deltas) == expected


def test_choices_have_calls_of_their_own() -> None:
    calls = reader()
    read(calls, [entry(0, "a", "weather", '{"city":')], choice=0)
    read(calls, [entry(0, "b", "weather", OSLO)], choice=1)
    ((more,),) = read(calls, [entry(0, None, None, '"Rome"}')], choice=0)
    assert more == ToolCall((0, 0, 0), arguments='"Rome"}')


def test_a_call_is_announced_with_its_name_and_then_streams() -> None:
    calls = reader()
    assert read(calls, [entry(0, "a")], [entry(0, None, "weather")], [entry(0, arguments='{"a":')], [entry(0)]) == [
        [],
        [ToolCall((0, 0, 0), "a", "weather")],
        [ToolCall((0, 0, 0), arguments='{"a":')],
        [],
    ]


def test_arguments_that_come_before_the_name_keep_the_calls_place() -> None:
    calls = reader()
    assert read(calls, [entry(0, "a", None, '{"a"')], [entry(0, None, None, ":1}")], [entry(0, None, "weather")]) == [
        [ToolCall((0, 0, 0))],
        [],
        [ToolCall((0, 0, 0), "a", "weather", '{"a":1}')],
    ]


def test_an_id_that_matters_is_waited_for() -> None:
    calls = reader(wait_for_id=True)
    assert read(calls, [entry(0, None, "weather")], [entry(0, "a")]) == [[], [ToolCall((0, 0, 0), "a", "weather")]]
    ((said,),) = read(calls, [entry(1, None, "weather", ROME)])
    assert (said.id.startswith("toolu_"), said.arguments) == (True, ROME)


def test_a_tool_that_wants_its_arguments_whole_gets_them_whole() -> None:
    calls = reader(whole=frozenset({"weather"}))
    assert read(
        calls, [entry(0, "a", "weather", '{"a":')], [entry(0, None, None, "1")], [entry(0, None, None, "}")]
    ) == [
        [ToolCall((0, 0, 0), "a", "weather")],
        [],
        [ToolCall((0, 0, 0), arguments='{"a":1}')],
    ]
    read(calls, [entry(1, "b", "weather", '{"a":1')])
    assert calls.close(cut_off=False) == [ToolCall((0, 1, 1), arguments='{"a":1}')]


def test_only_the_first_call_counts_where_one_is_allowed() -> None:
    calls = reader(only_one=True)
    said = read(calls, [entry(0, "a", "weather", '{"city":'), entry(1, "b", "clock")], [entry(1, None, None, "{}")])
    assert said == [[ToolCall((0, 0, 0), "a", "weather", '{"city":')], []]
    assert calls.close(cut_off=True) == []


def test_whether_there_are_calls_and_whether_they_have_ended() -> None:
    calls = reader()
    read(calls, [entry(0, "a")])
    assert (calls.any, calls.broken_off) == (False, False)
    read(calls, [entry(0, None, "weather", '{"city')])
    assert (calls.any, calls.broken_off) == (True, True)
    read(calls, [entry(0, None, None, '":1}')])
    assert (calls.any, calls.broken_off) == (True, False)


def test_names_are_given_back_as_the_client_knows_them() -> None:
    names = ToolNames(PLAIN)
    long = "mcp__" + "x" * 80
    sent = names.sent(long)
    member = names.sent("navigate", "browser")
    calls = CallReader(names, CallIds(PLAIN, "msg_1", frozenset()), False, frozenset(), False)
    assert read(calls, [entry(0, "a", sent)], [entry(1, "b", member)], [entry(2, "c", "unknown")]) == [
        [ToolCall((0, 0, 0), "a", long)],
        [ToolCall((0, 1, 1), "b", "navigate", "", "browser")],
        [ToolCall((0, 2, 2), "c", "unknown")],
    ]


def test_what_had_to_be_mended_is_told() -> None:
    calls = reader()
    read(calls, [entry(0, "a", "weather", '{"city":"Ro')], [entry(1, "b", "weather", ROME)])
    calls.close(cut_off=False)
    assert calls.flaws == ["the arguments of a tool call broke off and were closed"]


SIGNATURES: dict[str, dict[str, Any]] = {
    "Google's own": {"extra_content": {"google": {"thought_signature": "sig"}}},
    "LiteLLM's on the call": {"provider_specific_fields": {"thought_signature": "sig"}},
    "LiteLLM's on the function": {
        "function": {"name": "weather", "provider_specific_fields": {"thought_signature": "sig"}}
    },
}


@pytest.mark.parametrize("more", SIGNATURES.values(), ids=SIGNATURES.keys())
def test_a_signature_on_a_call(more: dict[str, Any]) -> None:
    calls = reader()
    ((call, _),) = calls.read([{**entry(0, "a", "weather"), **more}], 0)
    assert (call.signature, calls.unsigned) == ("sig", [call])
    call.signed = True
    assert calls.unsigned == []


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"extra_content": None},
        {"extra_content": {"google": "x"}},
        {"provider_specific_fields": {"thought_signature": ""}},
    ],
)
def test_no_signature_on_a_call(more: dict[str, Any]) -> None:
    calls = reader()
    ((call, _),) = calls.read([{**entry(0, "a", "weather"), **more}], 0)
    assert (call.signature, calls.unsigned) == (None, [])
