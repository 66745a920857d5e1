"""`anthropic-proxy replay`: plays a recorded exchange back, and shows what is different now."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from anthropic_proxy import __version__

DIFFERENT = 1
UNPLAYABLE = 2
"""Exit codes."""


def replay(
    file: Annotated[Path, typer.Argument(help="A recording that `serve --record` made.", show_default=False)],
) -> None:
    """Play a recorded exchange back through the proxy as it is now.

    The backend's replies are those of the recording; nothing is sent anywhere. Shown is what would be different:
    in what the backend is asked, and in what the client is answered. The exit code is 0 if nothing is, and 1 if
    something is.
    """
    # Here and not above, because FastAPI takes half a second to import.
    from anthropic_proxy.replay.playback import Unplayable, differences, played_back, read_recording

    try:
        recorded = read_recording(file.read_bytes())
        found = differences(recorded, asyncio.run(played_back(recorded)))
    except OSError as error:
        _give_up(f"{file}: {error.strerror}")
    except Unplayable as error:
        _give_up(f"{file}: {error}")
    calls = sum(call["method"] == "POST" for call in recorded["calls"])
    typer.echo(
        f"{recorded['request_id']}: {recorded['time']}, proxy {recorded['proxy']} (this is {__version__}); "
        f"{calls} calls to the backend, answered {recorded['answer']['status']}"
    )
    if not found:
        typer.echo("the same now")
        return
    for line in found:
        typer.echo(line)
    raise typer.Exit(DIFFERENT)


def _give_up(message: str) -> NoReturn:
    print(f"anthropic-proxy: {message}", file=sys.stderr)
    raise typer.Exit(UNPLAYABLE)
