"""A program of a user's: the official SDK against one base URL. Prints what it saw, as JSON.

Runs by itself under whichever SDK its interpreter has, today's or an old one:

    python program.py scenarios BASE_URL            every scenario below
    python program.py accumulate BASE_URL NAME...   what the stream helper makes of the reply to each model name
"""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import anthropic
from anthropic import Anthropic, AsyncAnthropic

SHOWN = {
    "text": ("type", "text", "citations"),
    "thinking": ("type", "thinking", "signature"),
    "redacted_thinking": ("type", "data"),
    "tool_use": ("type", "id", "name", "input", "toolset_name"),
}
"""Fields reported of a block. Later SDKs add some of their own making. Other blocks are reported whole."""

COUNTS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")

WEATHER: Any = {
    "name": "weather",
    "description": "Tells the weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def asked(model: str, text: str = "Hello?", **more: Any) -> Any:
    return {"model": model, "max_tokens": 2048, "messages": [{"role": "user", "content": text}], **more}


def seen(message: Any) -> dict[str, Any]:
    return {
        "content": [seen_block(block.to_dict()) for block in message.content],
        "stop_reason": message.stop_reason,
        "stop_sequence": message.stop_sequence,
        "usage": {name: getattr(message.usage, name) for name in COUNTS},
        "model": message.model,
    }


def seen_block(block: dict[str, Any]) -> dict[str, Any]:
    names = SHOWN.get(block["type"], tuple(block))
    return {name: block[name] for name in names if block.get(name) is not None}


def seen_error(error: anthropic.APIStatusError) -> dict[str, Any]:
    body: Any = error.body
    return {"status": error.status_code, "type": body["error"]["type"], "message": body["error"]["message"]}


# Scenarios


def create(client: Anthropic) -> Any:
    return seen(client.messages.create(**asked("hello")))


def create_async(client: Anthropic) -> Any:
    async def call() -> Any:
        async with AsyncAnthropic(base_url=client.base_url, api_key="any", max_retries=0) as async_client:
            return seen(await async_client.messages.create(**asked("hello")))

    return asyncio.run(call())


def events(client: Anthropic) -> Any:
    """The kinds of the events of a raw stream, each once where it comes several times in a row."""
    kinds: list[str] = []
    for event in client.messages.create(**asked("hello"), stream=True):
        if kinds[-1:] != [event.type]:
            kinds.append(event.type)
    return kinds


def stream_helper(client: Anthropic) -> Any:
    with client.messages.stream(**asked("hello")) as stream:
        text = "".join(stream.text_stream)
        return {"text": text, **seen(stream.get_final_message())}


def stream_helper_async(client: Anthropic) -> Any:
    async def call() -> Any:
        async with (
            AsyncAnthropic(base_url=client.base_url, api_key="any", max_retries=0) as async_client,
            async_client.messages.stream(**asked("hello")) as stream,
        ):
            text = "".join([part async for part in stream.text_stream])
            return {"text": text, **seen(await stream.get_final_message())}

    return asyncio.run(call())


def thinking(client: Anthropic) -> Any:
    """The kinds of blocks, and what the history with them gives on the next turn."""
    request = asked("thinker", thinking={"type": "enabled", "budget_tokens": 1024})
    with client.messages.stream(**request) as stream:
        message: Any = stream.get_final_message()
    request["messages"] += [
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": "And now?"},
    ]
    again: Any = client.messages.create(**request)
    return {
        "kinds": [block.type for block in message.content],
        "thinking": message.content[0].thinking,
        "signed": message.content[0].signature != "",
        "next": again.content[-1].text,
    }


def tool_loop(answer: Callable[[Any], Any]) -> Any:
    """Asks until no tool is wanted any more. The results of all calls of a turn go back in one message."""
    request = asked("tools", "What is the weather in Rome and in Oslo?", tools=[WEATHER])
    for _ in range(5):
        message = answer(request)
        calls = [block for block in message.content if block.type == "tool_use"]
        if message.stop_reason != "tool_use":
            return message.content[-1].text
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": f"21 °C in {call.input['city']}"}
            for call in calls
        ]
        request["messages"] += [
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": results},
        ]
    return "no end"


