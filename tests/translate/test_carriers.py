"""Carriers: what is packed comes back whole, and what is no carrier harms nobody."""

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.translate.carriers import EMPTY_SIGNATURE, LARGEST, Carrier, is_ours, pack, unpack
from anthropic_proxy.wire.json import dumps, loads
from tests.translate.conversations import json_values

names = st.text(max_size=20)
states = json_values.filter(lambda value: loads(dumps(value)) == value)
"""What comes out of JSON, which knows no infinity."""


@given(st.builds(Carrier, names, names, states, names, names))
def test_what_is_packed_comes_back(carrier: Carrier) -> None:
    signature = pack(carrier)
    assert unpack(signature) == carrier
    assert is_ours(signature)
    assert signature.isascii()
    assert signature.split(".")[1].replace("-", "").replace("_", "").isalnum()


def test_a_carrier_says_no_more_than_it_has_to() -> None:
    packed = pack(Carrier("reasoning_details", "m", [1]))
    unpacked = zlib.decompress(base64.urlsafe_b64decode(packed.removeprefix("px1.") + "=="))
    assert unpacked == b'{"f":"reasoning_details","m":"m","v":[1]}'


def carrier_of(content: bytes) -> str:
    return "px1." + base64.urlsafe_b64encode(zlib.compress(content)).decode().rstrip("=")


UNREADABLE = {
    "none": None,
    "a number": 5,
    "an empty one": "",
    "one that carries nothing": EMPTY_SIGNATURE,
    "a foreign one": "EqQBCkYIBxgCKkB",
    "one that is no base64": "px1.$$$",
    "one that is not even ASCII": "px1.ä",
    "one that is not packed": "px1." + base64.urlsafe_b64encode(b"{}").decode(),
    "one that breaks off": pack(Carrier("f", "m", "v" * 1000))[:-10],
    "one that is no JSON": carrier_of(b"no"),
    "one that is no object": carrier_of(b"[]"),
    "one without a field": carrier_of(b'{"m":"m"}'),
    "one whose model is no text": carrier_of(b'{"f":"f","m":5}'),
    "one whose text is no text": carrier_of(b'{"f":"f","m":"m","t":null}'),
    "one nested too deeply": carrier_of(b'{"f":"f","m":"m","v":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "one that unpacks to too much": carrier_of(dumps({"f": "f", "m": "m", "v": "x" * LARGEST})),
}


@pytest.mark.parametrize("signature", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_any_other_signature_carries_nothing(signature: object) -> None:
    assert unpack(signature) is None


@given(st.text())
def test_no_text_at_all_does_harm(content: str) -> None:
    assert unpack(f"px1.{content}") is None or content
    assert unpack(content) is None or content.startswith("px1.")


def test_ours_are_known_by_their_beginning() -> None:
    assert is_ours(EMPTY_SIGNATURE)
    assert not is_ours("")
    assert not is_ours(None)
    assert not is_ours("EqQBCkYIBxgCKkB")
