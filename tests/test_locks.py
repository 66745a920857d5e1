"""The locks pin every package by hash, and say nothing of where they were made."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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
    pinned = set(re.findall(r"^([\w.-]+)(?:\[.*\])?==", (ROOT / "requirements" / name).read_text(), re.MULTILINE))
    declared = {re.split(r"[^\w.-]", requirement)[0] for requirement in PROJECT["dependencies"]}
    assert declared - pinned == set(), "run `make lock`"


def test_a_pin_names_the_extras_that_others_ask_for() -> None:
    """Without them the pip of Python 3.11 takes the newest `coverage[toml]`, whatever `coverage` is pinned to."""
    pinned = {requirement.name: requirement.extras for requirement in map(Requirement, _pins("dev.txt"))}
    wanted = {(name, extra) for name, extra in _extras_asked_for() if name in pinned}
    assert wanted
    assert {(name, extra) for name, extra in wanted if extra not in pinned[name]} == set(), "run `make lock`"


def _pins(lock: str) -> list[str]:
    return re.findall(r"^\S+==[^\s;]+", (ROOT / "requirements" / lock).read_text(), re.MULTILINE)


def _extras_asked_for() -> Iterator[tuple[str, str]]:
    """Package and extra, as what is installed beside the tests asks for them."""
    for distribution in distributions():
        for requirement in map(Requirement, distribution.requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                yield from ((canonicalize_name(requirement.name), extra) for extra in requirement.extras)
