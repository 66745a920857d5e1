"""Settings from the environment: defaults, and one clear line for what is wrong."""

import pytest
from pydantic import SecretStr

from anthropic_proxy.addresses import is_loopback, is_private
from anthropic_proxy.config import Settings, SettingsError, allowed, corrections

LOCAL = {"OPENAI_API_BASE": "http://127.0.0.1:4000/v1"}
REMOTE = {"OPENAI_API_BASE": "https://api.example.com/v1"}
URL = "an http:// or https:// URL without credentials in it, such as http://127.0.0.1:4000/v1"


def test_a_base_url_is_enough_for_a_local_backend() -> None:
    settings = Settings.from_env(LOCAL)
    assert (settings.host, settings.port, settings.model, settings.openai_api_key) == ("127.0.0.1", 3000, None, None)


READ = {
    "a number": ("PORT", "8080", "port", 8080),
    "a fraction of a second": ("PING_EVERY", "0.5", "ping_every", 0.5),
    "a switch, on": ("STRICT", "true", "strict", True),
    "a switch, in other words": ("STRICT", "On", "strict", True),
    "a switch, off": ("FORWARD_KEY", "0", "forward_key", False),
    "a choice": ("SHOW_THINKING", "always", "show_thinking", "always"),
    "a choice in capitals": ("LOG_LEVEL", "INFO", "log_level", "info"),
    "a model's name, capitals kept": ("MODEL", "Qwen3-Coder", "model", "Qwen3-Coder"),
    "white space round a value is not part of it": ("MODEL", " m\n", "model", "m"),
    "an empty value counts as unset": ("PORT", "", "port", 3000),
    "a blank value counts as unset": ("MODEL", "  ", "model", None),
    "a key": ("OPENAI_API_KEY", "sk-1234", "openai_api_key", SecretStr("sk-1234")),
    "facts of the dialect": ("DIALECT", "vision=false stop_max=2", "dialect", "vision=false stop_max=2"),
    "a backend by name": ("BACKEND", "ollama", "backend", "ollama"),
}


@pytest.mark.parametrize(("variable", "value", "field", "expected"), READ.values(), ids=READ.keys())
def test_what_is_read(variable: str, value: str, field: str, expected: object) -> None:
    assert getattr(Settings.from_env({**LOCAL, variable: value}), field) == expected


BASES = {
    "as it should be": ("https://api.example.com/v1", "https://api.example.com/v1"),
    "a slash at the end": ("https://api.example.com/v1/", "https://api.example.com/v1"),
    "the endpoint at the end": ("https://api.example.com/v1/chat/completions", "https://api.example.com/v1"),
    "the endpoint before a query": (
        "https://api.example.com/v1/chat/completions?api-version=1",
        "https://api.example.com/v1?api-version=1",
    ),
    "the endpoint and a slash": ("https://api.example.com/v1/chat/completions/", "https://api.example.com/v1"),
}


@pytest.mark.parametrize(("given", "expected"), BASES.values(), ids=BASES.keys())
def test_base_url(given: str, expected: str) -> None:
    environ = {"OPENAI_API_BASE": given, "OPENAI_API_KEY": "k"}
    settings = Settings.from_env(environ)
    assert settings.openai_api_base == expected
    assert len(corrections(settings, environ)) == ("completions" in given)


WRONG = {
    "no base URL": ({}, f"OPENAI_API_BASE: missing; set it to {URL}"),
    "a base URL without a scheme": (
        {"OPENAI_API_BASE": "api.example.com/v1"},
        f"OPENAI_API_BASE='api.example.com/v1': must be {URL}",
    ),
    "a base URL with an impossible port": (
        {"OPENAI_API_BASE": "http://localhost:99999"},
        f"OPENAI_API_BASE='http://localhost:99999': must be {URL}",
    ),
    "a base URL with a password in it, which is not repeated": (
        {"OPENAI_API_BASE": "http://me:secret@localhost/v1"},
        f"OPENAI_API_BASE: must be {URL}",
    ),
    "a port that is no number": ({**LOCAL, "PORT": "http"}, "PORT='http': must be a whole number from 0 to 65535"),
    "a port out of range": ({**LOCAL, "PORT": "70000"}, "PORT='70000': must be a whole number from 0 to 65535"),
    "a switch that is neither on nor off": ({**LOCAL, "STRICT": "maybe"}, "STRICT='maybe': must be true or false"),
    "a word that is no choice": (
        {**LOCAL, "STOP_SEQUENCES": "drop"},
        "STOP_SEQUENCES='drop': must be scan or upstream",
    ),
    "a time of nothing": ({**LOCAL, "PING_EVERY": "0"}, "PING_EVERY='0': must be a number more than 0"),
    "a time without an end": ({**LOCAL, "PING_EVERY": "inf"}, "PING_EVERY='inf': must be a number more than 0"),
    "dialect facts without a value": (
        {**LOCAL, "DIALECT": "vision"},
        "DIALECT: vision: has no value; write vision=…, true or false",
    ),
    "a fact that no dialect has": (
        {**LOCAL, "DIALECT": "vison=true"},
        "DIALECT: vison: a dialect has no such field; did you mean vision?",
    ),
    "a key with a line break in it, which is not repeated": (
        {**LOCAL, "OPENAI_API_KEY": "sk-1\nsk-2"},
        "OPENAI_API_KEY: must be ASCII characters without spaces or line breaks",
    ),
    "no key for a backend elsewhere": (
        REMOTE,
        "OPENAI_API_KEY: missing; https://api.example.com/v1 needs a key (or set FORWARD_KEY=true)",
    ),
    "a reference that nothing replaced": (
        {**LOCAL, "OPENAI_API_KEY": "${MY_KEY}"},
        "OPENAI_API_KEY: still holds ${MY_KEY}, which nothing replaced",
    ),
    "a key of nothing but commas": ({**LOCAL, "PROXY_API_KEY": ",,"}, "PROXY_API_KEY: holds no key, only commas"),
    "keys in a file that nobody has read": (
        {**LOCAL, "PROXY_API_KEY_FILE": "keys.txt"},
        "PROXY_API_KEY_FILE: not read; env_file.with_keys(environ) does that",
    ),
    "a certificate without its key": (
        {**LOCAL, "TLS_CERT_FILE": "cert.pem"},
        "TLS_KEY_FILE: missing; TLS_CERT_FILE needs it",
    ),
    "a certificate's key without it": (
        {**LOCAL, "TLS_KEY_FILE": "key.pem"},
        "TLS_CERT_FILE: missing; TLS_KEY_FILE needs it",
    ),
    "a rate in words": (
        {**LOCAL, "RATE_LIMIT": "often"},
        "RATE_LIMIT='often': must be a number, a slash and a second, minute, hour or day, such as 60/minute; "
        "several with commas between",
    ),
    "a store with a password that is not one": (
        {**LOCAL, "RATE_LIMIT_STORE": "redis://:pass word@host"},
        "RATE_LIMIT_STORE: must be ASCII characters without spaces or line breaks",
    ),
    "figures on no port": (
        {**LOCAL, "METRICS": "65536"},
        "METRICS='65536': must be off, on, or a port from 1 to 65535",
    ),
    "an open door without a key": (
        {**LOCAL, "HOST": "0.0.0.0"},
        "PROXY_API_KEY: missing; HOST=0.0.0.0 lets others in, so choose a key they must send",
    ),
}


