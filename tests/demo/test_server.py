"""The demo backend over a real socket, and behind the proxy in one process."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from anthropic_proxy.config import SettingsError
from anthropic_proxy.demo.command import banner, demo_settings
from anthropic_proxy.demo.server import serve_demo
from tests.servers import wait_until

TOOL: Any = {
    "name": "get_weather",
    "description": "Current weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


async def test_it_streams_and_answers_whole() -> None:
    async with serve_demo(pause=0) as url, openai.AsyncOpenAI(base_url=url, api_key="any") as client:
        whole = await client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "count to 9"}])
        stream = await client.chat.completions.create(
            model="demo", messages=[{"role": "user", "content": "count to 9"}], stream=True
        )
        parts = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert whole.choices[0].message.content == "".join(parts) == "1 2 3 4 5 6 7 8 9"
    assert len([part for part in parts if part]) == 3


async def test_it_lists_its_models() -> None:
    async with serve_demo() as url, openai.AsyncOpenAI(base_url=url, api_key="any") as client:
        assert [model.id async for model in client.models.list()] == ["demo", "demo-thinking"]


async def test_it_refuses_with_a_status() -> None:
    async with serve_demo() as url, openai.AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "error 429"}])
    assert caught.value.response.headers["retry-after"] == "2"


async def test_an_error_in_the_stream_arrives_in_the_stream() -> None:
    async with serve_demo(pause=0) as url, openai.AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="demo", messages=[{"role": "user", "content": "error in the stream"}], stream=True
        )
        first = await anext(aiter(stream))
        assert first.choices[0].delta.role == "assistant"
        with pytest.raises(openai.APIError, match="broke in mid-reply"):
            _ = [chunk async for chunk in stream]


async def test_what_is_no_json_is_refused() -> None:
    async with serve_demo() as url, openai.AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as client:
        with pytest.raises(openai.BadRequestError, match="The body is not JSON"):
            await client.post("/chat/completions", content=b"{", cast_to=object)


def test_the_demo_leaves_the_users_backend_alone() -> None:
    environ = {"OPENAI_API_BASE": "https://example.com", "OPENAI_API_KEY": "sk-1", "MODEL": "mine", "PORT": "3999"}
    settings = demo_settings(environ, "http://127.0.0.1:9/v1")
    assert (settings.openai_api_base, settings.openai_api_key) == ("http://127.0.0.1:9/v1", None)
    assert (settings.model, settings.reasoning_model, settings.port) == ("demo", "demo-thinking", 3999)


def test_the_demo_minds_the_settings_of_the_proxy() -> None:
    with pytest.raises(SettingsError, match="PORT"):
        demo_settings({"PORT": "many"}, "http://127.0.0.1:9/v1")


def test_the_banner_gives_lines_to_copy() -> None:
    text = banner("::1", 3000)
    assert "curl -N http://[::1]:3000/v1/messages" in text
    assert "export ANTHROPIC_BASE_URL=http://[::1]:3000\n" in text


PROGRAM = """
import typer
from anthropic_proxy.demo.command import demo
typer.run(demo)
"""


@contextmanager
def demo_process(place: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`anthropic-proxy demo` as a process, and the address it prints. It is interrupted at the end."""
    output = place / "output"
    with output.open("wb") as out, subprocess.Popen([sys.executable, "-c", PROGRAM, *options], stdout=out) as process:
        try:
            wait_until(lambda: b"\n" in output.read_bytes() or process.poll() is not None)
            found = re.search(r"http://127\.0\.0\.1:\d+", output.read_text())
            assert found, "no address was printed"
            yield found[0], process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(10)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of proxy and demo backend, in a process of their own."""
    with demo_process(tmp_path_factory.mktemp("demo"), "--port", "0", "--pause", "0") as (address, _):
        yield address


@pytest.fixture
def client(address: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=address, api_key="any", max_retries=0) as client:
        yield client


def test_a_claude_answers(client: anthropic.Anthropic) -> None:
    with client.messages.stream(model="any", max_tokens=99, messages=[{"role": "user", "content": "count to 9"}]) as s:
        assert s.get_final_text() == "1 2 3 4 5 6 7 8 9"


def test_it_thinks_where_thinking_is_on(client: anthropic.Anthropic) -> None:
    message = client.messages.create(
        model="any", max_tokens=2000, thinking={"type": "adaptive"}, messages=[{"role": "user", "content": "Hello"}]
    )
    assert [block.type for block in message.content] == ["thinking", "text"]


def test_a_tool_loop_comes_round(client: anthropic.Anthropic) -> None:
    asked: Any = [{"role": "user", "content": "Weather in Paris and Rome in parallel"}]
    message = client.messages.create(model="any", max_tokens=999, tools=[TOOL], messages=asked)
    calls = [block for block in message.content if block.type == "tool_use"]
    assert [call.input for call in calls] == [{"city": "Paris"}, {"city": "Rome"}]
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": f"{n} °C"} for n, call in enumerate(calls)]
    asked += [{"role": "assistant", "content": message.content}, {"role": "user", "content": results}]
    answer = client.messages.create(model="any", max_tokens=999, tools=[TOOL], messages=asked)
    texts = [block.text for block in answer.content if block.type == "text"]
    assert texts == ["get_weather answered: “0 °C”.\nget_weather answered: “1 °C”."]
    assert answer.usage.cache_read_input_tokens


def test_errors_look_like_claudes(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.RateLimitError) as limited:
        client.messages.create(model="any", max_tokens=9, messages=[{"role": "user", "content": "error 429"}])
    assert limited.value.response.headers["retry-after"] == "2"
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long: 200001 tokens > 200000 maximum"):
        client.messages.create(model="any", max_tokens=9, messages=[{"role": "user", "content": "overflow"}])


def test_the_backend_can_be_served_alone(tmp_path: Path) -> None:
    with demo_process(tmp_path, "--backend-only") as (address, _):
        models = openai.OpenAI(base_url=f"{address}/v1", api_key="any").models.list()
        assert [model.id for model in models] == ["demo", "demo-thinking"]


def test_an_interrupt_ends_it_in_peace(tmp_path: Path) -> None:
    with demo_process(tmp_path, "--port", "0") as (_, process):
        pass
    assert process.returncode == 0


@pytest.mark.parametrize("options", [[], ["--backend-only"]], ids=["with the proxy", "alone"])
def test_a_taken_port_is_one_line(options: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-c", PROGRAM, "--port", str(port), *options]
        found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (found.returncode, found.stdout) == (1, "")
    words = f"cannot listen on 127.0.0.1 port {port}: Address already in use; --port names another one"
    assert found.stderr == f"anthropic-proxy: {words}\n"
