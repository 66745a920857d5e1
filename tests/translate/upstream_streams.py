"""Strategies for upstream streams: what a model said, cut into chunks with every habit that backends have."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from hypothesis import strategies as st

Chunk = dict[str, Any]

words = st.text(st.sampled_from(["a", "B", "7", "é", "世", "🌍", '"', "\\", "{", "}", "<", "\n"]), max_size=8)
keys = words.filter(lambda key: not key.startswith("{"))
"""A key that begins with a bracket, cut right before that, is taken for a snapshot: `{"` and `{"`."""

inputs = st.dictionaries(
    keys,
    words | st.integers(0, 9) | st.none() | st.lists(words, max_size=2) | st.dictionaries(words, words, max_size=1),
    max_size=3,
)


class Spoken(NamedTuple):
    """What the model said."""

    thinking: str
    text: str
    calls: list[tuple[str, dict[str, Any]]]
    """Names and inputs."""


@dataclass(frozen=True)
class Habits:
    """How the backend tells of calls."""

    index: str
    id: str
    name: str
    arguments: str
    together: bool
    """Are the calls interleaved?"""


habits = st.builds(
    Habits,
    index=st.sampled_from(["right", "zero", "missing", "null"]),
    id=st.sampled_from(["first", "every", "missing", "empty"]),
    name=st.sampled_from(["first", "every", "late", "empty later"]),
    arguments=st.sampled_from(["fragments", "whole", "object", "snapshots", "after a bare object"]),
    together=st.booleans(),
)

REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_text")


def chunk(delta: Any, **more: Any) -> Chunk:
    return {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": delta, **more}]}


NOISE: list[Chunk] = [
    chunk({"role": "assistant", "content": None}),
    chunk({"role": "assistant", "content": ""}),
    chunk({}),
    chunk(None),
    {"choices": []},
    {"choices": [], "prompt_filter_results": [], "usage": None},
    {"id": "", "choices": [{"index": 0}]},
    chunk({"content": "", "reasoning_content": None, "tool_calls": None, "refusal": None}),
    chunk({"tool_calls": []}, finish_reason=None),
    {"usage": {"prompt_tokens": 7, "completion_tokens": 1}},
    chunk({}, finish_reason=""),
]


def cut(draw: st.DrawFn, text: str) -> list[str]:
    """`text` in fragments that are not empty, cut through characters too."""
    units = [chr(unit) for unit in memoryview(text.encode("utf-16-le")).cast("H")]
    ends = sorted(draw(st.lists(st.integers(0, len(units)), max_size=5)))
    parts = ["".join(units[start:end]) for start, end in zip([0, *ends], [*ends, len(units)], strict=True)]
    return [part for part in parts if part]


@st.composite
def spoken(draw: st.DrawFn) -> Spoken:
    calls = draw(st.lists(st.tuples(st.sampled_from(["weather", "clock", "grep"]), inputs), max_size=3))
    return Spoken(draw(words), draw(words), calls)


@st.composite
def streams(draw: st.DrawFn, said: Spoken, mixed: bool = True) -> list[Chunk]:
    """The chunks of a stream that says `said`. `mixed`: not only in the order reasoning, text, calls."""
    field = draw(st.sampled_from(REASONING_FIELDS))
    thinking = [chunk({field: part}) for part in cut(draw, said.thinking)]
    text = [chunk({"content": part}) for part in cut(draw, said.text)]
    calls = [chunk({"tool_calls": entries}) for entries in call_entries(draw, said.calls, draw(habits))]
    parts = draw(st.permutations([thinking, text, calls])) if mixed else [thinking, text, calls]
    chunks = list(_noisy(draw, [one for part in parts for one in part]))
    reason = draw(st.sampled_from(["stop", "tool_calls", "eos", "function_call"]))
    usage = {"prompt_tokens": 20, "completion_tokens": 10}
    end = draw(
        st.sampled_from(
            [
                [chunk({}, finish_reason=reason), {"choices": [], "usage": usage}],
                [chunk({}, finish_reason=reason) | {"usage": usage}],
                [chunk({}, finish_reason=reason, usage=usage)],
            ]
        )
    )
    return [*chunks, *end]


def _noisy(draw: st.DrawFn, chunks: list[Chunk]) -> Iterator[Chunk]:
    for one in chunks:
        yield from draw(st.lists(st.sampled_from(NOISE), max_size=1))
        yield one


def call_entries(draw: st.DrawFn, calls: list[tuple[str, dict[str, Any]]], how: Habits) -> list[list[dict[str, Any]]]:
    """The `tool_calls` of the deltas that tell of `calls`."""
    how = _decidable(how, calls)
    queues = [_entries(draw, number, name, arguments, how) for number, (name, arguments) in enumerate(calls)]
    if how.together:
        return list(_interleaved(draw, queues))
    if how.arguments == "whole" and how.name == "first" and draw(st.booleans()):
        return [[entry for queue in queues for entry in queue]] if queues else []
    return [[entry] for queue in queues for entry in queue]


def _decidable(how: Habits, calls: list[tuple[str, dict[str, Any]]]) -> Habits:
    """`how`, where the calls can be told apart by it at all."""
    by_index = how.index == "right"
    by_id = how.id in ("first", "every")
    if not by_index and not by_id:
        # Only the name can begin a call, and only other arguments tell that it is no repetition.
        how = replace(how, name="first")
        if not all(arguments for _, arguments in calls) or len({repr(call) for call in calls}) < len(calls):
            how = replace(how, id="first")
    if not by_index:
        how = replace(how, together=how.together and how.id == "every")
        how = replace(how, name="first" if how.name in ("late", "every") else how.name)
        if how.arguments in ("snapshots", "after a bare object"):
            how = replace(how, arguments="fragments")
    return how


def _entries(draw: st.DrawFn, number: int, name: str, arguments: dict[str, Any], how: Habits) -> list[dict[str, Any]]:
    fragments = _fragments(draw, arguments, how.arguments)
    entries = [_entry(number, fragment, how) for fragment in fragments]
    named = {"late": len(entries) - 1}.get(how.name, 0)
    for place, entry in enumerate(entries):
        if how.id == "every" or (how.id == "first" and place == 0):
            entry["id"] = f"call_{number}"
        if how.name == "every" or place == named:
            entry["function"]["name"] = name
    return entries


def _entry(number: int, fragment: Any, how: Habits) -> dict[str, Any]:
    entry: dict[str, Any] = {"function": {"arguments": fragment}}
    if how.index != "missing":
        entry["index"] = {"right": number, "zero": 0, "null": None}[how.index]
    if how.id == "empty":
        entry["id"] = ""
    if how.name == "empty later":
        entry["function"]["name"] = ""
    return entry


def _fragments(draw: st.DrawFn, arguments: dict[str, Any], how: str) -> list[Any]:
    text = json.dumps(arguments, ensure_ascii=draw(st.booleans()))
    match how:
        case "object":
            return [arguments]
        case "whole":
            return [text]
        case "after a bare object":
            return ["{}", *cut(draw, text)] if arguments else ["{}"]
        case "snapshots":
            ends = sorted(draw(st.lists(st.integers(1, len(text)), max_size=3)))
            if ends and text[: ends[0]].rstrip()[-1] in ":,[":
                ends = []
            return [text[:end] for end in [*ends, len(text)]]
    return [draw(st.sampled_from([None, ""])), *cut(draw, text)]


def _interleaved(draw: st.DrawFn, queues: list[list[dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
    """The entries in any order that keeps each call's own. Calls begin in their order."""
    waiting = [queue for queue in queues if queue]
    begun: list[list[dict[str, Any]]] = []
    while waiting or any(begun):
        ready = [queue for queue in begun if queue]
        if waiting and (not ready or draw(st.booleans())):
            begun.append(waiting.pop(0))
            ready = begun[-1:]
        yield [draw(st.sampled_from(ready)).pop(0)]


