"""WORKERS: several real processes on one port, and what becomes of them."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from anthropic_proxy.config import Settings
from anthropic_proxy.server import process
from tests.load.process import LINUX_ONLY, Proxy, serving
from tests.load.test_shutdown import until_refused
from tests.proxying import ask
from tests.scripted import LAST_CHUNK, Await, ScriptedServer, Send, Stall, Step, chunk, reply, stream_head
from tests.server.asgi import STREAMED, WHOLE, chunks, delta, question

pytestmark = LINUX_ONLY

BEGUN = chunks(delta(content="Hello")).removesuffix(b"data: [DONE]\n\n")
REST = STREAMED.partition(b"Hello")[2].partition(b"\n\n")[2]

NOWHERE = "http://127.0.0.1:9"
"""Nothing listens on that port, and nothing asks."""

MANY = 24
"""Connections: that all of them come to one of two workers is less likely than one in eight million."""


def workers(proxy: Proxy) -> set[int]:
    """The process ids of those that serve."""
    pid = proxy.process.pid
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def requests(proxy: Proxy) -> list[dict[str, object]]:
    """The log's lines of requests. Every line of the log is whole."""
    lines = [json.loads(line) for line in proxy.log.splitlines()]
    return [line for line in lines if line["message"] == "request"]


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def get(url: str | urllib.request.Request) -> str:
    """The body, over a connection of its own. Raises OSError."""
    with urllib.request.urlopen(url, timeout=30) as response:
        text: str = response.read().decode()
        return text


def test_connections_go_to_all_workers(tmp_path: Path) -> None:
    with serving(NOWHERE, tmp_path, workers="2", log_level="debug") as proxy:
        for _ in range(MANY):
            assert json.loads(get(f"{proxy.url}/health"))["status"] == "ok"
        until(lambda: len(requests(proxy)) == MANY)
        assert {line["pid"] for line in requests(proxy)} == workers(proxy)
        assert len(workers(proxy)) == 2


def test_a_killed_worker_is_replaced_while_the_other_serves(tmp_path: Path) -> None:
    with serving(NOWHERE, tmp_path, workers="2", log_level="debug") as proxy:
        before = workers(proxy)
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        until(lambda: is_gone(killed))
        asked = 0

        def answered_by_a_new_one() -> bool:
            nonlocal asked
            get(f"{proxy.url}/health")
            asked += 1
            return any(line["pid"] not in before for line in requests(proxy))

        until(answered_by_a_new_one)
        assert len(workers(proxy)) == 2
        assert f"worker {killed} was ended by SIGKILL; another takes its place in 0.5 s" in proxy.log
        until(lambda: len(requests(proxy)) == asked)
        assert killed not in {line["pid"] for line in requests(proxy)}


async def test_a_changed_model_map_counts_in_all_workers(tmp_path: Path) -> None:
    file = tmp_path / "models.yaml"
    file.write_text("models: {opus: before}")

    def taken() -> bool:
        return proxy.log.count("the model map was read again from models.yaml") == 2

    async with ScriptedServer([Send(reply(WHOLE))]) as backend:
        with serving(backend.url, tmp_path, workers="2", config_file="models.yaml") as proxy:
            await ask(proxy.url, question(model="opus"))
            file.write_text("models: {opus: changed}")
            await asyncio.to_thread(until, taken)
            for _ in range(MANY):
                assert (await ask(proxy.url, question(model="opus"))).outcome == "complete"
    asked = [json.loads(request.body)["model"] for request in backend.requests]
    assert asked == ["before", *["changed"] * MANY]


