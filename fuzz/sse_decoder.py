"""How the network cuts a stream changes nothing of what is read in it, and no bytes break the decoder."""

import atheris

with atheris.instrument_imports(include=["anthropic_proxy"]):
    from anthropic_proxy.wire.sse import SSEDecoder, SSETooLong

from fuzz.running import fuzz, mutated_stream

LIMIT = 4096


def decoded(data: bytes, size: int) -> list[bytes] | None:
    """The payloads in `data`, which comes in pieces of that size; None where an event is too long."""
    decoder = SSEDecoder(LIMIT)
    try:
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        payloads = [payload for piece in pieces for payload in decoder.feed(piece)]
        return payloads + decoder.close()
    except SSETooLong:
        return None


def target(data: bytes) -> None:
    size, stream = (data[0] % 17 + 1 if data else 1), data[2:]
    whole, cut = decoded(stream, len(stream) or 1), decoded(stream, size)
    assert whole == cut
    for payload in whole or ():
        assert payload.strip()
        assert b"\r" not in payload


if __name__ == "__main__":
    fuzz("sse_decoder", target, mutated_stream)
