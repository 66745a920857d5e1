"""Who answers at an address nobody knows, told from a model list or from response headers."""

import pytest

from anthropic_proxy.dialects import dialect_named
from anthropic_proxy.dialects.recognise import (
    PORT_HINTS,
    context_window_in,
    needs_probe,
    recognise_headers,
    recognise_models,
)

PROBES = {
    "an address of this machine": ("http://127.0.0.1:9999/v1", True),
    "the name of this machine": ("http://localhost/v1", True),
    "this machine in IPv6": ("http://[::1]:9999/v1", True),
    "a private network": ("http://192.168.1.7:9999/v1", True),
    "a container's name": ("http://gpu-box:9999/v1", True),
    "a container's way to its host": ("http://host.docker.internal:9999/v1", True),
    "a name of the local network": ("http://studio.local:9999/v1", True),
    "a port that servers like, anywhere": ("http://gpu.example.com:11434/v1", True),
    "a URL without a scheme": ("localhost:4000", True),
    "a public host": ("https://llm.example.com/v1", False),
    "a public address": ("http://8.8.8.8/v1", False),
    "a host that is known": ("https://api.deepseek.com/v1", False),
    "a host that is known, on a port that servers like": ("https://api.deepseek.com:8000/v1", False),
}


@pytest.mark.parametrize(("base_url", "expected"), PROBES.values(), ids=PROBES.keys())
def test_needs_probe(base_url: str, expected: bool) -> None:
    assert needs_probe(base_url) is expected


@pytest.mark.parametrize("name", sorted({name for names in PORT_HINTS.values() for name in names}))
def test_a_hint_names_a_dialect(name: str) -> None:
    assert dialect_named(name).name == name


VLLM = {"id": "qwen3", "object": "model", "created": 1764000000, "owned_by": "vllm", "max_model_len": 40960}
LITELLM = {"id": "my-model", "object": "model", "created": 1677610602, "owned_by": "openai"}
LLAMACPP = {
    "models": [{"name": "gpt-oss-20b", "model": "gpt-oss-20b", "type": "model"}],
    "object": "list",
    "data": [
        {
            "id": "gpt-oss-20b",
            "object": "model",
            "created": 1764000000,
            "owned_by": "llamacpp",
            "meta": {"n_vocab": 201088, "n_ctx_train": 131072},
        }
    ],
}
OPENROUTER = {
    "id": "z-ai/glm-5.3",
    "context_length": 1048576,
    "top_provider": {"context_length": 202752, "max_completion_tokens": None},
}

MODELS = {
    "vLLM by its owner": ({"data": [VLLM]}, "vllm"),
    "an adapter of vLLM's whose owner differs": ({"data": [VLLM | {"owned_by": "me"}, VLLM]}, "vllm"),
    "SGLang by its owner": ({"data": [{"id": "m", "owned_by": "sglang"}]}, "sglang"),
    "llama.cpp by its owner": (LLAMACPP, "llamacpp"),
    "Ollama by its library": (
        {"data": [{"id": "me/x", "owned_by": "me"}, {"id": "x", "owned_by": "library"}]},
        "ollama",
    ),
    "LM Studio by its owner": ({"data": [{"id": "m", "owned_by": "organization_owner"}]}, "lmstudio"),
    "LiteLLM by the date it gives to all": ({"data": [LITELLM, LITELLM | {"owned_by": "azure"}]}, "litellm"),
    "that date on one model of several is OpenAI's own": ({"data": [LITELLM, LITELLM | {"created": 1}]}, None),
    "an owner nobody knows": ({"data": [{"id": "m", "owned_by": "acme"}]}, None),
    "no models": ({"data": []}, None),
    "a bare list": ([VLLM], "vllm"),
    "owners that are no text": ({"data": [{"owned_by": None}, {"owned_by": ["vllm"]}]}, None),
    "entries that are no objects": ({"data": ["vllm", 1, None]}, None),
    "an error": ({"error": {"message": "no"}}, None),
    "nothing": (None, None),
}


@pytest.mark.parametrize(("reply", "name"), MODELS.values(), ids=MODELS.keys())
def test_recognise_models(reply: object, name: str | None) -> None:
    assert recognise_models(reply) == name


HEADERS = {
    "LiteLLM by its version": ({"x-litellm-version": "1.109.1"}, "litellm"),
    "LiteLLM by a call's id, in capitals": ({"X-LiteLLM-Call-Id": "7"}, "litellm"),
    "LiteLLM before the server behind it": ({"Server": "llama.cpp", "x-litellm-version": "1"}, "litellm"),
    "llama.cpp by its server": ({"Server": "llama.cpp"}, "llamacpp"),
    "TGI by its times": ({"x-inference-time": "12"}, "tgi"),
    "a server that many use": ({"server": "uvicorn"}, None),
    "none": ({}, None),
}


@pytest.mark.parametrize(("headers", "name"), HEADERS.values(), ids=HEADERS.keys())
def test_recognise_headers(headers: dict[str, str], name: str | None) -> None:
    assert recognise_headers(headers) == name


@pytest.mark.parametrize("name", [name for _, name in [*MODELS.values(), *HEADERS.values()] if name])
def test_what_is_recognised_is_a_dialect(name: str) -> None:
    assert dialect_named(name).name == name


WINDOWS = {
    "vLLM's": ({"data": [VLLM]}, "qwen3", 40960),
    "OpenRouter's, of the host it would choose": ({"data": [OPENROUTER, VLLM]}, "z-ai/glm-5.3", 202752),
    "OpenRouter's, where no host says": (
        {"data": [OPENROUTER | {"top_provider": {"context_length": None}}]},
        "z-ai/glm-5.3",
        1048576,
    ),
    "Copilot's": (
        {"data": [{"id": "gpt-5.6", "capabilities": {"limits": {"max_context_window_tokens": 400000}}}]},
        "gpt-5.6",
        400000,
    ),
    "llama.cpp's, as it was trained": (LLAMACPP, "gpt-oss-20b", 131072),
    "llama.cpp's, as it was started": (
        {"data": [{"id": "m", "meta": {"n_ctx_train": 131072, "n_ctx": 8192}}]},
        "m",
        8192,
    ),
    "of the only model, whatever it is called": (LLAMACPP, "default", 131072),
    "of a model that is not listed": ({"data": [VLLM, LITELLM]}, "other", None),
    "of a model that does not say": ({"data": [LITELLM]}, "my-model", None),
    "that is no number": ({"data": [{"id": "m", "max_model_len": "big", "context_length": True}]}, "m", None),
    "that is nothing": ({"data": [{"id": "m", "max_model_len": 0}]}, "m", None),
    "of a reply that is no list": ("oops", "m", None),
}


@pytest.mark.parametrize(("reply", "model", "expected"), WINDOWS.values(), ids=WINDOWS.keys())
def test_context_window(reply: object, model: str, expected: int | None) -> None:
    assert context_window_in(reply, model) == expected
