"""Stands in for PyYAML where a test's configuration is JSON, which is YAML too."""

import json
from typing import Any, NamedTuple, TextIO


class YAMLError(Exception):
    """As in PyYAML."""


class Mark(NamedTuple):
    line: int


class MarkedYAMLError(YAMLError):
    """As in PyYAML."""

    problem_mark: Mark | None = None
    problem = ""
    context = ""


def safe_load(file: TextIO) -> Any:
    try:
        return json.load(file)
    except ValueError as error:
        raised = MarkedYAMLError()
        raised.problem, raised.problem_mark = "this is no JSON", Mark(getattr(error, "lineno", 1) - 1)
        raise raised from None
