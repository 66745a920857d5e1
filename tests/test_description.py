"""The API is as /openapi.json says: schemathesis makes requests from it, and judges the answers by it."""

import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.proxying import THOROUGH
from tests.server.asgi import WHOLE
from tests.servers import serving

SCHEMATHESIS = Path(__file__).parent.parent / ".venvs" / "schemathesis" / "bin" / "schemathesis"

SETTINGS = Settings(
    openai_api_base="http://replay.invalid/v1",
    openai_api_key=SecretStr("sk-x"),
    proxy_api_key=SecretStr("right"),
    model="upstream-model",
    backend="plain",
)

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
)
"""Not whether all that the description allows is accepted: it leaves open what a block must hold. Nor whether a wrong
method is a 405: a POST that is no JSON is refused before that is looked at."""


@pytest.mark.skipif(not SCHEMATHESIS.exists(), reason="no environment with schemathesis; ./run_tests.sh makes it")
def test_the_description_is_true(tmp_path: Path) -> None:
    app = create_app(SETTINGS, Replay(Recorded(WHOLE, headers={"content-type": "application/json"})))
    with serving(app) as url:
        done = subprocess.run(
            [
                *(str(SCHEMATHESIS), "run", f"{url}/openapi.json", "--checks", ",".join(CHECKS)),
                # The deprecated ones are the services that are not here, whose answer is a 501.
                *("--header", "x-api-key: right", "--exclude-deprecated", "--seed", "1", "--no-color"),
                *("--max-examples", "500" if THOROUGH else "20"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "0 passed" not in done.stdout
