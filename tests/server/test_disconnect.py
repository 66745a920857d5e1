"""A client that goes takes its request to the backend with it."""

import asyncio
import json
import logging

import pytest
from pydantic import SecretStr
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.server.protocol import protocol_for
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.scripted import Script, ScriptedServer, Send, Stall, chunk, stream_head
from tests.server.asgi import ROLE, Exchange, chunks, delta, question
from tests.servers import serving

SETTINGS = Settings(openai_api_base="http://replay.invalid/v1", openai_api_key=SecretStr("k"), model="m")

FIRST = chunks(ROLE, delta(content="Hello")).removesuffix(b"data: [DONE]\n\n")

MOMENTS: dict[str, tuple[Script, bool, bytes]] = {
    "before the backend answers a stream": ([Stall()], True, b""),
    "after the backend's headers": ([Send(stream_head()), Stall()], True, b""),
    "in the middle of a stream": ([Send(stream_head()), Send(chunk(FIRST)), Stall()], True, b"Hello"),
    "before the backend answers a whole request": ([Stall()], False, b""),
    "in the middle of a whole reply": ([Send(stream_head()), Send(chunk(b'{"id": ')), Stall()], False, b""),
}


@pytest.mark.parametrize("client", ["lean", "aiohttp"])
@pytest.mark.parametrize("http", [HttpToolsProtocol, protocol_for(SETTINGS)], ids=["uvicorn's server", "ours"])
@pytest.mark.parametrize(("script", "stream", "seen"), MOMENTS.values(), ids=MOMENTS.keys())
async def test_the_backend_sees_the_client_go(
    script: Script, stream: bool, seen: bytes, http: type[HttpToolsProtocol], client: str
) -> None:
    async with ScriptedServer(script) as backend:
        ours = {"openai_api_base": f"{backend.url}/v1", "backend": "plain", "upstream_client": client}
        settings = SETTINGS.model_copy(update=ours)
        with serving(create_app(settings), http) as url:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
            body = json.dumps(question(stream=stream)).encode()
            headers = f"host: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            head = f"POST /v1/messages HTTP/1.1\r\n{headers}\r\n"
            writer.write(head.encode() + body)
            await backend.until(lambda server: len(server.requests) == 1)
            async with asyncio.timeout(5):
                if seen:
                    await reader.readuntil(seen)
            assert backend.gone == []
            writer.close()
            await backend.until(lambda server: server.gone == [0])
            # Leaves the loop of the thread time to end what it runs, and this one's to see it.
            await writer.wait_closed()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("body", [b"", FIRST], ids=["before the first byte", "after it"])
async def test_the_reply_is_left_at_once(stream: bool, body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    replay = Replay(Recorded(body, stall=True))
    exchange = Exchange(create_app(SETTINGS, replay), "POST", "/v1/messages", question(stream=stream))
    running = asyncio.create_task(exchange.run())
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(replay.requests) == 1
    if body and stream:
        await exchange.until_sent(b"Hello")
    assert replay.closed == 0
    exchange.gone.set()
    async with asyncio.timeout(5):
        answer = await running
    assert replay.closed == 1
    assert not answer.ended
    (record,) = [record for record in caplog.records if record.name == "anthropic_proxy.requests"]
    assert record.__dict__["fields"]["status"] == 499
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_client_that_goes_when_it_has_its_answer_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    body = chunks(ROLE, delta(content="Hello"), delta("stop"))
    replay = Replay(Recorded(body))
    answer = await Exchange(create_app(SETTINGS, replay), "POST", "/v1/messages", question(stream=True)).run()
    assert answer.ended
    (record,) = [record for record in caplog.records if record.name == "anthropic_proxy.requests"]
    assert record.__dict__["fields"]["status"] == 200


async def test_no_task_is_left_behind() -> None:
    app = create_app(SETTINGS, Replay(Recorded(b"", stall=True)))
    before = asyncio.all_tasks()
    for stream in (False, True):
        exchange = Exchange(app, "POST", "/v1/messages", question(stream=stream))
        running = asyncio.create_task(exchange.run())
        await asyncio.sleep(0.01)
        exchange.gone.set()
        await running
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
