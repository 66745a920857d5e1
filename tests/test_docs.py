"""The generated pages are as the source says, and the source says enough."""

import runpy
from dataclasses import fields
from pathlib import Path

import pytest

from anthropic_proxy.config import Settings
from anthropic_proxy.dialects import DIALECTS, Dialect

DOCS = Path(__file__).parent.parent / "docs"
GENERATE = runpy.run_path(str(DOCS / "generate.py"))
BACKENDS = (DOCS / "backends.md").read_text()
ENVIRONMENT = (DOCS / "environment.md").read_text()


def test_generated_docs_are_current() -> None:
    assert GENERATE["stale"]() == [], "run `make docs`"


@pytest.mark.parametrize("name", [field.name for field in fields(Dialect)])
def test_a_field_of_a_dialect_is_explained(name: str) -> None:
    meaning = GENERATE["field_meanings"]()[name]
    assert f"**`{name}`**: {meaning}\n" in BACKENDS


@pytest.mark.parametrize("dialect", [entry.dialect for entry in DIALECTS], ids=lambda dialect: dialect.name)
def test_a_departure_of_a_backend_has_its_reason(dialect: Dialect) -> None:
    section = BACKENDS.split(f"\n### `{dialect.name}`\n")[1].split("\n#")[0]
    for name in GENERATE["departures"](dialect):
        reason = GENERATE["reason"](dialect.name, name)
        assert reason
        assert f"| `{name}` | " in section
        assert reason.replace("|", "\\|") in section


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_is_explained(name: str) -> None:
    (row,) = [line for line in ENVIRONMENT.splitlines() if line.startswith(f"| `{name.upper()}` |")]
    assert row.endswith(f" | {Settings.model_fields[name].description} |")
