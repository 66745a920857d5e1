"""Rate limits: who is counted, when it is too much, and what they are told."""

from collections.abc import Mapping

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import ProxyError
from anthropic_proxy.server.rate import RateLimit
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.server.asgi import WHOLE, Answer, call, question

OPEN = Settings(openai_api_base="http://replay.invalid/v1", rate_limit="2/day")
SHARED = OPEN.model_copy(update={"proxy_api_key": SecretStr("ann,bob")})
NOWHERE = SecretStr("redis://:the-password@127.0.0.1:1")


def app(settings: Settings) -> FastAPI:
    return create_app(settings, Replay(Recorded(WHOLE, headers={"content-type": "application/json"})))


async def ask(app: FastAPI, key: str, body: object = None) -> Answer:
    return await call(app, "POST", "/v1/messages", body or question(), {"x-api-key": key})


async def test_one_too_many_is_told_when_to_come_again() -> None:
    limited = app(SHARED)
    assert [(await ask(limited, "ann")).status for _ in range(2)] == [200, 200]
    answer = await ask(limited, "ann")
    told = "this proxy takes 2 per 1 day from each client (setting RATE_LIMIT)"
    assert answer.error == (429, "rate_limit_error", told)
    assert 24 * 3600 - 60 < int(answer.headers["retry-after"]) <= 24 * 3600


async def test_each_key_is_counted_by_itself() -> None:
    limited = app(SHARED)
    assert [(await ask(limited, key)).status for key in ("ann", "ann", "ann", "bob", "ann")] == [
        200,
        200,
        429,
        200,
        429,
    ]


async def test_without_keys_a_client_is_its_address_whatever_it_shows() -> None:
    limited = app(OPEN)
    assert [(await ask(limited, key)).status for key in ("a", "b", "c")] == [200, 200, 429]


async def test_a_wrong_key_is_not_counted() -> None:
    limited = app(SHARED)
    assert [(await ask(limited, "eve")).status for _ in range(3)] == [401] * 3
    assert (await ask(limited, "ann")).status == 200


async def test_a_bad_request_is_counted_and_others_than_messages_are_not() -> None:
    limited = app(OPEN)
    assert [(await ask(limited, "a", b"{")).status for _ in range(3)] == [400, 400, 429]
    assert (await call(limited, "GET", "/health")).status == 200


async def test_every_one_of_several_rates_counts() -> None:
    limit = RateLimit(OPEN.model_copy(update={"rate_limit": "3/minute, 2/hour"}))
    await limit.check("a")
    await limit.check("a")
    with pytest.raises(ProxyError, match="2 per 1 hour"):
        await limit.check("a")


async def test_a_redis_that_cannot_be_reached_refuses_nobody_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    limited = app(OPEN.model_copy(update={"rate_limit_store": NOWHERE}))
    assert [(await ask(limited, "a")).status for _ in range(3)] == [200] * 3
    lines = [record.getMessage() for record in caplog.records if "RATE_LIMIT_STORE" in record.getMessage()]
    assert len(lines) == 1
    assert lines[0].startswith("RATE_LIMIT_STORE: cannot be reached, so requests are not counted: ")
    assert "the-password" not in caplog.text


STORES: Mapping[str, str] = {
    "another kind of store": "memcached+x://host",
    "no address": "host:6379",
    "no port": "redis://:the-password@host:port",
}


@pytest.mark.parametrize("store", STORES.values(), ids=STORES.keys())
def test_no_store(store: str) -> None:
    with pytest.raises(ValueError, match=r"^RATE_LIMIT_STORE: not the address of a Redis, such as redis://host:6379$"):
        RateLimit(OPEN.model_copy(update={"rate_limit_store": SecretStr(store)}))
