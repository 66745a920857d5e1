"""Notices that a client has gone, and stops the work done for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType

from starlette.types import Receive

from anthropic_proxy.server.cycle import Cycle, cycle_of

PATIENCE = 0.05
"""Seconds before somebody looks whether the client is still there. An answer that comes sooner is spared the task
for it, which takes 10 us, and a timer takes 1."""


class ClientGone(Exception):
    """The client closed its connection before it had its answer."""


def while_connected(receive: Receive) -> AbstractAsyncContextManager[None]:
    """Cancels the block when the client goes, and raises ClientGone once the block has cleaned up.

    The request's body must have been read. The end of the response must not be sent inside the
    block: servers report it as a disconnect, too.
    """
    cycle = cycle_of(receive)
    return _while_watched(receive) if cycle is None else _WhileTold(cycle)


class _WhileTold:
    """The fast path: our own server tells, so there is no timer, and no task beside the request's own.

    It takes 1 us instead of 4, and an open stream 2 KB less (measured 2026-11-26). The same tests hold both.
    """

    __slots__ = ("_cycle", "_gone", "_task")

    _task: "asyncio.Task[object]"

    def __init__(self, cycle: Cycle) -> None:
        self._cycle = cycle
        self._gone = False

    async def __aenter__(self) -> None:
        if self._cycle.disconnected:
            raise ClientGone
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cycle.on_gone = self._leave

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cycle.on_gone = None
        # Another may have cancelled the task as well, such as a server that shuts down; then that counts.
        if self._gone and isinstance(error, asyncio.CancelledError) and self._task.uncancel() == 0:
            raise ClientGone from None

    def _leave(self) -> None:
        self._gone = True
        self._task.cancel()


@asynccontextmanager
async def _while_watched(receive: Receive) -> AsyncIterator[None]:
    """The same with any server: a task waits for its word."""
    task = asyncio.current_task()
    assert task is not None
    gone = False
    watcher: asyncio.Task[None] | None = None

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    def begin() -> None:
        nonlocal watcher
        watcher = asyncio.create_task(watch())

    timer = asyncio.get_running_loop().call_later(PATIENCE, begin)
    try:
        yield
    except asyncio.CancelledError:
        # Another may have cancelled the task as well, such as a server that shuts down; then that counts.
        if gone and task.uncancel() == 0:
            raise ClientGone from None
        raise
    finally:
        timer.cancel()
        if watcher is not None:
            watcher.cancel()
