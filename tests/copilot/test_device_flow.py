"""The device flow against a fake GitHub."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from anthropic_proxy.copilot.access import Refused, access
from anthropic_proxy.copilot.device_flow import DeviceCode, Waiting, device_code, wait_for_token
from anthropic_proxy.copilot.github import Unreachable
from anthropic_proxy.copilot.places import Places, places
from anthropic_proxy.copilot.tokens import CopilotError
from tests.fake_copilot import GITHUB_TOKEN, USER_CODE, FakeCopilot
from tests.scripted import ScriptedServer, Send, Step, reply
from tests.servers import serving

PENDING = {"error": "authorization_pending", "error_description": "The authorization request is still pending."}


class World(NamedTuple):
    fake: FakeCopilot
    where: Places


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    fake = FakeCopilot()
    with serving(fake.app) as url:
        yield World(fake, places(fake.environ(url, tmp_path)))


class Patience:
    """A clock that runs as fast as it is asked to wait."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.told: list[Waiting] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


CODE = DeviceCode(USER_CODE, "http://github/login/device", "device-1", 5, 900)


async def wait(where: Places, patience: Patience, code: DeviceCode = CODE) -> str:
    return await wait_for_token(where, code, patience.told.append, patience.sleep)


async def test_github_gives_a_code_to_type(world: World) -> None:
    world.fake.interval = 7
    code = await device_code(world.where)
    assert (code.user_code, code.device_code, code.interval, code.lifetime) == (USER_CODE, "device-1", 7, 900)
    assert code.address.endswith("/login/device")
    (asked,) = world.fake.requests
    assert asked.body == {"client_id": "Iv1.b507a08c87ecfe98", "scope": "read:user"}
    assert (asked.headers["accept"], asked.headers["editor-version"]) == ("application/json", "vscode/1.85.1")


async def test_a_code_that_was_typed_becomes_a_token(world: World) -> None:
    patience = Patience()
    world.fake.polls.extend([PENDING, PENDING])
    assert await wait(world.where, patience) == GITHUB_TOKEN
    assert patience.waits == [5, 5, 5]
    assert patience.told == [Waiting(900, ""), Waiting(895, ""), Waiting(890, "")]
    assert world.fake.requests[0].body == {
        "client_id": "Iv1.b507a08c87ecfe98",
        "device_code": "device-1",
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
    }


async def test_github_can_ask_for_longer_waits(world: World) -> None:
    patience = Patience()
    world.fake.polls.extend([{"error": "slow_down"}, PENDING, {"error": "slow_down", "interval": 30}])
    await wait(world.where, patience)
    assert patience.waits == [5, 10, 10, 30]


ENDS: dict[str, tuple[dict[str, Any], str]] = {
    "the user says no": ({"error": "access_denied"}, "the sign-in was cancelled in the browser"),
    "the code is too old": ({"error": "expired_token"}, "the code has expired; run the command again for a new one"),
    "the application is unknown": ({"error": "incorrect_client_credentials"}, "is GITHUB_COPILOT_CLIENT_ID right"),
    "anything else": ({"error": "odd", "error_description": "Oddly so"}, "GitHub refused the sign-in: Oddly so"),
    "no words at all": ({}, "GitHub refused the sign-in: HTTP 200"),
    "a token that is none": ({"access_token": "a b"}, "GitHub's answer: holds no token"),
}


@pytest.mark.parametrize(("said", "words"), ENDS.values(), ids=ENDS.keys())
async def test_what_ends_the_waiting(said: dict[str, Any], words: str, world: World) -> None:
    world.fake.polls.append(said)
    with pytest.raises(CopilotError, match=words):
        await wait(world.where, Patience())
    assert len(world.fake.requests) == 1


async def test_a_code_that_nobody_types_expires(world: World) -> None:
    world.fake.polls.extend([PENDING] * 9)
    with pytest.raises(CopilotError, match="the code has expired"):
        await wait(world.where, Patience(), CODE._replace(lifetime=12))
    assert len(world.fake.requests) == 3


