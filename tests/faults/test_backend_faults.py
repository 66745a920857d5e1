"""Faults of a backend as a whole, not of one reply: each with a proxy of its own, which is still there afterwards."""

import asyncio
import json
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from anthropic_proxy.config import Settings
from tests.certificates import AUTHORITY, CERTIFICATE, EXPIRED, EXPIRED_KEY, KEY
from tests.faults.scripts import STREAM, Moment, good
from tests.faults.trying import CLIENTS, SETTINGS, asked, cells_of, check, play, question, try_good
from tests.proxying import ask, proxying
from tests.scripted import Close, Deaf, Pause, Request, Reset, ScriptedServer, Send, Stall, Step, reply, stream

PointedAt = Callable[..., Settings]


@pytest.fixture(params=CLIENTS)
def pointed_at(request: pytest.FixtureRequest) -> PointedAt:
    """Makes settings of a server, by the name of a host if it is to have another, and of other fields."""

    def settings(server: ScriptedServer, host: str = "127.0.0.1", **fields: object) -> Settings:
        scheme = server.url.partition(":")[0]
        base_url = f"{scheme}://{host}:{server.port}/v1"
        return SETTINGS.model_copy(update={"openai_api_base": base_url, "upstream_client": request.param, **fields})

    return settings


def playing(request: Request) -> list[Step]:
    return play(request, "")


async def try_row(url: str, fault: str) -> None:
    """Each cell of the row, one after the other."""
    for cell in cells_of(fault):
        check(await asked(url, cell), cell)


async def test_a_connection_that_is_refused(pointed_at: PointedAt) -> None:
    async with ScriptedServer(playing) as backend:
        settings = pointed_at(backend)
    async with proxying(settings) as url:
        await try_row(url, "refuses the connection")
        async with ScriptedServer(playing, port=backend.port):
            await try_good(url, stream=True)


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_name_that_cannot_be_found(client: str) -> None:
    there = {"openai_api_base": "http://backend.invalid/v1", "upstream_client": client}
    settings = SETTINGS.model_copy(update=there)
    async with proxying(settings) as url:
        await try_row(url, "has a name that cannot be found")


POOLED: dict[str, Step] = {
    "has closed a pooled connection without a word": Close(),
    "has reset a pooled connection": Reset(),
}


@pytest.mark.parametrize("asleep", [True, False], ids=["while nobody looks", "when the next request comes"])
@pytest.mark.parametrize(("fault", "last"), POOLED.items(), ids=POOLED.keys())
async def test_a_pooled_connection_that_has_died(pointed_at: PointedAt, fault: str, last: Step, asleep: bool) -> None:
    def script(request: Request) -> list[Step]:
        """The first request on a connection is answered, and a second one finds it dead."""
        if sum(other.connection == request.connection for other in backend.requests) > 1:
            return [last]
        answer = good(Moment(bool(json.loads(request.body).get("stream")), midway=False))
        return [*answer, last] if asleep else answer

    async with ScriptedServer(script) as backend, proxying(pointed_at(backend)) as url:
        for cell in cells_of(fault):
            await try_good(url, cell.stream)
            await asyncio.sleep(0.02 if asleep else 0)
            await try_good(url, cell.stream)
        assert backend.connections > 1


async def test_an_answer_that_nobody_asked_for_is_not_given_to_the_next_client(pointed_at: PointedAt) -> None:
    unasked = reply(b'{"choices": [{"message": {"content": "somebody else\'s"}, "finish_reason": "stop"}]}')
    async with ScriptedServer([*stream(STREAM), Send(unasked)]) as backend, proxying(pointed_at(backend)) as url:
        for _ in range(10):
            await try_good(url, stream=True)


LARGE = {"system": "x" * 8_000_000}
"""More than the network holds, so that it is being sent for as long as nobody reads it."""


async def test_a_reset_while_the_request_is_being_sent(pointed_at: PointedAt) -> None:
    hanging_up = ScriptedServer(playing, greeting=[Deaf(0.05), Reset()])
    async with hanging_up as backend, proxying(pointed_at(backend)) as url:
        for cell in cells_of("resets the connection while the request is still being sent"):
            check(await ask(url, question("good", cell.stream, **LARGE)), cell)


async def test_a_request_that_nobody_reads(pointed_at: PointedAt) -> None:
    deaf = ScriptedServer(playing, greeting=[Deaf(30)])
    async with deaf as backend, proxying(pointed_at(backend, first_byte_timeout=0.4)) as url:
        for cell in cells_of("does not read the request"):
            check(await ask(url, question("good", cell.stream, **LARGE)), cell)


# TLS


def served_with(certificate: str, key: str, folder: Path) -> ssl.SSLContext:
    path = folder / "server.pem"
    path.write_text(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def trusting(authority: str, folder: Path) -> str:
    path = folder / "authority.pem"
    path.write_text(authority)
    return str(path)


CERTIFICATES: dict[str, tuple[str, str, str, str]] = {
    "has a certificate that has expired": (EXPIRED, EXPIRED_KEY, EXPIRED, "127.0.0.1"),
    "has a certificate for another host": (CERTIFICATE, KEY, AUTHORITY, "127.0.0.2"),
    "has a certificate of an unknown authority": (CERTIFICATE, KEY, EXPIRED, "127.0.0.1"),
}
"""The backend's certificate and key, the authority that the proxy trusts, and the host it knows the backend by."""


@pytest.mark.parametrize(("fault", "given"), CERTIFICATES.items(), ids=CERTIFICATES.keys())
async def test_a_certificate_that_does_not_hold(
    pointed_at: PointedAt, fault: str, given: tuple[str, str, str, str], tmp_path: Path
) -> None:
    certificate, key, authority, host = given
    trusted = trusting(authority, tmp_path)
    dubious = ScriptedServer(playing, tls=served_with(certificate, key, tmp_path), host="0.0.0.0")
    async with dubious as backend, proxying(pointed_at(backend, host, ssl_cert_file=trusted)) as url:
        await try_row(url, fault)
    assert backend.requests == [], "something was said to a server that nobody vouches for"


async def test_a_tls_connection_that_breaks_off(pointed_at: PointedAt, tmp_path: Path) -> None:
    begun = asyncio.Event()

    def script(request: Request) -> list[Step]:
        """As with a bare connection. A TLS one has an end of its own, which does not come."""
        body = json.loads(request.body)
        stream = bool(body.get("stream"))
        if body["model"] == "good":
            return good(Moment(stream, midway=False))
        moment = Moment(stream, json.loads(body["model"])[1], begun=begun)
        return [*moment.up_to_here(), Pause(0.01), Reset()]

    trusted = trusting(AUTHORITY, tmp_path)
    safe = ScriptedServer(script, tls=served_with(CERTIFICATE, KEY, tmp_path))
    async with safe as backend, proxying(pointed_at(backend, ssl_cert_file=trusted)) as url:
        for cell in cells_of("breaks a TLS connection off"):
            begun.clear()
            check(await asked(url, cell, begun), cell)
            await try_good(url, cell.stream)


async def test_plain_http_where_tls_is_expected(pointed_at: PointedAt) -> None:
    async with ScriptedServer(playing, greeting=[Send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Stall()]) as backend:
        settings = pointed_at(backend)
        settings = settings.model_copy(update={"openai_api_base": settings.openai_api_base.replace("http:", "https:")})
        async with proxying(settings) as url:
            await try_row(url, "speaks plain HTTP where TLS is expected")
