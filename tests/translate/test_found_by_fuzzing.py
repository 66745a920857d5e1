"""Requests and replies that a fuzzer once broke us with, made small."""

import json
from typing import Any

import pytest

from anthropic_proxy.dialects import PLAIN
from anthropic_proxy.errors import InvalidRequest, UpstreamBroke
from anthropic_proxy.translate.chat.expected import Expected
from anthropic_proxy.translate.chat.reply import ChatReader
from anthropic_proxy.translate.chat.tool_names import ToolNames
from anthropic_proxy.translate.failures import Asked
from anthropic_proxy.translate.native import message_blocks
from anthropic_proxy.translate.pieces import Block, Failure
from anthropic_proxy.translate.validate import messages_request


def reader() -> ChatReader:
    return ChatReader(Expected(PLAIN, "m", ToolNames(PLAIN)), "msg_1", Asked("http://backend.invalid/v1", "m"))


def call(arguments: str, **more: Any) -> bytes:
    function = {"arguments": arguments, **more}
    return json.dumps({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": function}]}}]}).encode()


def test_a_message_of_anthropics_with_bytes_that_are_no_utf8() -> None:
    (piece,) = reader().read(b'{"\xcd": 1, "type": "message"}')
    assert isinstance(piece, Failure)
    assert piece.message.startswith("the upstream sent what is not JSON: ")


def test_a_signature_that_is_a_number() -> None:
    blocks = message_blocks({"content": [{"type": "thinking", "thinking": "So.", "signature": 7}]})
    assert blocks == [Block({"type": "thinking", "thinking": "So."})]


def test_a_system_message_with_nothing_but_settings_that_are_none() -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "system", "output_config": "high"}]
    with pytest.raises(InvalidRequest, match=r"^messages\.1\.output_config: "):
        messages_request({"model": "m", "max_tokens": 9, "messages": messages, "thinking": {"type": "adaptive"}})


FRAGMENTS = {
    "no JSON inside": ['{"city":', '{"city":"Rome"}"Rome"}'],
    "no JSON inside, in smaller parts": ['{"city":', '{"city":', '"Rome"}', '"Rome"}'],
    "quotes that are none": ["{'city':", "'Rome'}"],
}


@pytest.mark.parametrize("fragments", FRAGMENTS.values(), ids=FRAGMENTS.keys())
def test_arguments_that_turn_out_to_be_no_json_never_look_finished(fragments: list[str]) -> None:
    """The client must not run a tool with half of them, nor find a block closed that it cannot parse."""
    reading = reader()
    reading.read(call("", name="weather"))
    for fragment in fragments[:-1]:
        reading.read(call(fragment))
    with pytest.raises(UpstreamBroke, match="whose arguments are no JSON"):
        reading.read(call(fragments[-1]))


def test_arguments_that_break_off_beyond_repair_end_in_an_error() -> None:
    reading = reader()
    reading.read(call("{'city':", name="weather"))
    reading.read(json.dumps({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}).encode())
    last = reading.close()[-1]
    assert isinstance(last, Failure)
    assert last.message == "the upstream sent a tool call whose arguments are no JSON"
