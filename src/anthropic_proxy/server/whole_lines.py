"""A log that several processes write to, line by line."""

import fcntl
import logging
import os
from typing import TextIO


class WholeLines(logging.StreamHandler[TextIO]):
    """Writes each line under a lock of all processes that were forked with it.

    The system keeps a write to a pipe whole only up to 4 KB, and lines may be longer: with LOG_PROMPTS, or with
    a traceback. A process that ends leaves the lock.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        # A lock belongs to a process and a file. This file has no name and no other use.
        self._file = os.memfd_create("lines")

    def emit(self, record: logging.LogRecord) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            super().emit(record)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)
