"""Why a backend cannot be used, in few words, and the way out."""

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple
from urllib.parse import urlsplit

from anthropic_proxy.addresses import is_loopback
from anthropic_proxy.config import Settings, SettingsError
from anthropic_proxy.dialects.recognise import PORT_HINTS
from anthropic_proxy.doctor.exchange import Answer, clipped
from anthropic_proxy.errors import BreakKind, UpstreamBroke
from anthropic_proxy.translate.failures import OTHER_API, Asked, refusal


class Diagnosis(NamedTuple):
    """What is wrong. `name` stays the same for programs that read the report."""

    name: str
    cause: str
    remedy: str
    settings: bool = True
    """Are the settings at fault? Else it is the backend or the way to it."""


class Place(NamedTuple):
    """What was asked, for the words of a diagnosis."""

    base_url: str
    model: str = ""
    models: Sequence[str] = ()
    """The names in the backend's list, if it has one."""
    has_key: bool = True

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).netloc.rpartition("@")[2]


# The connection

_SERVERS = {
    "litellm": "./start_servers.sh",
    "llamacpp": "llama-server -m FILE.gguf --jinja",
    "lmstudio": "lms server start",
    "ollama": "ollama serve",
    "sglang": "python -m sglang.launch_server --model-path MODEL",
    "vllm": "vllm serve MODEL",
}
"""How a server is started that usually listens on the port in question."""

_TLS: tuple[tuple[re.Pattern[str], Diagnosis], ...] = tuple(
    (re.compile(words, re.I), diagnosis)
    for words, diagnosis in (
        (
            r"self-signed|self signed|unable to get (?:local )?issuer|unable to verify",
            Diagnosis(
                "private_ca",
                "the certificate of {host} is not trusted ({reason})",
                "set SSL_CERT_FILE to the PEM file of the authority that signed it",
            ),
        ),
        (
            r"mismatch|not valid for",
            Diagnosis(
                "certificate_name",
                "the certificate of {host} is for another name ({reason})",
                "use the name in the certificate in OPENAI_API_BASE",
            ),
        ),
        (
            r"expired|not yet valid",
            Diagnosis(
                "certificate_date",
                "the certificate of {host} is not valid today ({reason})",
                "renew it, or set this machine's clock",
                settings=False,
            ),
        ),
        (
            r"wrong version number|http request|record layer|packet length",
            Diagnosis("no_tls", "{host} does not speak TLS", "set OPENAI_API_BASE={other_scheme}"),
        ),
    )
)

_DEAD_PROXY = Diagnosis(
    "proxy_dead",
    "{message}",
    "correct HTTP_PROXY and HTTPS_PROXY, or add {name} to NO_PROXY",
)

_BREAKS: Mapping[BreakKind, Diagnosis] = {
    "refused": Diagnosis(
        "refused", "nothing listens at {host}", "start the backend{start}, or correct OPENAI_API_BASE", settings=False
    ),
    "dns": Diagnosis("dns", "there is no host {name}", "correct the name in OPENAI_API_BASE"),
    "tls": Diagnosis("tls", "no secure connection to {host} ({reason})", "check OPENAI_API_BASE", settings=False),
    "connect_timeout": Diagnosis(
        "connect_timeout",
        "{host} cannot be reached",
        "check OPENAI_API_BASE, the firewall, and whether an HTTPS_PROXY is needed",
        settings=False,
    ),
    "first_byte_timeout": Diagnosis("silent", "{host} takes the request and says nothing", "see its log", False),
    "silence_timeout": Diagnosis("silent", "{host} fell silent in mid-reply", "see its log", False),
    "reset": Diagnosis(
        "not_http", "{host} hangs up on HTTP", "see its log, or try OPENAI_API_BASE={other_scheme}", settings=False
    ),
    "protocol": Diagnosis("not_http", "{host} does not speak HTTP", "try OPENAI_API_BASE={other_scheme}"),
    "closed_early": Diagnosis("broke_off", "{host} breaks off its reply", "see its log", settings=False),
    "too_large": Diagnosis("too_large", "{host} answers without an end", "check OPENAI_API_BASE"),
}


