"""The real Claude Code, through our server, to a scripted model: does the person get the answer, and at what cost?

Every run is in an empty home and may reach this machine only. `calls` are the requests the backend got:
one for each turn of the model's, and no more.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from anthropic import Anthropic

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.model_map import read
from tests.chat_rules import faults
from tests.claude_code.backend import Drop, ModelBackend
from tests.claude_code.client import Desk, desk, why_not
from tests.claude_code.files import NOTES, PDF, png
from tests.claude_code.mcp_server import WORD
from tests.claude_code.scripted_model import LONG_DESCRIPTION, LONG_SERVER, LONG_TOOL, SUMMARY, Body, offered, text_of
from tests.clients.install import ROOT
from tests.servers import Reply, refused, serving, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]

Record = Callable[[str, object], None]
"""Pytest's `record_property`: what the table in the docs shows of a test."""

UNSAID = ("x-anthropic-billing-header", "DeferredToolPlaceholder", "safeguards", "device_id", "cache_control")
"""What the client sends and a backend is not to see."""

LONGEST_NAME = 64


def lint(requests: list[Body]) -> list[str]:
    """What is wrong with what the backend was asked, as strict backends judge it."""
    found = []
    for number, body in enumerate(requests):
        found += [f"request {number}: {fault}" for fault in faults(body)]
        found += [f"request {number}: holds {word}" for word in UNSAID if word in json.dumps(body)]
        names = [tool["function"]["name"] for tool in body.get("tools", [])]
        found += [f"request {number}: too long a name: {name}" for name in names if len(name) > LONGEST_NAME]
    return found


@contextmanager
def proxy(backend: ModelBackend, **settings: str) -> Iterator[str]:
    """The base URL of our server with that backend behind it."""
    with serving(backend) as behind:
        values = {"OPENAI_API_BASE": f"{behind}/v1", **settings}
        with serving(create_app(Settings.from_env(values))) as base_url:
            yield base_url


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path) as found:
        (found.project / "notes.txt").write_text(NOTES)
        (found.project / "picture.png").write_bytes(png())
        (found.project / "paper.pdf").write_bytes(PDF)
        yield found


MCP = {LONG_SERVER: {"command": sys.executable, "args": ["-m", "tests.claude_code.mcp_server"]}}
MCP_OPTIONS = (
    *(
        "--mcp-config",
        json.dumps({"mcpServers": {name: {**one, "env": {"PYTHONPATH": str(ROOT)}} for name, one in MCP.items()}}),
    ),
    *("--allowedTools", f"mcp__{LONG_SERVER}"),
)
MCP_WAITS = {"MCP_CONNECTION_NONBLOCKING": "0", "MCP_CONNECT_TIMEOUT_MS": "60000"}
"""The client would begin without a server that starts slowly, as it may on a loaded machine."""
AT_ONCE = {**MCP_WAITS, "ENABLE_TOOL_SEARCH": "false"}

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "number"}},
    "required": ["city", "degrees"],
}


class Case(NamedTuple):
    """One prompt, run to its end."""

    scene: str
    """The scenario the model plays."""
    answer: str
    """What the answer has to hold."""
    calls: int
    options: tuple[str, ...] = ()
    settings: Mapping[str, str] = {}
    environ: Mapping[str, str] = {}


