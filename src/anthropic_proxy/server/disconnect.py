"""Notices that a client has gone, and stops the work done for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Receive

PATIENCE = 0.05
"""Seconds before somebody looks whether the client is still there. An answer that comes sooner is spared the task
for it, which takes 10 us, and a timer takes 1."""


class ClientGone(Exception):
    """The client closed its connection before it had its answer."""


@asynccontextmanager
async def while_connected(receive: Receive) -> AsyncIterator[None]:
    """Cancels the block when the client goes, and raises ClientGone once the block has cleaned up.

    The request's body must have been read. The end of the response must not be sent inside the
    block: servers report it as a disconnect, too.
    """
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
