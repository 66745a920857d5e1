"""End to end: the official SDK and curl, through our server, to a real LiteLLM proxy.

LiteLLM runs in an environment of its own, which `run_tests.sh` makes, and answers with its
`mock_response`, so that nothing leaves this machine.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic import Anthropic

from tests.grammar import parse_stream, violations
from tests.litellm.server import free_port, litellm_proxy, running

pytestmark = pytest.mark.slow

ANSWER = "Hello from LiteLLM, in 20 °C."

CONFIG = {
    "model_list": [
        {
            "model_name": "my-model",
            "litellm_params": {"model": "openai/my-model", "api_key": "none", "mock_response": ANSWER},
        }
    ]
}

QUESTION: Any = {"model": "any-model", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello, Claude!"}]}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of our server, started as a user does it, with LiteLLM behind it."""
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    with litellm_proxy(CONFIG, tmp_path_factory.mktemp("litellm")) as litellm:
        environ = {
            "OPENAI_API_BASE": f"{litellm.base_url}/v1",
            "OPENAI_API_KEY": litellm.key,
            "MODEL": "my-model",
            "HOST": "127.0.0.1",
            "PORT": str(port),
        }
        command = [sys.executable, "-m", "anthropic_proxy", "serve"]
        with running(command, environ, tmp_path_factory.mktemp("proxy"), f"{base_url}/health"):
            yield base_url


@pytest.fixture(scope="module")
def client(proxy: str) -> Iterator[Anthropic]:
    with Anthropic(base_url=proxy, api_key="any", max_retries=0) as client:
        yield client


def test_the_sdk_gets_a_whole_reply(client: Anthropic) -> None:
    message = client.messages.create(**QUESTION)
    assert [block.to_dict() for block in message.content] == [{"type": "text", "text": ANSWER}]
    assert (message.model, message.stop_reason) == ("any-model", "end_turn")
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0


def test_the_sdk_gets_a_stream(client: Anthropic) -> None:
    with client.messages.stream(**QUESTION) as stream:
        parts = list(stream.text_stream)
        message = stream.get_final_message()
    assert "".join(parts) == ANSWER
    assert len(parts) > 1
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 0


def test_the_sdk_gets_the_same_with_tools_and_thinking_in_the_request(client: Anthropic) -> None:
    tool: Any = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
    messages: Any = [
        {"role": "user", "content": "What is the weather in Rome?"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "20 °C"}]},
    ]
    message = client.messages.create(
        model="any-model",
        max_tokens=2048,
        system="You know the weather.",
        thinking={"type": "enabled", "budget_tokens": 1024},
        tools=[tool],
        messages=messages,
    )
    assert message.content[-1].to_dict() == {"type": "text", "text": ANSWER}


def curl(*arguments: str) -> bytes:
    command = shutil.which("curl")
    if command is None:
        pytest.skip("curl is not installed")
    return subprocess.run(
        [command, "--silent", "--show-error", "--noproxy", "*", "--max-time", "60", *arguments],
        capture_output=True,
        check=True,
    ).stdout


def posted(proxy: str, body: object) -> bytes:
    """The documented example: curl with a JSON body and an x-api-key."""
    return curl(
        *("-X", "POST", f"{proxy}/v1/messages"),
        *("-H", "Content-Type: application/json", "-H", "x-api-key: any"),
        *("-d", json.dumps(body)),
    )


def test_curl_gets_a_whole_reply(proxy: str) -> None:
    message = json.loads(posted(proxy, QUESTION))
    assert message["content"] == [{"type": "text", "text": ANSWER}]


def test_curl_gets_a_legal_stream(proxy: str) -> None:
    events = parse_stream(posted(proxy, {**QUESTION, "stream": True}))
    assert violations(events) == []
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert "".join(delta["text"] for delta in deltas) == ANSWER


def test_thinking_written_as_true_is_understood(proxy: str) -> None:
    message = json.loads(posted(proxy, {**QUESTION, "thinking": True}))
    assert message["content"] == [{"type": "text", "text": ANSWER}]
