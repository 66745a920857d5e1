"""Plays the golden replies to an SDK: the judge of our streams is the client that will read them."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

FOLDER = Path(__file__).parent.parent / "golden" / "replies"

COUNTS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


CUT_SHORT = ("max_tokens", "model_context_window_exceeded")


class GoldenReply(NamedTuple):
    """One case: the stream we owe the client, and the Message it builds up to."""

    name: str
    events: bytes
    message: dict[str, Any]

    def comparable(self, seen: dict[str, Any]) -> dict[str, Any]:
        """`seen` without the input of a call that the token limit cut off: every SDK mends that in its own way."""
        blocks = [dict(block) for block in seen.get("content", ())]
        for block in blocks:
            if "input" in block and self.message["stop_reason"] in CUT_SHORT:
                block["input"] = None
        return {**seen, "content": blocks} if blocks else seen

    def expected(self) -> dict[str, Any]:
        """What the SDK's stream helper must make of the stream."""
        message = self.message
        if message["type"] == "error":
            return {"error": message["error"]["type"]}
        return {
            "content": [_whole_fields(block) for block in message["content"]],
            "stop_reason": message["stop_reason"],
            "stop_sequence": message["stop_sequence"],
            "usage": {name: message["usage"][name] for name in COUNTS},
            "model": message["model"],
        }


def _whole_fields(block: dict[str, Any]) -> dict[str, Any]:
    """`block` as the helper shows it: of arguments that break off it keeps the fields that are whole, here none."""
    cut = block.get("input", {}).get("__unparsed_arguments", "").startswith("{")
    return {**block, "input": {}} if cut else block


REPLIES = [
    GoldenReply(folder.name, (folder / "events.sse").read_bytes(), json.loads((folder / "message.json").read_text()))
    for folder in sorted(FOLDER.iterdir())
    if (folder / "events.sse").exists()
]


class GoldenServer:
    """An ASGI application that answers each request with the case its model is named after."""

    def __init__(self) -> None:
        self._events = {reply.name: reply.events for reply in REPLIES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = b""
        more = True
        while more:
            part = await receive()
            body += part.get("body", b"")
            more = part.get("more_body", False)
        response = Response(self._events[json.loads(body)["model"]], media_type="text/event-stream")
        await response(scope, receive, send)
