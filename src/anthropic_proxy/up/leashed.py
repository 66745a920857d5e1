"""Runs a program that must not outlive the process that started it.

    python leashed.py SECONDS MODULE:FUNCTION ARGUMENT...

The starter holds the other end of this process's standard input. When that closes, the starter is gone,
however it went: this process is told to stop (SIGTERM), and its whole group is killed SECONDS later.

It is run as a script, by whichever interpreter has MODULE; so it needs nothing but Python 3.10.
"""

import os
import signal
import sys
import threading
import time
from importlib import import_module


def main() -> None:
    """Runs the function, as if it had been started with these arguments."""
    # The folder of a script comes first where Python looks for modules, and this one's neighbours are not for others.
    sys.path.pop(0)
    seconds, target, *arguments = sys.argv[1:]
    threading.Thread(target=_die_with_the_starter, args=[float(seconds)], daemon=True).start()
    module, _, function = target.partition(":")
    sys.argv = [module, *arguments]
    sys.exit(getattr(import_module(module), function)())


def _die_with_the_starter(seconds: float) -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(seconds)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()
