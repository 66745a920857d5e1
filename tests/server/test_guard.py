"""The guard: what a web page can make a browser send, and what only programs send."""

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.server.guard import host_name
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.server.asgi import WHOLE, call, question

OURS = Settings(openai_api_base="http://replay.invalid/v1")
NAMED = OURS.model_copy(update={"allowed_hosts": "Proxy.Lan, other.lan."})
OUTSIDE = OURS.model_copy(update={"host": "0.0.0.0", "proxy_api_key": SecretStr("right")})
OUTSIDE_NAMED = OUTSIDE.model_copy(update={"allowed_hosts": "proxy.lan"})
ANY_NAME = OURS.model_copy(update={"allowed_hosts": "*"})


def app(settings: Settings) -> FastAPI:
    return create_app(settings, Replay(Recorded(WHOLE, headers={"content-type": "application/json"})))


WELCOME: dict[str, tuple[Settings, str]] = {
    "localhost": (OURS, "localhost:3000"),
    "localhost without a port, in capitals": (OURS, "LocalHost"),
    "localhost with the root's dot": (OURS, "localhost.:3000"),
    "a name below localhost": (OURS, "proxy.localhost:3000"),
    "an address of this machine": (OURS, "127.0.0.1:3000"),
    "one of IPv6": (OURS, "[::1]:3000"),
    "another address, which needs no name": (OURS, "192.168.1.7:3000"),
    "a name of ALLOWED_HOSTS": (NAMED, "proxy.lan:3000"),
    "the last of them": (NAMED, "other.lan"),
    "localhost beside them": (NAMED, "localhost"),
    "any name, where they say so": (ANY_NAME, "proxy.example.com"),
    "any name, where others are let in and need a key": (OUTSIDE, "proxy.example.com:3000"),
}


@pytest.mark.parametrize(("settings", "host"), WELCOME.values(), ids=WELCOME.keys())
async def test_reached_as(settings: Settings, host: str) -> None:
    answer = await call(app(settings), "POST", "/v1/messages", question(), {"host": host, "x-api-key": "right"})
    assert answer.status == 200


UNKNOWN: dict[str, tuple[Settings, str]] = {
    "a name of somebody's": (OURS, "rebound.example"),
    "a name that begins like ours": (OURS, "localhost.example:3000"),
    "a name that ends like ours": (OURS, "notlocalhost"),
    "a name that looks like an address": (OURS, "127.0.0.1.example"),
    "a name below one of ALLOWED_HOSTS": (NAMED, "x.proxy.lan"),
    "a name beside those of ALLOWED_HOSTS, with a key": (OUTSIDE_NAMED, "proxy.example.com"),
}


@pytest.mark.parametrize("path", ["/v1/messages", "/health", "/nowhere"])
@pytest.mark.parametrize(("settings", "host"), UNKNOWN.values(), ids=UNKNOWN.keys())
async def test_not_reached_as(settings: Settings, host: str, path: str) -> None:
    answer = await call(app(settings), "POST", path, question(), {"host": host, "x-api-key": "right"})
    name = host.removesuffix(":3000")
    told = f"host: this proxy is not reached as {name!r}; if it is to be, name it in ALLOWED_HOSTS"
    assert answer.error == (403, "permission_error", told)


async def test_a_request_that_does_not_say_how_it_reached_us_is_no_browsers() -> None:
    assert (await call(app(OURS), "POST", "/v1/messages", question())).status == 200


HOSTS: dict[str, str | None] = {
    "localhost:3000": "localhost",
    "A-b_c.example:80": "a-b_c.example",
    "[2001:DB8::1]:3000": "[2001:db8::1]",
    "[::1]": "[::1]",
    "localhost:": "localhost",
    "": None,
    ":3000": None,
    "localhost:3000x": None,
    "localhost/v1/health?": None,
    "localhost#": None,
    "user@localhost": None,
    "localhost, localhost": None,
    "local host": None,
    "::1": None,
    "[::1": None,
    "a..b": None,
    "%6cocalhost": None,
    "localhost:3000/../": None,
}


@pytest.mark.parametrize(("value", "expected"), HOSTS.items())
def test_host_name(value: str, expected: str | None) -> None:
    assert host_name(value.encode()) == expected


async def test_a_host_that_would_change_the_path_is_refused() -> None:
    answer = await call(app(OURS), "POST", "/v1/messages", question(), {"host": "localhost/health?x="})
    assert answer.error == (400, "invalid_request_error", "host: not the name or the address of a host")


ORIGINS: dict[str, tuple[str, int]] = {
    "a page of somebody's": ("https://page.example", 403),
    "a page of another program here": ("http://localhost:5173", 403),
    "a page on the same host, on its usual port": ("http://localhost", 403),
    "a page that hides where it is from": ("null", 403),
    "a file": ("file://", 403),
    "an extension": ("chrome-extension://abcdef", 403),
    "no address": ("http://[", 403),
    "a page of our own": ("http://localhost:3000", 200),
}


@pytest.mark.parametrize(("origin", "status"), ORIGINS.values(), ids=ORIGINS.keys())
async def test_asked_by(origin: str, status: int) -> None:
    headers = {"host": "localhost:3000", "origin": origin}
    answer = await call(app(OURS), "POST", "/v1/messages", question(), headers)
    assert answer.status == status
    if status == 403:
        assert answer.error == (403, "permission_error", "origin: requests from web pages are not served")


async def test_a_page_that_does_not_say_where_it_goes_is_none_of_ours() -> None:
    assert (await call(app(OURS), "POST", "/v1/messages", question(), {"origin": "null"})).status == 403


@pytest.mark.parametrize("path", ["/v1/messages", "/health"])
@pytest.mark.parametrize("method", ["OPTIONS", "GET", "POST"])
async def test_no_page_is_told_that_it_may(method: str, path: str) -> None:
    headers = {"host": "localhost", "origin": "https://page.example", "access-control-request-method": "POST"}
    for given in (headers, {"host": "localhost"}):
        answer = await call(app(OURS), method, path, question(), given)
        assert [name for name in answer.headers if name.startswith("access-control-")] == []


TYPES: dict[str, int] = {
    "application/json": 200,
    "Application/JSON; charset=utf-8": 200,
    "application/vnd.anthropic+json": 200,
    "text/plain": 415,
    "application/x-www-form-urlencoded": 415,
    "multipart/form-data; boundary=application/json": 415,
    "text/plain; application/json": 415,
    "text/json": 415,
    "": 415,
}


@pytest.mark.parametrize(("content_type", "status"), TYPES.items())
async def test_sent_as(content_type: str, status: int) -> None:
    answer = await call(app(OURS), "POST", "/v1/messages", question(), {"content-type": content_type})
    assert answer.status == status
    if status == 415:
        assert answer.error == (415, "invalid_request_error", "content-type: expected application/json")


async def test_the_port_of_the_figures_has_nothing_else() -> None:
    # The server of these tests says that it listens on port 2.
    there = app(OURS.model_copy(update={"metrics": "2"}))
    assert (await call(there, "POST", "/v1/messages", question())).error[0] == 404
    elsewhere = app(OURS.model_copy(update={"metrics": "3"}))
    assert (await call(elsewhere, "POST", "/v1/messages", question())).status == 200
    assert (await call(elsewhere, "GET", "/metrics")).error[0] == 404
