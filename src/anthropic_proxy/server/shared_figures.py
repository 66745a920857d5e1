"""The folder in which several workers put their figures together."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from anthropic_proxy.config import Settings


@contextmanager
def shared_metrics(settings: Settings) -> Iterator[Callable[[int], None]]:
    """Lets processes that are forked in the block put their figures together. Gives what is told of each that ended.

    They do so in a folder of temporary files, which is left behind only if this process is killed.
    """
    if settings.metrics == "off":
        yield lambda pid: None
        return
    with TemporaryDirectory(prefix="anthropic-proxy-") as folder:
        # The library looks there while it is imported, and not again.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        from prometheus_client.multiprocess import mark_process_dead

        yield mark_process_dead
