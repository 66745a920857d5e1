"""The soak: many requests, every tenth abandoned by its client, and what becomes of the proxy's memory."""

import asyncio
import time
from collections.abc import Iterator
from itertools import count

from bench import bodies
from bench.load import PATIENCE, Connection, Tally, give_up
from bench.samples import Sample, Scale, quantile
from bench.subject import Subject
from bench.upstream import Upstream

WORKERS = 16

SETTLED = 0.25
"""Share of the soak after which memory has found its level."""

MIDDLE = 20
"""Milliseconds after which a client goes, whatever has come by then."""

LOOKS = 40
"""How often memory is looked at."""


async def soak(subject: Subject, upstream: Upstream, scale: Scale) -> Sample:
    """Runs the soak, in a process of its own."""
    fresh = Subject(subject.proxy, upstream.port)
    try:
        await fresh.start()
        return await _soaked(fresh, scale)
    finally:
        fresh.stop()


async def _soaked(subject: Subject, scale: Scale) -> Sample:
    tally = Tally()
    whole, stream, endless = (
        subject.target.request(bodies.small().encoded(model, stream=is_stream))
        for model, is_stream in (("bench-whole-1", False), ("bench-quick-20", True), ("bench-burst-2", True))
    )
    numbers = count()
    until = time.monotonic() + scale.soak_seconds
    levels: list[tuple[int, float]] = []
    aborted = 0
    connections = [await _timed(subject, tally) for _ in range(WORKERS)]

    async def work(worker: int) -> None:
        nonlocal aborted
        for number in _numbers(numbers, scale.soak_requests, until):
            if number % max(scale.soak_requests // LOOKS, 1) == 0:
                levels.append((number, subject.memory()))
                tally.delays.clear()
                tally.firsts.clear()
            connection = connections[worker]
            if not connection.open:
                connection = connections[worker] = await _timed(subject, tally)
            if number % 10 == 9:
                await _abandon(connection, endless if number % 20 == 9 else whole)
                aborted += 1
            else:
                await connection.send(stream if number % 2 else whole)

    started = time.monotonic()
    tasks = [asyncio.create_task(work(worker)) for worker in range(WORKERS)]
    await asyncio.wait(tasks, timeout=scale.soak_seconds + PATIENCE)
    give_up(connections, "no answer in time")
    await asyncio.gather(*tasks)
    values = {
        "requests": tally.done + aborted,
        "aborted": aborted,
        "growth_mib": growth(levels),
        "per_second": (tally.done + aborted) / (time.monotonic() - started),
    }
    return Sample(values, tally.flaws, tally.late)


def growth(levels: list[tuple[int, float]]) -> float:
    """By how much memory grew after it had settled, in MiB: the middle of the last looks against that of the first.

    `levels` are the numbers of requests and the memory at each look.
    """
    ordered = [memory for _, memory in sorted(levels)]
    settled = ordered[int(SETTLED * len(ordered)) :]
    few = max(len(settled) // 4, 1)
    return quantile(settled[-few:], 0.5) - quantile(settled[:few], 0.5)


def _numbers(numbers: Iterator[int], below: int, until: float) -> Iterator[int]:
    while (number := next(numbers)) < below and time.monotonic() < until:
        yield number


async def _timed(subject: Subject, tally: Tally) -> Connection:
    connection = await subject.target.connect(tally)
    connection.timed = True
    return connection


async def _abandon(connection: Connection, request: bytes) -> None:
    """Sends a request and goes away: in the middle of a stream, or before a whole reply."""
    tally, connection.tally = connection.tally, Tally()
    reply = connection.send(request)
    for _ in range(MIDDLE):
        await asyncio.sleep(0.001)
        if connection.started or reply.done():
            break
    connection.abort()
    connection.tally = tally
