"""The words of each diagnosis, from what went wrong."""

from collections.abc import Mapping
from typing import get_args

import pytest

from anthropic_proxy.config import Settings, SettingsError
from anthropic_proxy.doctor.diagnosis import (
    Place,
    corrected,
    near,
    of_break,
    of_loop,
    of_proxy_variables,
    of_settings,
)
from anthropic_proxy.errors import BreakKind, UpstreamBroke

BREAKS: dict[str, tuple[str, BreakKind, str, str, str, str]] = {
    "nothing listens": (
        "http://127.0.0.1:9999/v1",
        "refused",
        "cannot connect to 127.0.0.1:9999: Connection refused",
        "refused",
        "nothing listens at 127.0.0.1:9999",
        "start the backend, or correct OPENAI_API_BASE",
    ),
    "nothing listens where Ollama would": (
        "http://localhost:11434/v1",
        "refused",
        "cannot connect to localhost:11434: Connection refused",
        "refused",
        "nothing listens at localhost:11434",
        "start the backend (ollama serve), or correct OPENAI_API_BASE",
    ),
    "nothing listens where another machine's Ollama would": (
        "http://box.lan:11434/v1",
        "refused",
        "cannot connect to box.lan:11434: Connection refused",
        "refused",
        "nothing listens at box.lan:11434",
        "start the backend, or correct OPENAI_API_BASE",
    ),
    "a proxy that is not there": (
        "https://api.example/v1",
        "refused",
        "cannot connect to the proxy proxy.example:3128: Connection refused",
        "proxy_dead",
        "cannot connect to the proxy proxy.example:3128: Connection refused",
        "correct HTTP_PROXY and HTTPS_PROXY, or add api.example to NO_PROXY",
    ),
    "a proxy that wants a password": (
        "https://api.example/v1",
        "refused",
        "cannot connect to api.example:443: the proxy answered 407 Proxy Authentication Required",
        "proxy_dead",
        "cannot connect to api.example:443: the proxy answered 407 Proxy Authentication Required",
        "correct HTTP_PROXY and HTTPS_PROXY, or add api.example to NO_PROXY",
    ),
    "a name nobody knows": (
        "https://api.exmaple/v1",
        "dns",
        "cannot find api.exmaple:443: Name or service not known; is the base URL right?",
        "dns",
        "there is no host api.exmaple",
        "correct the name in OPENAI_API_BASE",
    ),
    "a private authority": (
        "https://llm.corp/v1",
        "tls",
        "no secure connection to llm.corp:443: self-signed certificate in certificate chain; name your own "
        "certificate authority in SSL_CERT_FILE",
        "private_ca",
        "the certificate of llm.corp is not trusted (self-signed certificate in certificate chain)",
        "set SSL_CERT_FILE to the PEM file of the authority that signed it",
    ),
    "a certificate for another name": (
        "https://10.0.0.7/v1",
        "tls",
        "no secure connection to 10.0.0.7:443: IP address mismatch, certificate is not valid for '10.0.0.7'; name "
        "your own certificate authority in SSL_CERT_FILE",
        "certificate_name",
        "the certificate of 10.0.0.7 is for another name (IP address mismatch, certificate is not valid for "
        "'10.0.0.7')",
        "use the name in the certificate in OPENAI_API_BASE",
    ),
    "a certificate of yesterday": (
        "https://llm.corp/v1",
        "tls",
        "no secure connection to llm.corp:443: certificate has expired; name your own certificate authority in "
        "SSL_CERT_FILE",
        "certificate_date",
        "the certificate of llm.corp is not valid today (certificate has expired)",
        "renew it, or set this machine's clock",
    ),
    "https where http is spoken": (
        "https://localhost:8000/v1",
        "tls",
        "no secure connection to localhost:8000: wrong version number; name your own certificate authority in "
        "SSL_CERT_FILE",
        "no_tls",
        "localhost:8000 does not speak TLS",
        "set OPENAI_API_BASE=http://localhost:8000/v1",
    ),
    "any other trouble with TLS": (
        "https://llm.corp/v1",
        "tls",
        "no secure connection to llm.corp:443: handshake failed; name your own certificate authority in SSL_CERT_FILE",
        "tls",
        "no secure connection to llm.corp (handshake failed)",
        "check OPENAI_API_BASE",
    ),
    "http where TLS is spoken": (
        "http://localhost:8443/v1",
        "protocol",
        "localhost:8443 sent what is not proper HTTP: Bad status line",
        "not_http",
        "localhost:8443 does not speak HTTP",
        "try OPENAI_API_BASE=https://localhost:8443/v1",
    ),
    "a host behind a firewall": (
        "https://api.example/v1",
        "connect_timeout",
        "no connection to api.example:443 within 10 s (setting CONNECT_TIMEOUT)",
        "connect_timeout",
        "api.example cannot be reached",
        "check OPENAI_API_BASE, the firewall, and whether an HTTPS_PROXY is needed",
    ),
}


