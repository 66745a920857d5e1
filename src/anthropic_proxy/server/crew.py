"""Crew: processes that all do the same work. They are forked, watched, replaced, and stopped together."""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

log = logging.getLogger("anthropic_proxy")

GAVE_UP = 3
"""Exit code."""

QUICK = 5.0
"""Seconds. A worker that ends within them may never have worked."""

MOST_QUICK = 5
"""Ends of that kind, one after the other in one place, after which there is no use in another start."""

FIRST_PAUSE = 0.5
"""Seconds before the next start after one such end. After each further one the pause is twice as long."""

SPARE = 5.0
"""Seconds to stop, beyond those that running requests get."""

STOP = (signal.SIGINT, signal.SIGTERM)
WATCHED = (*STOP, signal.SIGCHLD)


@dataclass(slots=True)
class _Place:
    """One of the workers: who it is, or when there will be one."""

    pid: int | None = None
    moment: float = field(default_factory=time.monotonic)
    """When it was started, or is to be."""
    quick_ends: int = 0
    """In a row."""


class Crew:
    """`count` processes that `work`, each with sockets of its own from `listen`.

    Workers are forked and not started anew: they share the memory of what was imported, begin within
    milliseconds, and the same program runs until the end, whatever is installed meanwhile. A fork copies
    one thread alone, so whoever calls `run` has no other, and no event loop. It does nothing but wait for
    signals, which it does not handle but fetch: nothing happens in between.

    `ended` is told the process id of each worker that has ended. `grace`: seconds that a worker may take to stop.
    """

    def __init__(
        self,
        count: int,
        listen: Callable[[], list[socket.socket]],
        work: Callable[[list[socket.socket]], None],
        ended: Callable[[int], None],
        grace: float,
    ) -> None:
        self._places = [_Place() for _ in range(count)]
        self._listen = listen
        self._work = work
        self._ended = ended
        self._patience = grace + SPARE
        self._leash, self._hold = os.pipe()
        """The pipe's second end is open in the parent alone, and closes with it, however it goes."""

    def run(self, started: Callable[[], None]) -> int:
        """Calls `started` once all are, and returns when all have ended: a signal, or GAVE_UP."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._usual = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        try:
            self._start_those_due()
            started()
            return self._watch()
        finally:
            self._kill()
            signal.pthread_sigmask(signal.SIG_SETMASK, self._usual)

    def _watch(self) -> int:
        while all(place.quick_ends < MOST_QUICK for place in self._places):
            caught = _caught(min((place.moment for place in self._places if place.pid is None), default=None))
            if caught in STOP:
                self._stop()
                return caught
            for place in self._places:
                if (how := _how_it_ended(place)) is not None:
                    self._replace(place, how)
            self._start_those_due()
        log.error("a worker ended %d times within %g s of its start; giving up", MOST_QUICK, QUICK)
        self._stop()
        return GAVE_UP

    def _start_those_due(self) -> None:
        for place in self._places:
            if place.pid is None and place.moment <= time.monotonic():
                try:
                    self._start(place)
                except OSError as error:
                    self._leave(place, f"a worker cannot be started: {error.strerror}", quick=True)

    def _start(self, place: _Place) -> None:
        """Raises OSError: the port was taken, or there are too many files or processes."""
        sockets = self._listen()
        try:
            pid = os.fork()
            if pid == 0:
                self._be_worker(sockets)
            place.pid, place.moment = pid, time.monotonic()
        finally:
            for bound in sockets:
                bound.close()

    def _replace(self, place: _Place, how: str) -> None:
        assert place.pid is not None
        self._ended(place.pid)
        quick = time.monotonic() - place.moment < QUICK
        self._leave(place, f"worker {place.pid} {how}", quick)

    def _leave(self, place: _Place, what: str, quick: bool) -> None:
        """Nobody is there now. Says what happened, and when there will be another."""
        place.quick_ends = place.quick_ends + 1 if quick else 0
        pause = FIRST_PAUSE * 2 ** (place.quick_ends - 1) if quick else 0
        place.pid, place.moment = None, time.monotonic() + pause
        if place.quick_ends < MOST_QUICK:
            log.error("%s; another takes its place %s", what, f"in {pause:g} s" if pause else "now")
        else:
            log.error("%s", what)

    def _stop(self) -> None:
        """Tells all to stop, and returns when they have. Those that are late, or a second Ctrl-C finds, are killed."""
        self._tell(signal.SIGTERM)
        until = time.monotonic() + self._patience
        while self._anybody_left():
            caught = _caught(until)
            if caught == signal.SIGINT or time.monotonic() >= until:
                return

    def _anybody_left(self) -> bool:
        for place in self._places:
            if _how_it_ended(place) is not None:
                place.pid = None
        return any(place.pid is not None for place in self._places)

    def _tell(self, number: signal.Signals) -> None:
        for place in self._places:
            if place.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(place.pid, number)

    def _kill(self) -> None:
        self._tell(signal.SIGKILL)
        for place in self._places:
            if place.pid is not None:
                with suppress(ChildProcessError):
                    os.waitpid(place.pid, 0)
                place.pid = None

    def _be_worker(self, sockets: list[socket.socket]) -> NoReturn:
        """What the child does of `_start`. Nothing of the parent's call is left to return to."""
        code = 1
        try:
            # Ctrl-C goes to all processes of the terminal. To pass it on is the parent's.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, self._usual)
            os.close(self._hold)
            threading.Thread(target=self._end_with_the_parent, daemon=True).start()
            self._work(sockets)
            code = 0
        except BaseException:
            log.exception("a worker failed")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _end_with_the_parent(self) -> None:
        """In a thread, which waits even where the event loop hangs."""
        os.read(self._leash, 1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(self._patience)
        os.kill(os.getpid(), signal.SIGKILL)


def _caught(until: float | None) -> int | None:
    """The next signal of those that are watched, or None when it is that late."""
    if until is None:
        return signal.sigwaitinfo(WATCHED).si_signo
    found = signal.sigtimedwait(WATCHED, max(until - time.monotonic(), 0))
    return found.si_signo if found is not None else None


def _how_it_ended(place: _Place) -> str | None:
    """In words; None if nobody has ended there."""
    if place.pid is None:
        return None
    pid, status = os.waitpid(place.pid, os.WNOHANG)
    if pid == 0:
        return None
    code = os.waitstatus_to_exitcode(status)
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
