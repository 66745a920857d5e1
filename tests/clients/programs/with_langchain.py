"""LangChain's chat model for Anthropic."""

import base64
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anthropic
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import StructuredTool

from tests.clients.reporting import FAIL, HELLO, MODEL, PICTURE, WEATHER, report, weather

MODEL_CLIENT: Any = ChatAnthropic(model=MODEL, max_tokens=1000, max_retries=0)


def whole() -> object:
    return MODEL_CLIENT.invoke(HELLO).content


def streamed() -> object:
    parts = [chunk.content for chunk in MODEL_CLIENT.stream(HELLO)]
    texts = [part if isinstance(part, str) else "".join(block.get("text", "") for block in part) for part in parts]
    return [text for text in texts if text]


def tools() -> object:
    tool = StructuredTool.from_function(weather, name="weather", description="Tells the weather in a city.")
    model = MODEL_CLIENT.bind_tools([tool])
    history: list[Any] = [HumanMessage(WEATHER)]
    said = model.invoke(history)
    history.append(said)
    history += [ToolMessage(tool.invoke(call["args"]), tool_call_id=call["id"]) for call in said.tool_calls]
    return model.invoke(history).content


def image() -> object:
    data = base64.b64encode(Path(sys.argv[1]).read_bytes()).decode()
    picture = {"type": "image", "base64": data, "mime_type": "image/png"}
    return MODEL_CLIENT.invoke([HumanMessage([picture, {"type": "text", "text": PICTURE}])]).content


def error() -> object:
    try:
        MODEL_CLIENT.invoke(FAIL)
    except anthropic.APIStatusError as refused:
        return f"{refused.status_code}: {refused.message}"
    return "no error"


report(
    version("langchain-anthropic"),
    {"whole": whole, "streamed": streamed, "tools": tools, "image": image, "error": error},
)
