"""Whatever the SDK's own types allow is served, or refused with its place named; never is it an error of ours."""

import json
import re
from typing import Any

import pytest
from anthropic.types import message_count_tokens_params, message_create_params
from anthropic.types.beta import message_create_params as beta_message_create_params
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from anthropic_proxy import create_app
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.grammar import violations
from tests.proxying import THOROUGH
from tests.sdk_types import drawn_from, fields_of, json_values, reached_from
from tests.server.asgi import STREAMED, call
from tests.server.test_any_request import BACKENDS, SETTINGS

APPS = {
    backend: create_app(SETTINGS.model_copy(update={"backend": backend}), Replay(Recorded(STREAMED)))
    for backend in BACKENDS
}

PLACE = re.compile(r"[a-z_]+(\.[\w-]+|\[\w*\])*: .")
"""How a refusal begins."""

TYPES = {
    "messages": ("/v1/messages", message_create_params.MessageCreateParamsStreaming),
    "messages, whole": ("/v1/messages", message_create_params.MessageCreateParamsNonStreaming),
    "messages with what is in beta": ("/v1/messages", beta_message_create_params.MessageCreateParamsStreaming),
    "a count": ("/v1/messages/count_tokens", message_count_tokens_params.MessageCountTokensParams),
}


@pytest.mark.parametrize(("path", "kind"), TYPES.values(), ids=TYPES.keys())
def test_everything_in_the_sdks_types_can_be_drawn(path: str, kind: Any) -> None:
    objects = reached_from(kind)
    for object_ in objects:
        for annotation in fields_of(object_)[0].values():
            drawn_from(annotation)  # Raises TypeError for what it does not know.
    names = {object_.__name__.removeprefix("Beta") for object_ in objects}
    assert len(names) > 100
    assert names >= {
        *(f"{name}Param" for name in ("TextBlock", "ImageBlock", "ToolUseBlock", "ToolResultBlock", "ThinkingBlock")),
        *("TextBlock", "ToolUseBlock", "ThinkingConfigEnabledParam", "ToolParam", "ToolChoiceAnyParam"),
    }


OFTEN_REFUSED = ("inference_geo", "stop_sequences", "container", "tool_choice")


def fine_at_the_top(body: dict[str, Any]) -> dict[str, Any]:
    """The same without what most drawn requests are refused for, so that more than the first checks is reached."""
    kept = {name: value for name, value in body.items() if name not in OFTEN_REFUSED}
    cap = {"max_tokens": 2000} if "max_tokens" in body else {}
    question = {"role": "user", "content": "Hi"}
    messages = [message for message in body["messages"] if message.get("content")]
    return {**kept, **cap, "model": "m", "messages": [*messages, question]}


PLACES = st.lists(st.integers(0, 50), max_size=6)


def put_somewhere(value: Any, steps: list[int], planted: Any) -> Any:
    """`value` with something else at the place to which the steps lead; each chooses one of what is there."""
    if not steps or not value or not isinstance(value, dict | list):
        return planted
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key: Any = keys[steps[0] % len(keys)]
    value[key] = put_somewhere(value[key], steps[1:], planted)
    return value


@given(data=st.data(), kind=st.sampled_from(list(TYPES)), backend=st.sampled_from(BACKENDS))
@settings(max_examples=5000 if THOROUGH else 150, suppress_health_check=list(HealthCheck))
async def test_anything_at_all_is_no_error_of_ours(data: st.DataObject, kind: str, backend: str) -> None:
    """Not what no type allows, in one place of a request that is fine but for that, nor bytes that are no request."""
    path, type_ = TYPES[kind]
    body: Any = data.draw(st.none() | drawn_from(type_))
    if body is None:
        sent: Any = data.draw(st.binary(max_size=40) | json_values)
    else:
        sent = put_somewhere(body, data.draw(PLACES), data.draw(json_values))
    answer = await call(APPS[backend], "POST", path, sent)
    event(f"status {answer.status}")
    assert answer.status in (200, 400), (path, sent)
    if answer.status == 400:
        assert answer.error[1] == "invalid_request_error"


@pytest.mark.parametrize(("path", "kind"), TYPES.values(), ids=TYPES.keys())
@given(data=st.data(), backend=st.sampled_from(BACKENDS))
@settings(max_examples=5000 if THOROUGH else 100, suppress_health_check=list(HealthCheck))
async def test_any_request_of_the_sdks_types(path: str, kind: Any, data: st.DataObject, backend: str) -> None:
    body = data.draw(drawn_from(kind))
    if data.draw(st.integers(0, 3)):
        body = fine_at_the_top(body)
    answer = await call(APPS[backend], "POST", path, body)
    event(f"status {answer.status}")
    if answer.status == 200:
        assert not body.get("stream") or violations(answer.events) == []
    else:
        assert answer.error[:2] == (400, "invalid_request_error"), json.dumps(body)
        assert PLACE.match(answer.error[2])
