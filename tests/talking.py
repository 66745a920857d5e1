"""A client, the running proxy and a scripted backend in one conversation: whole or streamed, with the official SDK.

async with talking(lambda body: said(body, {"content": "Hello."}), MODEL="m") as talk:
    message = await talk.ask(stream=True, messages=[...])
    talk.asked[0]["messages"]
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import pytest
from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient

from anthropic_proxy.config import Settings
from tests.grammar import Event, parse_stream, violations
from tests.proxying import proxying
from tests.scripted import Request, ScriptedServer, Send, Step, reply, stream
from tests.server.asgi import question
from tests.servers import Reply, streamed, whole

Body: TypeAlias = dict[str, Any]
Answering: TypeAlias = Callable[[Body], Reply]
"""What the backend answers to a request's body."""


BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
"""For tests that ask whole and streamed."""


def said(body: Body, *deltas: Mapping[str, Any], finish_reason: str = "stop") -> Reply:
    """A reply in the shape that was asked for. A whole one has what the deltas come to; their calls are whole."""
    if body.get("stream"):
        return streamed(*deltas, finish_reason=finish_reason)
    message: Body = {}
    for delta in deltas:
        for name, value in delta.items():
            message[name] = message[name] + value if name in message else value
    return whole(message, finish_reason)


def fine(body: Body) -> Reply:
    """The answer of a backend that has no fault to find."""
    return said(body, {"content": "Fine."})


def call(name: str, arguments: str = "{}", id: str = "call_1", index: int = 0) -> Body:
    """A delta, or a message, with one tool call."""
    return {"tool_calls": [{"index": index, "id": id, "type": "function", "function": _function(name, arguments)}]}


def _function(name: str, arguments: str) -> Body:
    return {"name": name, "arguments": arguments}


def tool(name: str, **schema: Any) -> Body:
    """A tool of the client's."""
    return {"name": name, "description": name, "input_schema": {"type": "object", **schema}}


def result(id: str, content: object = "done") -> Body:
    """The block that answers a call."""
    return {"type": "tool_result", "tool_use_id": id, "content": content}


def user(*content: Any) -> Body:
    """A message of the user's: one text, or blocks."""
    return {"role": "user", "content": content[0] if isinstance(content[0], str) else list(content)}


def assistant(*content: Any) -> Body:
    """A message of the assistant's: one text, or blocks."""
    return {**user(*content), "role": "assistant"}


class Talk:
    """Asks the proxy, and knows what its backend was asked."""

    def __init__(self, url: str, backend: ScriptedServer) -> None:
        self.url = url
        self.backend = backend
        self._received: list[Any] = []
        http = DefaultAsyncHttpxClient(event_hooks={"response": [self._keep]}, trust_env=False)
        self.client = AsyncAnthropic(base_url=url, api_key="any", max_retries=0, http_client=http)

    async def _keep(self, response: Any) -> None:
        await response.aread()
        self._received.append(response)

    async def ask(self, stream: bool = False, headers: Mapping[str, str] | None = None, **fields: Any) -> Body:
        """The message as the SDK has it. A stream is found legal first. Raises anthropic.APIStatusError."""
        body: Any = question(**fields)
        # Without a timeout of its own the SDK refuses to ask for a whole reply that may be long.
        rest: Any = {"extra_body": body, "extra_headers": headers, "timeout": 60}
        given: Any = {name: body[name] for name in ("model", "max_tokens", "messages")}
        if not stream:
            whole: Body = (await self.client.messages.create(**given, **rest)).to_dict()
            return whole
        async with self.client.messages.stream(**given, **rest) as events:
            message: Body = (await events.get_final_message()).to_dict()
        assert violations(self.events) == []
        return message

    @property
    def events(self) -> list[Event]:
        """Those of the last answer, which was a stream; pings are left out."""
        return [event for event in parse_stream(self._received[-1].content) if event["type"] != "ping"]

    @property
    def headers(self) -> Mapping[str, str]:
        """Those of the last answer."""
        return dict(self._received[-1].headers)

    @property
    def asked(self) -> list[Body]:
        """What the backend was asked for, oldest first."""
        return [json.loads(request.body) for request in self.backend.requests]


def steps(answer: Reply) -> list[Step]:
    """The script of that reply."""
    if answer.content_type == "text/event-stream" and answer.status == 200:
        return stream(*answer.parts)
    headers = {"content-type": answer.content_type, **answer.headers}
    return [Send(reply(b"".join(answer.parts), f"{answer.status} Status", headers))]


@asynccontextmanager
async def talking(answering: Answering, **environ: str) -> AsyncIterator[Talk]:
    """The proxy with these settings before a backend that answers so. Unless they say otherwise, it is a plain one."""

    def script(request: Request) -> list[Step]:
        return steps(answering(json.loads(request.body)))

    async with ScriptedServer(script) as backend:
        settings = {"OPENAI_API_BASE": f"{backend.url}/v1", "BACKEND": "plain", "LOG_LEVEL": "error", **environ}
        async with proxying(Settings.from_env(settings)) as url:
            talk = Talk(url, backend)
            try:
                yield talk
            finally:
                await talk.client.close()
