"""A server in a process of its own: started on a leash, its lines read, known to be ready, and stopped."""

import asyncio
import os
import signal
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

LEASH = str(Path(__file__).with_name("leashed.py"))

LAST_LINES = 20
"""How many of its lines a report of a crash shows."""

LONGEST_LINE = 64 * 1024
"""Bytes of output that are held while a line does not end."""

LOOK_EVERY = 0.1
"""Seconds between two looks whether it answers."""

ANSWERS_WITHIN = 5.0
"""Seconds for one such look."""


class Service(NamedTuple):
    """What is to run, and how one sees that it does."""

    name: str
    python: str
    target: str
    """`module:function`."""
    arguments: Sequence[str]
    environ: Mapping[str, str]
    address: tuple[str, int]
    """Host and port it will listen on."""
    health: str
    """Path that answers 200 when it is ready."""
    grace: float
    """Seconds it gets to finish what it is doing when told to stop."""
    leash: float
    """The same, where nobody is left to tell it."""
    sockets: Sequence[int] = ()
    """File descriptors it inherits."""
    tls: bool = False
    """Does it speak HTTPS?"""


class Child:
    """A running process of a service."""

    def __init__(self, service: Service, process: asyncio.subprocess.Process, tell: Callable[[str], None]) -> None:
        self.service = service
        self.started = time.monotonic()
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._process = process
        self._tell = tell
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, service: Service, tell: Callable[[str], None]) -> "Child":
        """Starts it. `tell` hears every line it writes. Raises OSError."""
        command = [service.python, LEASH, str(service.leash), service.target, *service.arguments]
        process = await asyncio.create_subprocess_exec(
            *command,
            env=dict(service.environ),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=service.sockets,
            # A group of its own: Ctrl-C is for us, who stop things in their order, and all it starts can be ended.
            start_new_session=True,
        )
        return cls(service, process, tell)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    async def wait_until_ready(self, patience: float, progress: Callable[[float], None]) -> bool:
        """Waits until it answers; False if it ended, or `patience` (seconds) did. `progress` hears the seconds."""
        while self.running and (waited := time.monotonic() - self.started) < patience:
            progress(waited)
            if await answers(*self.service.address, self.service.health, self.service.tls):
                # Not somebody else who took the port first.
                return self.running
            await asyncio.sleep(LOOK_EVERY)
        return False

    async def ended(self) -> None:
        """Returns when the process has ended, and its last line was read."""
        await self._process.wait()
        self._signal_group(signal.SIGKILL)
        # What it started may hold its output open; then its last line is not known.
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._reading), 1)

    async def stop(self, hurry: asyncio.Event) -> None:
        """Tells it to stop, and kills it if it has not in its time, or when there is a hurry."""
        if self.running:
            self._signal(signal.SIGTERM)
            ending = asyncio.ensure_future(self._process.wait())
            hurrying = asyncio.ensure_future(hurry.wait())
            await asyncio.wait((ending, hurrying), timeout=self.service.grace, return_when=asyncio.FIRST_COMPLETED)
            hurrying.cancel()
            self._signal_group(signal.SIGKILL)
            await ending
        await self.ended()
        self._reading.cancel()

    def how_it_ended(self) -> str:
        """In words."""
        code = self._process.returncode
        if code is None:
            return "is still running"
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    async def _read(self) -> None:
        output = self._process.stdout
        assert output is not None
        held = b""
        while read := await output.read(LONGEST_LINE):
            *lines, held = (held + read).split(b"\n")
            if len(held) > LONGEST_LINE:
                lines, held = [*lines, held], b""
            for line in lines:
                self._hear(line)
        if held:
            self._hear(held)

    def _hear(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        if text:
            self.last_lines.append(text)
            self._tell(text)


async def answers(host: str, port: int, path: str, tls: bool = False) -> bool:
    """Does a server there answer 200? Its certificate is for those who tell it something."""
    try:
        async with asyncio.timeout(ANSWERS_WITHIN):
            context = ssl._create_unverified_context() if tls else None
            reader, writer = await asyncio.open_connection(host, port, ssl=context)
            try:
                head = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
                writer.write(head.encode())
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return False
