"""What the tests of the benchmark share."""

from collections.abc import AsyncIterator

import pytest

from bench.upstream import Upstream


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """The benchmark's own upstream, running."""
    upstream = Upstream()
    await upstream.start()
    yield upstream
    await upstream.close()
