"""docs/watching.md names every field of the log and every figure."""

import re
from pathlib import Path

from anthropic_proxy.backend import Backend
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import ProxyError
from anthropic_proxy.exchange import Exchange
from anthropic_proxy.server.logs import RequestLine
from anthropic_proxy.server.metrics import PREFIX, Metrics
from anthropic_proxy.upstream.replay import Recorded, Replay

NAMED_BACKEND = Backend(Replay(Recorded(b"")), Settings(openai_api_base="http://127.0.0.1:9/v1"), "router")

PAGE = (Path(__file__).parents[2] / "docs" / "watching.md").read_text()
FIRST_CELLS = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
NAMED = {name for cell in FIRST_CELLS for name in re.findall(r"`(\w+)`", cell)}


def test_every_field_of_the_log_is_named() -> None:
    line = RequestLine("req_1", "POST", "/v1/messages", client_model="m", first_event=1.0, stop_reason="end_turn")
    line.status = 200
    line.usage = {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": 1}
    line.exchange = Exchange("u", "plain", upstream_id="u", calls=2, dropped=["a: b"], learned=["l"], warnings=["w"])
    line.exchange.cost = 0.01
    line.exchange.fallbacks = ["m: 503 overloaded_error"]
    line.exchange.backend = NAMED_BACKEND
    line.fail(ProxyError("why"))
    fields = line.fields().keys()
    assert len(fields) == 23
    assert {name for name in NAMED if not name.startswith(PREFIX)} == {*fields, "pid"}


def test_every_figure_is_named() -> None:
    backend = Backend(Replay(Recorded(b"")), Settings(openai_api_base="http://replay.invalid/v1"))
    # A counter's name ends in `_total` only where it is shown.
    families = [family for family in Metrics([backend]).registry.collect() if family.name.startswith(PREFIX)]
    shown = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    assert {name for name in NAMED if name.startswith(PREFIX)} == shown
