"""Which model a request gets."""

import pytest

from anthropic_proxy.config import Settings
from anthropic_proxy.routing import route_for
from anthropic_proxy.wire.anthropic import MessagesRequest

THINKING = {"type": "enabled", "budget_tokens": 1024}

CASES: dict[str, tuple[dict[str, str], str, bool, str]] = {
    "no model is set: the client's": ({}, "theirs", False, "theirs"),
    "MODEL serves all": ({"model": "m"}, "theirs", True, "m"),
    "REASONING_MODEL serves those that think": ({"model": "m", "reasoning_model": "r"}, "theirs", True, "r"),
    "and not the others": ({"model": "m", "reasoning_model": "r"}, "theirs", False, "m"),
    "COMPLETION_MODEL serves the others": ({"model": "m", "completion_model": "c"}, "theirs", False, "c"),
    "a name of CLIENT_MODELS is what it says": ({"model": "m", "client_models": "a, b"}, "b", True, "b"),
    "a name that is not there gets MODEL": ({"model": "m", "client_models": "a, b"}, "ab", False, "m"),
    "an empty name is none": ({"model": "m", "client_models": ",,"}, "", False, "m"),
}


@pytest.mark.parametrize(("given", "asked", "thinks", "model"), CASES.values(), ids=CASES.keys())
def test_the_model_of_a_request(given: dict[str, str], asked: str, thinks: bool, model: str) -> None:
    settings = Settings.model_validate({"openai_api_base": "http://127.0.0.1:9/v1", **given})
    request: MessagesRequest = {"model": asked, "max_tokens": 2000, "messages": []}
    if thinks:
        request["thinking"] = THINKING
    assert route_for(settings, request).model == model
