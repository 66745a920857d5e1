"""Chooses, of all that `make fuzz` has found and of what is kept already, what is worth keeping: `python -m fuzz.keep`.

Worth it is a small set of small inputs which together reach all code that any of them reaches, but for what the
golden files reach. It becomes the corpus.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from fuzz.running import CORPUS, ROOT, SEEDS

LARGEST = 2000
"""Bytes of an input."""

MOST = 100
"""Inputs of a target that are kept with regard to how often they run a line; if they are more, that is left out of
account, which leaves a fifth."""


def keep(name: str) -> int:
    """Writes the corpus of one target anew, and returns how many inputs are in it."""
    for options in ([], ["-use_counters=0"]):
        with tempfile.TemporaryDirectory() as folder:
            chosen = chosen_in(Path(folder), name, options)
            if len(chosen) <= MOST or options:
                shutil.rmtree(CORPUS / name, ignore_errors=True)
                (CORPUS / name).mkdir(parents=True)
                for path in chosen:
                    shutil.copy(path, CORPUS / name / path.name[:12])
                break
    return len(chosen)


def chosen_in(folder: Path, name: str, options: list[str]) -> list[Path]:
    """Lets libFuzzer merge what there is into the golden files, in an empty folder, and returns what it added."""
    for number, seed in enumerate(SEEDS[name]()):
        (folder / f"seed-{number}").write_bytes(seed)
    found = ROOT / ".fuzz" / name
    places = [str(folder), *([str(found)] if found.is_dir() else [])]
    command = [sys.executable, "-m", f"fuzz.{name}", "-set_cover_merge=1", f"-max_len={LARGEST}", *options, *places]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return [path for path in folder.iterdir() if not path.name.startswith("seed-")]


if __name__ == "__main__":
    for name in SEEDS:
        print(f"{name}: {keep(name)} inputs")
