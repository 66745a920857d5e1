"""What the proxy stands on passes everything on, so that it can be measured."""

import pytest

from bench import bodies
from bench.layers import Layer
from bench.marks import flaw
from bench.upstream import BURST, Upstream
from tests.server.asgi import Answer, Exchange

LAYERS = {"bytes": False, "json": True}


async def asked(upstream: Upstream, reads_json: bool, model: str, stream: bool) -> Answer:
    layer = Layer(f"http://127.0.0.1:{upstream.port}", reads_json)
    body = bodies.small().encoded(model, stream=stream)
    try:
        return await Exchange(layer, "POST", "/v1/messages", body).run()
    finally:
        await layer.close()


@pytest.mark.parametrize("reads_json", LAYERS.values(), ids=LAYERS.keys())
async def test_a_whole_reply_passes(upstream: Upstream, reads_json: bool) -> None:
    answer = await asked(upstream, reads_json, "bench-whole-1", stream=False)
    assert (answer.status, flaw(b"".join(answer.writes))) == (200, "")
    assert answer.headers["content-length"] == str(len(b"".join(answer.writes)))


@pytest.mark.parametrize("reads_json", LAYERS.values(), ids=LAYERS.keys())
async def test_all_of_a_request_passes(upstream: Upstream, reads_json: bool) -> None:
    answer = await asked(upstream, reads_json, "bench-check-0", stream=False)
    assert f"tokens={bodies.small().tokens};" in answer.json["choices"][0]["message"]["content"]


@pytest.mark.parametrize("reads_json", LAYERS.values(), ids=LAYERS.keys())
async def test_a_stream_passes(upstream: Upstream, reads_json: bool) -> None:
    answer = await asked(upstream, reads_json, "bench-burst-2", stream=True)
    body = b"".join(answer.writes)
    assert (answer.status, flaw(body)) == (200, "")
    assert body.count(b"data: {") > 2 * BURST
    assert body.endswith(b"data: [DONE]\n\n")
