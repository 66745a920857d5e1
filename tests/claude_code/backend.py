"""The scripted model behind Chat Completions, with the faults a real backend has, and a record of what it was asked."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from starlette.types import Receive, Scope, Send

from tests.claude_code.scripted_model import Body, Said, offered, reply
from tests.servers import Reply, refused

CHARACTERS_A_TOKEN = 4


class Drop(NamedTuple):
    """Break the connection after so many chunks of the reply."""

    after: int


class ModelBackend:
    """An ASGI application that answers as `scripted_model` says.

    `faults` come first, one a request. Prompts of more than `window` tokens are refused. `pause` is in
    seconds, before each chunk. `state` are fields of a message that go with each call, such as
    signatures of the reasoning.
    """

    def __init__(
        self,
        *faults: Reply | Drop,
        window: int = 200_000,
        pause: float = 0,
        state: Mapping[str, Any] = {},
    ) -> None:
        self.faults = list(faults)
        self.window = window
        self.pause = pause
        self.state = state
        self.requests: list[Body] = []
        """Bodies that arrived, oldest first."""
        self.left = 0
        """Replies whose reader went before their end."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (kind := (await receive())["type"]) != "lifespan.shutdown":
                await send({"type": f"{kind}.complete"})
            return await send({"type": "lifespan.shutdown.complete"})
        raw = await _read(receive)
        if (scope["method"], scope["path"]) != ("POST", "/v1/chat/completions"):
            return await _send(send, refused(404, f"no {scope['method']} {scope['path']} here"))
        body = json.loads(raw)
        self.requests.append(body)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Reply):
            return await _send(send, fault)
        if prompt_tokens(body) > self.window:
            return await _send(send, overflow(prompt_tokens(body), self.window))
        said = reply(body)
        if not body.get("stream"):
            return await _send(send, Reply([json.dumps(whole(body, said, self.state)).encode()]))
        return await self._stream(body, said, fault, receive, send)

    async def _stream(self, body: Body, said: Said, drop: Drop | None, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(receive())
        await send(_head(200, {"content-type": "text/event-stream"}))
        for number, chunk in enumerate(chunks(body, said, self.state)):
            # Also without a pause, so that each chunk is a write of its own.
            await asyncio.sleep(self.pause)
            if gone.done():
                self.left += 1
                return
            if drop is not None and number == drop.after:
                # An application that returns in the middle of its reply has its connection cut.
                gone.cancel()
                return
            await send({"type": "http.response.body", "body": _event(chunk), "more_body": True})
        gone.cancel()
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


def prompt_tokens(body: Body) -> int:
    """About what a real model would count."""
    return len(json.dumps([body["messages"], body.get("tools", [])], ensure_ascii=False)) // CHARACTERS_A_TOKEN


def overflow(tokens: int, window: int) -> Reply:
    """The prompt is too long, in OpenAI's words."""
    return refused(
        400,
        f"This model's maximum context length is {window} tokens. However, your messages resulted in {tokens} tokens. "
        "Please reduce the length of the messages.",
        type="invalid_request_error",
        param="messages",
        code="context_length_exceeded",
    )


def calls(body: Body, said: Said) -> list[dict[str, Any]]:
    """The calls of the reply. Their ids are `call_0`, `call_1` in every reply, as careless backends have them."""
    return [
        {
            "id": f"call_{index}",
            "type": "function",
            "function": {"name": offered(body, call.tool), "arguments": json.dumps(call.arguments)},
        }
        for index, call in enumerate(said.calls)
    ]


def usage(body: Body, said: Said) -> dict[str, int]:
    prompt, completion = prompt_tokens(body), 1 + len(said.text + said.reasoning) // CHARACTERS_A_TOKEN
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def whole(body: Body, said: Said, state: Mapping[str, Any]) -> dict[str, Any]:
    """The reply in one piece."""
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None}
    if said.reasoning:
        message["reasoning_content"] = said.reasoning
    if said.calls:
        message |= {"tool_calls": calls(body, said), **state}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if said.calls else "stop"}
    return {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], "usage": usage(body, said)}


def chunks(body: Body, said: Said, state: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The reply in pieces of a word or two. All calls are begun before the first has its arguments."""
    frame = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": body["model"]}
    for delta in deltas(body, said, state):
        yield {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    finish = "tool_calls" if said.calls else "stop"
    yield {**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
    if (body.get("stream_options") or {}).get("include_usage"):
        yield {**frame, "choices": [], "usage": usage(body, said)}


def deltas(body: Body, said: Said, state: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    for field, text in (("reasoning_content", said.reasoning), ("content", said.text)):
        for start in range(0, len(text), 10):
            yield {field: text[start : start + 10]}
    made = calls(body, said)
    if made and state:
        yield dict(state)
    for index, call in enumerate(made):
        begun = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        yield {"tool_calls": [begun]}
    longest = max((len(call["function"]["arguments"]) for call in made), default=0)
    for start in range(0, longest, 20):
        for index, call in enumerate(made):
            if part := call["function"]["arguments"][start : start + 20]:
                yield {"tool_calls": [{"index": index, "function": {"arguments": part}}]}


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _send(send: Send, answer: Reply) -> None:
    await send(_head(answer.status, {"content-type": answer.content_type, **answer.headers}))
    await send({"type": "http.response.body", "body": b"".join(answer.parts)})


def _head(status: int, headers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "http.response.start",
        "status": status,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