async def test_sigterm_drains_the_streams_of_all(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    steps: list[Step] = [Send(stream_head()), Send(chunk(BEGUN)), Await(go_on), Send(chunk(REST) + LAST_CHUNK)]
    async with ScriptedServer(steps) as backend:
        with serving(backend.url, tmp_path, workers="2") as proxy:
            served = workers(proxy)
            begun = [asyncio.Event() for _ in range(MANY)]
            streams = [asyncio.create_task(ask(proxy.url, question(stream=True), event)) for event in begun]
            for event in begun:
                await event.wait()
            proxy.terminate()
            await until_refused(proxy.port)
            go_on.set()
            answers = await asyncio.gather(*streams)
            await asyncio.to_thread(proxy.process.wait, 20)
            assert proxy.process.returncode == -signal.SIGTERM
            assert {line["pid"] for line in requests(proxy)} == served
    assert Counter(answer.outcome for answer in answers) == {"complete": MANY}
    assert "another takes its place" not in proxy.log
    assert "Traceback" not in proxy.log


async def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    async with ScriptedServer([Send(stream_head()), Send(chunk(BEGUN)), Stall()]) as backend:
        with serving(backend.url, tmp_path, workers="2", shutdown_grace="60") as proxy:
            served = workers(proxy)
            begun = asyncio.Event()
            stream = asyncio.create_task(ask(proxy.url, question(stream=True), begun))
            await begun.wait()
            # As a terminal does it: to all. The parent is last here, for it ends the others.
            for pid in (*served, proxy.process.pid):
                os.kill(pid, signal.SIGINT)
            await until_refused(proxy.port)
            assert proxy.process.poll() is None
            assert not stream.done()
            proxy.process.send_signal(signal.SIGINT)
            await asyncio.to_thread(proxy.process.wait, 20)
            assert proxy.process.returncode == 0
            assert all(map(is_gone, served))
            with pytest.raises(aiohttp.ClientError):
                await stream


async def test_the_parents_death_leaves_nobody(tmp_path: Path) -> None:
    async with ScriptedServer([Send(stream_head()), Send(chunk(BEGUN)), Stall()]) as backend:
        with serving(backend.url, tmp_path, workers="2", shutdown_grace="1") as proxy:
            served = workers(proxy)
            begun = asyncio.Event()
            stream = asyncio.create_task(ask(proxy.url, question(stream=True), begun))
            await begun.wait()
            proxy.process.kill()
            answer = await stream
            await asyncio.to_thread(until, lambda: all(map(is_gone, served)))
            await until_refused(proxy.port)
    assert (answer.outcome, answer.message) == ("event overloaded_error", "the proxy is shutting down")


COUNTED = 'anthropic_proxy_requests_total{endpoint="count_tokens",status="200"}'


def count_tokens(url: str) -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hello"}]}).encode()
    request = urllib.request.Request(f"{url}/v1/messages/count_tokens", body, {"content-type": "application/json"})
    assert "input_tokens" in get(request)


def figures(url: str) -> dict[str, float]:
    lines = get(f"{url}/metrics").splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_the_figures_are_those_of_all_workers(tmp_path: Path) -> None:
    with serving(NOWHERE, tmp_path, workers="2", log_level="debug", metrics="on") as proxy:
        for _ in range(MANY):
            count_tokens(proxy.url)
        # A request is counted after its answer, while the next may already be with the other.
        until(lambda: figures(proxy.url)[COUNTED] == MANY)
        assert len({line["pid"] for line in requests(proxy) if line["path"] != "/metrics"}) == 2
        until(lambda: figures(proxy.url)["anthropic_proxy_open_requests"] == 1)  # the one for the figures
        os.kill(min(workers(proxy)), signal.SIGKILL)
        until(lambda: "another takes its place" in proxy.log)
        count_tokens(proxy.url)
        until(lambda: figures(proxy.url)[COUNTED] == MANY + 1)
        assert figures(proxy.url)["anthropic_proxy_open_requests"] == 1
        assert "process_cpu_seconds_total" not in figures(proxy.url)


async def test_what_a_killed_worker_was_doing_is_not_open_any_more(tmp_path: Path) -> None:
    async with ScriptedServer([Send(stream_head()), Send(chunk(BEGUN)), Stall()]) as backend:
        with serving(backend.url, tmp_path, workers="2", metrics="on", shutdown_grace="0") as proxy:
            begun = [asyncio.Event() for _ in range(MANY)]
            streams = [asyncio.create_task(ask(proxy.url, question(stream=True), event)) for event in begun]
            for event in begun:
                await event.wait()
            assert (await asyncio.to_thread(figures, proxy.url))["anthropic_proxy_open_streams"] == MANY
            os.kill(min(workers(proxy)), signal.SIGKILL)
            await asyncio.to_thread(until, lambda: "another takes its place" in proxy.log)
            left = (await asyncio.to_thread(figures, proxy.url))["anthropic_proxy_open_streams"]
            assert 0 < left < MANY
        await asyncio.gather(*streams, return_exceptions=True)


def test_the_figures_on_a_port_of_their_own(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving(NOWHERE, tmp_path, workers="2", metrics=str(port)) as proxy:
        for _ in range(MANY):
            count_tokens(proxy.url)
        until(lambda: figures(f"http://127.0.0.1:{port}")[COUNTED] == MANY)


async def test_all_record_in_one_folder(tmp_path: Path) -> None:
    async with ScriptedServer([Send(reply(WHOLE))]) as backend:
        with serving(backend.url, tmp_path, workers="2", record_dir="kept") as proxy:
            await asyncio.gather(*(ask(proxy.url, question()) for _ in range(MANY)))
            proxy.terminate()
            await asyncio.to_thread(proxy.process.wait, 20)
            pids = {line["pid"] for line in requests(proxy)}
            ids = {line["request_id"] for line in requests(proxy)}
    kept = [json.loads(file.read_text())["request_id"] for file in (tmp_path / "kept").iterdir()]
    assert len(pids) == 2
    assert (len(kept), set(kept)) == (MANY, ids)
    assert proxy.log.count("RECORD_DIR: prompts and replies are written to kept") == 1


def test_who_counts_for_himself_says_so(tmp_path: Path) -> None:
    with serving(NOWHERE, tmp_path, workers="2", rate_limit="60/minute") as proxy:
        until(lambda: "each of 2 workers counts for itself" in proxy.log)
        assert proxy.log.count("RATE_LIMIT") == 2  # a line that names RATE_LIMIT_STORE, too


@pytest.mark.parametrize("sharing", [False, True], ids=["by somebody else", "by a proxy that shares it"])
def test_a_port_that_is_taken(sharing: bool, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=sharing) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "anthropic_proxy", "serve", "--workers", "2", "--port", str(port)],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "OPENAI_API_BASE": f"{NOWHERE}/v1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"anthropic-proxy: cannot listen on 127.0.0.1 port {port}: Address already in use\n"


def test_a_system_that_does_not_spread_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "CAN_SHARE", False)
    settings = Settings(openai_api_base=NOWHERE)
    assert process.worker_count(settings) == 1
    with pytest.raises(ValueError, match="WORKERS: more than one needs Linux"):
        process.worker_count(settings.model_copy(update={"workers": 2}))


