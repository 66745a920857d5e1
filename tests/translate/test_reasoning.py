"""Reasoning under any of its names becomes thinking blocks, and its opaque state a carrier."""

from dataclasses import replace
from typing import Any

import pytest

from anthropic_proxy.dialects import PLAIN, Dialect
from anthropic_proxy.translate.carriers import Carrier, unpack
from anthropic_proxy.translate.chat.reasoning import ReasoningReader
from anthropic_proxy.translate.pieces import Block, Piece, Signature, Thinking
from anthropic_proxy.wire.chat import Delta

DETAILS = replace(PLAIN, reasoning_back_field="reasoning_details")
BLOCKS = replace(PLAIN, reasoning_back_field="thinking_blocks")
TEXT = replace(PLAIN, reasoning_back_field="reasoning_content")
PARTS = replace(PLAIN, reasoning_back_field="parts")
OPAQUE = replace(PLAIN, reasoning_back_field="reasoning_opaque")

Shown = tuple[str, Any]


def shown(pieces: list[Piece]) -> list[Shown]:
    """Pieces with their carriers unpacked: ("text", …), ("signature", …) and ("redacted", …)."""
    return [_shown(piece) for piece in pieces]


def _shown(piece: Piece) -> Shown:
    match piece:
        case Thinking(text):
            return "text", text
        case Signature(signature):
            return "signature", unpack(signature) or signature
        case Block(block):
            assert block["type"] == "redacted_thinking"
            return "redacted", unpack(block["data"])
    raise AssertionError(piece)


def read(reader: ReasoningReader, *deltas: Delta) -> list[Piece]:
    return [piece for delta in deltas for piece in reader.read(delta)]


def carrier(field: str, value: Any = None, text: str = "", call_id: str = "") -> Carrier:
    return Carrier(field, "model-1", value, call_id, text)


def detail(kind: str = "text", index: Any = 0, **more: Any) -> dict[str, Any]:
    return {"type": f"reasoning.{kind}", **({} if index is None else {"index": index}), **more}


SIGNED = {"type": "thinking", "thinking": "ab", "signature": "sig"}

