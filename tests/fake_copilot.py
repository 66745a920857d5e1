"""GitHub and Copilot on this machine: sign-in, token exchange, and the four doors of the API behind it.

    fake = FakeCopilot()
    with serving(fake.app) as url:
        environ = fake.environ(url, tmp_path)
        …
        fake.seen("/copilot/chat/completions")[0].headers["x-initiator"]

It answers as the demo backend does, so that a test asks for tools, images or errors in words.
"""

import itertools
import json
import re
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from anthropic_proxy.demo.errors import Refusal
from anthropic_proxy.demo.model import Chunk, answer, whole_reply

API = "/copilot"
"""Where Copilot's own API begins."""

GITHUB_TOKEN = "gho_fake"
USER_CODE = "ABCD-1234"


class Seen(NamedTuple):
    """A request that arrived."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: Any


class FakeCopilot:
    """Plays both, and remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self.polls: deque[dict[str, Any]] = deque()
        """Answers to the coming questions for the token. After the last, the code counts as typed."""
        self.interval: float = 0.01
        self.refusal: tuple[int, str] | None = None
        """Status and message with which GitHub refuses the exchange."""
        self.lifetime = 1500.0
        """Seconds that a Copilot token is good for."""
        self.plan = "fake_plan"
        self._numbers = itertools.count(1)
        self._good: dict[str, float] = {}
        """Copilot's tokens that are accepted, and until when."""
        self.app = Starlette(
            routes=[
                Route("/login/device/code", self._device_code, methods=["POST"]),
                Route("/login/oauth/access_token", self._access_token, methods=["POST"]),
                Route("/copilot_internal/v2/token", self._api_key),
                Route(f"{API}/chat/completions", self._chat, methods=["POST"]),
                Route(f"{API}/responses", self._responses, methods=["POST"]),
                Route(f"{API}/v1/messages", self._messages, methods=["POST"]),
                Route(f"{API}/models", self._models),
            ]
        )

    def environ(self, url: str, directory: Path) -> dict[str, str]:
        """The variables that send LiteLLM's provider, and ours, to this server."""
        return {
            "GITHUB_COPILOT_TOKEN_DIR": str(directory),
            "GITHUB_COPILOT_DEVICE_CODE_URL": f"{url}/login/device/code",
            "GITHUB_COPILOT_ACCESS_TOKEN_URL": f"{url}/login/oauth/access_token",
            "GITHUB_COPILOT_API_KEY_URL": f"{url}/copilot_internal/v2/token",
        }

    def seen(self, path: str) -> list[Seen]:
        """What arrived at a path, oldest first."""
        return [request for request in self.requests if request.path == path]

    def expire(self) -> None:
        """Every Copilot token given out so far is refused from now on."""
        self._good.clear()

    async def _device_code(self, request: Request) -> Response:
        await self._note(request)
        return JSONResponse(
            {
                "device_code": "device-1",
                "user_code": USER_CODE,
                "verification_uri": f"{request.base_url}login/device",
                "expires_in": 900,
                "interval": self.interval,
            }
        )

    async def _access_token(self, request: Request) -> Response:
        await self._note(request)
        if self.polls:
            return JSONResponse(self.polls.popleft())
        return JSONResponse({"access_token": GITHUB_TOKEN, "token_type": "bearer", "scope": "read:user"})

    async def _api_key(self, request: Request) -> Response:
        await self._note(request)
        if request.headers.get("authorization") != f"token {GITHUB_TOKEN}":
            return JSONResponse({"message": "Bad credentials"}, 401)
        if self.refusal:
            return JSONResponse({"message": self.refusal[1]}, self.refusal[0])
        token = f"tid=fake;number={next(self._numbers)}"
        self._good[token] = time.time() + self.lifetime
        return JSONResponse(
            {
                "token": token,
                "expires_at": self._good[token],
                "refresh_in": self.lifetime,
                "sku": self.plan,
                "endpoints": {"api": f"{request.base_url}{API.lstrip('/')}"},
            }
        )

    async def _chat(self, request: Request) -> Response:
        seen = await self._note(request)
        if not self._accepted(request):
            return UNAUTHORIZED
        reply = answer({**seen.body, "model": "demo"})
        if isinstance(reply, Refusal):
            return JSONResponse(reply.body, reply.status, dict(reply.headers))
        if not seen.body.get("stream"):
            whole = whole_reply(reply)
            if isinstance(whole, Refusal):
                return JSONResponse(whole.body, whole.status)
            return JSONResponse({**whole, "created": int(time.time())})
        lines = [f"data: {json.dumps({**chunk, 'created': int(time.time())})}\n\n" for chunk in reply]
        return StreamingResponse(iter([*lines, "data: [DONE]\n\n"]), media_type="text/event-stream")

    async def _responses(self, request: Request) -> Response:
        seen = await self._note(request)
        if not self._accepted(request):
            return UNAUTHORIZED
        chunks = answer(_chat_request(seen.body))
        assert isinstance(chunks, list)
        response = _response(seen.body["model"], chunks)
        if not seen.body.get("stream"):
            return JSONResponse(response)
        return StreamingResponse(_response_events(response), media_type="text/event-stream")

    async def _messages(self, request: Request) -> Response:
        seen = await self._note(request)
        if not self._accepted(request):
            return UNAUTHORIZED
        message = {
            "id": "msg_fake",
            "type": "message",
            "role": "assistant",
            "model": seen.body["model"],
            "content": [{"type": "text", "text": "Claude's own API answers."}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 9, "output_tokens": 5},
        }
        if not seen.body.get("stream"):
            return JSONResponse(message)
        return StreamingResponse(_message_events(message), media_type="text/event-stream")

    async def _models(self, request: Request) -> Response:
        await self._note(request)
        if not self._accepted(request):
            return UNAUTHORIZED
        return JSONResponse({"object": "list", "data": [{"id": "gpt-4.1", "object": "model"}]})

    def _accepted(self, request: Request) -> bool:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return self._good.get(token, 0) > time.time()

    async def _note(self, request: Request) -> Seen:
        body = await request.body()
        seen = Seen(request.url.path, dict(request.headers), json.loads(body) if body else None)
        self.requests.append(seen)
        return seen


