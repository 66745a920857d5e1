"""The model map is read again when its file changes, while requests go on."""

import asyncio
import logging
from typing import NoReturn

from anthropic_proxy.backends import Backends
from anthropic_proxy.config import SettingsError
from anthropic_proxy.settings_file import SettingsFile

log = logging.getLogger("anthropic_proxy")

EVERY = 1.0
"""Seconds between two looks at the file."""


async def follow(file: SettingsFile, backends: Backends, settings: dict[str, str]) -> NoReturn:
    """Looks at the file for ever. `settings` are those it held at the start, which count until the next one."""
    while True:
        await asyncio.sleep(EVERY)
        await backends.sweep()
        if file.changed():
            take(file, backends, settings)


def take(file: SettingsFile, backends: Backends, settings: dict[str, str]) -> None:
    """Routes by what the file says now. A wrong file is told in the log, and all stays as it was."""
    try:
        found = file.read()
        backends.use(found.models)
    except (SettingsError, ValueError) as error:
        log.error("the model map stays as it was: %s", error)
        return
    log.warning("the model map was read again from %s: %d routes", file.path.name, len(found.models.rules))
    others = sorted({name for name, _ in settings.items() ^ found.settings.items()})
    if others:
        log.warning("%s: a change of settings counts from the next start on: %s", file.path.name, ", ".join(others))