def tool_loop_whole(client: Anthropic) -> Any:
    return tool_loop(lambda request: client.messages.create(**request))


def tool_loop_streamed(client: Anthropic) -> Any:
    def answer(request: Any) -> Any:
        with client.messages.stream(**request) as stream:
            return stream.get_final_message()

    return tool_loop(answer)


def stop_sequence(client: Anthropic) -> Any:
    return seen(client.messages.create(**asked("hello", stop_sequences=["wor", "zzz"])))


def beta(client: Anthropic) -> Any:
    message = client.beta.messages.create(**asked("hello"), betas=["context-management-2025-06-27"])
    return seen(message)


def raw_response(client: Anthropic) -> Any:
    response = client.messages.with_raw_response.create(**asked("hello"))
    message = response.parse()
    return {
        "status": response.status_code,
        "content_type": response.headers["content-type"],
        "request_id": response.headers["request-id"].startswith("req_"),
        "same_request_id": message._request_id == response.headers["request-id"],
        **seen(message),
    }


def raw_stream(client: Anthropic) -> Any:
    response = client.messages.with_raw_response.create(**asked("hello"), stream=True)
    kinds = {event.type for event in response.parse()}
    return {
        "status": response.status_code,
        "content_type": response.headers["content-type"],
        "ended": "message_stop" in kinds,
    }


def failing(expected: type[anthropic.APIStatusError], model: str, **more: Any) -> Callable[[Anthropic], Any]:
    """The error of a request, whole and streamed: an HTTP status in both cases."""

    def call(client: Anthropic) -> Any:
        found = []
        for streamed in (False, True):
            try:
                client.messages.create(**asked(model, **more), stream=streamed)
            except expected as error:
                found.append({**seen_error(error), "retry_after": error.response.headers.get("retry-after")})
        return found

    return call


def broken_stream(client: Anthropic) -> Any:
    """The text that came, and the error that ended it."""
    text = ""
    try:
        with client.messages.stream(**asked("breaks")) as stream:
            for part in stream.text_stream:
                text += part
    except anthropic.APIStatusError as error:
        return {"text": text, **seen_error(error)}
    return {"text": text}


SCENARIOS: dict[str, Callable[[Anthropic], Any]] = {
    "create": create,
    "create, async": create_async,
    "events": events,
    "stream helper": stream_helper,
    "stream helper, async": stream_helper_async,
    "thinking": thinking,
    "tool loop, whole": tool_loop_whole,
    "tool loop, streamed": tool_loop_streamed,
    "stop sequence": stop_sequence,
    "beta": beta,
    "raw response": raw_response,
    "raw stream": raw_stream,
    "bad request": failing(anthropic.BadRequestError, "hello", system=7),
    "bad key": failing(anthropic.AuthenticationError, "bad-key"),
    "unknown model": failing(anthropic.NotFoundError, "unknown"),
    "busy": failing(anthropic.RateLimitError, "busy"),
    "prompt too long": failing(anthropic.BadRequestError, "overflow"),
    "broken stream": broken_stream,
}


def outcome(scenario: Callable[[Anthropic], Any], client: Anthropic) -> Any:
    """What the scenario saw, or what it raised, so that one failure does not hide the others."""
    try:
        return scenario(client)
    except Exception as error:
        return f"raised {type(error).__name__}: {error}"


def accumulated(client: Anthropic, model: str) -> Any:
    try:
        with client.messages.stream(**asked(model)) as stream:
            return seen(stream.get_final_message())
    except anthropic.APIStatusError as error:
        return {"error": seen_error(error)["type"]}


def main(task: str, base_url: str, *names: str) -> None:
    client = Anthropic(base_url=base_url, api_key="any", max_retries=0)
    report: dict[str, Any] = {"version": anthropic.__version__}
    if task == "scenarios":
        report["seen"] = {name: outcome(scenario, client) for name, scenario in SCENARIOS.items()}
    else:
        report["seen"] = {name: accumulated(client, name) for name in names}
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