@pytest.mark.parametrize(("url", "kind", "message", "name", "cause", "remedy"), BREAKS.values(), ids=BREAKS.keys())
def test_break(url: str, kind: BreakKind, message: str, name: str, cause: str, remedy: str) -> None:
    found = of_break(UpstreamBroke(message, kind=kind), Place(url))
    assert (found.name, found.cause, found.remedy) == (name, cause, remedy)


@pytest.mark.parametrize("kind", get_args(BreakKind))
def test_every_kind_of_break_has_a_diagnosis_in_one_line(kind: BreakKind) -> None:
    found = of_break(UpstreamBroke("api.example:443 {odd} words", kind=kind), Place("https://api.example/v1"))
    text = f"{found.cause}: {found.remedy}"
    assert found.remedy
    assert not set("\n{}") & set(text.replace("{odd}", ""))


CORRECTED = {
    "/v1 is missing": ("http://h:4000", "http://h:4000/v1"),
    "/v1 is missing below a path": ("https://openrouter.ai/api/", "https://openrouter.ai/api/v1"),
    "/v1 stands twice": ("http://h/v1/v1", "http://h/v1"),
    "something stands behind /v1": ("http://h/v1/models", "http://h/v1"),
    "/v1 is there": ("http://h/v1", "http://h"),
    "a query is kept": ("http://h/x?api-version=1", "http://h/x/v1?api-version=1"),
}


@pytest.mark.parametrize(("wrong", "better"), CORRECTED.values(), ids=CORRECTED.keys())
def test_corrected(wrong: str, better: str) -> None:
    assert corrected(wrong) == better


NAMES = ("openai/gpt-5.2", "anthropic/claude-sonnet-4.5", "anthropic/claude-haiku-4.5", "qwen3:8b", "embed")

NEAR: dict[str, tuple[str, list[str]]] = {
    "a part of a name": ("sonnet", ["anthropic/claude-sonnet-4.5"]),
    "a typing error": ("gtp-5.2", ["openai/gpt-5.2"]),
    "another spelling of the vendor": ("Claude/claude-haiku-4-5", ["anthropic/claude-haiku-4.5"]),
    "a tag too much": ("qwen3:8b-instruct", ["qwen3:8b"]),
    "nothing like any": ("zzz", list(NAMES[:3])),
}


@pytest.mark.parametrize(("model", "names"), NEAR.values(), ids=NEAR.keys())
def test_near(model: str, names: list[str]) -> None:
    found = near(model, NAMES)
    assert found[: len(names)] == names
    assert len(found) <= 3


PROXIES: dict[str, tuple[Mapping[str, str], str | None]] = {
    "no proxy": ({}, None),
    "a proxy for all": (
        {"HTTP_PROXY": "http://p:1"},
        "HTTP_PROXY catches 127.0.0.1 and localhost, so that clients may miss the proxy: "
        "export NO_PROXY=127.0.0.1,localhost,::1",
    ),
    "a proxy for all but one name of this machine": (
        {"https_proxy": "http://p:1", "no_proxy": "example.com,localhost"},
        "HTTPS_PROXY catches 127.0.0.1, so that clients may miss the proxy: "
        "export NO_PROXY=example.com,localhost,127.0.0.1,::1",
    ),
    "a proxy for others": ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "localhost, 127.0.0.1"}, None),
    "a proxy for nobody": ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
}


@pytest.mark.parametrize(("environ", "expected"), PROXIES.values(), ids=PROXIES.keys())
def test_proxy_variables(environ: Mapping[str, str], expected: str | None) -> None:
    found = of_proxy_variables(environ)
    assert (f"{found.cause}: {found.remedy}" if found else None) == expected


LOOPS = {
    "the proxy's own port": ("http://127.0.0.1:3000/v1", True),
    "the proxy's own port by another name": ("http://localhost:3000", True),
    "another port": ("http://127.0.0.1:4000/v1", False),
    "the same port elsewhere": ("http://10.0.0.7:3000/v1", False),
}


@pytest.mark.parametrize(("url", "loops"), LOOPS.values(), ids=LOOPS.keys())
def test_loop(url: str, loops: bool) -> None:
    assert (of_loop(Settings(openai_api_base=url)) is not None) == loops


def test_a_reference_that_nothing_replaced_has_its_remedy() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"OPENAI_API_BASE": "http://h/v1", "OPENAI_API_KEY": "${KEY}"})
    found = of_settings(caught.value)
    assert (found.name, found.settings) == ("unreplaced", True)
    assert found.cause == "OPENAI_API_KEY: still holds ${KEY}, which nothing replaced"
    assert found.remedy == "define that variable, or write its value there"


def test_a_wrong_setting_speaks_for_itself() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"OPENAI_API_BASE": "localhost"})
    found = of_settings(caught.value)
    assert (found.name, found.remedy) == ("setting", "")
    assert found.cause.startswith("OPENAI_API_BASE='localhost': must be ")
