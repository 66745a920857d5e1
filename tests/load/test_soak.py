"""The soak in its short form."""

from pathlib import Path

from tests.load.process import LINUX_ONLY, MIB
from tests.load.soak import report, soak
from tests.proxying import THOROUGH

SECONDS = 300 if THOROUGH else 6

SETTLED = 6
"""The sample from which on memory may not grow by much: by then everything has happened once."""


@LINUX_ONLY
async def test_a_while_of_faults(tmp_path: Path) -> None:
    run = await soak(SECONDS, tmp_path, seed=1)
    print(report(run))
    assert run.wrong == []
    assert run.memory[-1] - run.memory[SETTLED] <= 2 * MIB
