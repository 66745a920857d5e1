"""The rows of the benchmark: each measures one kind of work on one subject, and gives a Sample."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from bench import bodies
from bench.load import PATIENCE, Connection, Tally, give_up, repeat
from bench.samples import Sample, Scale, quantile
from bench.soak import soak
from bench.subject import Subject
from bench.upstream import Upstream

WARM_UP = 0.2
"""Seconds of the same work before a measurement."""

STREAMS_BEGIN_WITHIN = 15.0
"""Seconds that all streams of a row have to begin."""


@dataclass(slots=True)
class _Meter:
    """What a span of work took."""

    cpu: float = 0.0
    """Of the proxy, in seconds."""
    waited: float = 0.0
    """Seconds in which the proxy could have run, but something else had its core."""
    own_cpu: float = 0.0
    """Of the load generator and the upstream."""
    wall: float = 0.0

    @property
    def shares(self) -> dict[str, float]:
        """Of its core, how much the proxy used and waited for; of the other core, how much went into the load."""
        return {
            "busy": self.cpu / self.wall,
            "waited": self.waited / self.wall,
            "load_busy": self.own_cpu / self.wall,
        }


@contextmanager
def _metered(subject: Subject) -> Iterator[_Meter]:
    meter = _Meter()
    gc.collect()
    gc.disable()
    cpu, waited, own, wall = subject.cpu(), subject.waited(), time.process_time(), time.perf_counter()
    try:
        yield meter
    finally:
        meter.cpu = subject.cpu() - cpu
        meter.waited = subject.waited() - waited
        meter.own_cpu = time.process_time() - own
        meter.wall = time.perf_counter() - wall
        gc.enable()


async def whole(
    subject: Subject, upstream: Upstream, scale: Scale, body: Callable[[], bodies.Body], connections: int = 8
) -> Sample:
    """CPU time of one request with a whole reply, several clients asking as fast as they are answered."""
    tally = Tally()
    await subject.passes_on(body(), tally)
    request = subject.target.request(body().encoded("bench-whole-1", stream=False))
    opened = await subject.open(connections, tally)
    await repeat(subject.target, opened, request, WARM_UP, Tally())
    with _metered(subject) as meter:
        await repeat(subject.target, opened, request, scale.seconds, tally)
    _leave(opened)
    values = {"per_second": tally.done / meter.wall, **meter.shares}
    if tally.done and subject.is_proxy:
        values["cpu_us"] = meter.cpu / tally.done * 1e6
    return Sample(values, tally.flaws, tally.late)


async def burst(subject: Subject, upstream: Upstream, scale: Scale) -> Sample:
    """CPU time of one chunk of a stream that comes in bursts. A stream has so many that its request hardly counts."""
    tally = Tally()
    bursts = 4 if subject.slow else 20
    request = subject.target.request(bodies.small().encoded(f"bench-burst-{bursts}", stream=True))
    opened = await subject.open(4, tally)
    with _metered(subject) as meter:
        await repeat(subject.target, opened, request, scale.stream_seconds / 2, tally)
    _leave(opened)
    values = {"chunks_per_second": tally.marks / meter.wall, **meter.shares}
    if tally.marks and subject.is_proxy:
        values["cpu_us"] = meter.cpu / tally.marks * 1e6
    return Sample(values, tally.flaws, tally.late)


async def paced(subject: Subject, upstream: Upstream, scale: Scale, streams: int, at_once: int = 1) -> Sample:
    """CPU time and delay of one chunk, where many streams each bring one, or several `at_once`, every 20 ms.

    The clock runs while all of them are open. Then they are ended, and each is checked.
    """
    tally = Tally()
    script = "bench-paced-20" if at_once == 1 else f"bench-groups-{at_once}"
    request = subject.target.request(bodies.small().encoded(script, stream=True))
    opened = await subject.open(streams, tally, timed=True)
    await _begin(opened, request, STREAMS_BEGIN_WITHIN)
    begun = sum(connection.started for connection in opened)
    await asyncio.sleep(WARM_UP)
    tally.delays.clear()
    before = tally.marks
    with _metered(subject) as meter:
        await asyncio.sleep(scale.stream_seconds)
    arrived = tally.marks - before
    delays = list(tally.delays)
    values = {
        "delivered": min(arrived / (streams * at_once * 50 * meter.wall), 1.0),
        "chunks_per_second": arrived / meter.wall,
        "delay_p50_ms": quantile(delays, 0.5) / 1000,
        "delay_p99_ms": quantile(delays, 0.99) / 1000,
        **meter.shares,
    }
    if arrived and subject.is_proxy:
        values["cpu_us"] = meter.cpu / arrived * 1e6
    await _finish(opened, upstream, tally)
    if begun < streams:
        tally.give_up("did not begin in time", streams - begun)
    return Sample(values, tally.flaws, tally.late)


async def first_delta(subject: Subject, upstream: Upstream, scale: Scale) -> Sample:
    """Time from a request to its first delta, one request at a time, from an upstream that answers at once."""
    tally = Tally()
    request = subject.target.request(bodies.small().encoded("bench-quick-3", stream=True))
    opened = await subject.open(1, tally, timed=True)
    await repeat(subject.target, opened, request, WARM_UP, tally)
    tally.firsts.clear()
    with _metered(subject):
        await repeat(subject.target, opened, request, scale.seconds, tally)
    _leave(opened)
    firsts = tally.firsts
    return Sample({f"first_p{p}_ms": quantile(firsts, p / 100) / 1000 for p in (50, 99)}, tally.flaws, tally.late)


async def start(subject: Subject, upstream: Upstream, scale: Scale) -> Sample:
    """Start-up, and memory: idle after the first answer, and with many streams open. In a process of its own."""
    fresh = Subject(subject.proxy, upstream.port)
    tally = Tally()
    try:
        await fresh.start()
        await asyncio.sleep(0.3)
        idle = fresh.memory()
        request = fresh.target.request(bodies.small().encoded("bench-paced-1000", stream=True))
        streams = scale.open_streams // 5 if subject.slow else scale.open_streams
        opened = await fresh.open(streams, tally, timed=True)
        await _begin(opened, request, STREAMS_BEGIN_WITHIN)
        await asyncio.sleep(1.0)
        with_streams = fresh.memory()
        begun = sum(connection.started for connection in opened)
        await _finish(opened, upstream, tally)
    finally:
        fresh.stop()
    if begun < streams:
        tally.give_up("did not begin in time", streams - begun)
    per_thousand = (with_streams - idle) * 1000 / max(begun, 1)
    values = {"start_s": fresh.started_after, "idle_mib": idle, "streams_mib": per_thousand}
    return Sample(values, tally.flaws, tally.late)


async def _begin(connections: list[Connection], request: bytes, patience: float) -> None:
    """Sends `request` over all connections, and waits until every stream has begun, `patience` seconds at most."""
    until = time.monotonic() + patience
    for connection in connections:
        connection.send(request)
    # An event for each of a thousand would disturb what is measured.
    while time.monotonic() < until and not all(connection.started for connection in connections):  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def _finish(connections: list[Connection], upstream: Upstream, tally: Tally) -> None:
    """Ends the paced streams, and waits for their ends, which the replies are checked by."""
    upstream.finish()
    waiting = [connection.reply for connection in connections if connection.reply is not None]
    await asyncio.wait(waiting, timeout=PATIENCE)
    give_up(connections, "its end did not come in time")
    _leave(connections)
    upstream.finish()


def _leave(connections: Iterable[Connection]) -> None:
    for connection in connections:
        connection.abort()


Measure = Callable[[Subject, Upstream, Scale], Awaitable[Sample]]


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of work."""

    measure: Measure
    only: frozenset[str] | None = None
    """Names of the subjects it is measured on; None for all."""
    direct: bool = False
    """Is it of interest without a proxy, too?"""
    streams: int = 0
    """Of a row with many streams: a proxy that did not keep up with fewer is spared it."""
    rounds: int | None = None
    """Where one round, say, is enough."""
    quick: bool = True
    """Belongs to a quick run, too."""
    growth: bool = False
    """Shows how costs grow, together with GROWS_FROM, and belongs to no other run."""