CASES = {
    "a plain question is answered": Case("plain", "Hello world.", 1),
    "a command runs and its output comes back": Case("bash", "The tools said: forty-2", 2),
    "three commands at once keep their order": Case("parallel", "The tools said: one | two | three", 2),
    "a file is read, edited and read again": Case("edit", "colour: blue", 4),
    "a sub-agent works and hands back": Case("subagent", "The tools said: pelican", 4),
    "a sub-agent may ask for a model of Anthropic's": Case(
        "subagent_haiku", "The tools said: pelican", 4, settings={"MODEL": "served"}
    ),
    "a picture is seen": Case("image", "I was shown: image/png.", 2),
    "a backend without eyes leads to words in place of the picture": Case(
        "image", "I was shown: nothing but text. The tools said: ", 2, settings={"DIALECT": "vision=false"}
    ),
    "a PDF is read where the backend takes one": Case(
        "pdf", "I was shown: application/pdf.", 2, settings={"DIALECT": "pdf=file"}
    ),
    "a PDF is replaced by advice where the backend does not": Case("pdf", "read specific pages", 2),
    "a tool with too long a name is found and called": Case(
        "mcp", f"The word in English is {WORD}.", 3, MCP_OPTIONS, environ=MCP_WAITS
    ),
    "the same without tool search": Case(
        "mcp_at_once", f"The word in English is {WORD}.", 2, MCP_OPTIONS, environ=AT_ONCE
    ),
    "a structured answer fits its schema": Case(
        "structured", '{"city":"Rome","degrees":21}', 1, ("--json-schema", json.dumps(WEATHER))
    ),
    "a web search that nobody can make is told to the model": Case(
        "websearch", "web_search is not available through this proxy", 3
    ),
    "a deferred tool is offered once it is loaded": Case("toolsearch", "Offered: NotebookEdit.", 2),
    "thinking and an answer": Case("thinking", "Forty-two.", 1),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_prompt(case: Case, at: Desk, record_property: Record) -> None:
    backend = ModelBackend()
    with proxy(backend, **case.settings) as base_url:
        run = at.run(base_url, f"Play {case.scene}.", *case.options, **case.environ)
    record_property("calls", len(backend.requests))
    assert case.answer in run.answer
    assert (run.code, run.result["is_error"], len(backend.requests)) == (0, False, case.calls)
    assert lint(backend.requests) == []


ALL_LEVELS = "efforts=low,medium,high,xhigh,max"

EFFORTS = {
    "low stays low": ("low", "", "low"),
    "medium stays medium": ("medium", "", "medium"),
    "high stays high": ("high", "", "high"),
    "xhigh becomes high where nothing is higher": ("xhigh", "", "high"),
    "max becomes high where nothing is higher": ("max", "", "high"),
    "xhigh stays xhigh where the backend knows it": ("xhigh", ALL_LEVELS, "xhigh"),
    "max stays max where the backend knows it": ("max", ALL_LEVELS, "max"),
}
"""The level the person chooses, the backend's dialect, and the level it gets."""


@pytest.mark.parametrize(("level", "dialect", "expected"), EFFORTS.values(), ids=EFFORTS.keys())
def test_the_effort(level: str, dialect: str, expected: str, at: Desk, record_property: Record) -> None:
    backend = ModelBackend()
    with proxy(backend, REASONING_MODEL="thinker", COMPLETION_MODEL="quick", DIALECT=dialect) as base_url:
        run = at.run(base_url, "Play thinking.", "--effort", level)
    record_property("calls", len(backend.requests))
    (request,) = backend.requests
    assert (request["model"], request["reasoning_effort"]) == ("thinker", expected)
    assert [block["type"] for block in run.blocks] == ["thinking", "text"]
    assert run.answer == "Forty-two."


def test_thinking_switched_off_goes_to_the_other_model(at: Desk, record_property: Record) -> None:
    backend = ModelBackend()
    with proxy(backend, REASONING_MODEL="thinker", COMPLETION_MODEL="quick") as base_url:
        run = at.run(base_url, "Play thinking.", MAX_THINKING_TOKENS="0")
    record_property("calls", len(backend.requests))
    (request,) = backend.requests
    assert (request["model"], "reasoning_effort" in request) == ("quick", False)
    assert ([block["type"] for block in run.blocks], run.answer) == (["text"], "Forty-two.")


RATE_LIMITED = refused(429, "Slow down.", {"retry-after": "1"})
BROKEN = refused(500, "Boom.")
NO_SUCH_KEY = refused(401, "Incorrect API key provided.")

FAULTS: dict[str, tuple[tuple[Reply | Drop, ...], str, str, int]] = {
    "a backend that is busy once is asked again": ((RATE_LIMITED,), "plain", "Hello world.", 2),
    "a backend that fails once is asked again": ((BROKEN,), "plain", "Hello world.", 2),
    "a backend that breaks off before a word is asked again": ((Drop(0),), "plain", "Hello world.", 2),
    "a backend that breaks off in its answer is asked again": ((Drop(2),), "plain", "Hello world.", 2),
    "a backend that breaks off in a call is asked again": ((Drop(8),), "bash", "The tools said: forty-2", 3),
}
"""Faults, the scenario, its answer all the same, and the calls: one more for each fault."""


@pytest.mark.parametrize(("broken", "scene", "answer", "calls"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_passes(
    broken: tuple[Reply | Drop, ...], scene: str, answer: str, calls: int, at: Desk, record_property: Record
) -> None:
    backend = ModelBackend(*broken)
    with proxy(backend) as base_url:
        run = at.run(base_url, f"Play {scene}.")
    record_property("calls", len(backend.requests))
    assert (run.answer, len(backend.requests)) == (answer, calls)
    assert lint(backend.requests) == []


TOLD = {
    "a backend that stays busy": (RATE_LIMITED, "API Error: Request rejected (429) · Slow down.", 2),
    "a backend that goes on failing": (BROKEN, "API Error: 500 Boom.", 2),
    "a wrong key, at once": (
        NO_SUCH_KEY,
        "401 the upstream refused the proxy's OPENAI_API_KEY: Incorrect API key provided.",
        1,
    ),
    "a model the backend does not have": (
        refused(404, "No model `my-model`.", code="model_not_found"),
        "There's an issue with the selected model (my-model)",
        2,
    ),
}
"""What stays wrong, what the person reads at the end, and the calls with one retry allowed."""


@pytest.mark.parametrize(("fault", "words", "calls"), TOLD.values(), ids=TOLD.keys())
def test_the_person_is_told(fault: Reply, words: str, calls: int, at: Desk, record_property: Record) -> None:
    backend = ModelBackend(*[fault] * 9)
    with proxy(backend) as base_url:
        run = at.run(base_url, "Play plain.", CLAUDE_CODE_MAX_RETRIES="1")
    record_property("calls", len(backend.requests))
    assert words in run.answer
    assert (run.result["is_error"], len(backend.requests)) == (True, calls)


MISSET = {
    "a key that is not the proxy's": ("", {"ANTHROPIC_AUTH_TOKEN": "wrong"}, "401 key: missing, or not this proxy's"),
    "a base URL that ends in v1": ("/v1", {}, "API Error: 400 /v1/v1/messages: drop /v1 from the end of the base URL"),
}
"""What stands after the base URL, variables, and what the person reads at once."""


@pytest.mark.parametrize(("path", "environ", "words"), MISSET.values(), ids=MISSET.keys())
def test_who_set_it_up_wrongly_is_told(
    path: str, environ: dict[str, str], words: str, at: Desk, record_property: Record
) -> None:
    backend = ModelBackend()
    with proxy(backend, PROXY_API_KEY="anything") as base_url:
        run = at.run(f"{base_url}{path}", "Play plain.", **environ)
    record_property("calls", len(backend.requests))
    assert words in run.answer
    assert (run.result["is_error"], backend.requests) == (True, [])


def test_a_conversation_that_no_longer_fits_is_summed_up(at: Desk, record_property: Record) -> None:
    backend = ModelBackend(window=45_000)
    with proxy(backend) as base_url:
        first = at.run(base_url, "Play plain. " + "lorem ipsum " * 6000)
        second = at.run(base_url, "Play again. " + "dolor sit a " * 6000, "--resume", first.session)
    record_property("calls", len(backend.requests))
    assert (first.answer, second.answer) == ("Hello world.", "Hello again.")
    # The answer, then the one that is refused, the summary, and the answer to what is left.
    assert len(backend.requests) == 4
    assert SUMMARY in "".join(map(text_of, backend.requests[-1]["messages"]))
    assert lint(backend.requests) == []


def test_an_interrupt_reaches_the_backend_and_the_talk_goes_on(at: Desk, record_property: Record) -> None:
    backend = ModelBackend(pause=0.01)
    with proxy(backend) as base_url, at.talk(base_url) as talk:
        talk.say("Play long.")
        talk.until("stream_event", "text_delta")
        talk.interrupt()
        stopped = talk.until("result")
        wait_until(lambda: backend.left > 0)
        talk.say("Play again.")
        answered = talk.until("result")
    record_property("calls", len(backend.requests))
    assert (stopped["terminal_reason"], backend.left) == ("aborted_streaming", 1)
    assert (answered["result"], len(backend.requests)) == ("Hello again.", 2)
    roles = [message["role"] for message in backend.requests[1]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert "[Request interrupted by user]" in text_of(backend.requests[1]["messages"][-1])
    assert lint(backend.requests) == []


OPAQUE = [{"type": "reasoning.encrypted", "data": "b3BhcXVl", "id": "rs_1", "format": "any", "index": 0}]

REASONING: dict[str, tuple[dict[str, str], dict[str, Any], dict[str, Any]]] = {
    "as text": (
        {"DIALECT": 'reasoning_back_field=reasoning_content reasoning_placeholder="lost"'},
        {},
        {"reasoning_content": "A command will tell."},
    ),
    "as opaque state": (
        {"DIALECT": "reasoning_back_field=reasoning_details"},
        {"reasoning_details": OPAQUE},
        {"reasoning_details": OPAQUE},
    ),
}
"""Settings, what the model sends beside its reasoning, and what has to come back to it."""


@pytest.mark.parametrize(("settings", "state", "back"), REASONING.values(), ids=REASONING.keys())
def test_a_session_goes_on_after_a_restart_with_its_reasoning(
    settings: dict[str, str], state: dict[str, Any], back: dict[str, Any], at: Desk, record_property: Record
) -> None:
    backend = ModelBackend(state=state)
    with proxy(backend, REASONING_MODEL="thinker", **settings) as base_url:
        first = at.run(base_url, "Play bash.")
    with proxy(backend, REASONING_MODEL="thinker", **settings) as base_url:
        second = at.run(base_url, "Play again.", "--resume", first.session)
    record_property("calls", len(backend.requests))
    assert (first.answer, second.answer) == ("The tools said: forty-2", "Hello again.")
    assert len(backend.requests) == 3
    for request in backend.requests[1:]:
        called = next(message for message in request["messages"] if message.get("tool_calls"))
        assert {name: called.get(name) for name in back} == back
    before, after = (request["messages"] for request in backend.requests[1:])
    assert after[: len(before)] == before
    assert lint(backend.requests) == []


@contextmanager
def mapped(models: str, *backends: ModelBackend) -> Iterator[str]:
    """The base URL of our server with that model map, in which `{0}`, `{1}` … are the backends' base URLs."""
    with ExitStack() as stack:
        urls = [stack.enter_context(serving(backend)) + "/v1" for backend in backends]
        settings = Settings.from_env({"OPENAI_API_BASE": urls[0]})
        found = read(models.format(*urls), "models.toml", {}).models
        yield stack.enter_context(serving(create_app(settings, models=found)))


TIERS = """
models.haiku = {{base_url = "{1}", model = "small"}}
models.my-model = "large"
"""


def test_each_tier_has_a_backend_of_its_own(at: Desk, record_property: Record) -> None:
    large, small = ModelBackend(), ModelBackend()
    with mapped(TIERS, large, small) as base_url:
        run = at.run(base_url, "Play subagent_haiku.")
    record_property("calls", len(large.requests) + len(small.requests))
    assert "The tools said: pelican" in run.answer
    assert [request["model"] for request in large.requests] == ["large", "large"]
    assert [request["model"] for request in small.requests] == ["small", "small"]
    assert lint(large.requests) + lint(small.requests) == []


SPARE = """
models.my-model = {{base_url = "{0}", fallbacks = ["spare"]}}
models.spare = {{base_url = "{1}"}}
"""


def test_another_model_answers_at_once_where_one_is_down(at: Desk, record_property: Record) -> None:
    down, spare = ModelBackend(*[BROKEN] * 9), ModelBackend()
    with mapped(SPARE, down, spare) as base_url:
        run = at.run(base_url, "Play bash.", CLAUDE_CODE_MAX_RETRIES="0")
    record_property("calls", len(down.requests) + len(spare.requests))
    assert run.answer == "The tools said: forty-2"
    # The second turn leaves the one that is down in peace.
    assert (len(down.requests), len(spare.requests)) == (1, 2)
    assert lint(spare.requests) == []


def test_the_safety_check_gets_its_verdict(record_property: Record) -> None:
    """Claude Code's own request, made by the SDK: whole, 64 tokens, a stop sequence, no thinking, much to read."""
    backend = ModelBackend()
    with (
        proxy(backend, REASONING_MODEL="thinker", DIALECT="reasoning=effort") as base_url,
        Anthropic(base_url=base_url, api_key="any", max_retries=0) as client,
    ):
        verdict = client.messages.create(
            model="claude-haiku-5-5",
            max_tokens=64,
            system="Judge the action. " * 6000,
            thinking={"type": "disabled"},
            stop_sequences=["</block>"],
            messages=[{"role": "user", "content": "Play verdict."}],
            extra_body={"safeguards": [{"type": "dangerous_tool_use"}]},
        )
    record_property("calls", len(backend.requests))
    (block,) = verdict.content
    assert (block.type, getattr(block, "text", "")) == ("text", "<block>no")
    assert (verdict.stop_reason, verdict.stop_sequence) == ("stop_sequence", "</block>")
    (request,) = backend.requests
    assert (request["max_tokens"], request["reasoning_effort"]) == (64, "none")
    assert lint(backend.requests) == []


def test_the_session_gets_its_title(record_property: Record) -> None:
    """Claude Code asks for it on a terminal only. The SDK makes the same request."""
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    backend = ModelBackend()
    with proxy(backend) as base_url, Anthropic(base_url=base_url, api_key="any", max_retries=0) as client:
        answer = client.messages.create(
            model="claude-haiku-5-5",
            max_tokens=512,
            messages=[{"role": "user", "content": "Write a title for: Play plain."}],
            output_config={"format": {"type": "json_schema", "schema": {**schema, "additionalProperties": False}}},
        )
    record_property("calls", len(backend.requests))
    (block,) = answer.content
    assert json.loads(getattr(block, "text", "")) == {"title": "A scripted session"}
    assert (len(backend.requests), lint(backend.requests)) == (1, [])


def test_a_shortened_name_is_what_the_backend_sees(at: Desk, record_property: Record) -> None:
    backend = ModelBackend()
    with proxy(backend) as base_url:
        run = at.run(base_url, "Play mcp_at_once.", *MCP_OPTIONS, **AT_ONCE)
    record_property("calls", len(backend.requests))
    called = [block["name"] for block in run.blocks if block["type"] == "tool_use"]
    assert called == [f"mcp__{LONG_SERVER}__{LONG_TOOL}"]
    shown = offered(backend.requests[0], LONG_DESCRIPTION)
    assert shown is not None
    assert len(shown) <= LONGEST_NAME < len(called[0])
