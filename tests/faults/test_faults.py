"""Whatever the network and the backend do, the client gets the whole answer or the right error, and in time.

Each cell of the matrix is tried through the real application on real sockets, with one proxy for all of
them: after every fault it must serve the next request as if nothing had been.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.matrix import BROKEN, BROKEN_EVENT, COMPLETE, MATRIX, TIMED_OUT, TIMED_OUT_EVENT
from tests.faults.scripts import SCRIPTS
from tests.faults.trying import CLIENTS, SETTINGS, Cell, asked, cells_of, check, play, question, try_good
from tests.proxying import THOROUGH, ask, proxying
from tests.scripted import Request, ScriptedServer, Step

PATIENCE = {"first_byte_timeout": 0.4, "silence_timeout": 0.4}
"""For the faults that are silences; all others have the time that a loaded machine may need."""

MIDWAY = {COMPLETE: COMPLETE, BROKEN_EVENT: BROKEN, TIMED_OUT_EVENT: TIMED_OUT}
"""What a fault that only strikes midway looks like where the status is still to be sent."""

CELLS = {
    f"{fault} ({'stream' if cell.stream else 'whole'}{', midway' if cell.midway else ''})": cell
    for fault in SCRIPTS
    for cell in cells_of(fault)
}


@dataclass
class Stage:
    """The proxies, and where a redirect would lead."""

    elsewhere: ScriptedServer
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    """Of the answer that is under way."""
    patient: str = ""
    impatient: str = ""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=CLIENTS)
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with ScriptedServer([]) as elsewhere:
        stage = Stage(elsewhere)

        def script(request: Request) -> list[Step]:
            return play(request, elsewhere.url, stage.begun)

        async with ScriptedServer(script) as backend:
            there = {"openai_api_base": f"{backend.url}/v1", "upstream_client": request.param}
            settings = SETTINGS.model_copy(update=there)
            async with proxying(settings) as patient, proxying(settings.model_copy(update=PATIENCE)) as impatient:
                stage.patient, stage.impatient = patient, impatient
                yield stage


def test_every_row_of_the_matrix_is_tried() -> None:
    elsewhere = Path(__file__).with_name("test_backend_faults.py").read_text()
    assert SCRIPTS.keys() <= MATRIX.keys()
    assert [fault for fault in MATRIX if fault not in SCRIPTS and f'"{fault}"' not in elsewhere] == []


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
async def test_fault(cell: Cell, stage: Stage) -> None:
    url = stage.impatient if "504" in cell.outcome or "timeout" in cell.outcome else stage.patient
    stage.begun = asyncio.Event()
    check(await asked(url, cell, stage.begun), cell)
    await try_good(url, cell.stream)
    assert stage.elsewhere.connections == 0, "a redirect was followed"


PUT_TOGETHER = {name: cell for name, cell in CELLS.items() if cell.stream}
if not THOROUGH:
    # It takes five seconds, and has been tried once.
    del PUT_TOGETHER["is silent after the finish reason (stream, midway)"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("cell", PUT_TOGETHER.values(), ids=PUT_TOGETHER.keys())
async def test_fault_in_a_stream_that_becomes_a_whole_reply(cell: Cell, stage: Stage) -> None:
    """To find stop sequences the proxy asks for a stream. The client then gets an error's status also midway."""
    stage.begun.set()
    outcome = MATRIX[cell.fault].stream or MIDWAY[cell.outcome]
    url = stage.impatient if "timeout" in outcome else stage.patient
    answer = await ask(url, question(cell.model, stream=False, stop_sequences=["never said"]))
    check(answer, cell._replace(stream=True, outcome=outcome))
