"""Golden recordings: files of `serve --record`, as a bug report brings them. CONTRIBUTING.md says how one gets here.

`pytest --update-golden` rewrites what is asked and answered in them; the backend's replies stay as they are.
"""

from pathlib import Path

import pytest

from anthropic_proxy.replay.playback import differences, played_back, read_recording, renewed
from anthropic_proxy.wire.json import indented
from tests.grammar import parse_stream, violations

FILES = sorted((Path(__file__).parent / "golden" / "recordings").iterdir())


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
async def test_a_recording_is_played_back_as_it_was(file: Path, update_golden: bool) -> None:
    recorded = read_recording(file.read_bytes())
    now = await played_back(recorded)
    if update_golden:
        recorded = renewed(recorded, now)
        file.write_bytes(indented(recorded))
    assert differences(recorded, now) == []
    body = recorded["answer"]["body"]
    if isinstance(body, list):
        assert violations(parse_stream("".join(f"{event}\n\n" for event in body).encode())) == []
