"""The whole examination against servers on this machine: good ones, odd ones, and wrong addresses."""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from anthropic_proxy.config import Settings
from anthropic_proxy.doctor.diagnosis import Diagnosis
from anthropic_proxy.doctor.examine import examine
from anthropic_proxy.doctor.report import Departure, Report, Row
from anthropic_proxy.upstream.base import Timeouts
from anthropic_proxy.upstream.http import HttpUpstream
from tests.certificates import AUTHORITY, CERTIFICATE, KEY
from tests.doctor.model import MODEL, Habits, error, on_a_socket, page, refuses, whole
from tests.scripted import Close, ScriptedServer, Send, Step, reply


@dataclass
class Shown:
    """What a reader was shown."""

    titles: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def title(self, report: Report) -> None:
        self.titles.append(f"{report.model} {report.dialect}")

    def begin(self, name: str) -> None:
        self.begun.append(name)

    def waiting(self, seconds: float) -> None:
        self.waits.append(seconds)

    def row(self, row: Row) -> None:
        self.rows.append(row)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port: int = bound.getsockname()[1]
        return port


async def examined(
    base_url: str,
    shown: Shown | None = None,
    environ: Mapping[str, str] = {},
    ssl_cert_file: str | None = None,
    **settings: Any,
) -> Report:
    chosen = Settings.model_validate(
        {"openai_api_base": base_url, "model": MODEL, "port": free_port(), "backend": "plain", **settings}
    )

    def connect(url: str) -> HttpUpstream:
        return HttpUpstream(url, timeouts=Timeouts(connect=5, first_byte=20, silence=20), ssl_cert_file=ssl_cert_file)

    return await examine(chosen, environ, connect, shown or Shown())


def verdicts(report: Report) -> dict[str, str]:
    return {row.name: row.finding.verdict for row in report.rows}


def names(found: list[Diagnosis]) -> list[str]:
    return [one.name for one in found]


ROWS = [
    *("reachable", "key accepted", "model exists", "plain reply", "streaming", "usage in stream"),
    *("tools", "tool results", "parallel tools", "tool choice", "images", "tool images"),
    *("reasoning", "reasoning off", "temperature", "stop", "structured output", "system position"),
    *("largest max_tokens", "prompt cache"),
]


async def test_a_backend_that_does_all_it_should_needs_no_settings() -> None:
    shown = Shown()
    async with ScriptedServer(on_a_socket(Habits())) as server:
        report = await examined(f"{server.url}/v1", shown, dialect="reasoning=effort tool_images=true")
    assert [row.name for row in report.rows] == ROWS
    # On a loaded machine the stream may well come in one piece.
    assert {name for name, verdict in verdicts(report).items() if verdict != "yes"} <= {"streaming"}
    assert (report.problems, report.notes, report.departures, report.settings) == ([], [], [], {})
    assert (report.exit_code, report.missing) == (0, [])
    assert shown.titles == [f"{MODEL} plain"]
    assert shown.rows == report.rows
    assert [name for name in shown.begun if name not in verdicts(report)] == []
    requests, before, after = report.cost
    assert requests == len(server.requests) - 1
    assert before > 1000
    assert after > 100


async def test_a_backend_that_departs_from_its_dialect_gets_the_settings_that_fit() -> None:
    habits = Habits(
        [
            refuses("max_tokens", "Unsupported parameter: '{name}'. Use 'max_completion_tokens' instead."),
            refuses("stop"),
            lambda body: (
                (400, "Invalid value for 'tool_choice'.") if isinstance(body.get("tool_choice"), dict) else None
            ),
            lambda body: (
                (400, "max_tokens is too large. This model supports at most 16384 completion tokens.")
                if body.get("max_completion_tokens", 0) > 16384
                else None
            ),
        ],
        reasoning_field="reasoning",
        stream_usage="always",
        sees_in_tools=False,
        ignores=frozenset({"parallel_tool_calls"}),
    )
    facts = "reasoning=effort reasoning_fields=reasoning_content tool_images=true usage_in_stream=always cache_key=true"
    async with ScriptedServer(on_a_socket(habits)) as server:
        report = await examined(f"{server.url}/v1", dialect=facts)
    assert report.departures == [
        Departure("max_tokens_field", "max_tokens", "max_completion_tokens"),
        Departure("max_output_tokens", "none", "16384"),
        Departure("tool_images", "true", "false"),
        Departure("tool_choice", "all", "no_named"),
        Departure("parallel_flag", "true", "false"),
        Departure("stop_max", "4", "0"),
        Departure("reasoning_fields", "reasoning_content", "reasoning,reasoning_content"),
    ]
    assert report.settings == {
        "DIALECT": "reasoning=effort reasoning_fields=reasoning,reasoning_content tool_images=false "
        "usage_in_stream=always cache_key=true max_tokens_field=max_completion_tokens max_output_tokens=16384 "
        "tool_choice=no_named parallel_flag=false stop_max=0"
    }
    assert report.exit_code == 0


