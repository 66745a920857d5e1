"""What the Python programs share: the questions they ask, and the report they print.

A program runs under its client's own interpreter, so that this file needs nothing but Python.
"""

import json
import sys
from collections.abc import Callable, Mapping

HELLO = "Say hello."
WEATHER = "What is the weather in Rome?"
PICTURE = "What is in the picture?"
FAIL = "Fail."
"""The questions. The backend's script knows them."""

MODEL = "my-model"

ANSWER = "21 °C in Rome"
"""What the weather tool answers."""


def weather(city: str) -> str:
    """The tool."""
    return f"21 °C in {city}"


def report(version: str, scenarios: Mapping[str, Callable[[], object]]) -> None:
    """Prints what each scenario saw, as JSON. What one raises does not hide the others."""
    seen = {name: _outcome(scenario) for name, scenario in scenarios.items()}
    json.dump({"version": version, "seen": seen}, sys.stdout)


def _outcome(scenario: Callable[[], object]) -> object:
    try:
        return scenario()
    except Exception as error:
        return f"raised {type(error).__name__}: {error}"
