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
from tests.sdk_types import drawn_from
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
@given(data=st.data(), backend=st.sampled_from(BACKENDS))
@settings(max_examples=5000 if THOROUGH else 100, suppress_health_check=list(HealthCheck))
async def test_any_request_of_the_sdks_types(path: str, kind: Any, data: st.DataObject, backend: str) -> None:
    body = data.draw(drawn_from(kind))
    answer = await call(APPS[backend], "POST", path, body)
    event(f"status {answer.status}")
    if answer.status == 200:
        assert not body.get("stream") or violations(answer.events) == []
    else:
        assert answer.error[:2] == (400, "invalid_request_error"), json.dumps(body)
        assert PLACE.match(answer.error[2])
