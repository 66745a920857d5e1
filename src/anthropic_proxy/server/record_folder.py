"""The folder of recordings: a file for each exchange, which nobody but the user can read."""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

from anthropic_proxy.server.recordings import Document
from anthropic_proxy.wire.json import indented

log = logging.getLogger("anthropic_proxy")

FILE, FOLDER = 0o600, 0o700
"""Modes: prompts and replies are in there."""


class RecordFolder:
    """Writes documents beside the event loop. One that cannot be written is told to the log."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing: set[asyncio.Future[None]] = set()

    def keep(self, make: Callable[[], Document]) -> None:
        """Writes what `make` returns. Making it takes time, too: keys are looked for in all of it."""
        writing = asyncio.get_running_loop().run_in_executor(None, self._write, make)
        self._writing.add(writing)
        writing.add_done_callback(self._done)

    async def close(self) -> None:
        """Returns when all is written."""
        if self._writing:
            await asyncio.wait(self._writing)

    def _write(self, make: Callable[[], Document]) -> None:
        document = make()
        moment = document["time"].partition("+")[0].replace(":", "").replace("-", "")
        path = self._path / f"{moment}-{document['request_id']}.json"
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(indented(document))

    def _done(self, writing: "asyncio.Future[None]") -> None:
        self._writing.discard(writing)
        error = writing.exception()
        if isinstance(error, OSError):
            log.error("RECORD_DIR: an exchange was not recorded: %s: %s", error.filename, error.strerror)
        elif error is not None:
            log.error("RECORD_DIR: an exchange was not recorded", exc_info=error)


def prepare(path: Path) -> None:
    """Makes the folder. Raises ValueError where it cannot be written."""
    try:
        path.mkdir(FOLDER, parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"RECORD_DIR: cannot make {path}: {error.strerror}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise ValueError(f"RECORD_DIR: cannot write in {path}")
