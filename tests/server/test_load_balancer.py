"""nginx before two proxies, as docs/performance.md has it."""

import asyncio
import json
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

from tests.certificates import AUTHORITY, CERTIFICATE, KEY
from tests.grammar import parse_stream, violations
from tests.load.process import Proxy, serving
from tests.load.test_shutdown import until_refused
from tests.scripted import LAST_CHUNK, Await, ScriptedServer, Send, Step, chunk, stream_head
from tests.server.asgi import STREAMED, chunks, delta, question

NGINX = shutil.which("nginx") or ""

pytestmark = pytest.mark.skipif(not NGINX, reason="needs nginx")

PAGE = (Path(__file__).parents[2] / "docs" / "performance.md").read_text()
(CONFIG,) = re.findall(r"```nginx\n(.*?)```", PAGE, re.DOTALL)

ROUND_IT = """
daemon off;
pid nginx.pid;
error_log stderr warn;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {config}
}}
"""

BEGUN = chunks(delta(content="Hello")).removesuffix(b"data: [DONE]\n\n")
REST = STREAMED.partition(b"Hello")[2].partition(b"\n\n")[2]


class Balanced(NamedTuple):
    """What runs."""

    url: str
    proxies: list[Proxy]
    client: aiohttp.ClientSession
    go_on: asyncio.Event
    """Lets the backend's streams end."""


@asynccontextmanager
async def balanced(folder: Path) -> AsyncIterator[Balanced]:
    go_on = asyncio.Event()
    script: list[Step] = [Send(stream_head()), Send(chunk(BEGUN)), Await(go_on), Send(chunk(REST) + LAST_CHUNK)]
    async with ScriptedServer(script) as backend, AsyncExitStack() as stack:
        proxies = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            proxies.append(stack.enter_context(serving(backend.url, folder / name, allowed_hosts="proxy.example.com")))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        (folder / "proxy.pem").write_text(CERTIFICATE)
        (folder / "proxy.key").write_text(KEY)
        changes = {
            "10.0.0.11:3000": f"127.0.0.1:{proxies[0].port}",
            "10.0.0.12:3000": f"127.0.0.1:{proxies[1].port}",
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "/etc/ssl/": f"{folder}/",
        }
        await stack.enter_async_context(nginx(folder, changes, port))
        trusting = aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=AUTHORITY))
        client = await stack.enter_async_context(aiohttp.ClientSession(connector=trusting))
        yield Balanced(f"https://127.0.0.1:{port}/v1/messages", proxies, client, go_on)


@asynccontextmanager
async def nginx(folder: Path, changes: Mapping[str, str], port: int) -> AsyncIterator[None]:
    """Runs it with the page's configuration. Every one of the changes has something to change."""
    config = CONFIG
    for old, new in changes.items():
        assert old in config
        config = config.replace(old, new)
    (folder / "nginx.conf").write_text(ROUND_IT.format(config=config))
    command = [NGINX, "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
    tested = await asyncio.to_thread(subprocess.run, [*command, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    assert "warn" not in tested.stderr
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    try:
        await until(lambda: listens(port))
        yield
    finally:
        process.terminate()
        await process.wait()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        # Neither nginx nor a log tells anybody.
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


async def stream(at: Balanced, begun: asyncio.Event) -> bytes:
    """The events of a whole stream; `begun` is set when the first of them have come."""
    headers = {"host": "proxy.example.com"}
    async with at.client.post(at.url, json=question(stream=True), headers=headers) as response:
        assert response.status == 200
        received = b""
        while b"Hello" not in received:
            received += await response.content.readany()
        begun.set()
        return received + await response.read()


def answered(at: Balanced) -> list[int]:
    """How many requests each proxy has written a line about, which it does after the answer."""
    return [sum(json.loads(line)["message"] == "request" for line in proxy.log.splitlines()) for proxy in at.proxies]


async def test_streams_pass_as_they_come_through_both(tmp_path: Path) -> None:
    async with balanced(tmp_path) as at:
        begun = [asyncio.Event() for _ in range(6)]
        streams = [asyncio.create_task(stream(at, event)) for event in begun]
        async with asyncio.timeout(20):
            # The backend says no more until then: whoever kept the beginning back would keep it for ever.
            await asyncio.gather(*(event.wait() for event in begun))
        at.go_on.set()
        for events in map(parse_stream, await asyncio.gather(*streams)):
            assert violations(events) == []
            assert events[-1]["type"] == "message_stop"
        await until(lambda: answered(at) == [3, 3])


async def test_an_instance_that_stops_costs_nobody_anything(tmp_path: Path) -> None:
    async with balanced(tmp_path) as at:
        begun = [asyncio.Event() for _ in range(2)]
        streams = [asyncio.create_task(stream(at, event)) for event in begun]
        await asyncio.gather(*(event.wait() for event in begun))
        at.proxies[0].terminate()
        await until_refused(at.proxies[0].port)
        later = [asyncio.create_task(stream(at, asyncio.Event())) for _ in range(4)]
        at.go_on.set()
        for events in map(parse_stream, await asyncio.gather(*streams, *later)):
            assert events[-1]["type"] == "message_stop"
        await until(lambda: answered(at) == [1, 5])
