"""The locks pin every package by hash, and say nothing of where they were made."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

ADDRESS = re.compile(r"https?:|file:|(^|\s)/|--index-url|--extra-index-url|--find-links", re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_registry_and_no_path(lock: Path) -> None:
    assert ADDRESS.findall(lock.read_text()) == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pin_has_a_hash(lock: Path) -> None:
    pins = re.findall(r"^\S+==.*$", lock.read_text(), re.MULTILINE)
    assert pins
    assert [pin for pin in pins if not pin.endswith("\\")] == []


@pytest.mark.parametrize("name", ["base.txt", "dev.txt"])
def test_every_dependency_of_the_package_is_locked(name: str) -> None:
    pinned = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / name).read_text(), re.MULTILINE))
    declared = {re.split(r"[^\w.-]", requirement)[0] for requirement in PROJECT["dependencies"]}
    assert declared - pinned == set(), "run `make lock`"