UNAUTHORIZED = Response("unauthorized: token expired\n", 401, media_type="text/plain")


def _chat_request(body: dict[str, Any]) -> dict[str, Any]:
    """A Responses request as a chat request, as far as the demo backend looks at it."""
    messages: list[dict[str, Any]] = []
    given = body["input"]
    for item in [{"role": "user", "content": given}] if isinstance(given, str) else given:
        if item.get("type") == "function_call":
            function = {"name": item["name"], "arguments": item["arguments"]}
            call = {"id": item["call_id"], "type": "function", "function": function}
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        elif item.get("type") == "function_call_output":
            messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": item["output"]})
        elif "role" in item:
            messages.append({"role": item["role"], "content": item["content"]})
    tools = [{"type": "function", "function": tool} for tool in body.get("tools") or []]
    return {"model": "demo", "messages": messages, **({"tools": tools} if tools else {})}


def _response(model: str, chunks: list[Chunk]) -> dict[str, Any]:
    """A whole Responses reply with what the chunks say."""
    whole = whole_reply(chunks)
    assert isinstance(whole, dict)
    message = whole["choices"][0]["message"]
    output: list[dict[str, Any]] = [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": message["content"], "annotations": []}],
        }
    ]
    for number, call in enumerate(message.get("tool_calls", [])):
        output.append(
            {
                "type": "function_call",
                "id": f"fc_{number}",
                "call_id": call["id"],
                "status": "completed",
                **call["function"],
            }
        )
    usage = whole["usage"]
    return {
        "id": "resp_fake",
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "model": model,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": usage["prompt_tokens"],
            "output_tokens": usage["completion_tokens"],
            "total_tokens": usage["total_tokens"],
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }


def _response_events(response: dict[str, Any]) -> Iterator[str]:
    numbers = itertools.count()

    def event(kind: str, **fields: Any) -> str:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, 'sequence_number': next(numbers), **fields})}\n\n"

    begun = {**response, "status": "in_progress", "output": [], "usage": None}
    yield event("response.created", response=begun)
    for index, item in enumerate(response["output"]):
        place = {"output_index": index, "item_id": item["id"]}
        if item["type"] == "message":
            text = item["content"][0]["text"]
            yield event("response.output_item.added", output_index=index, item={**item, "content": []})
            yield event(
                "response.content_part.added", **place, content_index=0, part={**item["content"][0], "text": ""}
            )
            for word in re.findall(r"\s*\S+", text):
                yield event("response.output_text.delta", **place, content_index=0, delta=word)
            yield event("response.output_text.done", **place, content_index=0, text=text)
            yield event("response.content_part.done", **place, content_index=0, part=item["content"][0])
        else:
            yield event("response.output_item.added", output_index=index, item={**item, "arguments": ""})
            yield event("response.function_call_arguments.delta", **place, delta=item["arguments"])
            yield event("response.function_call_arguments.done", **place, arguments=item["arguments"])
        yield event("response.output_item.done", output_index=index, item=item)
    yield event("response.completed", response=response)


def _message_events(message: dict[str, Any]) -> Iterator[str]:
    def event(kind: str, **fields: Any) -> str:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"

    yield event("message_start", message={**message, "content": [], "stop_reason": None})
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    for word in ("Claude's own ", "API answers."):
        yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
    yield event("content_block_stop", index=0)
    yield event(
        "message_delta",
        delta={"stop_reason": "end_turn", "stop_sequence": None},
        usage={"output_tokens": 5},
    )
    yield event("message_stop")
