"""The run: every row on every subject, round after round, so that the machine's moods fall on all alike."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.proxies import Proxy
from bench.rows import ROWS, Row
from bench.samples import Sample, Scale
from bench.subject import DidNotStart, Subject
from bench.upstream import Upstream

KEEPS_UP = 0.9
"""Share of chunks delivered in time, below which a slow proxy is spared the rows with more streams."""

Say = Callable[[str], None]
"""Tells what is going on."""


@dataclass(slots=True)
class Run:
    """What was measured, as far as it came."""

    samples: dict[str, dict[str, list[Sample]]] = field(default_factory=dict)
    """By row and subject."""
    notes: list[str] = field(default_factory=list)
    """What did not work, and what was left out."""
    _most_streams: dict[str, int] = field(default_factory=dict)
    """With how many streams a subject was seen not to keep up."""

    def add(self, row: str, subject: str, sample: Sample) -> None:
        self.samples.setdefault(row, {}).setdefault(subject, []).append(sample)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def is_beyond(self, subject: str, row: Row) -> bool:
        """Did the subject not keep up with fewer streams than the row has?"""
        return row.streams > self._most_streams.get(subject, row.streams)

    def see_streams(self, subject: str, row: Row, delivered: float) -> None:
        if row.streams and delivered < KEEPS_UP:
            self._most_streams[subject] = min(row.streams, self._most_streams.get(subject, row.streams))


async def run(proxies: Sequence[Proxy], names: Sequence[str], scale: Scale, say: Say) -> Run:
    """Measures the rows of these `names` on each of the proxies, and on none."""
    upstream = Upstream()
    await upstream.start()
    done = Run()
    subjects = [Subject(None, upstream.port)]
    try:
        for proxy in proxies:
            subject = Subject(proxy, upstream.port)
            say(f"starting {subject.name} {proxy.version}")
            try:
                await subject.start()
            except DidNotStart as error:
                say(str(error))
                done.note(str(error))
                continue
            subject.pause()
            subjects.append(subject)
        for number in range(scale.rounds):
            for name in names:
                await _round(done, name, number, subjects, upstream, scale, say)
    finally:
        for subject in subjects:
            subject.stop()
        await upstream.close()
    return done


async def _round(
    done: Run, name: str, number: int, subjects: Sequence[Subject], upstream: Upstream, scale: Scale, say: Say
) -> None:
    row = ROWS[name]
    for subject in subjects:
        rounds = min(scale.slow_rounds if subject.slow else scale.rounds, row.rounds or scale.rounds)
        if number >= rounds or not _belongs(row, subject):
            continue
        if done.is_beyond(subject.name, row):
            done.note(f"{name}: left out for {subject.name}, which did not keep up with fewer streams")
            continue
        say(f"round {number + 1}: {name}, {subject.name}")
        subject.go_on()
        try:
            sample = await row.measure(subject, upstream, scale)
        except (OSError, DidNotStart) as error:
            sample = Sample({}, {f"{type(error).__name__}: {error}": 1})
        done.add(name, subject.name, sample)
        if subject.slow:
            done.see_streams(subject.name, row, sample.values.get("delivered", 0.0))
        if not sample.is_sound and subject.is_proxy:
            await _renew(subject, done)
        subject.pause()


def _belongs(row: Row, subject: Subject) -> bool:
    if not subject.is_proxy:
        return row.direct
    return row.only is None or subject.name in row.only


async def _renew(subject: Subject, done: Run) -> None:
    """Starts a proxy anew that gave wrong or late replies, for it may still be busy with them."""
    try:
        await subject.restart()
    except DidNotStart as error:
        done.note(str(error))
        await asyncio.sleep(0)
