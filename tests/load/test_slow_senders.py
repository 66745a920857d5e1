"""Clients that connect and say nothing, or spell their request out, cost little and are shown the door."""

import asyncio
from pathlib import Path

import pytest

from tests.load.clients import Client, Raw, head, request
from tests.load.process import LINUX_ONLY, allow_files, serving
from tests.proxying import THOROUGH, ask
from tests.scripted import ScriptedServer, Send, reply
from tests.server.asgi import STREAMED, WHOLE, question

IDLE = 10_000 if THOROUGH else 500

CHEAP = 16 * 1024
"""Bytes of memory that a connection without a request may cost."""

SLOW = 20
"""Clients that trickle at once."""


@LINUX_ONLY
async def test_connections_that_send_nothing(tmp_path: Path) -> None:
    idle = min(IDLE, allow_files(IDLE + 200) - 100)
    patience = 20 if THOROUGH else 2
    async with ScriptedServer([Send(reply(WHOLE))]) as backend:
        with serving(backend.url, tmp_path, head_timeout=str(patience)) as proxy:
            assert (await ask(proxy.url, question())).outcome == "complete"
            memory, files = proxy.memory, proxy.files
            clients = [Client(proxy.port) for _ in range(idle)]
            for client in clients:
                await client.__aenter__()
            assert (await ask(proxy.url, question())).outcome == "complete"
            cost = (proxy.memory - memory) / idle
            assert proxy.files >= files + idle - 2
            answers = await asyncio.gather(*(client.answer() for client in clients))
            for client in clients:
                await client.__aexit__()
            assert (await ask(proxy.url, question())).outcome == "complete"
            print(f"{idle} connections that send nothing: {cost / 1024:.1f} KiB each")
            assert proxy.files <= files + 2
    assert cost <= CHEAP
    assert answers == [Raw(0, b"")] * idle


BODY = request({"model": "m"})

TRICKLES: dict[str, tuple[bytes, bytes, str]] = {
    "a head": (b"", BODY, "HEAD_TIMEOUT"),
    "the second half of a head": (BODY[:60], BODY[60:], "HEAD_TIMEOUT"),
    "a body": (head(5000), b" " * 5000, "BODY_TIMEOUT"),
    "a body whose tokens are to be counted": (
        head(5000).replace(b"/v1/messages", b"/v1/messages/count_tokens"),
        b" " * 5000,
        "BODY_TIMEOUT",
    ),
    "a body that never begins": (head(5000), b"", "BODY_TIMEOUT"),
}


@pytest.mark.parametrize(("at_once", "slowly", "setting"), TRICKLES.values(), ids=TRICKLES.keys())
async def test_a_request_that_trickles_in(at_once: bytes, slowly: bytes, setting: str, tmp_path: Path) -> None:
    async def client() -> Raw:
        async with Client(proxy.port) as client:
            await client.send(at_once)
            trickling = asyncio.create_task(client.trickle(slowly, 0.05))
            answer = await client.answer()
            trickling.cancel()
            return answer

    async with ScriptedServer([Send(reply(WHOLE))]) as backend:
        with serving(backend.url, tmp_path, head_timeout="1.5", body_timeout="1.5") as proxy:
            answers = asyncio.gather(*(client() for _ in range(SLOW)))
            assert (await ask(proxy.url, question())).outcome == "complete"
            for answer in await answers:
                assert answer.status == 408
                assert answer.error[0] == "timeout_error"
                assert setting in answer.error[1]
    assert len(backend.requests) == 1


async def test_a_body_that_nobody_wants_keeps_no_connection(tmp_path: Path) -> None:
    """The answer is sent at once; who then goes on and on with the body is cut off."""
    async with ScriptedServer([Send(STREAMED)]) as backend:
        with serving(backend.url, tmp_path, head_timeout="0.5", proxy_api_key="secret") as proxy:
            async with Client(proxy.port) as client:
                await client.send(head(5000))
                trickling = asyncio.create_task(client.trickle(b" " * 5000, 0.05))
                async with asyncio.timeout(20):
                    answer = await client.answer()
                trickling.cancel()
    assert answer.status == 401
