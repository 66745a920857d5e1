"""Runs LiteLLM and the proxy: one after the other, watched, and stopped together."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial

from anthropic_proxy.up.keeper import Keeper
from anthropic_proxy.up.screen import Screen

Ready = Callable[[], Awaitable[None]]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

SAY_AFTER = 0.5
"""Seconds of waiting for running replies after which the user is told of it."""


class Supervisor:
    """Starts the servers in their order, and stops them in the opposite one.

    `sockets` are the proxy's. They are held here too, so that clients wait instead of being refused while
    a crashed proxy is started again.
    """

    def __init__(self, keepers: Sequence[Keeper], sockets: Sequence[socket.socket], screen: Screen) -> None:
        self._keepers = keepers
        self._sockets = sockets
        self._screen = screen
        self._hurry = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    async def run(self, ready: Ready) -> None:
        """Runs until a signal comes, or until `ready` returns, which is called once all servers answer.

        Raises CannotStart. When it returns or raises, all that it started has ended.
        """
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self.stop)
        self._work = asyncio.create_task(self._run(ready))
        try:
            await self._work
        except asyncio.CancelledError:
            pass
        finally:
            await self._end()
            for number in STOP_SIGNALS:
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """What a signal does: the first one stops the servers, the next one at once."""
        if self._work is not None and not self._work.done() and not self._work.cancelling():
            self._work.cancel()
        else:
            self._hurry.set()

    async def _run(self, ready: Ready) -> None:
        async with AsyncExitStack() as keeping:
            for keeper in self._keepers:
                what = "starting {} on {}:{} ...".format(keeper.service.name, *keeper.service.address)
                await keeper.start(partial(self._screen.wait, what))
                keeping.push_async_callback(_cancel, asyncio.create_task(keeper.keep()))
            self._screen.clear()
            await ready()

    async def _end(self) -> None:
        for bound in self._sockets:
            bound.close()
        for keeper in reversed(self._keepers):
            stopping = asyncio.create_task(keeper.stop(self._hurry))
            done, _ = await asyncio.wait((stopping,), timeout=SAY_AFTER)
            if not done:
                self._screen.say(f"{keeper.service.name}: finishing, {keeper.service.grace:.0f} s at most; Ctrl-C: now")
            await stopping


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def for_ever() -> None:
    """What there is to do where only signals end it."""
    await asyncio.Event().wait()
