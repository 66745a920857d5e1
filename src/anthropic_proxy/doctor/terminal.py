"""Shows an examination while it runs: live on a terminal, as plain lines elsewhere, or not at all."""

import os
from collections.abc import Mapping
from typing import TextIO

from anthropic_proxy.doctor.report import NAME_WIDTH, Report, Row, row_line

CLEAR_LINE = "\r\x1b[K"


class Silent:
    """For programs, which read the report."""

    def title(self, report: Report) -> None: ...

    def begin(self, name: str) -> None: ...

    def waiting(self, seconds: float) -> None: ...

    def row(self, row: Row) -> None: ...


class Lines:
    """A line for each row, once it is known."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def title(self, report: Report) -> None:
        about = [report.base_url, *(["model " + report.model] if report.model else [])]
        about += [f"dialect {report.dialect}"] if report.dialect else []
        self._say(f"{', '.join(about)}\n\n")

    def begin(self, name: str) -> None: ...

    def waiting(self, seconds: float) -> None:
        self._say(f"  busy; asking again in {seconds:.0f} s\n")

    def row(self, row: Row) -> None:
        self._say(f"{row_line(row)}\n")

    def _say(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


class Live(Lines):
    """The same, and what is being asked, in the line that its row will take."""

    def __init__(self, out: TextIO, colour: bool) -> None:
        super().__init__(out)
        self._colour = colour
        self._name = ""

    def title(self, report: Report) -> None:
        self._say(CLEAR_LINE)
        super().title(report)

    def begin(self, name: str) -> None:
        self._name = name
        self._say(f"{CLEAR_LINE}  {name:<{NAME_WIDTH}} …")

    def waiting(self, seconds: float) -> None:
        self._say(f"{CLEAR_LINE}  {self._name:<{NAME_WIDTH}} busy; asking again in {seconds:.0f} s …")

    def row(self, row: Row) -> None:
        self._say(f"{CLEAR_LINE}{row_line(row, self._colour)}\n")


def shown_on(out: TextIO, environ: Mapping[str, str] = os.environ) -> Lines:
    """What suits `out`."""
    if not out.isatty() or environ.get("TERM") == "dumb":
        return Lines(out)
    return Live(out, colour=not environ.get("NO_COLOR"))
