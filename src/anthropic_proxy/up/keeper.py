"""Keeps one server running: starts it, reports its crashes, and starts it again, ever more slowly."""

import asyncio
import time
from collections.abc import Callable, Iterator

from anthropic_proxy.up.child import Child, Service
from anthropic_proxy.up.failure import CannotStart
from anthropic_proxy.up.screen import Screen

LONGEST_PAUSE = 30.0
"""Seconds between two starts, at most."""

WELL_AFTER = 60.0
"""Seconds of life after which a crash is taken for a new one, and not for more of the last."""


class Keeper:
    """One server. `start` it, then `keep` it until that is cancelled, then `stop` it.

    `held` says whether the lines it writes before it answers are kept back; a report of a failure shows them.
    """

    def __init__(
        self, service: Service, screen: Screen, *, patience: float, held: bool = False, pause: float = 1.0
    ) -> None:
        self.service = service
        self.child: Child | None = None
        self.starts = 0
        self._screen = screen
        self._patience = patience
        self._held = held
        self._pause = pause
        self._mute = False

    async def start(self, progress: Callable[[float], None]) -> None:
        """Starts it and waits until it answers. Raises CannotStart."""
        child = await self._start()
        if not await self._is_ready(child, progress):
            what = self._late if child.running else f"{child.how_it_ended()} before it answered"
            await child.stop(_now())
            self._report(child, what)
            raise CannotStart(f"{self.service.name} could not be started")

    async def keep(self) -> None:
        """Starts it again whenever it ends. Returns never."""
        child = self.child
        assert child is not None, "start it first"
        pauses = self._pauses()
        while True:
            await child.ended()
            if time.monotonic() - child.started > WELL_AFTER:
                pauses = self._pauses()
            pause = next(pauses)
            self._report(child, child.how_it_ended())
            self._screen.say(f"{self.service.name}: starting again in {pause:.3g} s")
            await asyncio.sleep(pause)
            child = await self._start()
            if await self._is_ready(child, lambda seconds: None):
                self._screen.say(f"{self.service.name}: answers again")
            elif child.running:
                self._screen.say(f"{self.service.name}: {self._late}")
                await child.stop(_now())

    async def stop(self, hurry: asyncio.Event) -> None:
        """Ends it, with the time it needs unless there is a hurry."""
        if self.child is not None:
            await self.child.stop(hurry)

    async def _start(self) -> Child:
        self._mute = self._held
        try:
            self.child = await Child.start(self.service, self._hear)
        except OSError as error:
            raise CannotStart(f"{self.service.name}: {self.service.python}: {error.strerror}") from None
        self.starts += 1
        return self.child

    async def _is_ready(self, child: Child, progress: Callable[[float], None]) -> bool:
        ready = await child.wait_until_ready(self._patience, progress)
        self._mute = False
        return ready

    @property
    def _late(self) -> str:
        return f"does not answer after {self._patience:.0f} s"

    def _hear(self, line: str) -> None:
        if not self._mute:
            self._screen.line(self.service.name, line)

    def _report(self, child: Child, what: str) -> None:
        self._screen.say(f"{self.service.name}: {what}" + ("; its last lines:" if child.last_lines else ""))
        for line in child.last_lines:
            self._screen.line(self.service.name, line)

    def _pauses(self) -> Iterator[float]:
        """Seconds to wait before each next start."""
        pause = self._pause
        while True:
            yield pause
            pause = min(pause * 2, LONGEST_PAUSE)


def _now() -> asyncio.Event:
    """A hurry."""
    event = asyncio.Event()
    event.set()
    return event
