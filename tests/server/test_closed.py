"""Closed: no client chooses where requests go, what goes with them, or what is run, read or written here."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.upstream.replay import Recorded, Replay, Sent
from tests.server.asgi import WHOLE, call, question

SETTINGS = Settings(
    openai_api_base="http://replay.invalid/v1", openai_api_key=SecretStr("own-key"), model="upstream-model"
)
ELSEWHERE = "http://elsewhere.invalid/v1"

HEADERS = {
    "x-api-key": "clients-key",
    "authorization": "Bearer clients-bearer",
    "cookie": "a=b",
    "x-api-base": ELSEWHERE,
    "x-upstream-url": ELSEWHERE,
    "x-forwarded-host": "elsewhere.invalid",
    "x-forwarded-for": "10.0.0.1",
    "x-original-url": "/v1/elsewhere",
    "x-http-method-override": "GET",
    "forwarded": "host=elsewhere.invalid",
    "openai-organization": "theirs",
    "anthropic-beta": "some-beta",
}
FIELDS = {
    "api_base": ELSEWHERE,
    "base_url": ELSEWHERE,
    "api_key": "clients-key",
    "custom_llm_provider": "elsewhere",
    "extra_headers": {"authorization": "clients-key"},
    "extra_body": {"api_base": ELSEWHERE},
    "proxy": ELSEWHERE,
    "timeout": 0,
}


async def sent(settings: Settings, body: object, headers: dict[str, str]) -> list[Sent]:
    """What went upstream for one request."""
    replay = Replay(Recorded(WHOLE, headers={"content-type": "application/json"}))
    assert (await call(create_app(settings, replay), "POST", "/v1/messages", body, headers)).status == 200
    return replay.requests


async def test_no_header_and_no_field_chooses_the_backend_or_goes_to_it() -> None:
    plain = await sent(SETTINGS, question(), {})
    assert await sent(SETTINGS, question(**FIELDS), HEADERS) == plain
    assert plain[0].headers == {"content-type": "application/json", "authorization": "Bearer own-key"}


@pytest.mark.parametrize("model", [ELSEWHERE, "../../elsewhere", "openai/../x?api_base=y", "@elsewhere.invalid/m"])
async def test_a_model_is_a_name_whatever_it_looks_like(model: str) -> None:
    (request,) = await sent(SETTINGS.model_copy(update={"model": None}), question(model=model), {})
    assert (request.path, request.body["model"]) == ("/chat/completions", model)


FORWARDED = {
    "an own key, and a client's that stays here": ({}, {"x-api-key": "clients-key"}, "Bearer own-key"),
    "a client's key, where it is to be forwarded": (
        {"forward_key": True},
        {"x-api-key": "clients-key"},
        "Bearer clients-key",
    ),
    "a client's key beside the proxy's": (
        {"forward_key": True, "proxy_api_key": SecretStr("ours,others")},
        {"x-api-key": "others", "authorization": "Bearer clients-key"},
        "Bearer clients-key",
    ),
    "never the proxy's": (
        {"forward_key": True, "proxy_api_key": SecretStr("ours,others")},
        {"x-api-key": "others", "authorization": "Bearer ours"},
        "Bearer own-key",
    ),
}


@pytest.mark.parametrize(("settings", "headers", "credential"), FORWARDED.values(), ids=FORWARDED.keys())
async def test_what_goes_upstream_is(settings: dict[str, object], headers: dict[str, str], credential: str) -> None:
    (request,) = await sent(SETTINGS.model_copy(update=settings), question(), headers)
    assert request.headers["authorization"] == credential


async def test_nothing_is_fetched_for_a_client() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "http://169.254.169.254/latest/meta-data/"}}
    (request,) = await sent(SETTINGS, question(messages=[{"role": "user", "content": [image]}]), {})
    assert request.path == "/chat/completions"
    assert request.body["messages"][0]["content"][0]["image_url"]["url"] == image["source"]["url"]  # type: ignore[index]


SOURCE = Path(__file__).parents[2] / "src" / "anthropic_proxy"
SERVING = ("server", "turn.py", "backend.py", "routing.py", "translate", "upstream", "wire", "dialects", "config.py")
"""What runs while requests are served."""

DANGEROUS = {"subprocess", "pickle", "marshal", "shelve", "ctypes", "code", "runpy", "shutil", "tempfile", "urllib3"}
CALLS = {
    *("eval", "exec", "compile", "__import__", "open"),
    *("os.open", "os.system", "os.popen", "os.unlink", "os.remove"),
    *(".write_text", ".write_bytes", ".read_text", ".read_bytes"),
}

ALLOWED = {
    ("server/record_folder.py", "os.open"),  # of a name of our own, in the folder the user chose
    ("server/shared_figures.py", "tempfile"),  # the folder of METRICS, before anybody is served
}
"""Calls and imports that are what they look like, and why they may be."""

MODULES = sorted(
    path for name in SERVING for path in (SOURCE / name, *(SOURCE / name).rglob("*")) if path.suffix == ".py"
)


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def calls(tree: ast.AST) -> Iterator[str]:
    """The names that are called: bare ones, those of `os`, and those of methods."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name):
                yield function.id
            elif isinstance(function, ast.Attribute):
                yield f"os.{function.attr}" if ast.unparse(function.value) == "os" else f".{function.attr}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_is_run_read_or_written(path: Path) -> None:
    tree = ast.parse(path.read_text())
    name = str(path.relative_to(SOURCE))
    assert {library for library in set(imports(tree)) & DANGEROUS if (name, library) not in ALLOWED} == set()
    assert {called for called in calls(tree) if called in CALLS and (name, called) not in ALLOWED} == set()


def test_it_would_be_seen() -> None:
    tree = ast.parse("import subprocess\nfrom pickle import loads\nre.compile('x')\neval('1')\nos.system('x')\n")
    assert set(imports(tree)) & DANGEROUS == {"subprocess", "pickle"}
    assert [called for called in calls(tree) if called in CALLS] == ["eval", "os.system"]
