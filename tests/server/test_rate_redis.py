"""Rate limits that several proxies count together, in a real Redis: where a `redis-server` is installed."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from anthropic_proxy.config import Settings
from tests.server.asgi import alive
from tests.server.test_rate import SHARED, app, ask
from tests.servers import wait_until

SERVER = shutil.which("redis-server") or shutil.which("valkey-server")

pytestmark = pytest.mark.skipif(SERVER is None, reason="no redis-server here")

PASSWORD = "the-password"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    return port


def listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def redis(tmp_path: Path) -> "Iterator[tuple[int, subprocess.Popen[bytes]]]":
    """A Redis of this test's own, which keeps nothing: its port, and its process."""
    assert SERVER is not None
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD]
    with subprocess.Popen([SERVER, *options], cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: listens(port))
            yield port, process
        finally:
            process.kill()


def settings(port: int, rate: str = "3/day") -> Settings:
    store = SecretStr(f"redis://:{PASSWORD}@127.0.0.1:{port}")
    return SHARED.model_copy(update={"rate_limit": rate, "rate_limit_store": store})


async def test_two_proxies_count_together_and_each_key_by_itself(
    redis: "tuple[int, subprocess.Popen[bytes]]", caplog: pytest.LogCaptureFixture
) -> None:
    port, _ = redis
    async with alive(app(settings(port))) as one, alive(app(settings(port))) as other:
        asked = [(one, "ann"), (other, "ann"), (one, "ann"), (other, "ann"), (one, "ann"), (other, "bob")]
        assert [(await ask(proxy, key)).status for proxy, key in asked] == [200, 200, 200, 429, 429, 200]
        answer = await ask(other, "ann")
    assert answer.error[1] == "rate_limit_error"
    assert 24 * 3600 - 60 < int(answer.headers["retry-after"]) <= 24 * 3600
    assert "cannot be reached" not in caplog.text


async def test_what_was_counted_outlives_a_proxy(redis: "tuple[int, subprocess.Popen[bytes]]") -> None:
    port, _ = redis
    async with alive(app(settings(port, "1/day"))) as first:
        assert (await ask(first, "ann")).status == 200
    async with alive(app(settings(port, "1/day"))) as second:
        assert (await ask(second, "ann")).status == 429


async def test_a_redis_that_goes_away_refuses_nobody(
    redis: "tuple[int, subprocess.Popen[bytes]]", caplog: pytest.LogCaptureFixture
) -> None:
    port, process = redis
    async with alive(app(settings(port, "1/day"))) as proxy:
        assert [(await ask(proxy, "ann")).status for _ in range(2)] == [200, 429]
        process.kill()
        process.wait()
        assert (await ask(proxy, "ann")).status == 200
    assert "RATE_LIMIT_STORE: cannot be reached, so requests are not counted" in caplog.text
    assert PASSWORD not in caplog.text