def test_one_for_each_core() -> None:
    settings = Settings(openai_api_base=NOWHERE, workers=0)
    assert process.worker_count(settings) == len(os.sched_getaffinity(0))


def run_script(code: str) -> subprocess.CompletedProcess[str]:
    """Runs it in a process that may fork: one without threads."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


CREW = """
import os, sys, time
from anthropic_proxy.server import crew
crew.FIRST_PAUSE = 0.01
ended = []
def work(sockets):
    {work}
code = crew.Crew(2, lambda: {sockets}, work, ended.append, 0.1).run(lambda: print("started"))
print(code, len(ended), flush=True)
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("nobody is left")
"""


def test_workers_that_never_work_are_given_up() -> None:
    done = run_script(CREW.format(work="raise RuntimeError", sockets="[]"))
    # One place had its five ends; the other had five, or four and one that was about to end.
    assert done.stdout in [f"started\n3 {count}\nnobody is left\n" for count in (9, 10)]
    assert done.stderr.count("another takes its place in 0.01 s\n") == 2
    assert done.stderr.endswith("a worker ended 5 times within 5 s of its start; giving up\n")


def test_workers_that_cannot_listen_are_given_up() -> None:
    sockets = "open('/nowhere')"
    done = run_script(CREW.format(work="pass", sockets=sockets))
    assert done.stdout == "started\n3 0\nnobody is left\n"
    assert "a worker cannot be started: No such file or directory; another takes its place in 0.08 s\n" in done.stderr


def test_a_worker_that_does_not_stop_is_killed() -> None:
    work = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.kill(os.getppid(), 15); time.sleep(60)"
    done = run_script(CREW.format(work=work, sockets="[]").replace("crew.FIRST", "crew.SPARE = 0.2; crew.FIRST"))
    assert done.stdout == "started\n15 0\nnobody is left\n"


LINES = """
import logging, os, sys
from anthropic_proxy.server.whole_lines import WholeLines
log = logging.getLogger("test")
log.addHandler(WholeLines(sys.stdout))
others = 0
for letter in "ab":
    if os.fork() == 0:
        for _ in range(20):
            log.error(letter * 200_000)
        os._exit(0)
for letter in "ab":
    os.wait()
"""


def test_long_lines_of_several_processes_stay_whole() -> None:
    done = run_script(LINES)
    assert done.stderr == ""
    assert Counter(done.stdout.splitlines()) == {"a" * 200_000: 20, "b" * 200_000: 20}


def test_commands_that_start_one_process_say_so(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "anthropic_proxy", "demo"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PORT": "0", "WORKERS": "2", "LOG_FORMAT": "text"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stderr is not None
        try:
            line = demo.stderr.readline()
        finally:
            demo.terminate()
            demo.stderr.read()
    assert line.endswith(" WARNING WORKERS=2: only `serve` starts several; here one process serves\n")