async def test_the_settings_that_were_found_fit() -> None:
    habits = Habits([refuses("stop"), refuses("temperature")], stream_usage="never")
    async with ScriptedServer(on_a_socket(habits)) as server:
        first = await examined(f"{server.url}/v1")
        second = await examined(f"{server.url}/v1", dialect=first.settings["DIALECT"])
    assert first.settings == {"DIALECT": "dropped=temperature tool_images=true stop_max=0 reasoning=effort"}
    assert (second.departures, second.settings) == ([], {})


async def test_a_backend_without_a_name_is_recognised_and_named() -> None:
    listed = whole({"data": [{"id": MODEL, "owned_by": "vllm", "max_model_len": 131072}]})
    habits = Habits(answers=lambda method, path: listed if method == "GET" else None, stop_field="stop_reason")
    async with ScriptedServer(on_a_socket(habits)) as server:
        report = await examined(f"{server.url}/v1", backend=None)
    assert report.dialect == "vllm"
    assert report.settings["BACKEND"] == "vllm"
    assert "stop_report" not in [one.field for one in report.departures]


async def test_without_a_model_the_first_of_the_list_is_taken() -> None:
    async with ScriptedServer(on_a_socket(Habits(models=("a", "b")))) as server:
        report = await examined(f"{server.url}/v1", model=None)
    assert (report.model, report.exit_code) == ("a", 0)


async def test_without_any_model_one_is_asked_for() -> None:
    async with ScriptedServer(on_a_socket(Habits(models=()))) as server:
        report = await examined(f"{server.url}/v1", model=None)
    assert (names(report.problems), report.exit_code) == (["no_model"], 2)


async def test_the_reasoning_model_is_expected_to_take_efforts() -> None:
    async with ScriptedServer(on_a_socket(Habits())) as server:
        report = await examined(f"{server.url}/v1", reasoning_model=MODEL, dialect="tool_images=true")
    assert (report.departures, report.notes) == ([], [])


async def test_what_claude_code_needs_is_named_where_it_is_missing() -> None:
    async with ScriptedServer(on_a_socket(Habits([refuses("tools")]))) as server:
        report = await examined(f"{server.url}/v1")
    assert (report.exit_code, report.missing) == (1, ["tools", "tool results"])
    assert verdicts(report)["tool choice"] == "skipped"
    assert verdicts(report)["prompt cache"] == "yes"


async def test_a_busy_backend_is_asked_again() -> None:
    busy = [Send(b"HTTP/1.1 429 Slow\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n")]
    good = on_a_socket(Habits())
    shown = Shown()
    async with ScriptedServer(good, busy, busy, good) as server:
        report = await examined(f"{server.url}/v1", shown)
    assert shown.waits == [0, 0]
    assert report.exit_code == 0


# What keeps the backend from answering


KEYED = on_a_socket(Habits(), key="right")


async def test_a_wrong_key() -> None:
    async with ScriptedServer(KEYED) as server:
        report = await examined(f"{server.url}/v1", openai_api_key="sk-wrong-key-0123456789")
    (problem,) = report.problems
    assert (problem.name, problem.remedy, report.exit_code) == ("wrong_key", "correct OPENAI_API_KEY", 2)
    assert "0123456789" not in str(report.rows) + problem.cause
    assert verdicts(report) == {
        "reachable": "yes",
        "key accepted": "no",
        "model exists": "unclear",
        "plain reply": "unclear",
    }


