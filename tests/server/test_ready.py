"""/ready: does the backend answer, whatever it says, and has no shutdown begun?"""

import pytest
from pydantic import SecretStr

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import BreakKind, UpstreamBroke
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.scripted import ScriptedServer, Send, Stall, reply
from tests.server.asgi import WHOLE, alive, call, question

SETTINGS = Settings(openai_api_base="http://replay.invalid/v1", openai_api_key=SecretStr("k"), backend="plain")

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("status", [200, 401, 404, 500])
async def test_a_backend_that_says_anything_at_all_is_there(status: int) -> None:
    app = create_app(SETTINGS, Replay(Recorded(b"{}", status)))
    answer = await call(app, "GET", "/ready")
    assert (answer.status, answer.json) == (200, {"status": "ready"})
    assert (await call(app, "HEAD", "/ready")).status == 200


UNREACHABLE: tuple[BreakKind, ...] = ("refused", "dns", "tls", "connect_timeout", "reset")


@pytest.mark.parametrize("kind", UNREACHABLE)
async def test_a_backend_that_cannot_be_reached(kind: BreakKind, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(SETTINGS, Replay(UpstreamBroke("cannot connect to replay.invalid:80", kind=kind)))
    answer = await call(app, "GET", "/ready")
    assert answer.error == (503, "overloaded_error", "the backend cannot be reached; the log says why")
    assert "cannot connect to replay.invalid:80" in caplog.text


async def test_a_backend_that_takes_connections_and_says_nothing() -> None:
    async with ScriptedServer([Stall()]) as backend:
        settings = SETTINGS.model_copy(update={"openai_api_base": f"{backend.url}/v1", "first_byte_timeout": 0.05})
        async with alive(create_app(settings)) as app:
            assert (await call(app, "GET", "/ready")).status == 503


async def test_a_backend_is_not_asked_while_the_answer_is_fresh() -> None:
    async with ScriptedServer([Send(reply(WHOLE))]) as backend:
        settings = SETTINGS.model_copy(update={"openai_api_base": f"{backend.url}/v1"})
        async with alive(create_app(settings)) as app:
            for _ in range(3):
                assert (await call(app, "GET", "/ready")).status == 200
    assert [request.target for request in backend.requests] == ["/v1/models"]


async def test_a_reply_to_a_client_is_a_sign_of_life_too() -> None:
    replay = Replay(Recorded(WHOLE, headers=JSON))
    app = create_app(SETTINGS, replay)
    assert (await call(app, "POST", "/v1/messages", question())).status == 200
    assert (await call(app, "GET", "/ready")).status == 200
    assert [sent.path for sent in replay.requests] == ["/chat/completions"]


async def test_a_shutdown_has_begun() -> None:
    app = create_app(SETTINGS, Replay(Recorded(WHOLE, headers=JSON)))
    app.state.running.draining = True
    answer = await call(app, "GET", "/ready")
    assert answer.error == (503, "overloaded_error", "the proxy is shutting down")
    assert (await call(app, "GET", "/health")).status == 200


async def test_it_costs_no_key() -> None:
    settings = SETTINGS.model_copy(update={"proxy_api_key": SecretStr("right")})
    assert (await call(create_app(settings, Replay(Recorded(b"{}"))), "GET", "/ready")).status == 200
