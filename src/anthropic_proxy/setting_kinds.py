"""Kinds of values that settings take, each with its words for errors and the documentation."""

from typing import Annotated, NamedTuple

from pydantic import Field, SecretStr


class Allowed(NamedTuple):
    """Says in words, for error messages and the documentation, which values a setting takes."""

    words: str


Url = Annotated[str, Allowed("an http:// or https:// URL without credentials in it, such as http://127.0.0.1:4000/v1")]
Port = Annotated[int, Field(ge=0, le=65535), Allowed("a whole number from 0 to 65535")]
Switch = Annotated[bool, Allowed("true or false")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), Allowed("a number more than 0")]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False), Allowed("a number, 0 or more")]
Whole = Annotated[int, Field(ge=0), Allowed("a whole number, 0 or more")]
Key = Annotated[SecretStr | None, Allowed("ASCII characters without spaces or line breaks")]
Keys = Annotated[SecretStr | None, Allowed("ASCII characters without spaces or line breaks; a comma ends a key")]
_RATE = "[1-9][0-9]*/[0-9]*(?:second|minute|hour|day)"
Rate = Annotated[
    str,
    Field(pattern=f"^{_RATE}(?:, ?{_RATE})*$"),
    Allowed("a number, a slash and a second, minute, hour or day, such as 60/minute; several with commas between"),
]
Metrics = Annotated[str, Allowed("off, on, or a port from 1 to 65535")]