OURS_ONLY = frozenset({"anthropic-proxy"})

ROWS: dict[str, Row] = {
    "small": Row(partial(whole, body=bodies.small)),
    "large": Row(partial(whole, body=bodies.large)),
    "images": Row(partial(whole, body=bodies.images)),
    "rate": Row(partial(whole, body=bodies.small, connections=32), direct=True),
    "burst": Row(burst),
    "first": Row(first_delta, direct=True),
    "paced-10": Row(partial(paced, streams=10), direct=True, streams=10),
    "paced-100": Row(partial(paced, streams=100), direct=True, streams=100),
    "paced-500": Row(partial(paced, streams=500), direct=True, streams=500),
    "paced-1000": Row(partial(paced, streams=1000), direct=True, streams=1000, quick=False),
    "start": Row(start),
    "soak": Row(soak, only=OURS_ONLY, rounds=1),
    "size-20k": Row(partial(whole, body=partial(bodies.agent, 0.125)), growth=True),
    "size-2m": Row(partial(whole, body=partial(bodies.agent, 9)), growth=True),
    **{f"groups-{count}": Row(partial(paced, streams=20, at_once=count), growth=True) for count in (1, 2, 5, 10, 50)},
}

GROWS_FROM = ("small", "large", "paced-10", "paced-100", "paced-500", "paced-1000")
