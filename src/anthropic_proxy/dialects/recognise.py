"""Which backend answers at an address that no entry of DIALECTS names, and what its model list tells."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from anthropic_proxy.dialects import DIALECTS, entry_for

PORT_HINTS: dict[int, tuple[str, ...]] = {
    1234: ("lmstudio",),
    3000: ("tgi",),
    4000: ("litellm",),
    8000: ("vllm",),
    8080: ("llamacpp", "tgi"),
    11434: ("ollama",),
    30000: ("sglang",),
}
"""The ports servers listen on by themselves, and their dialects. A hint that it is worth asking, no more."""

_PRIVATE_NAMES = ("localhost", "*.localhost", "*.local", "*.lan", "*.home.arpa", "*.internal")


def needs_probe(base_url: str) -> bool:
    """Is it worth asking `/models` who answers there?

    So it is where no host of DIALECTS matches and the server may be somebody's own: an address of this
    machine or of a private network, a name without a dot (a container's), or a port of PORT_HINTS.
    """
    if entry_for(base_url) is not DIALECTS[-1]:
        return False
    url = urlsplit(base_url if "://" in base_url else f"//{base_url}")
    return url.port in PORT_HINTS or _is_private(url.hostname or "")


def _is_private(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return "." not in host or any(fnmatchcase(host, name) for name in _PRIVATE_NAMES)
    return address.is_private


_OWNERS = {
    "vllm": "vllm",  # vllm, serving models
    "sglang": "sglang",  # sglang, protocol.py
    "llamacpp": "llamacpp",  # llama.cpp, server
    "library": "ollama",  # ollama, openai.go: the namespace of a model from its own library
    "organization_owner": "lmstudio",  # presidio-oss/cline-based-code-generator#195, a log of its reply
}
"""The `owned_by` of a model list's entries, and whose habit it is. Read 2026-11-25."""

_LITELLM_CREATED = 1677610602
"""LiteLLM gives every model this `created` (its DEFAULT_MODEL_CREATED_AT_TIME, 1.109.1)."""


def recognise_models(reply: object) -> str | None:
    """The name of the dialect whose server gives such a `/models` reply, parsed; None where it does not tell."""
    models = list(models_in(reply))
    for owner in (model.get("owned_by") for model in models):
        if isinstance(owner, str) and owner in _OWNERS:
            return _OWNERS[owner]
    if models and all(model.get("created") == _LITELLM_CREATED for model in models):
        return "litellm"
    return None


class _HeaderSign(NamedTuple):
    """Globs for the name and the value of a response header, in lower case, and whose it is."""

    header: str
    value: str
    dialect: str


_HEADER_SIGNS = (
    _HeaderSign("x-litellm-*", "*", "litellm"),  # litellm 1.109.1: x-litellm-version, -call-id, …
    _HeaderSign("server", "llama.cpp*", "llamacpp"),  # llama.cpp, server
    _HeaderSign("x-inference-time", "*", "tgi"),  # text-generation-inference, with x-compute-type and others
)


def recognise_headers(headers: Mapping[str, str]) -> str | None:
    """The name of the dialect whose server sends such response headers; None where they do not tell."""
    lowered = [(name.lower(), value.lower()) for name, value in headers.items()]
    for sign in _HEADER_SIGNS:
        if any(fnmatchcase(name, sign.header) and fnmatchcase(value, sign.value) for name, value in lowered):
            return sign.dialect
    return None


_WINDOW_PLACES = (
    ("max_model_len",),  # vLLM, SGLang
    ("top_provider", "context_length"),  # OpenRouter: of the host it would choose, which may allow less
    ("context_length",),  # OpenRouter, Together, Kimi, Fireworks
    ("context_window",),  # Groq
    ("max_context_length",),  # Mistral, LM Studio
    ("capabilities", "limits", "max_context_window_tokens"),  # GitHub Copilot
    ("max_input_tokens",),  # LiteLLM
    ("meta", "n_ctx"),  # llama.cpp, the size it was started with
    ("meta", "n_ctx_train"),  # llama.cpp, the size the model was trained for
)
"""Where an entry of a model list says how many tokens the model can take, most telling first."""


def context_window_in(reply: object, model: str) -> int | None:
    """How many tokens `model` can take, by a `/models` reply, parsed; None where it does not tell.

    A server with a single model is taken at its word whatever name it is asked for: llama.cpp answers to any.
    """
    models = list(models_in(reply))
    entry = next((one for one in models if one.get("id") == model), models[0] if len(models) == 1 else None)
    if entry is None:
        return None
    return window_in(entry)


def window_in(entry: Mapping[str, object]) -> int | None:
    """How many tokens a model can take, by its entry in a model list; None where it does not tell."""
    return next(filter(None, (_count_at(entry, place) for place in _WINDOW_PLACES)), None)


def models_in(reply: object) -> Iterator[dict[str, object]]:
    """The entries of a model list: under `data`, under `models`, or bare."""
    entries: object = reply
    if isinstance(reply, dict):
        entries = reply.get("data") or reply.get("models")
    if isinstance(entries, list):
        yield from (entry for entry in entries if isinstance(entry, dict))


def _count_at(entry: object, place: tuple[str, ...]) -> int | None:
    """The positive whole number at that place, if there is one."""
    for key in place:
        entry = entry.get(key) if isinstance(entry, dict) else None
    return entry if isinstance(entry, int) and not isinstance(entry, bool) and entry > 0 else None
