"""The fuzz targets in short: their corpus, their seeds and some thousand inputs more. `make fuzz` is the long form."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

RUNS = {"sse_decoder": 3000, "chat_request": 6000, "chat_reply": 4000}
"""Inputs, by target: a few seconds' worth."""


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is there for Linux on x86-64 alone")
@pytest.mark.parametrize(("target", "runs"), RUNS.items(), ids=RUNS.keys())
def test_no_input_breaks_it(target: str, runs: int, tmp_path: Path) -> None:
    options = [f"-runs={runs}", "-seed=1", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(
        [sys.executable, "-m", f"fuzz.{target}", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    found = [file.read_bytes() for file in tmp_path.iterdir()]
    assert (done.returncode, found) == (0, []), done.stderr[-3000:]
    told = re.search(r"^Done (\d+) runs", done.stderr, re.MULTILINE)
    # One more than asked for, where the fuzzer looks at an input twice for a leak.
    assert told, done.stderr[-3000:]
    assert int(told[1]) >= runs
