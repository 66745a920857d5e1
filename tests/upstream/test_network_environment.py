"""What the machine's surroundings do to a request: proxies, certificate authorities, both kinds of loopback."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.server.process import listen
from anthropic_proxy.upstream.base import Upstream
from anthropic_proxy.upstream.http import HttpUpstream
from anthropic_proxy.upstream.outbound import is_loopback, proxy_for, trusting
from tests.certificates import AUTHORITY, CERTIFICATE, KEY
from tests.scripted import ScriptedServer, Send, reply
from tests.upstream.clients import Client

OK = [Send(reply(b"{}"))]

DEAD = "http://127.0.0.1:9"
"""A proxy that nobody runs: a request sent to it fails."""

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


async def get(upstream: Upstream) -> bytes:
    """The body of what it answers, and the end of its connections."""
    try:
        async with upstream.get("/models") as answer:
            return await answer.body(100)
    finally:
        await upstream.close()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment, free of what it says of proxies and certificates."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


# Which proxy is used

P = "http://proxy.example:3128"

CHOICES: dict[str, tuple[dict[str, str], str, str | None]] = {
    "none without variables": ({}, "https://api.example/v1", None),
    "HTTPS_PROXY for https": ({"HTTPS_PROXY": P}, "https://api.example/v1", P),
    "HTTP_PROXY for http": ({"HTTP_PROXY": P}, "http://api.example/v1", P),
    "not HTTP_PROXY for https": ({"HTTP_PROXY": P}, "https://api.example/v1", None),
    "the name in small letters": ({"https_proxy": P}, "https://api.example/v1", P),
    "an address without a scheme": ({"HTTPS_PROXY": "proxy.example:3128"}, "https://api.example/v1", P),
    "none for a name in NO_PROXY": ({"HTTPS_PROXY": P, "NO_PROXY": "api.example"}, "https://api.example/v1", None),
    "none for a domain in NO_PROXY": ({"HTTPS_PROXY": P, "NO_PROXY": ".example"}, "https://api.example/v1", None),
    "none for a name and port in NO_PROXY": (
        {"HTTP_PROXY": P, "NO_PROXY": "box.lan:8000"},
        "http://box.lan:8000/v1",
        None,
    ),
    "none for all in NO_PROXY": ({"HTTPS_PROXY": P, "NO_PROXY": "*"}, "https://api.example/v1", None),
    "one for a name that only ends alike": ({"HTTPS_PROXY": P, "NO_PROXY": "i.example"}, "https://api.example/v1", P),
    "one for a private address": ({"HTTP_PROXY": P}, "http://10.0.0.7:8000/v1", P),
}


@pytest.mark.parametrize(("variables", "url", "proxy"), CHOICES.values(), ids=CHOICES.keys())
def test_the_proxy_is(variables: dict[str, str], url: str, proxy: str | None, environment: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    assert proxy_for(urlsplit(url)) == proxy


LOOPBACKS = {
    "127.0.0.1": True,
    "127.8.9.10": True,
    "::1": True,
    "::ffff:127.0.0.1": True,
    "localhost": True,
    "LOCALHOST": True,
    "localhost.": True,
    "litellm.localhost": True,
    "0.0.0.0": True,
    "::": True,
    "10.0.0.7": False,
    "192.168.1.2": False,
    "fe80::1%eth0": False,
    "localhost.example": False,
    "notlocalhost": False,
}


@pytest.mark.parametrize(("host", "loopback"), LOOPBACKS.items(), ids=LOOPBACKS.keys())
def test_this_machine_is_known_by_all_its_names(host: str, loopback: bool, environment: pytest.MonkeyPatch) -> None:
    for name in VARIABLES[:3]:
        environment.setenv(name, P)
    url = urlsplit(f"http://[{host}]:4000/v1" if ":" in host else f"http://{host}:4000/v1")
    assert is_loopback(url.hostname or "") == loopback
    assert proxy_for(url) == (None if loopback else P)


# Loopback of both kinds


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
LOCALHOST = {info[4][0] for info in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)}
needs_ipv6_name = pytest.mark.skipif(
    not has_ipv6() or "::1" not in LOCALHOST, reason="localhost has no IPv6 address here"
)

LISTENERS = [
    pytest.param("127.0.0.1", "127.0.0.1", id="IPv4 by its address"),
    pytest.param("127.0.0.1", "localhost", id="IPv4 by name"),
    pytest.param("::1", "[::1]", id="IPv6 by its address", marks=needs_ipv6),
    pytest.param("::1", "localhost", id="IPv6 by name", marks=needs_ipv6_name),
]


@pytest.mark.parametrize(("host", "name"), LISTENERS)
async def test_a_backend_on_this_machine_is_reached_past_a_dead_proxy(
    host: str, name: str, environment: pytest.MonkeyPatch, client: Client
) -> None:
    for variable in VARIABLES[:3]:
        environment.setenv(variable.upper(), DEAD)
    async with ScriptedServer(OK, host=host) as server:
        assert await get(client(f"http://{name}:{server.port}/v1")) == b"{}"


async def test_the_proxy_is_reached_at_every_address_of_localhost(
    environment: pytest.MonkeyPatch, client: Client
) -> None:
    sockets = listen("localhost", 0)
    assert {bound.getsockname()[0] for bound in sockets} == LOCALHOST
    port = sockets[0].getsockname()[1]
    servers = [await asyncio.start_server(_say_ok, sock=bound) for bound in sockets]
    for name in LOCALHOST:
        host = f"[{name}]" if ":" in str(name) else name
        assert await get(client(f"http://{host}:{port}/v1")) == b"{}"
    for server in servers:
        server.close()


async def _say_ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(reply(b"{}", headers={"connection": "close"}))
    await writer.drain()
    writer.close()


# Whom it trusts


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """What a server needs whose certificate a private authority signed."""
    path = tmp_path / "server.pem"
    path.write_text(CERTIFICATE + KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.fixture
def authority(tmp_path: Path) -> str:
    """A file with that authority."""
    path = tmp_path / "authority.pem"
    path.write_text(AUTHORITY)
    return str(path)


async def test_a_private_authority_is_not_trusted_by_itself(
    tls: ssl.SSLContext, environment: pytest.MonkeyPatch, client: Client
) -> None:
    async with ScriptedServer(OK, tls=tls) as server:
        with pytest.raises(UpstreamBroke, match=r"unable to get local issuer certificate.*SSL_CERT_FILE") as caught:
            await get(client(server.url))
    assert caught.value.kind == "tls"


async def test_a_private_authority_is_trusted_by_setting(
    tls: ssl.SSLContext, authority: str, environment: pytest.MonkeyPatch, client: Client
) -> None:
    async with ScriptedServer(OK, tls=tls) as server:
        assert await get(client(server.url, ssl_cert_file=authority)) == b"{}"


async def test_a_private_authority_is_trusted_by_the_environments_file(
    tls: ssl.SSLContext, authority: str, environment: pytest.MonkeyPatch, client: Client
) -> None:
    environment.setenv("SSL_CERT_FILE", authority)
    async with ScriptedServer(OK, tls=tls) as server:
        assert await get(client(server.url)) == b"{}"


async def test_a_private_authority_is_trusted_by_the_systems_folder(
    tls: ssl.SSLContext, tmp_path: Path, environment: pytest.MonkeyPatch, client: Client
) -> None:
    """OpenSSL finds an authority in a folder by the hash of its name, which is how systems keep them."""
    (tmp_path / "c511b285.0").write_text(AUTHORITY)
    environment.setenv("SSL_CERT_DIR", str(tmp_path))
    async with ScriptedServer(OK, tls=tls) as server:
        assert await get(client(server.url)) == b"{}"


async def test_an_authority_does_not_stand_in_for_a_name(
    tls: ssl.SSLContext, authority: str, environment: pytest.MonkeyPatch, client: Client
) -> None:
    async with ScriptedServer(OK, tls=tls, host="127.0.0.2") as server:
        with pytest.raises(UpstreamBroke, match="IP address mismatch"):
            await get(client(server.url, ssl_cert_file=authority))


SYSTEM = ssl.get_default_verify_paths().openssl_cafile


@pytest.mark.skipif(not Path(SYSTEM).is_file(), reason="this system keeps its authorities elsewhere")
def test_the_systems_authorities_are_trusted_beside_those_of_a_file(
    authority: str, environment: pytest.MonkeyPatch
) -> None:
    alone = trusting(None).cert_store_stats()["x509_ca"]
    assert trusting(authority).cert_store_stats()["x509_ca"] == alone + 1
    environment.setenv("SSL_CERT_FILE", authority)
    assert trusting(None).cert_store_stats()["x509_ca"] == alone + 1


# Through a proxy


@asynccontextmanager
async def tunnel(target: int) -> AsyncIterator[tuple[str, list[str]]]:
    """A proxy that connects whoever asks to that port of this machine: its URL, and the lines it was asked with."""
    asked: list[str] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode().splitlines()[0])
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", target)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def test_https_goes_through_a_tunnel_and_is_checked_end_to_end(
    tls: ssl.SSLContext, authority: str, environment: pytest.MonkeyPatch
) -> None:
    async with ScriptedServer(OK, tls=tls) as server, tunnel(server.port) as (proxy, asked):
        environment.setenv("HTTPS_PROXY", proxy)
        assert await get(HttpUpstream("https://backend.invalid/v1", ssl_cert_file=authority)) == b"{}"
        with pytest.raises(UpstreamBroke) as caught:
            await get(HttpUpstream("https://other.invalid/v1", ssl_cert_file=authority))
    assert asked == ["CONNECT backend.invalid:443 HTTP/1.1", "CONNECT other.invalid:443 HTTP/1.1"]
    assert (server.requests[0].target, len(server.requests)) == ("/v1/models", 1)
    assert caught.value.kind == "tls"


async def test_a_dead_proxy_is_named_and_its_password_is_not(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTPS_PROXY", "http://me:SECRET@127.0.0.1:9")
    with pytest.raises(UpstreamBroke) as caught:
        await get(HttpUpstream("https://backend.invalid/v1"))
    assert caught.value.message == "cannot connect to the proxy 127.0.0.1:9: Connection refused"
