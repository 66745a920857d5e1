"""Whatever a backend answers becomes a legal stream, which builds up a message, or ends in an error."""

import atheris

with atheris.instrument_imports(include=["anthropic_proxy"]):
    from anthropic_proxy.dialects import DIALECTS
    from anthropic_proxy.errors import UpstreamBroke
    from anthropic_proxy.translate.api import Client
    from anthropic_proxy.translate.chat import CHAT
    from anthropic_proxy.translate.failures import Asked
    from anthropic_proxy.translate.fold import fold
    from anthropic_proxy.translate.pieces import Failure, Finish, Piece
    from anthropic_proxy.translate.validate import messages_request
    from anthropic_proxy.translate.writer import MessageWriter
    from anthropic_proxy.wire.anthropic import StreamEvent
    from anthropic_proxy.wire.json import dumps
    from anthropic_proxy.wire.sse import SSEDecoder, encode_events

from fuzz.running import fuzz, mutated_stream
from tests.grammar import parse_stream, violations

ASKED = Asked(base_url="http://backend.invalid/v1", model="upstream-model", tokens=500, window=8192)

QUESTION = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "How is the weather?"}]}
TOOLS = {"tools": [{"name": name, "input_schema": {"type": "object"}} for name in ("get_weather", "Bash", "a" * 80)]}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
STOPS = {"stop_sequences": ["END", "\n\nHuman:"]}
SCHEMA = {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}

REQUESTS = [
    QUESTION,
    QUESTION | TOOLS,
    QUESTION | THINKING,
    QUESTION | TOOLS | THINKING | STOPS,
    QUESTION | SCHEMA,
    QUESTION | TOOLS | {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
]
"""What was asked decides what of a reply is shown."""


def events_of(data: bytes, choice: int, whole: bool) -> list[StreamEvent]:
    """What the client gets for a reply, with one of the requests and one of the dialects."""
    request = messages_request({**REQUESTS[choice % len(REQUESTS)]}, None)
    dialect = DIALECTS[choice // len(REQUESTS) % len(DIALECTS)].dialect
    reader = CHAT.translate(request, "upstream-model", dialect, Client(longest_arguments=2000)).reader("msg_1", ASKED)
    writer = MessageWriter("msg_1", "m")
    pieces: list[Piece] = []
    try:
        if whole:
            pieces += reader.read_reply(data)
        else:
            decoder = SSEDecoder()
            for payload in [*decoder.feed(data), *decoder.close()]:
                pieces += reader.read(payload)
                if reader.finished:
                    break
        pieces += reader.close()
    except UpstreamBroke as error:
        pieces.append(Failure(error.type, error.message))
    events: list[StreamEvent] = []
    for piece in pieces:
        events += writer.write(piece)
        if isinstance(piece, Finish):
            events += writer.close()
        if isinstance(piece, Failure):
            break
    return events


def target(data: bytes) -> None:
    choice, whole, reply = (data[0] if data else 0), bool(data[1] % 2 if len(data) > 1 else 0), data[2:]
    events = events_of(reply, choice, whole)
    found = violations(parse_stream(encode_events(events)))
    assert not found, found
    message = fold(events)
    assert message["type"] in ("message", "error")
    assert dumps(message)


if __name__ == "__main__":
    fuzz("chat_reply", target, mutated_stream)
