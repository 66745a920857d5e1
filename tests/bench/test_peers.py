"""A file of other proxies to measure."""

import json
from pathlib import Path

import pytest

from bench.proxies import peers


def test_a_peer_needs_a_name_and_a_command(tmp_path: Path) -> None:
    file = tmp_path / "peers.json"
    file.write_text(json.dumps([{"name": "other", "command": ["other", "--port", "{port}"], "headers": ["a: b"]}]))
    (peer,) = peers(file)
    assert (peer.name, peer.command, peer.headers, peer.path) == (
        "other",
        ("other", "--port", "{port}"),
        ("a: b",),
        "/v1/messages",
    )


REFUSED = {
    "no command": ({"name": "x"}, "each peer needs a name and a command"),
    "a field that does not exist": ({"name": "x", "command": ["x"], "prot": 1}, "unknown field prot"),
}


@pytest.mark.parametrize(("peer", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_peer_is_refused(tmp_path: Path, peer: dict[str, object], message: str) -> None:
    file = tmp_path / "peers.json"
    file.write_text(json.dumps([peer]))
    with pytest.raises(ValueError, match=message):
        peers(file)
