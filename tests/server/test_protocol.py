"""The limits of a connection, byte by byte: what is answered before the application hears of a request."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence

import pytest

from anthropic_proxy.config import Settings
from anthropic_proxy.server.process import KEEP_ALIVE
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.hurried import hurried
from tests.load.clients import Client, Raw, head, request
from tests.proxying import proxying
from tests.server.asgi import STREAMED, WHOLE

SETTINGS = Settings(openai_api_base="http://replay.invalid/v1", max_header_kb=2, head_timeout=0.3, backend="plain")
LIMIT = 2048

JSON = {"content-type": "application/json"}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with proxying(SETTINGS, Replay(Recorded(WHOLE, headers=JSON))) as url:
        yield int(url.rpartition(":")[2])


async def sent(port: int, *parts: bytes) -> Raw:
    """What comes of these bytes, a write each."""
    async with asyncio.timeout(20), Client(port) as client:
        for part in parts:
            await client.send(part)
            await asyncio.sleep(0.01)
        return await client.answer()


HELLO = request({"model": "m"}, connection="close")
LINE, REST = HELLO.split(b"\r\n", 1)


def with_header(value_size: int) -> bytes:
    return LINE + b"\r\nx-filler: " + b"x" * value_size + b"\r\n" + REST


TRAILERS = (
    LINE
    + b"\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
)

TOO_LARGE: dict[str, Sequence[bytes]] = {
    "one large header": [with_header(LIMIT)],
    "many small headers": [LINE + b"\r\n" + b"x: y\r\n" * (LIMIT // 5) + REST],
    "a header without an end": [LINE + b"\r\nx-filler: ", *[b"x" * 1000] * 3],
    "headers without an end": [LINE + b"\r\n", *[b"x: y\r\n" * 100] * 10],
    "a request line without an end": [b"GET /", *[b"x" * 1000] * 3],
    "a long path": [b"GET /" + b"x" * LIMIT + b" HTTP/1.1\r\n\r\n"],
    "trailers without an end": [TRAILERS, *[b"x: y\r\n" * 100] * 10],
}


@pytest.mark.parametrize("parts", TOO_LARGE.values(), ids=TOO_LARGE.keys())
async def test_a_head_that_is_too_large(parts: Sequence[bytes], port: int) -> None:
    answer = await sent(port, *parts)
    assert answer.status in (400, 431)
    assert answer.error == ("invalid_request_error", "the headers are larger than 2 KiB (setting MAX_HEADER_KB)")
    assert (await sent(port, HELLO)).status == 200


FINE: dict[str, Sequence[bytes]] = {
    "a head that is just not too large": [with_header(LIMIT - len(HELLO))],
    "a head in two parts": [HELLO[:40], HELLO[40:]],
    "a body of many times the head's limit": [request({"model": "m", "system": "x" * 300_000}, connection="close")],
    "the same in small parts": [HELLO[i : i + 50] for i in range(0, len(HELLO), 50)],
}


@pytest.mark.parametrize("parts", FINE.values(), ids=FINE.keys())
async def test_a_head_that_is_not(parts: Sequence[bytes], port: int) -> None:
    assert (await sent(port, *parts)).status == 200


NO_HTTP: dict[str, bytes] = {
    "TLS": bytes.fromhex("16030100c8010000c40303"),
    "another protocol": b"SSH-2.0-OpenSSH_9.9\r\n",
    "two lengths": LINE + b"\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
    "a length and chunks": LINE + b"\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
    "a broken chunk": LINE + b"\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nwhat\r\n",
    "a path that is no ASCII": b"GET /\xff HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("data", NO_HTTP.values(), ids=NO_HTTP.keys())
async def test_bytes_that_are_no_http(data: bytes, port: int) -> None:
    answer = await sent(port, data)
    assert answer.status == 400
    assert answer.error[0] == "invalid_request_error"


async def test_the_second_request_of_a_connection_has_the_same_limits(port: int) -> None:
    async with asyncio.timeout(20), Client(port) as client:
        await client.send(request({"model": "m"}))
        await client.until(b'"stop_reason":"end_turn"')
        await client.reader.readuntil(b"}}")
        await client.send(HELLO[:30])
        answer = await client.answer()
    assert answer.status == 408
    assert "HEAD_TIMEOUT" in answer.error[1]


async def test_two_requests_in_one_write_are_answered_in_order(port: int) -> None:
    answer = await sent(port, request({"model": "first"}) + request({"model": "second"}, connection="close"))
    assert answer.body.count(b"HTTP/1.1 200") == 1
    assert answer.body.index(b'"model":"first"') < answer.body.index(b'"model":"second"')


async def test_a_half_request_does_not_disturb_the_answer_before_it() -> None:
    """The first is a stream that takes its time; the half of a second one is nobody's business until then."""
    replay = Replay(Recorded(STREAMED, read_size=20, pause=0.02))
    async with proxying(SETTINGS, replay) as url:
        answer = await sent(int(url.rpartition(":")[2]), request({"model": "m", "stream": True}) + HELLO[:30])
    assert answer.status == 200
    assert b"event: message_stop" in answer.body
    assert answer.body.count(b"HTTP/1.1 408") == 1


EARLY: dict[str, bytes] = {
    "that closes": head(3_000_000, connection="close", host="evil.example"),
    "of HTTP/1.0": head(3_000_000, host="evil.example").replace(b"HTTP/1.1", b"HTTP/1.0"),
    "that stays": head(3_000_000, host="evil.example"),
}


@pytest.mark.parametrize("before", EARLY.values(), ids=EARLY.keys())
async def test_who_is_turned_away_before_their_body_is_sent_hears_of_it(before: bytes, port: int) -> None:
    async with asyncio.timeout(20), Client(port) as client:
        await client.send(before)
        first = await client.until(b"\r\n")
        await asyncio.sleep(0.05)
        await client.send(b"x" * 2_000_000)
        rest = await client.until(b"}}" if b"keep" in before else b'_id":"req_')
    assert b"403" in first
    assert b"permission_error" in rest


async def test_a_refusal_has_an_id_and_a_line_in_the_log(port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "anthropic_proxy.requests")
    answer = await sent(port, with_header(LIMIT))
    (record,) = [record for record in caplog.records if record.name == "anthropic_proxy.requests"]
    fields = record.__dict__["fields"]
    assert (fields["status"], fields["error"]) == (431, "invalid_request_error")
    assert fields["request_id"] == json.loads(answer.body)["request_id"]


LONGEST_IDLE_CLIENT = 90
"""Seconds for which clients keep a connection for their next request: Go's, and Node's agents."""


def test_a_connection_is_kept_for_longer_than_clients_keep_theirs() -> None:
    async def idling() -> tuple[bytes, float]:
        """The second answer, and the seconds after which the proxy then closes."""
        settings = SETTINGS.model_copy(update={"head_timeout": 20})
        answering = proxying(settings, Replay(Recorded(WHOLE, headers=JSON)))
        async with answering as url, Client(int(url.rpartition(":")[2])) as client:
            await client.send(request({"model": "m"}))
            await client.until(b"}}")
            await asyncio.sleep(LONGEST_IDLE_CLIENT + 5)
            await client.send(request({"model": "m"}))
            answer = await client.until(b"}}")
            start = asyncio.get_running_loop().time()
            await client.answer()
            return answer, asyncio.get_running_loop().time() - start

    answer, seconds = hurried(idling())
    assert b" 200 OK" in answer
    assert seconds >= KEEP_ALIVE - 1
