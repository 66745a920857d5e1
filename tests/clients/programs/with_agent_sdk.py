"""The Claude Agent SDK, with the Claude Code that comes with it."""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from claude_agent_sdk import (
    ClaudeAgentOptions,
    ResultMessage,
    StreamEvent,
    create_sdk_mcp_server,
    query,
    tool,
)

from tests.clients.reporting import FAIL, HELLO, MODEL, PICTURE, WEATHER, report, weather


def options(**more: Any) -> Any:
    return ClaudeAgentOptions(model=MODEL, tools=[], setting_sources=[], permission_mode="default", **more)


def ask(prompt: Any, **more: Any) -> Any:
    """All messages of a run."""

    async def call() -> list[Any]:
        return [message async for message in query(prompt=prompt, options=options(**more))]

    return asyncio.run(call())


def result(messages: list[Any]) -> Any:
    (found,) = [message for message in messages if isinstance(message, ResultMessage)]
    return found


def whole() -> object:
    return result(ask(HELLO)).result


def streamed() -> object:
    events = [one.event for one in ask(HELLO, include_partial_messages=True) if isinstance(one, StreamEvent)]
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    return [delta["text"] for delta in deltas if delta["type"] == "text_delta"]


def tools() -> object:
    async def answer(arguments: Any) -> dict[str, Any]:
        return {"content": [{"type": "text", "text": weather(arguments["city"])}]}

    offered = tool("weather", "Tells the weather in a city.", {"city": str})(answer)
    server = create_sdk_mcp_server("sky", tools=[offered])
    return result(ask(WEATHER, mcp_servers={"sky": server}, allowed_tools=["mcp__sky__weather"])).result


def image() -> object:
    data = base64.b64encode(Path(sys.argv[1]).read_bytes()).decode()
    source = {"type": "base64", "media_type": "image/png", "data": data}
    content = [{"type": "image", "source": source}, {"type": "text", "text": PICTURE}]

    async def prompts() -> AsyncIterator[dict[str, Any]]:
        yield {"type": "user", "message": {"role": "user", "content": content}}

    return result(ask(prompts())).result


def error() -> object:
    """The SDK gives the error as the answer, and then raises."""

    async def call() -> object:
        answer: object = None
        try:
            async for message in query(prompt=FAIL, options=options()):
                if isinstance(message, ResultMessage):
                    answer = message.result
        except Exception as refused:
            return answer or str(refused)
        return answer

    return asyncio.run(call())


report(
    version("claude-agent-sdk"),
    {"whole": whole, "streamed": streamed, "tools": tools, "image": image, "error": error},
)