def github(*bodies: tuple[str, bytes]) -> ScriptedServer:
    scripts: list[list[Step]] = [[Send(reply(body, status))] for status, body in bodies]
    return ScriptedServer(*scripts)


async def test_trouble_on_the_way_is_told_and_outwaited(world: World) -> None:
    patience = Patience()
    async with github(
        ("502 Bad Gateway", b"<html>"), ("429 Too Many Requests", b"{}"), ("200 OK", b'{"access_token": "gho_2"}')
    ) as server:
        where = world.where._replace(access_token_url=f"{server.url}/token")
        assert await wait(where, patience) == "gho_2"
    assert [waiting.trouble for waiting in patience.told] == ["", "GitHub says: HTTP 502", "GitHub says: HTTP 429"]


async def test_a_network_that_comes_back_is_waited_for(world: World) -> None:
    async with ScriptedServer([]) as server:
        gone = f"{server.url}/token"
    patience = Patience()
    with pytest.raises(CopilotError, match="the code has expired"):
        await wait(world.where._replace(access_token_url=gone), patience, CODE._replace(lifetime=10))
    assert patience.told[1].trouble.startswith("cannot connect to 127.0.0.1:")


async def test_no_network_is_said_at_once(world: World) -> None:
    async with ScriptedServer([]) as server:
        gone = f"{server.url}/code"
    with pytest.raises(Unreachable, match=r"cannot connect to 127\.0\.0\.1:\d+: Connection refused"):
        await device_code(world.where._replace(device_code_url=gone))


NO_CODE = {
    "words instead": (("403 Forbidden", b'{"message": "Not for you"}'), "gave no code to sign in with: Not for you"),
    "a page instead": (("200 OK", b"<html>"), "gave no code to sign in with: HTTP 200"),
    "a list instead": (("200 OK", b"[]"), "gave no code to sign in with: HTTP 200"),
}


@pytest.mark.parametrize(("given", "words"), NO_CODE.values(), ids=NO_CODE.keys())
async def test_an_answer_without_a_code_is_said(given: tuple[str, bytes], words: str, world: World) -> None:
    async with github(given) as server:
        with pytest.raises(CopilotError, match=words):
            await device_code(world.where._replace(device_code_url=f"{server.url}/code"))


async def test_an_address_that_is_none_is_said(world: World) -> None:
    with pytest.raises(CopilotError, match=r"github\.com/code: base URL: expected http"):
        await device_code(world.where._replace(device_code_url="github.com/code"))


async def test_a_host_that_is_not_there_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "nowhere.invalid")
    with pytest.raises(Unreachable, match=r"nowhere\.invalid cannot be found: is the network up"):
        await device_code(world.where._replace(device_code_url="http://nowhere.invalid/code"))


async def test_a_token_is_exchanged_for_copilots(world: World) -> None:
    found = await access(world.where, GITHUB_TOKEN)
    assert (found.plan, found.endpoint.endswith("/copilot")) == ("fake_plan", True)
    assert world.fake.requests[0].headers["authorization"] == f"token {GITHUB_TOKEN}"


REFUSALS = {
    "a token that is not accepted": (401, "GitHub does not accept the token; sign in again"),
    "an account without Copilot": (403, "this account has no Copilot"),
    "a personal access token": (404, "this kind of token opens no Copilot"),
    "anything else": (500, "GitHub gave no access to Copilot: HTTP 500"),
    "a success without a token": (200, "GitHub gave no access to Copilot: HTTP 200"),
}


@pytest.mark.parametrize(("status", "words"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_a_refusal_is_explained(status: int, words: str, world: World) -> None:
    world.fake.refusal = (status, "Their own words")
    with pytest.raises(Refused, match=words) as caught:
        await access(world.where, GITHUB_TOKEN)
    assert "GitHub says: Their own words" in str(caught.value)
    assert GITHUB_TOKEN not in str(caught.value)
