"""Any request is translated to one that a strict backend takes, or refused with its place named."""

import re

import atheris

with atheris.instrument_imports(include=["anthropic_proxy"]):
    from anthropic_proxy.dialects import DIALECTS
    from anthropic_proxy.errors import InvalidRequest
    from anthropic_proxy.translate.api import Client
    from anthropic_proxy.translate.chat import CHAT
    from anthropic_proxy.translate.count import count_tokens
    from anthropic_proxy.translate.validate import messages_request
    from anthropic_proxy.wire.json import InvalidJson, dumps, loads

from fuzz.running import fuzz, mutated_json
from tests.chat_rules import faults

PLACE = re.compile(r"[a-z_]+(\.[\w-]+|\[\w*\])*: .")
"""How a refusal begins."""

NO_PREFILL = "This model does not support assistant message prefill. The conversation must end with a user message."
"""Anthropic's own words, by which clients know what is meant."""


def target(data: bytes) -> None:
    choice, text = (data[0] if data else 0), data[1:]
    dialect = DIALECTS[choice % len(DIALECTS)].dialect
    client = Client(emulate_prefill=choice > 127, stop_upstream=choice % 2 == 1, hash_user_id=choice % 3 == 0)
    try:
        request = messages_request(loads(text), "default-model")
        translation = CHAT.translate(request, "upstream-model", dialect, client)
    except InvalidJson:
        return
    except RecursionError:
        return  # Which a turn makes a refusal of.
    except InvalidRequest as error:
        refusal = error.message
    else:
        refusal = ""
    if refusal:
        assert PLACE.match(refusal) or refusal == NO_PREFILL, refusal
        return
    body = dumps(translation.body)
    assert count_tokens(body, translation.media, translation.media_tokens, translation.frame_tokens)
    found = faults(loads(body), mid_system=dialect.mid_system == "keep")
    assert not found, found


if __name__ == "__main__":
    fuzz("chat_request", target, mutated_json)
