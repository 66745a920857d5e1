"""Checks of parsed JSON. What is wrong says where it is: each caller adds its step while the error rises.

So no path is made for what is right, which is nearly everything.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

TYPES: dict[type, str] = {
    str: "Input should be a valid string",
    dict: "Input should be an object",
    list: "Input should be a valid list",
    bool: "Input should be a valid boolean",
    int: "Input should be a valid integer",
    float: "Input should be a valid number",
}


class Wrong(Exception):
    """What is wrong with a value, and the path to the place in it, innermost step first."""

    def __init__(self, says: str, *path: str) -> None:
        super().__init__(says)
        self.path = list(path)

    def __str__(self) -> str:
        return f"{'.'.join(reversed(self.path))}: {self.args[0]}"


def require(value: dict[str, Any], fields: Iterable[str]) -> None:
    """Raises Wrong for a field that is missing. Null counts as absent."""
    for field in fields:
        if value.get(field) is None:
            raise Wrong("Field required", field)


def typed(value: dict[str, Any], fields: Mapping[str, type]) -> None:
    """Raises Wrong for a field whose type is not that of `fields`. An integer may be written with a point."""
    for field, found in value.items():
        kind = fields.get(field)
        if kind is None or type(found) is kind or found is None or (kind is float and type(found) is int):
            continue
        if kind is int and isinstance(found, float) and found.is_integer():
            value[field] = int(found)
            continue
        raise Wrong(TYPES[kind], field)


def within(step: str, check: Callable[[Any], Any], value: Any) -> Any:
    """What `check` makes of the value at `step`."""
    try:
        return check(value)
    except Wrong as wrong:
        wrong.path.append(step)
        raise


def each(check: Callable[[Any], object], values: list[Any]) -> None:
    """Runs `check` on each value."""
    for number, value in enumerate(values):
        try:
            check(value)
        except Wrong as wrong:
            wrong.path.append(str(number))
            raise
