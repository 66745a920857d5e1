"""A long session full of images passes, and costs at most four times its size in memory while it does."""

import base64
import json
import os
import time
from pathlib import Path

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
