"""Faults are tried on the event loop that the server uses; the long form tries asyncio's own as well."""

import asyncio
from collections.abc import Callable, Mapping

import uvloop

from tests.proxying import THOROUGH


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"uvloop": uvloop.new_event_loop}
    return {**factories, "asyncio": asyncio.new_event_loop} if THOROUGH else factories