def whole_reply(said: Spoken) -> Chunk:
    """The same as a whole reply."""
    calls = [
        {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for number, (name, arguments) in enumerate(said.calls)
    ]
    message = {
        "role": "assistant",
        "content": said.text,
        "reasoning_content": said.thinking,
        "tool_calls": calls or None,
    }
    usage = {"prompt_tokens": 20, "completion_tokens": 10}
    return {"id": "chatcmpl-1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}


# Anything at all

leaves = st.none() | st.booleans() | st.integers(-2, 9) | st.floats(allow_nan=False) | st.text(max_size=4) | words
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=2), max_leaves=4
)


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of these fields, each as it should be or not."""
    return st.fixed_dictionaries({}, optional={name: likely | values for name, likely in fields.items()})


def some(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, max_size=2)


counts = st.integers(0, 2)
functions = objects(name=words, arguments=words | inputs, provider_specific_fields=values)
entries = objects(index=counts, id=words, function=functions, custom=objects(name=words, input=words))
details = objects(type=words, text=words, summary=words, signature=words, index=counts, id=words)
part_types = st.sampled_from(["text", "thinking", "image"])
parts = objects(type=part_types, text=words, thinking=some(details), refusal=words)
deltas = objects(
    content=words | some(parts),
    refusal=words,
    reasoning_content=words,
    reasoning=words,
    reasoning_details=some(details),
    reasoning_opaque=words,
    thinking_blocks=some(objects(type=words, thinking=words, signature=words)),
    tool_calls=some(entries),
    function_call=functions,
    annotations=some(objects(url_citation=objects(url=words, start_index=counts, end_index=counts))),
)
choices = objects(
    index=counts,
    delta=deltas,
    message=deltas,
    finish_reason=st.sampled_from(["stop", "length", "error", "content_filter"]),
    text=words,
    stop_reason=words,
    usage=values,
)
any_chunks = objects(id=words, choices=some(choices), usage=values, service_tier=words, type=words)