def of_break(broke: UpstreamBroke, place: Place) -> Diagnosis:
    """Why no reply came."""
    url = urlsplit(place.base_url)
    reason = re.search(rf"{re.escape(url.hostname or '')}[^ ]*: (.*?)(?:; name your own|$)", broke.message)
    found = _BREAKS[broke.kind]
    if broke.kind == "tls":
        found = next((diagnosis for words, diagnosis in _TLS if words.search(broke.message)), found)
    if broke.kind == "refused" and "the proxy " in broke.message:
        found = _DEAD_PROXY
    program = _SERVERS.get(PORT_HINTS.get(_port(place.base_url) or 0, ("",))[0])
    other = url._replace(scheme={"http": "https", "https": "http"}[url.scheme])
    words = {
        "host": place.host,
        "name": url.hostname or "",
        "message": clipped(broke.message),
        "reason": clipped(reason[1] if reason else "no reason given"),
        "start": f" ({program})" if program and is_loopback(url.hostname or "") else "",
        "other_scheme": other.geturl(),
    }
    return found._replace(cause=found.cause.format(**words), remedy=found.remedy.format(**words))


# The reply


def of_answer(answer: Answer, place: Place) -> Diagnosis:
    """Why the reply to a plain question is none, or cannot be used."""
    if answer.broke is not None:
        return of_break(answer.broke, place)
    says = answer.error
    if says is not None and OTHER_API.search(says.words):
        return Diagnosis(
            "other_endpoint",
            f"{place.model} is not served at /chat/completions ({answer.trouble})",
            "choose another MODEL: this one is for the Responses API",
        )
    if is_wrong_url(answer):
        what = "a web page" if _is_page(answer) else "no API"
        return Diagnosis(
            "html" if _is_page(answer) else "wrong_url",
            f"{what} at {place.base_url}",
            "correct OPENAI_API_BASE: it is what stands before /chat/completions, and mostly ends in /v1",
        )
    kind = refusal(answer.status, answer.headers, answer.body, Asked(place.base_url, place.model)).type
    return _REPLIES.get(kind, _refused)(answer, place)


def is_wrong_url(answer: Answer) -> bool:
    """Does the reply look as if the base URL led elsewhere?"""
    if answer.broke is not None:
        return False
    if _is_page(answer) and answer.status < 500 and answer.status not in (401, 403, 429):
        return True
    if answer.status == 200:
        return answer.error is None and not answer.ok
    kind = refusal(answer.status, answer.headers, answer.body, Asked("", str(answer.sent.get("model", "")))).type
    return answer.status in (301, 302, 303, 307, 308, 404, 405) and kind == "api_error"


def _is_page(answer: Answer) -> bool:
    says = answer.error
    html = "html" in answer.headers.get("content-type", "") or answer.body.lstrip()[:15].lower().startswith(
        b"<!doctype"
    )
    return html if says is None else says.html


def _bad_key(answer: Answer, place: Place) -> Diagnosis:
    if place.has_key:
        return Diagnosis("wrong_key", f"the key is refused ({answer.trouble})", "correct OPENAI_API_KEY")
    return Diagnosis("no_key", f"a key is wanted ({answer.trouble})", "set OPENAI_API_KEY")


def _unknown_model(answer: Answer, place: Place) -> Diagnosis:
    names = near(place.model, place.models)
    remedy = f"set MODEL to {' or '.join(names)}" if names else "set MODEL to a name that the backend knows"
    return Diagnosis("unknown_model", f"there is no model {clipped(place.model)} ({answer.trouble})", remedy)


def _refused(answer: Answer, place: Place) -> Diagnosis:
    return Diagnosis("failed", f"a plain question fails ({answer.trouble})", "see the backend's log", settings=False)


def _standing(name: str, cause: str, remedy: str) -> Callable[[Answer, Place], Diagnosis]:
    """A diagnosis about the account or the backend's state."""
    return lambda answer, place: Diagnosis(name, f"{cause} ({answer.trouble})", remedy, settings=False)