READ: dict[str, tuple[Dialect, list[Delta], list[Shown]]] = {
    "reasoning_content": (PLAIN, [Delta(reasoning_content="a")], [("text", "a"), ("signature", "px1.")]),
    "reasoning": (PLAIN, [Delta(reasoning="a")], [("text", "a"), ("signature", "px1.")]),
    "reasoning_text": (PLAIN, [Delta(reasoning_text="a")], [("text", "a"), ("signature", "px1.")]),
    "the first that is not empty counts": (
        PLAIN,
        [Delta(reasoning_content="", reasoning=["x"], reasoning_text="a"), Delta(reasoning_content="b", reasoning="b")],
        [("text", "a"), ("text", "b"), ("signature", "px1.")],
    ),
    "nothing is nothing": (PLAIN, [Delta(), Delta(reasoning_content=None, reasoning="", reasoning_text=7)], []),
    "halves of a character are joined": (
        PLAIN,
        [Delta(reasoning="a\ud83c"), Delta(reasoning="\udf0d\ud83c")],
        [("text", "a"), ("text", "🌍"), ("text", "\ufffd"), ("signature", "px1.")],
    ),
    "details are merged by kind and index": (
        DETAILS,
        [
            Delta(reasoning="a", reasoning_details=[detail(text="a", format="f")]),
            Delta(reasoning="b", reasoning_details=[detail(text="b", signature="s", format=None)]),
            Delta(reasoning_details=[detail(signature="ig"), detail("encrypted", 1, data="x", id="rs_1")]),
            Delta(reasoning_details=[detail("encrypted", 1, data="x", id="rs_1"), None]),
        ],
        [
            ("text", "a"),
            ("text", "b"),
            (
                "signature",
                carrier(
                    "reasoning_details",
                    [detail(text="ab", format="f", signature="sig"), detail("encrypted", 1, data="x", id="rs_1")],
                ),
            ),
        ],
    ),
    "their text is shown where no other field has it": (
        DETAILS,
        [Delta(reasoning_details=[detail(text="a")]), Delta(reasoning_details=[detail("summary", 1, summary="b")])],
        [
            ("text", "a"),
            ("text", "b"),
            ("signature", carrier("reasoning_details", [detail(text="a"), detail("summary", 1, summary="b")])),
        ],
    ),
    "details without an index go by id, until they are signed": (
        DETAILS,
        [
            Delta(reasoning_details=[detail(index=None, text="a", id=None), detail(index=None, text="b")]),
            Delta(reasoning_details=[detail(index=None, signature="s1"), detail(index=None, text="c")]),
            Delta(
                reasoning_details=[detail("encrypted", 0, data="x", id="1"), detail("encrypted", 0, data="y", id="2")]
            ),
        ],
        [
            ("text", "a"),
            ("text", "b"),
            ("text", "c"),
            (
                "signature",
                carrier(
                    "reasoning_details",
                    [
                        detail(index=None, text="ab", id=None, signature="s1"),
                        detail(index=None, text="c"),
                        detail("encrypted", 0, data="x", id="1"),
                        detail("encrypted", 0, data="y", id="2"),
                    ],
                ),
            ),
        ],
    ),
    "opaque details alone are a redacted block": (
        DETAILS,
        [Delta(reasoning_details=[detail("encrypted", data="x")])],
        [("redacted", carrier("reasoning_details", [detail("encrypted", data="x")]))],
    ),
    "empty details are nothing": (DETAILS, [Delta(reasoning_details=[]), Delta(reasoning_details="x")], []),
    "thinking blocks are put together until they are signed": (
        BLOCKS,
        [
            Delta(reasoning_content="a", thinking_blocks=[{"type": "thinking", "thinking": "a", "signature": None}]),
            Delta(reasoning_content="b", thinking_blocks=[{"type": "thinking", "thinking": "b"}, "x"]),
            Delta(thinking_blocks=[{"type": "thinking", "thinking": 7, "signature": "sig"}]),
            Delta(thinking_blocks=[{"type": "thinking", "thinking": "c", "signature": "sig2"}]),
            Delta(thinking_blocks=[{"type": "redacted_thinking", "data": "x", "id": None}]),
        ],
        [
            ("text", "a"),
            ("text", "b"),
            ("text", "c"),
            (
                "signature",
                carrier(
                    "thinking_blocks",
                    [
                        SIGNED,
                        {"type": "thinking", "thinking": "c", "signature": "sig2"},
                        {"type": "redacted_thinking", "data": "x"},
                    ],
                ),
            ),
        ],
    ),
    "of two kinds of state the one that goes back is carried": (
        BLOCKS,
        [Delta(reasoning_details=[detail(text="ab")], thinking_blocks=[SIGNED])],
        [("text", "ab"), ("signature", carrier("thinking_blocks", [SIGNED]))],
    ),
    "of two kinds neither of which goes back the first is carried": (
        TEXT,
        [Delta(reasoning_opaque="x", thinking_blocks=[SIGNED])],
        [("text", "ab"), ("signature", carrier("thinking_blocks", [SIGNED]))],
    ),
    "opaque state that is empty is none": (OPAQUE, [Delta(reasoning_opaque=""), Delta(reasoning_opaque=7)], []),
    "opaque state alone": (OPAQUE, [Delta(reasoning_opaque="x")], [("redacted", carrier("reasoning_opaque", "x"))]),
}


@pytest.mark.parametrize(("dialect", "deltas", "expected"), READ.values(), ids=READ.keys())
def test_reasoning_in_deltas(dialect: Dialect, deltas: list[Delta], expected: list[Shown]) -> None:
    reader = ReasoningReader(dialect, "model-1", "text")
    pieces = read(reader, *deltas)
    assert reader.pending == bool(expected)
    assert shown([*pieces, *reader.sign()]) == expected
    assert (reader.pending, reader.sign()) == (False, [])


def test_a_thinking_part_of_mistral() -> None:
    reader = ReasoningReader(PARTS, "model-1", "text")
    pieces = [
        *reader.add_part({"type": "thinking", "thinking": [{"type": "text", "text": "a"}, {"type": "reference"}, 7]}),
        *reader.add_part({"type": "thinking", "thinking": "b"}),
        *reader.add_part({"type": "thinking", "thinking": []}),
        *reader.sign(),
    ]
    value = [{"type": "thinking", "thinking": [{"type": "text", "text": "ab"}]}]
    assert shown(pieces) == [("text", "a"), ("text", "b"), ("signature", carrier("mistral_parts", value))]


