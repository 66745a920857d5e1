"""The load generator against the benchmark's own upstream: what is right counts, and what is wrong is seen."""

import asyncio

import pytest

from bench import bodies
from bench.load import Connection, Tally, Target, repeat
from bench.marks import end, flaw, mark
from bench.upstream import STREAM_HEAD, Upstream, burst, stream_end, text_chunk, whole_reply

FLAWS = {
    "all marks and the end": (mark(0) + mark(1) + end(2), ""),
    "no marks at all, as said": (end(0), ""),
    "a mark is missing": (mark(0) + end(2), "1 of 2 marks"),
    "a mark came twice": (mark(0) + mark(0) + mark(1) + end(2), "3 of 2 marks"),
    "marks changed places": (mark(1) + mark(0) + end(2), "marks out of order"),
    "the end is missing": (mark(0) + mark(1), "its end is missing"),
    "the end came twice": (mark(0) + end(1) + end(1), "it ends twice"),
}


@pytest.mark.parametrize(("body", "expected"), FLAWS.values(), ids=FLAWS.keys())
def test_a_reply_is_judged_by_its_marks(body: bytes, expected: str) -> None:
    assert flaw(body) == expected


BODIES = {
    "1 KB": (bodies.small(), 1_000),
    "20 KB": (bodies.agent(0.125), 20_000),
    "200 KB": (bodies.large(), 200_000),
    "2 MB of text": (bodies.agent(9), 2_000_000),
    "2 MB": (bodies.images(), 2_000_000),
}


@pytest.mark.parametrize(("body", "size"), BODIES.values(), ids=BODIES.keys())
def test_a_request_has_its_size_and_its_tokens(body: bodies.Body, size: int) -> None:
    encoded = body.encoded("some-model", stream=False)
    assert 0.9 < len(encoded) / size < 1.1
    assert encoded.count(bodies.TOKEN) == body.tokens


async def asked(upstream: Upstream, model: str, timed: bool = False) -> tuple[bool, Connection]:
    """One request to `upstream`; whether the reply was right, and the connection with what it counted."""
    target = Target(upstream.port, "/v1/chat/completions")
    connection = await target.connect(Tally())
    connection.timed = timed
    right = await connection.send(target.request(bodies.small().encoded(model, stream=True)))
    connection.abort()
    return right, connection


SCRIPTS = {
    "a whole reply": ("bench-whole-3", False, 3),
    "a quick stream": ("bench-quick-3", False, 3),
    "a quick stream, timed": ("bench-quick-3", True, 3),
    "two bursts": ("bench-burst-2", False, 400),
    "two bursts, timed": ("bench-burst-2", True, 400),
}


@pytest.mark.parametrize(("model", "timed", "marks"), SCRIPTS.values(), ids=SCRIPTS.keys())
async def test_the_upstream_does_what_the_model_says(upstream: Upstream, model: str, timed: bool, marks: int) -> None:
    right, connection = await asked(upstream, model, timed)
    assert (right, connection.tally.flaws) == (True, {})
    assert connection.tally.marks == marks
    assert len(connection.tally.delays) == (marks if timed else 0)


@pytest.mark.parametrize("model", ["bench-paced-5", "bench-groups-3"])
async def test_paced_streams_run_until_they_are_ended(upstream: Upstream, model: str) -> None:
    target = Target(upstream.port, "/")
    tally = Tally()
    connections = [await target.connect(tally) for _ in range(3)]
    for connection in connections:
        connection.timed = True
    replies = [connection.send(target.request(b'{"model":"%b"}' % model.encode())) for connection in connections]
    for _ in range(1000):
        await asyncio.sleep(0.002)
        if tally.marks >= 9:
            break
    upstream.finish()
    assert await asyncio.gather(*replies) == [True] * 3
    assert (tally.done, tally.flaws) == (3, {})
    for connection in connections:
        connection.abort()


async def test_the_upstream_tells_how_much_of_a_request_arrived(upstream: Upstream) -> None:
    _, connection = await asked(upstream, "bench-check-0")
    assert b"tokens=2;" in connection.body


async def test_a_refusal_is_a_flaw(upstream: Upstream) -> None:
    right, connection = await asked(upstream, "no-script")
    assert (right, connection.tally.flaws) == (False, {"status 404": 1})


async def test_requests_are_repeated_until_the_time_is_over(upstream: Upstream) -> None:
    target = Target(upstream.port, "/")
    tally = Tally()
    connections = [await target.connect(tally) for _ in range(2)]
    await repeat(target, connections, target.request(b'{"model":"bench-whole-1"}'), 0.05, tally)
    assert (tally.done == tally.marks > 0, tally.flaws) == (True, {})
    for connection in connections:
        connection.abort()


STREAM = STREAM_HEAD + burst(0) + text_chunk(mark(200)) + stream_end(201)
BROKEN = STREAM_HEAD + burst(0) + stream_end(201)


async def fed(data: bytes, size: int, timed: bool) -> Tally:
    """What a connection makes of `data` that arrives in portions of `size`."""
    connection = Connection(Tally())
    connection.timed = timed
    connection.reply = asyncio.get_running_loop().create_future()
    for start in range(0, len(data), size):
        connection.data_received(data[start : start + size])
    return connection.tally


@pytest.mark.parametrize("timed", [False, True], ids=["whole", "timed"])
@pytest.mark.parametrize("size", [1, 7, 100, 10**6])
async def test_how_the_network_cuts_a_stream_changes_nothing(size: int, timed: bool) -> None:
    tally = await fed(STREAM, size, timed)
    assert (tally.done, tally.marks, tally.flaws) == (1, 201, {})
    assert (await fed(BROKEN, size, timed)).flaws == {"200 of 201 marks": 1}


async def test_a_whole_reply_without_its_end_is_a_flaw() -> None:
    assert (await fed(whole_reply(mark(0)), 10**6, timed=False)).flaws == {"its end is missing": 1}


async def test_what_is_no_http_is_a_flaw() -> None:
    assert (await fed(b"garbage\r\n\r\n", 100, timed=False)).flaws == {"not HTTP": 1}
