"""Replay plays what was recorded, as an upstream would."""

import asyncio

import pytest

from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.upstream.base import Upstream
from anthropic_proxy.upstream.replay import Recorded, Replay, Sent
from anthropic_proxy.wire.json import InvalidJson


async def chunks(upstream: Upstream) -> list[bytes]:
    async with upstream.post("/chat/completions", b"{}", {}) as reply:
        return [data async for data in reply.chunks()]


PLAYED = {
    "all at once": (Recorded(b"abcde"), [b"abcde"]),
    "in reads of a size": (Recorded(b"abcde", read_size=2), [b"ab", b"cd", b"e"]),
    "in reads of different sizes": (Recorded(b"abcde", reads=(1, 3, 1)), [b"a", b"bcd", b"e"]),
    "in reads that leave something over": (Recorded(b"abcde", reads=(1, 2)), [b"a", b"bc", b"de"]),
    "with pauses": (Recorded(b"abc", read_size=1, pause=0.01), [b"a", b"b", b"c"]),
    "nothing": (Recorded(b""), []),
}


@pytest.mark.parametrize(("recorded", "expected"), PLAYED.values(), ids=PLAYED.keys())
async def test_chunks(recorded: Recorded, expected: list[bytes]) -> None:
    replay = Replay(recorded)
    assert await chunks(replay) == expected
    assert replay.closed == 0


async def test_status_headers_and_body_are_as_recorded() -> None:
    replay = Replay(Recorded(b"{}", status=429, headers={"retry-after": "7"}))
    async with replay.get("/models") as reply:
        assert (reply.status, reply.headers) == (429, {"retry-after": "7"})
        assert await reply.body(2) == b"{}"


async def test_a_recording_is_an_event_stream_unless_it_says_otherwise() -> None:
    async with Replay(Recorded(b"")).get("/") as reply:
        assert (reply.status, reply.headers) == (200, {"content-type": "text/event-stream"})


async def test_replies_come_in_order_and_the_last_repeats() -> None:
    replay = Replay(Recorded(b"1"), Recorded(b"2"))
    assert [await chunks(replay) for _ in range(4)] == [[b"1"], [b"2"], [b"2"], [b"2"]]


async def test_what_was_asked_is_kept() -> None:
    replay = Replay(Recorded(b"{}"))
    async with replay.post("/chat/completions", b'{"model":"m"}', {"x-initiator": "user"}):
        pass
    async with replay.get("/models"):
        pass
    assert replay.requests == [
        Sent("/chat/completions", {"model": "m"}, {"x-initiator": "user"}),
        Sent("/models", None, {}),
    ]


async def test_a_body_that_is_no_json_is_refused() -> None:
    with pytest.raises(InvalidJson):
        async with Replay(Recorded(b"")).post("/", b"{", {}):
            pass


async def test_a_broken_recording_gives_what_came_before_and_raises() -> None:
    replay = Replay(Recorded(b"abcde", read_size=2, broken_at=3))
    async with replay.post("/", b"{}", {}) as reply:
        stream = reply.chunks()
        assert [await anext(stream), await anext(stream)] == [b"ab", b"c"]
        with pytest.raises(UpstreamBroke, match=r"^the upstream closed the stream early") as caught:
            await anext(stream)
    assert caught.value.kind == "closed_early"
    assert replay.closed == 0


async def test_a_recording_breaks_in_the_way_it_says() -> None:
    silence = UpstreamBroke("not a word", kind="silence_timeout")
    async with Replay(Recorded(b"ab", broke=silence)).post("/", b"{}", {}) as reply:
        stream = reply.chunks()
        assert await anext(stream) == b"ab"
        with pytest.raises(UpstreamBroke, match="not a word"):
            await anext(stream)


async def test_an_error_in_place_of_a_reply_is_raised() -> None:
    replay = Replay(UpstreamBroke("no", kind="refused"), Recorded(b"2"))
    with pytest.raises(UpstreamBroke, match="no"):
        await chunks(replay)
    assert await chunks(replay) == [b"2"]


async def test_a_body_over_the_limit_is_refused() -> None:
    async with Replay(Recorded(b"abc")).get("/") as reply:
        with pytest.raises(UpstreamBroke, match="2 bytes") as caught:
            await reply.body(2)
    assert caught.value.kind == "too_large"


async def test_replies_left_early_are_counted() -> None:
    replay = Replay(Recorded(b"abcde", read_size=2))
    async with replay.post("/", b"{}", {}) as reply:
        await anext(reply.chunks())
    async with replay.post("/", b"{}", {}) as reply:
        assert reply.status == 200
    await chunks(replay)
    assert replay.closed == 2


async def test_a_stalled_recording_never_ends_until_it_is_left() -> None:
    replay = Replay(Recorded(b"ab", stall=True))
    async with replay.post("/", b"{}", {}) as reply:
        stream = reply.chunks()
        assert await anext(stream) == b"ab"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(stream)
    assert replay.closed == 1


async def test_closing_it_is_allowed_and_it_plays_on() -> None:
    replay = Replay(Recorded(b"1"))
    await replay.close()
    assert await chunks(replay) == [b"1"]


def test_it_needs_something_to_play() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Replay()