def test_text_that_is_not_shown_is_carried_where_it_must_go_back() -> None:
    for dialect, signature in ((TEXT, carrier("reasoning_content", text="ab")), (PLAIN, "px1.")):
        reader = ReasoningReader(dialect, "model-1", "omitted")
        pieces = read(reader, Delta(reasoning_content="a"), Delta(reasoning_content="b"))
        assert shown([*pieces, *reader.sign()]) == [("text", ""), ("signature", signature)]


def test_text_in_two_places_is_carried_once() -> None:
    reader = ReasoningReader(DETAILS, "model-1", "omitted")
    pieces = read(
        reader,
        Delta(reasoning="a", reasoning_details=[detail(text="a")]),
        Delta(reasoning="b\ud83c", reasoning_details=[detail(text="b")]),
    )
    signature = carrier("reasoning_details", [detail(text="ab")], text="ab")
    assert shown([*pieces, *reader.sign()]) == [("text", ""), ("signature", signature)]


def test_what_nobody_asked_for_is_lost() -> None:
    reader = ReasoningReader(DETAILS, "model-1", "none")
    pieces = read(reader, Delta(reasoning="a", reasoning_details=[detail(text="a")], reasoning_opaque="x"))
    pieces += reader.add_part({"type": "thinking", "thinking": "b"})
    assert (pieces, reader.pending, reader.heard, reader.shown) == ([], False, True, False)
    assert (reader.sign(), reader.sign_for_call("sig", "call_1"), reader.carried("sig", "call_1")) == ([], [], [])
    assert reader.close(calls=True) == []


def test_a_calls_signature_is_carried_by_the_open_block() -> None:
    reader = ReasoningReader(PLAIN, "model-1", "text")
    pieces = [*read(reader, Delta(reasoning="a\ud83c")), *reader.sign_for_call("sig", "call_1")]
    assert shown(pieces) == [
        ("text", "a"),
        ("text", "\ufffd"),
        ("signature", carrier("thought_signature", "sig", call_id="call_1")),
    ]
    assert shown(reader.sign_for_call("sig-2", "call_2")) == [
        ("redacted", carrier("thought_signature", "sig-2", call_id="call_2"))
    ]


def test_a_block_with_state_of_its_own_leaves_the_calls_signature_to_another() -> None:
    reader = ReasoningReader(DETAILS, "model-1", "text")
    pieces = read(reader, Delta(reasoning_details=[detail(text="a")]))
    assert shown([*pieces, *reader.sign_for_call("sig", "call_1")]) == [
        ("text", "a"),
        ("signature", carrier("reasoning_details", [detail(text="a")])),
        ("redacted", carrier("thought_signature", "sig", call_id="call_1")),
    ]


def test_a_calls_signature_keeps_the_text_that_is_not_shown() -> None:
    reader = ReasoningReader(TEXT, "model-1", "omitted")
    pieces = [*read(reader, Delta(reasoning="a")), *reader.sign_for_call("sig", "call_1")]
    assert shown(pieces) == [("text", ""), ("signature", carrier("thought_signature", "sig", "a", "call_1"))]


CLOSED: dict[str, tuple[Dialect, Delta, bool, list[Shown]]] = {
    "an open block is signed": (PLAIN, Delta(reasoning="a"), False, [("signature", "px1.")]),
    "state after calls is carried": (
        OPAQUE,
        Delta(reasoning_opaque="x"),
        True,
        [("redacted", carrier("reasoning_opaque", "x"))],
    ),
    "state after a plain answer is not": (OPAQUE, Delta(reasoning_opaque="x"), False, []),
    "unless the dialect wants it on every turn": (
        replace(OPAQUE, reasoning_back="all"),
        Delta(reasoning_opaque="x"),
        False,
        [("redacted", carrier("reasoning_opaque", "x"))],
    ),
}


@pytest.mark.parametrize(("dialect", "delta", "calls", "expected"), CLOSED.values(), ids=CLOSED.keys())
def test_what_is_left_at_the_end(dialect: Dialect, delta: Delta, calls: bool, expected: list[Shown]) -> None:
    reader = ReasoningReader(dialect, "model-1", "text")
    reader.read(delta)
    assert shown(reader.close(calls)) == expected
