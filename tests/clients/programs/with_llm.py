"""Simon Willison's llm, with its plugin for Anthropic. It calls only models whose names it knows."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anthropic
import llm

from tests.clients.reporting import FAIL, HELLO, PICTURE, WEATHER, report, weather

MODEL_CLIENT: Any = llm.get_model("claude-sonnet-4.5")


def whole() -> object:
    return MODEL_CLIENT.prompt(HELLO, stream=False).text()


def streamed() -> object:
    return [part for part in MODEL_CLIENT.prompt(HELLO) if part]


def tools() -> object:
    tool = llm.Tool.function(weather, name="weather")
    # It puts a space between the texts of two turns, also of one that has none.
    return MODEL_CLIENT.chain(WEATHER, tools=[tool]).text().strip()


def image() -> object:
    picture = llm.Attachment(content=Path(sys.argv[1]).read_bytes(), type="image/png")
    return MODEL_CLIENT.prompt(PICTURE, attachments=[picture]).text()


def error() -> object:
    try:
        MODEL_CLIENT.prompt(FAIL, stream=False).text()
    except anthropic.APIStatusError as refused:
        return f"{refused.status_code}: {refused.message}"
    return "no error"


report(
    version("llm-anthropic"),
    {"whole": whole, "streamed": streamed, "tools": tools, "image": image, "error": error},
)
