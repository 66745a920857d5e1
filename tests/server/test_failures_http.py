"""Failures of the backend as the client meets them: status, type, message, headers."""

import json
from collections.abc import Mapping

import pytest
from pydantic import SecretStr

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.scripted import ScriptedServer, Send, Stall, reply
from tests.server.asgi import Answer, alive, call, question

SETTINGS = Settings(
    openai_api_base="http://replay.invalid/v1", openai_api_key=SecretStr("sk-upstream-secret"), model="m"
)


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None, **fields: object) -> Recorded:
    body = json.dumps({"error": {"message": message, **fields}}).encode()
    return Recorded(body, status, {"content-type": "application/json", **(headers or {})})


FAILURES: dict[str, tuple[Recorded | UpstreamBroke, int, str, str, dict[str, str]]] = {
    "a bad request": (
        refusal(400, "messages: too odd"),
        400,
        "invalid_request_error",
        "messages: too odd",
        {},
    ),
    "a key it does not like": (
        refusal(401, "Incorrect API key provided: sk-upstream-secret"),
        401,
        "authentication_error",
        "OPENAI_API_KEY",
        {"x-should-retry": "false"},
    ),
    "an empty purse": (
        refusal(429, "You exceeded your current quota", code="insufficient_quota"),
        402,
        "billing_error",
        "You exceeded your current quota",
        {"x-should-retry": "false"},
    ),
    "too many requests": (
        refusal(429, "Slow down", {"retry-after": "7"}),
        429,
        "rate_limit_error",
        "Slow down",
        {"retry-after": "7"},
    ),
    "a prompt that is too long": (
        refusal(
            400,
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
            code="context_length_exceeded",
        ),
        400,
        "invalid_request_error",
        "prompt is too long: 9000 tokens > 8192 maximum",
        {},
    ),
    "a crash": (refusal(500, "it broke"), 500, "api_error", "it broke", {}),
    "too much to do": (refusal(503, "no healthy upstream"), 529, "overloaded_error", "no healthy upstream", {}),
    "a page instead of JSON": (
        Recorded(b"<html><title>Bad Gateway</title><p>nginx</html>", 502, {"content-type": "text/html"}),
        502,
        "api_error",
        "Bad Gateway",
        {},
    ),
    "a page that forbids it": (
        Recorded(b"<html><title>Access denied</title></html>", 403, {"content-type": "text/html"}),
        403,
        "permission_error",
        "Access denied",
        {"x-should-retry": "false"},
    ),
    "a model it does not have": (
        refusal(404, "The model `m` does not exist", code="model_not_found"),
        404,
        "not_found_error",
        "The model `m` does not exist",
        {},
    ),
    "a model that OpenAI serves elsewhere": (
        refusal(404, "This model is only supported in v1/responses and not in v1/chat/completions."),
        404,
        "not_found_error",
        "sent to the upstream as m is not served at /chat/completions, and nothing else is asked here; "
        "choose another (This model is only supported in v1/responses",
        {"x-should-retry": "false"},
    ),
    "a model that Copilot serves elsewhere": (
        refusal(400, "model m is not accessible via the /chat/completions endpoint", code="unsupported_api_for_model"),
        404,
        "not_found_error",
        "choose another (model m is not accessible via the /chat/completions endpoint)",
        {"x-should-retry": "false"},
    ),
    "a parameter that wants another endpoint": (
        refusal(400, "Function tools with reasoning_effort are not supported for m in /v1/chat/completions."),
        400,
        "invalid_request_error",
        "Function tools with reasoning_effort",
        {},
    ),
    "text for an error": (
        Recorded(b"Traceback: out of memory", 500, {"content-type": "text/plain"}),
        500,
        "api_error",
        "out of memory",
        {},
    ),
    "an error in a 200": (
        Recorded(b'{"error": {"message": "it broke"}}', 200, {"content-type": "application/json"}),
        500,
        "api_error",
        "it broke",
        {},
    ),
    "an error as the first event of a 200": (
        Recorded(b'data: {"error": {"message": "slow down", "code": 429}}\n\n'),
        429,
        "rate_limit_error",
        "slow down",
        {},
    ),
    "nobody there": (
        UpstreamBroke("cannot connect to 127.0.0.1:9", kind="refused"),
        502,
        "api_error",
        "cannot connect to 127.0.0.1:9",
        {"x-should-retry": "false"},
    ),
    "no answer in time": (
        UpstreamBroke("no reply within 600 s (setting FIRST_BYTE_TIMEOUT)", kind="first_byte_timeout"),
        504,
        "timeout_error",
        "FIRST_BYTE_TIMEOUT",
        {},
    ),
}


async def answered(failure: Recorded | UpstreamBroke, stream: bool) -> Answer:
    """Of a backend that is asked once: it is the client who tries again."""
    replay = Replay(failure)
    answer = await call(create_app(SETTINGS, replay), "POST", "/v1/messages", question(stream=stream))
    assert [request.path for request in replay.requests] == ["/chat/completions"]
    return answer


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("failure", "status", "type", "words", "headers"), FAILURES.values(), ids=FAILURES.keys())
async def test_failure(
    failure: Recorded | UpstreamBroke, status: int, type: str, words: str, headers: dict[str, str], stream: bool
) -> None:
    answer = await answered(failure, stream)
    told_status, told_type, message = answer.error
    assert (told_status, told_type) == (status, type)
    assert words in message
    assert {name: answer.headers.get(name) for name in headers} == headers
    assert "secret" not in json.dumps(answer.json)


async def test_the_limit_that_ran_out_is_named() -> None:
    async with ScriptedServer([Stall()]) as backend:
        settings = SETTINGS.model_copy(
            update={"openai_api_base": f"{backend.url}/v1", "backend": "plain", "first_byte_timeout": 0.05}
        )
        async with alive(create_app(settings)) as app:
            answer = await call(app, "POST", "/v1/messages", question())
        await backend.until(lambda server: server.gone == [0])
    assert answer.error[:2] == (504, "timeout_error")
    assert "FIRST_BYTE_TIMEOUT" in answer.error[2]


async def test_the_clients_key_is_forwarded_and_told_apart() -> None:
    refusing = reply(b'{"error": {"message": "bad key"}}', "401 Unauthorized")
    async with ScriptedServer([Send(refusing)]) as backend:
        settings = SETTINGS.model_copy(
            update={"openai_api_base": f"{backend.url}/v1", "backend": "plain", "forward_key": True}
        )
        async with alive(create_app(settings)) as app:
            answer = await call(app, "POST", "/v1/messages", question(), {"x-api-key": "sk-of-the-client"})
    assert backend.requests[0].headers["authorization"] == "Bearer sk-of-the-client"
    assert answer.error[:2] == (401, "authentication_error")
    assert "OPENAI_API_KEY" not in answer.error[2]