async def test_a_missing_key() -> None:
    async with ScriptedServer(KEYED) as server:
        report = await examined(f"{server.url}/v1")
    assert [(one.name, one.remedy) for one in report.problems] == [("no_key", "set OPENAI_API_KEY")]


async def test_the_right_key() -> None:
    async with ScriptedServer(KEYED) as server:
        report = await examined(f"{server.url}/v1", openai_api_key="right")
    assert (report.problems, report.exit_code) == ([], 0)


WRONG_URLS = {
    "/v1 is missing": ("/v1", "", "/v1"),
    "/v1 is missing below a path": ("/api/v1", "/api", "/api/v1"),
    "/v1 stands twice": ("/v1", "/v1/v1", "/v1"),
    "something stands behind /v1": ("/v1", "/v1/models", "/v1"),
    "/v1 is too much": ("/api", "/api/v1", "/api"),
}


@pytest.mark.parametrize(("right", "wrong", "named"), WRONG_URLS.values(), ids=WRONG_URLS.keys())
async def test_a_wrong_base_url_is_mended(right: str, wrong: str, named: str) -> None:
    async with ScriptedServer(on_a_socket(Habits(), below=right)) as server:
        report = await examined(f"{server.url}{wrong}")
    (problem,) = report.problems
    assert (problem.name, report.exit_code) == ("wrong_url", 2)
    assert problem.remedy == f"set OPENAI_API_BASE={server.url}{named}, where it is"
    assert report.settings == {"OPENAI_API_BASE": f"{server.url}{named}"}
    assert report.cost.requests == 1
    assert len(server.requests) == 3


async def test_a_base_url_that_leads_nowhere_near() -> None:
    async with ScriptedServer(on_a_socket(Habits(), below="/deep/inside")) as server:
        report = await examined(f"{server.url}/v1")
    assert [(one.name, one.cause) for one in report.problems] == [("wrong_url", f"no API at {server.url}/v1")]
    assert (report.settings, report.exit_code) == ({}, 2)


@pytest.mark.parametrize("status", [200, 404, 405])
async def test_a_web_page_at_the_base_url(status: int) -> None:
    async with ScriptedServer(on_a_socket(Habits(answers=lambda method, path: page(status)))) as server:
        report = await examined(f"{server.url}/v1")
    assert [(one.name, one.cause) for one in report.problems] == [("html", f"a web page at {server.url}/v1")]
    assert report.exit_code == 2


async def test_an_unknown_model_is_told_with_the_names_like_it() -> None:
    habits = Habits(
        answers=lambda method, path: error(404, "The model does not exist") if method == "POST" else None,
        models=("text-embed", "qwen3-coder:30b", "qwen3:8b", "llama4"),
    )
    async with ScriptedServer(on_a_socket(habits)) as server:
        report = await examined(f"{server.url}/v1", model="qwen-coder")
    (problem,) = report.problems
    assert (problem.name, report.exit_code) == ("unknown_model", 2)
    assert problem.cause.startswith("there is no model qwen-coder (404: ")
    assert problem.remedy.startswith("set MODEL to qwen3-coder:30b")
    assert verdicts(report)["model exists"] == "no"
    assert verdicts(report)["key accepted"] == "yes"


STATES = {
    "a model of another endpoint": (404, "This model is only supported in v1/responses.", "other_endpoint", 2),
    "no credit": (402, "Insufficient credits", "no_credit", 1),
    "a forbidden model": (403, "You have no access to this model", "forbidden", 1),
    "a limit for the day": (429, "Rate limit reached, try again in 3h", "rate_limit", 1),
    "an error of the backend's": (500, "CUDA out of memory", "failed", 1),
}


@pytest.mark.parametrize(("status", "message", "name", "code"), STATES.values(), ids=STATES.keys())
async def test_a_backend_that_answers_with(status: int, message: str, name: str, code: int) -> None:
    habits = Habits(answers=lambda method, path: error(status, message) if method == "POST" else None)
    async with ScriptedServer(on_a_socket(habits)) as server:
        report = await examined(f"{server.url}/v1")
    (problem,) = report.problems
    assert (problem.name, report.exit_code) == (name, code)
    assert message in problem.cause