@pytest.mark.parametrize(("environ", "line"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_one_line(environ: dict[str, str], line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(environ)
    assert str(caught.value) == line
    assert line.startswith(caught.value.variable)


def test_forward_key_makes_a_key_of_ones_own_needless() -> None:
    assert Settings.from_env({**REMOTE, "FORWARD_KEY": "true"}).openai_api_key is None


def test_a_key_opens_the_door_to_others() -> None:
    assert Settings.from_env({**LOCAL, "HOST": "0.0.0.0", "PROXY_API_KEY": "k"}).host == "0.0.0.0"


def test_keys_do_not_show() -> None:
    settings = Settings.from_env(
        {
            **LOCAL,
            "OPENAI_API_KEY": "sk-secret-1",
            "PROXY_API_KEY": "sk-secret-2,sk-secret-3",
            "RATE_LIMIT_STORE": "redis://:secret-4@host",
        }
    )
    assert "secret-" not in repr(settings) + str(settings) + settings.model_dump_json()
    assert settings.secrets == ["sk-secret-1", "redis://:secret-4@host", "sk-secret-2", "sk-secret-3"]


METRICS = {"off": None, "on": None, "ON": None, "9100": 9100}


@pytest.mark.parametrize(("value", "port"), METRICS.items())
def test_the_port_of_the_figures(value: str, port: int | None) -> None:
    assert Settings.from_env({**LOCAL, "METRICS": value}).metrics_port == port


RATES = ["60/minute", "5/second", "100/2hour", "10/minute,500/day", "10/minute, 500/day"]


@pytest.mark.parametrize("rate", RATES)
def test_a_rate(rate: str) -> None:
    assert Settings.from_env({**LOCAL, "RATE_LIMIT": rate}).rate_limit == rate


def test_variables_of_others_are_left_alone() -> None:
    assert Settings.from_env({**LOCAL, "PATH": "/bin", "TIMEOUT": "x"}) == Settings.from_env(LOCAL)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_means(name: str) -> None:
    assert (Settings.model_fields[name].description or "").endswith(".")


@pytest.mark.parametrize("name", [name for name, field in Settings.model_fields.items() if field.annotation is not str])
def test_every_setting_that_can_be_wrong_says_what_is_right(name: str) -> None:
    free_text = Settings.model_fields[name].annotation == str | None
    assert bool(allowed(name)) != free_text


def test_a_wrong_name_of_a_backend_is_answered_with_the_right_ones() -> None:
    with pytest.raises(SettingsError, match=r"BACKEND: 'olama' is not the name of a backend; the names are .*ollama"):
        Settings.from_env({**LOCAL, "BACKEND": "olama"})


LOOPBACK = {"127.0.0.1": True, "127.8.8.8": True, "::1": True, "localhost": True, "0.0.0.0": False, "example": False}


@pytest.mark.parametrize(("host", "expected"), LOOPBACK.items())
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected


PRIVATE = {
    "http://localhost:4000/v1": True,
    "http://[::1]:4000/v1": True,
    "http://192.168.1.7:11434/v1": True,
    "http://10.0.0.3/v1": True,
    "http://litellm:4000/v1": True,
    "http://host.docker.internal:4000/v1": True,
    "http://gpu.lan/v1": True,
    "http://8.8.8.8/v1": False,
    "https://api.example.com/v1": False,
}


@pytest.mark.parametrize(("url", "expected"), PRIVATE.items())
def test_private(url: str, expected: bool) -> None:
    assert is_private(url) == expected
