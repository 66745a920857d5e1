"""A long session full of images passes, and costs at most four times its size in memory while it does."""

import base64
import json
import os
import time
from pathlib import Path

import pytest

from tests.load.clients import Client, head
from tests.load.process import LINUX_ONLY, MIB, serving
from tests.proxying import ask
from tests.scripted import ScriptedServer, Send, reply
from tests.server.asgi import WHOLE, question

IMAGES, SIZE = 8, 5 * MIB
"""Of base64, which is text to everybody on the way."""


def with_images() -> dict[str, object]:
    data = base64.b64encode(os.urandom(SIZE * 3 // 4)).decode()
    source = {"type": "base64", "media_type": "image/png", "data": data}
    return question(messages=[{"role": "user", "content": [{"type": "image", "source": source}] * IMAGES}])


@LINUX_ONLY
async def test_a_body_of_forty_megabytes(tmp_path: Path) -> None:
    body = with_images()
    size = len(json.dumps(body))
    async with ScriptedServer([Send(reply(WHOLE))]) as backend:
        with serving(backend.url, tmp_path) as proxy:
            assert (await ask(proxy.url, question())).outcome == "complete"
            before = proxy.memory
            proxy.forget_peak()
            assert (await ask(proxy.url, body)).outcome == "complete"
            peak = proxy.peak - before
    assert len(backend.requests[-1].body) >= IMAGES * SIZE
    print(f"a body of {size / MIB:.0f} MiB: {peak / size:.2f} times that in memory")
    assert peak <= 4 * size


BEGINNING = '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":'
DENSE = {
    "empty lists": ('"Hi"}],"x":[', "[]", "]}", 1),
    "small objects": ('"Hi"}],"x":[', '{"a":1}', "]}", 2),
    "numbers": ('"Hi"}],"x":[', "1.5", "]}", 1),
    "small texts": ("[", '{"type":"text","text":"a"}', "]}]}", 3),
    "a schema": ('"Hi"}],"tools":[{"name":"t","input_schema":{"type":"object","enum":[', "{}", "]}}]}", 1),
}
"""Bodies of many small values: what comes before them, one of them, what comes after, and how many values it is."""

MOST_VALUES = 500_000
"""The default of MAX_JSON_VALUES."""


@LINUX_ONLY
@pytest.mark.parametrize("shape", DENSE.values(), ids=DENSE.keys())
async def test_a_body_of_many_small_values_costs_no_more_than_a_large_one(
    shape: tuple[str, str, str, int], tmp_path: Path
) -> None:
    before_them, one, after_them, values = shape
    fits = (MOST_VALUES - 20) // values

    async def post(count: int) -> tuple[int, int, bytes]:
        """Status, memory in bytes, and the answer."""
        body = (BEGINNING + before_them + ",".join([one] * count) + after_them).encode()
        before = proxy.memory
        proxy.forget_peak()
        async with Client(proxy.port) as client:
            await client.send(head(len(body), connection="close") + body)
            answer = await client.answer()
        return answer.status, proxy.peak - before, answer.body

    async with ScriptedServer([Send(reply(WHOLE))]) as backend:
        with serving(backend.url, tmp_path) as proxy:
            assert (await ask(proxy.url, question())).outcome == "complete"
            refused, cost_of_refusal, why = await post(16 * MIB // (len(one) + 1))
            accepted, cost, _ = await post(fits)
    print(f"{fits} times {one}: {cost / MIB:.0f} MiB; 16 MiB of it, refused: {cost_of_refusal / MIB:.0f} MiB")
    assert (refused, accepted) == (400, 200)
    assert b"MAX_JSON_VALUES" in why
    assert cost_of_refusal <= 4 * 16 * MIB
    assert cost <= 4 * 64 * MIB, "what the largest body may cost"


async def test_a_body_that_is_too_large_is_refused_before_it_has_come(tmp_path: Path) -> None:
    async with ScriptedServer([Send(reply(WHOLE))]) as backend:
        with serving(backend.url, tmp_path) as proxy:
            async with Client(proxy.port) as client:
                start = time.monotonic()
                await client.send(head(70 * MIB))
                answer = await client.until(b"\r\n\r\n")
                assert b"413" in answer
                assert time.monotonic() - start < 5
                assert b"MAX_BODY_MB" in await client.until(b"}")
    assert backend.requests == []
