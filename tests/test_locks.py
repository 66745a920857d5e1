"""The locks pin every package by hash, and say nothing of where they were made."""

import re
from pathlib import Path

import pytest

LOCKS = sorted((Path(__file__).parent.parent / "requirements").glob("*.txt"))

ADDRESS = re.compile(r"https?:|file:|(^|\s)/|--index-url|--extra-index-url|--find-links", re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_registry_and_no_path(lock: Path) -> None:
    assert ADDRESS.findall(lock.read_text()) == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pin_has_a_hash(lock: Path) -> None:
    pins = re.findall(r"^\S+==.*$", lock.read_text(), re.MULTILINE)
    assert pins
    assert [pin for pin in pins if not pin.endswith("\\")] == []
