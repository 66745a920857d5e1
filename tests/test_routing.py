"""Which model serves a request: the three model variables, thinking on and off."""

from typing import Any

import pytest

from anthropic_proxy.config import Settings
from anthropic_proxy.routing import default_model, route_for
from anthropic_proxy.translate.chat import CHAT
from anthropic_proxy.translate.validate import messages_request

ABSENT = object()

ON: list[Any] = [True, {"type": "enabled", "budget_tokens": 2048}, {"type": "adaptive"}]
OFF: list[Any] = [ABSENT, None, False, {"type": "disabled"}, {"type": "between_tools"}]

Environ = dict[str, str]

MODELS: dict[str, tuple[Environ, str, str]] = {
    "none set: the client's own choice": ({}, "client-model", "client-model"),
    "one for all": ({"MODEL": "m"}, "m", "m"),
    "one for thinking, the client's choice else": ({"REASONING_MODEL": "r"}, "r", "client-model"),
    "one for thinking, another else": ({"REASONING_MODEL": "r", "MODEL": "m"}, "r", "m"),
    "one without thinking, the client's choice else": ({"COMPLETION_MODEL": "c"}, "client-model", "c"),
    "one without thinking, another else": ({"COMPLETION_MODEL": "c", "MODEL": "m"}, "m", "c"),
    "all three": ({"REASONING_MODEL": "r", "COMPLETION_MODEL": "c", "MODEL": "m"}, "r", "c"),
    "empty ones count as unset": ({"REASONING_MODEL": "", "COMPLETION_MODEL": " ", "MODEL": "m"}, "m", "m"),
}


def settings(environ: Environ) -> Settings:
    return Settings.from_env({"OPENAI_API_BASE": "http://127.0.0.1:1/v1", **environ})


def routed(environ: Environ, thinking: Any) -> tuple[str, bool]:
    """The model, and whether it was named for thinking."""
    body: dict[str, Any] = {"model": "client-model", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]}
    if thinking is not ABSENT:
        body["thinking"] = thinking
    route = route_for(settings(environ), messages_request(body))
    assert route.api is CHAT
    return route.model, route.reasoning


@pytest.mark.parametrize("thinking", ON, ids=str)
@pytest.mark.parametrize(("environ", "thinks", "_"), MODELS.values(), ids=MODELS.keys())
def test_with_thinking(environ: Environ, thinks: str, _: str, thinking: Any) -> None:
    assert routed(environ, thinking) == (thinks, "REASONING_MODEL" in environ and thinks == "r")


@pytest.mark.parametrize("thinking", OFF, ids=lambda thinking: "absent" if thinking is ABSENT else str(thinking))
@pytest.mark.parametrize(("environ", "_", "answers"), MODELS.values(), ids=MODELS.keys())
def test_without_thinking(environ: Environ, _: str, answers: str, thinking: Any) -> None:
    assert routed(environ, thinking) == (answers, False)


@pytest.mark.parametrize("thinking", [*ON, *OFF])
def test_a_model_of_ones_own_list_is_served_by_itself(thinking: Any) -> None:
    environ = {"CLIENT_MODELS": "other, client-model", "MODEL": "m", "REASONING_MODEL": "r"}
    assert routed(environ, thinking) == ("client-model", False)


DEFAULTS: dict[str, tuple[Environ, str | None]] = {
    "none": ({}, None),
    "the one for all": ({"MODEL": "m", "COMPLETION_MODEL": "c", "REASONING_MODEL": "r"}, "m"),
    "the one without thinking": ({"COMPLETION_MODEL": "c", "REASONING_MODEL": "r"}, "c"),
    "the one for thinking": ({"REASONING_MODEL": "r"}, "r"),
}


@pytest.mark.parametrize(("environ", "model"), DEFAULTS.values(), ids=DEFAULTS.keys())
def test_a_request_without_a_model(environ: Environ, model: str | None) -> None:
    assert default_model(settings(environ)) == model
