"""A subject: one proxy that runs in front of the upstream, or the upstream alone."""

import asyncio
import json
import time

from bench import bodies
from bench.load import Connection, Tally, Target
from bench.process import Process, cores, free_port
from bench.proxies import DIRECT, Proxy


class DidNotStart(Exception):
    """A proxy gave no right answer in time. The message holds the end of its log."""


class Subject:
    """What is measured. `proxy` None stands for no proxy at all."""

    def __init__(self, proxy: Proxy | None, upstream_port: int) -> None:
        self.proxy = proxy
        self.name = proxy.name if proxy else DIRECT
        self.started_after = 0.0
        """Seconds from the start of its process to its first right answer."""
        self._upstream_port = upstream_port
        self._process: Process | None = None
        self.target = Target(upstream_port, "/v1/chat/completions")

    @property
    def slow(self) -> bool:
        return self.proxy is not None and self.proxy.slow

    @property
    def is_proxy(self) -> bool:
        return self.proxy is not None

    async def start(self) -> None:
        """Raises DidNotStart."""
        if self.proxy is None:
            return
        port = free_port()
        proxy = self.proxy.filled(port, self._upstream_port)
        self.target = Target(port, proxy.path, proxy.headers)
        self._process = Process(proxy.command, proxy.environ, cores()[1], proxy.files)
        request = self.target.request(bodies.small().encoded("bench-whole-1", stream=False))
        tally = Tally()
        while not await self._answers(request, tally):
            if not self._process.running or time.monotonic() > self._process.started + proxy.starts_within:
                log = self._process.log[-2000:]
                self.stop()
                raise DidNotStart(f"{self.name} did not answer: {tally.flaws or 'no connection'}\n{log}")
            await asyncio.sleep(0.002)
        self.started_after = time.monotonic() - self._process.started

    async def _answers(self, request: bytes, tally: Tally) -> bool:
        try:
            connection = await self.target.connect(tally)
        except OSError:
            return False
        right = await connection.send(request)
        connection.abort()
        return right

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None

    async def restart(self) -> None:
        self.stop()
        await self.start()

    def pause(self) -> None:
        if self._process is not None:
            self._process.pause()

    def go_on(self) -> None:
        if self._process is not None:
            self._process.go_on()

    def cpu(self) -> float:
        """Seconds of CPU time so far."""
        return self._process.cpu() if self._process is not None else 0.0

    def waited(self) -> float:
        """Seconds so far in which it could have run, but its core was taken."""
        return self._process.waited() if self._process is not None else 0.0

    def memory(self) -> float:
        """MiB resident."""
        return self._process.memory() if self._process is not None else 0.0

    async def open(self, count: int, tally: Tally, timed: bool = False) -> list[Connection]:
        """Raises OSError."""
        connections = []
        for _ in range(count):
            connection = await self.target.connect(tally)
            connection.timed = timed
            connections.append(connection)
        return connections

    async def passes_on(self, body: bodies.Body, tally: Tally) -> None:
        """Asks the upstream how much of a request arrived, and blames the proxy for what did not."""
        connection = await self.target.connect(tally)
        if await connection.send(self.target.request(body.encoded("bench-check-0", stream=False))):
            said = f"tokens={body.tokens};"
            if said not in _said(connection.body):
                tally.blame(f"not all of the request arrived: {_said(connection.body)} instead of {said}")
        connection.abort()


def _said(body: bytes) -> str:
    """The text of a whole reply, in either API's shape."""
    reply = json.loads(body)
    if "choices" in reply:
        text: str = reply["choices"][0]["message"]["content"]
    else:
        text = reply["content"][0]["text"]
    return text
