"""Pydantic AI's agent on an Anthropic model."""

import asyncio
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from anthropic import AsyncAnthropic
from pydantic_ai import Agent, BinaryContent, ModelHTTPError, Tool
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from tests.clients.reporting import FAIL, HELLO, MODEL, PICTURE, WEATHER, report, weather


def agent(**more: Any) -> Any:
    # A client of its own for each scenario, which has an event loop of its own.
    provider = AnthropicProvider(anthropic_client=AsyncAnthropic(max_retries=0))
    return Agent(AnthropicModel(MODEL, provider=provider), **more)


def whole() -> object:
    return agent().run_sync(HELLO).output


def streamed() -> object:
    async def call() -> list[str]:
        async with agent().run_stream(HELLO) as result:
            return [part async for part in result.stream_text(delta=True, debounce_by=None)]

    return asyncio.run(call())


def tools() -> object:
    return agent(tools=[Tool(weather, description="Tells the weather in a city.")]).run_sync(WEATHER).output


def image() -> object:
    picture = BinaryContent(Path(sys.argv[1]).read_bytes(), media_type="image/png")
    return agent().run_sync([PICTURE, picture]).output


def error() -> object:
    try:
        agent().run_sync(FAIL)
    except ModelHTTPError as refused:
        return f"{refused.status_code}: {refused.body}"
    return "no error"


report(
    version("pydantic-ai-slim"),
    {"whole": whole, "streamed": streamed, "tools": tools, "image": image, "error": error},
)
