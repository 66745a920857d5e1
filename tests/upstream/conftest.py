"""Tests of the network run with both clients, and on both event loops: the server uses uvloop, Windows and embedders
asyncio's own."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

from tests.upstream.clients import CLIENTS, Client


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=[*CLIENTS.values()], ids=[*CLIENTS])
def client(request: pytest.FixtureRequest) -> Client:
    """A way to the backend: construct it with the base URL."""
    chosen: Client = request.param
    return chosen