async def test_nobody_listens() -> None:
    port = free_port()
    report = await examined(f"http://127.0.0.1:{port}/v1")
    assert [(one.name, one.cause) for one in report.problems] == [("refused", f"nothing listens at 127.0.0.1:{port}")]
    assert (verdicts(report), report.exit_code) == ({"reachable": "no"}, 1)


async def test_no_such_host() -> None:
    report = await examined("http://nowhere.invalid/v1")
    assert [(one.name, one.cause) for one in report.problems] == [("dns", "there is no host nowhere.invalid")]
    assert report.exit_code == 2


async def test_no_http() -> None:
    async with ScriptedServer(greeting=[Send(b"220 mail.example ESMTP\r\n"), Close()]) as server:
        report = await examined(f"{server.url}/v1")
    assert names(report.problems) == ["not_http"]


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """What a server needs whose certificate a private authority signed."""
    path = tmp_path / "server.pem"
    path.write_text(CERTIFICATE + KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_a_private_authority_is_told_with_its_remedy(tls: ssl.SSLContext) -> None:
    async with ScriptedServer(on_a_socket(Habits()), tls=tls) as server:
        report = await examined(f"{server.url}/v1")
    (problem,) = report.problems
    assert (problem.name, report.exit_code) == ("private_ca", 2)
    assert problem.cause == (
        f"the certificate of 127.0.0.1:{server.port} is not trusted (unable to get local issuer certificate)"
    )
    assert problem.remedy == "set SSL_CERT_FILE to the PEM file of the authority that signed it"


async def test_a_private_authority_that_is_named_is_trusted(tls: ssl.SSLContext, tmp_path: Path) -> None:
    authority = tmp_path / "authority.pem"
    authority.write_text(AUTHORITY)
    async with ScriptedServer(on_a_socket(Habits()), tls=tls) as server:
        report = await examined(f"{server.url}/v1", ssl_cert_file=str(authority))
    assert (report.problems, report.exit_code) == ([], 0)


async def test_https_where_there_is_no_tls() -> None:
    async with ScriptedServer(on_a_socket(Habits()), greeting=[Send(b"HTTP/1.1 400 Bad\r\n\r\n")]) as server:
        report = await examined(f"https://127.0.0.1:{server.port}/v1")
    assert [(one.name, one.remedy) for one in report.problems] == [
        ("no_tls", f"set OPENAI_API_BASE=http://127.0.0.1:{server.port}/v1")
    ]


# This machine


OTHERS: dict[str, list[Step]] = {
    "that hangs up": [Close()],
    "that speaks no HTTP": [Send(b"220 mail.example ESMTP\r\n"), Close()],
    "that is another web server": [],
}


@pytest.mark.parametrize("greeting", OTHERS.values(), ids=OTHERS.keys())
async def test_a_port_that_is_taken_by_a_program(greeting: list[Step]) -> None:
    other = ScriptedServer([Send(reply(b"{}"))], greeting=greeting)
    async with other, ScriptedServer(on_a_socket(Habits())) as server:
        report = await examined(f"{server.url}/v1", port=other.port)
    (problem,) = report.problems
    assert (problem.name, problem.cause) == ("port_in_use", f"port {other.port} is taken by another program")
    assert problem.remedy.startswith("set PORT=")
    assert verdicts(report)["plain reply"] == "yes"
    assert report.exit_code == 2


async def test_a_port_that_the_proxy_itself_has_is_right() -> None:
    health = [Send(b"HTTP/1.1 200 OK\r\nrequest-id: req_1\r\ncontent-length: 2\r\n\r\n{}")]
    async with ScriptedServer(health) as proxy, ScriptedServer(on_a_socket(Habits())) as server:
        report = await examined(f"{server.url}/v1", port=proxy.port)
    assert (report.problems, report.exit_code) == ([], 0)


async def test_the_proxy_as_its_own_backend() -> None:
    port = free_port()
    report = await examined(f"http://localhost:{port}", port=port)
    assert names(report.problems) == ["loop", "refused"]
    assert report.exit_code == 2


async def test_a_proxy_variable_that_catches_this_machine_is_noted() -> None:
    async with ScriptedServer(on_a_socket(Habits())) as server:
        report = await examined(f"{server.url}/v1", environ={"HTTP_PROXY": "http://proxy.example:3128"})
    (note,) = report.notes
    assert note.name == "proxy_catches_loopback"
    assert report.exit_code == 0
