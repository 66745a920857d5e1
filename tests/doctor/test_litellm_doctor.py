"""The doctor before a real LiteLLM, whose mock answers in words whatever it is asked."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.litellm.server import LiteLLM, litellm_proxy

pytestmark = pytest.mark.slow

CONFIG = {
    "model_list": [
        {
            "model_name": "my-model",
            "litellm_params": {"model": "openai/my-model", "api_key": "none", "mock_response": "Hello."},
        }
    ]
}


@pytest.fixture(scope="module")
def litellm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiteLLM]:
    with litellm_proxy(CONFIG, tmp_path_factory.mktemp("litellm")) as running:
        yield running


def doctor(cwd: Path, **variables: str) -> dict[str, Any]:
    """The report, with its exit code checked."""
    done = subprocess.run(
        [sys.executable, "-m", "anthropic_proxy", "doctor", "--json"],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PORT": "0", **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["exit_code"] == done.returncode
    return report


def test_it_is_recognised_and_what_its_mock_lacks_is_named(litellm: LiteLLM, tmp_path: Path) -> None:
    report = doctor(tmp_path, OPENAI_API_BASE=f"{litellm.base_url}/v1", OPENAI_API_KEY=litellm.key, MODEL="my-model")
    verdicts = {row["name"]: row["verdict"] for row in report["capabilities"]}
    assert (report["dialect"], report["settings"]["BACKEND"]) == ("litellm", "litellm")
    assert {name for name, verdict in verdicts.items() if verdict == "yes"} >= {
        *("reachable", "key accepted", "model exists", "plain reply", "streaming", "usage in stream"),
    }
    assert (verdicts["tools"], verdicts["tool results"]) == ("no", "skipped")
    assert (report["exit_code"], report["problems"]) == (1, [])


MISTAKES = {
    "a wrong key": ("/v1", "sk-wrong-0123456789", "my-model", "wrong_key"),
    "a doubled /v1": ("/v1/v1", "", "my-model", "wrong_url"),
    "an unknown model": ("/v1", "", "mymodel", "unknown_model"),
}


@pytest.mark.parametrize(("path", "key", "model", "name"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told(litellm: LiteLLM, path: str, key: str, model: str, name: str, tmp_path: Path) -> None:
    report = doctor(
        tmp_path, OPENAI_API_BASE=f"{litellm.base_url}{path}", OPENAI_API_KEY=key or litellm.key, MODEL=model
    )
    assert [problem["name"] for problem in report["problems"]] == [name]
    assert report["exit_code"] == 2
