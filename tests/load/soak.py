"""Many clients for a while, faults at random, and then a look at what is left: `python -m tests.load.soak SECONDS`.

Every answer is held against the fault matrix; some clients go away in the middle. At the end the proxy
must hold as many files as at the start, and its memory must have stopped growing.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.matrix import COMPLETE
from tests.faults.scripts import CONTENT, SCRIPTS, Moment, good
from tests.faults.trying import Cell, cells_of, question
from tests.load.clients import Client, request
from tests.load.process import MIB, Proxy, serving
from tests.proxying import Answer, ask
from tests.scripted import Request, ScriptedServer, Step

WORKERS = 20
"""Clients at once."""

NOT_HERE = ("thousands of", "too large", "too long", "endless", "too short")
"""Faults that take megabytes, which would hide a leak of kilobytes. And a length that is too short: what comes
after it on a connection that is pooled by then spoils the next request on it, with a 502."""

SETTINGS = {
    "first_byte_timeout": "1.5",
    "silence_timeout": "1.5",
    "log_level": "error",
    "openai_api_key": "sk-soak",
}


def cells() -> list[Cell]:
    faults = [fault for fault in SCRIPTS if not any(words in fault for words in NOT_HERE)]
    return [cell for fault in faults for cell in cells_of(fault)]


@dataclass
class Soak:
    """What has happened so far."""

    proxy: Proxy
    seed: int
    begun: dict[int, asyncio.Event] = field(default_factory=dict)
    """By number of the request: its client has the beginning of the answer."""
    wrong: list[str] = field(default_factory=list)
    tried: Counter[str] = field(default_factory=Counter)
    memory: list[int] = field(default_factory=list)

    def script(self, request: Request) -> Sequence[Step]:
        """The fault that the model's name asks for."""
        body = json.loads(request.body)
        number, fault, midway = json.loads(body["model"])
        stream = bool(body.get("stream"))
        if fault is None:
            return good(Moment(stream, midway=False))
        return SCRIPTS[fault](Moment(stream, midway, elsewhere="http://127.0.0.1:9", begun=self.begun.get(number)))

    async def worker(self, number: int, end: float) -> None:
        """One client after another, until the time is over."""
        chance = random.Random(self.seed + number)
        known = cells()
        turn = number
        while time.monotonic() < end:
            turn += WORKERS
            if chance.random() < 0.1:
                await self.vanish(turn, chance)
            elif chance.random() < 0.3:
                await self.check(turn, None, Cell("nothing", chance.random() < 0.5, False, COMPLETE))
            else:
                cell = chance.choice(known)
                await self.check(turn, cell.fault, cell)

    async def check(self, number: int, fault: str | None, cell: Cell) -> None:
        begun = self.begun[number] = asyncio.Event()
        model = json.dumps([number, fault, cell.midway])
        try:
            async with asyncio.timeout(60):
                answer = await ask(self.proxy.url, question(model, cell.stream), begun)
        except (OSError, TimeoutError, AssertionError, ValueError) as error:
            self.wrong.append(f"{cell}: {error!r}")
        else:
            if answer.outcome != cell.outcome or not _is_whole(answer):
                self.wrong.append(
                    f"{cell}: {answer.outcome} {answer.message if answer.outcome != COMPLETE else answer.texts}"
                )
        del self.begun[number]
        self.tried[cell.outcome] += 1

    async def vanish(self, number: int, chance: random.Random) -> None:
        """A client that is gone before its answer, or in the middle of it."""
        cell = chance.choice(cells())
        body = question(json.dumps([number, cell.fault, cell.midway]), cell.stream)
        async with Client(self.proxy.port) as client:
            await client.send(request(body))
            await asyncio.sleep(chance.random() * 0.05)
        self.tried["gone"] += 1


def _is_whole(answer: Answer) -> bool:
    return answer.outcome != COMPLETE or answer.texts == CONTENT


async def soak(seconds: float, folder: Path, seed: int) -> Soak:
    """Runs it. `memory` has eleven samples: at the start and after each tenth of the time."""
    async with AsyncExitStack() as behind:
        backend = await behind.enter_async_context(ScriptedServer(lambda request: run.script(request)))
        with serving(backend.url, folder, **SETTINGS) as proxy:
            run = Soak(proxy, seed)
            await run.check(-1, None, Cell("nothing", True, False, COMPLETE))
            files = proxy.files
            run.memory.append(proxy.memory)
            start = time.monotonic()
            workers = [asyncio.create_task(run.worker(number, start + seconds)) for number in range(WORKERS)]
            for _ in range(10):
                await asyncio.sleep(seconds / 10)
                run.memory.append(proxy.memory)
            await asyncio.gather(*workers)
            await run.check(-2, None, Cell("nothing", True, False, COMPLETE))
            await behind.aclose()  # and with it the connections that the proxy keeps for later
            if not await _settled(proxy, files):
                run.wrong.append(f"{proxy.files - files} files are still open")
    return run


async def _settled(proxy: Proxy, files: int) -> bool:
    """Has the proxy but so many files open? It has some seconds to notice that connections are gone."""
    end = time.monotonic() + 10
    while proxy.files > files and time.monotonic() < end:  # noqa: ASYNC110 (a process tells nobody)
        await asyncio.sleep(0.1)
    return proxy.files <= files


def report(run: Soak) -> str:
    tried = ", ".join(f"{count} {outcome}" for outcome, count in run.tried.most_common())
    memory = " ".join(f"{size / MIB:.1f}" for size in run.memory)
    return f"seed {run.seed}: {run.tried.total()} requests ({tried}); memory {memory} MiB; {len(run.wrong)} wrong"


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 300
    with tempfile.TemporaryDirectory() as folder:
        run = asyncio.run(soak(seconds, Path(folder), random.randrange(10**6)))
    print(report(run))
    print(*run.wrong[:20], sep="\n")
    return int(bool(run.wrong))


if __name__ == "__main__":
    sys.exit(main())
