"""LiteLLM as a client: `anthropic/` models at a base URL of ours."""

import base64
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import litellm

from tests.clients.reporting import FAIL, HELLO, MODEL, PICTURE, WEATHER, report, weather

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def ask(content: Any, history: tuple[Any, ...] = (), **more: Any) -> Any:
    messages = [{"role": "user", "content": content}, *history]
    base = os.environ["ANTHROPIC_BASE_URL"]
    return litellm.completion(
        f"anthropic/{MODEL}", messages, api_base=base, api_key="any", max_tokens=1000, num_retries=0, **more
    )


def whole() -> object:
    return ask(HELLO).choices[0].message.content


def streamed() -> object:
    parts = [chunk.choices[0].delta.content for chunk in ask(HELLO, stream=True)]
    return [part for part in parts if part]


def tools() -> object:
    said = ask(WEATHER, tools=[TOOL]).choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": weather(**json.loads(call.function.arguments))}
        for call in said.tool_calls
    ]
    return ask(WEATHER, (said, *results), tools=[TOOL]).choices[0].message.content


def image() -> object:
    data = base64.b64encode(Path(sys.argv[1]).read_bytes()).decode()
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    return ask([picture, {"type": "text", "text": PICTURE}]).choices[0].message.content


def error() -> object:
    try:
        ask(FAIL)
    except Exception as refused:  # its error classes differ by status and release
        return f"{getattr(refused, 'status_code', None)}: {refused}"
    return "no error"


report(version("litellm"), {"whole": whole, "streamed": streamed, "tools": tools, "image": image, "error": error})