_REPLIES: Mapping[str, Callable[[Answer, Place], Diagnosis]] = {
    "authentication_error": _bad_key,
    "permission_error": _standing("forbidden", "the key may not do this", "ask for access to the model"),
    "not_found_error": _unknown_model,
    "billing_error": _standing("no_credit", "no credit is left", "top up the account"),
    "rate_limit_error": _standing("rate_limit", "the rate limit is reached", "try again later"),
    "overloaded_error": _standing("overloaded", "the backend is overloaded", "try again later"),
}
"""By the type of error that a client of the proxy would read."""


def near(model: str, models: Sequence[str]) -> list[str]:
    """The names most like `model`, at most three; the first ones where none is like it."""
    wanted = model.lower().rpartition("/")[2]
    short = {name.lower().rpartition("/")[2]: name for name in reversed(models)}
    inside = [name for key, name in short.items() if wanted and (wanted in key or key in wanted)]
    like = [short[key] for key in get_close_matches(wanted, short, n=3, cutoff=0.5)]
    return [clipped(name, 80) for name in [*dict.fromkeys([*like, *inside])] or models][:3]


def corrected(base_url: str) -> str | None:
    """The base URL with `/v1` added, or taken off where it stands twice or with something behind it."""
    url = urlsplit(base_url)
    parts = [part for part in url.path.split("/") if part]
    if "v1" not in parts:
        parts = [*parts, "v1"]
    elif parts[-1] != "v1" or parts.count("v1") > 1:
        parts = parts[: parts.index("v1") + 1]
    else:
        parts = parts[:-1]
    return url._replace(path="".join(f"/{part}" for part in parts)).geturl()


def of_correction(place: Place, better: str) -> Diagnosis:
    return Diagnosis("wrong_url", f"no API at {place.base_url}", f"set OPENAI_API_BASE={better}, where it is")


# Settings and surroundings


def of_settings(error: SettingsError) -> Diagnosis:
    """A setting that is wrong. Most errors say the way out themselves."""
    if "nothing replaced" not in str(error):
        return Diagnosis("setting", str(error), "")
    return Diagnosis("unreplaced", str(error), "define that variable, or write its value there")


def of_loop(settings: Settings) -> Diagnosis | None:
    """OPENAI_API_BASE names the proxy itself."""
    host = urlsplit(settings.openai_api_base).hostname or ""
    if not is_loopback(host) or _port(settings.openai_api_base) != settings.port:
        return None
    return Diagnosis(
        "loop",
        f"OPENAI_API_BASE={settings.openai_api_base} is the proxy itself",
        "name the backend's port, or set PORT",
    )


def of_other_models(settings: Settings, model: str) -> list[Diagnosis]:
    """Models that the settings name and that are not the one examined."""
    named = {name: getattr(settings, name) for name in ("model", "reasoning_model", "completion_model")}
    return [
        Diagnosis("other_model", f"{name.upper()}={other} was not asked", f"examine it with --model {other}")
        for name, other in named.items()
        if other and other != model
    ]


_LOOPBACK = ("127.0.0.1", "localhost")


def of_proxy_variables(environ: Mapping[str, str]) -> Diagnosis | None:
    """Proxy variables that send a client's requests for this machine elsewhere. The proxy itself never follows them
    to this machine; clients do."""
    found = {
        name: environ.get(name) or environ.get(name.upper()) for name in ("http_proxy", "https_proxy", "all_proxy")
    }
    names = [name.upper() for name, value in found.items() if value]
    bypass = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    passed = {name.strip().lstrip(".").lower() for name in bypass.split(",")}
    caught = [host for host in _LOOPBACK if not passed & {host, "*"}]
    if not names or not caught:
        return None
    kept = f"{bypass},".lstrip(",")
    return Diagnosis(
        "proxy_catches_loopback",
        f"{names[0]} catches {' and '.join(caught)}, so that clients may miss the proxy",
        f"export NO_PROXY={kept}{','.join(caught)},::1",
    )


def _port(base_url: str) -> int | None:
    url = urlsplit(base_url)
    return url.port or {"http": 80, "https": 443}.get(url.scheme)
