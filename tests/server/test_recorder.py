"""Recordings: what is in them, what is not, and who can read them."""

import asyncio
import gzip
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from anthropic_proxy import create_app
from anthropic_proxy.config import Settings
from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.server.logs import Redactor
from anthropic_proxy.server.record_folder import RecordFolder, prepare
from anthropic_proxy.server.recordings import Document, headers_shown, read_bytes, read_texts
from anthropic_proxy.upstream.base import Upstream
from anthropic_proxy.upstream.replay import Recorded, Replay
from tests.server.asgi import STREAMED, WHOLE, Exchange, alive, call, question

SETTINGS = Settings(
    openai_api_base="https://api.example.com/v1?key=sk-in-the-url-1234", openai_api_key=SecretStr("sk-upstream-secret")
)
JSON = {"content-type": "application/json"}


async def recorded(
    upstream: Upstream, body: object, headers: Mapping[str, str] | None = None, **settings: object
) -> Document:
    """The document of one exchange."""
    kept: list[Document] = []
    app = create_app(SETTINGS.model_copy(update=settings), upstream, keep=lambda make: kept.append(make()))
    await call(app, "POST", "/v1/messages", body, headers)
    return kept[0]


async def test_a_document_holds_the_whole_exchange() -> None:
    replay = Replay(Recorded(STREAMED, read_size=100))
    document = await recorded(replay, question(stream=True, model="m"), {"anthropic-version": "2023-06-01"})
    assert document["request"]["body"] == question(stream=True, model="m")
    (asked,) = document["calls"]
    assert (asked["path"], asked["body"]) == ("/chat/completions", replay.requests[0].body)
    assert "".join(asked["reads"]).encode() == STREAMED
    assert set(map(len, asked["reads"][:-1])) == {100}
    assert len(asked["at_ms"]) == len(asked["reads"])
    assert (asked["status"], asked["ended"], asked["broke"]) == (200, True, None)
    assert document["answer"]["body"][0].startswith("event: message_start\ndata: {")
    assert document["answer"]["body"][-1] == 'event: message_stop\ndata: {"type":"message_stop"}'
    assert document["dialect"] == {"backend": "plain", "facts": "reasoning=none"}


async def test_a_whole_reply_is_recorded_as_json() -> None:
    document = await recorded(Replay(Recorded(WHOLE, headers=JSON)), question())
    assert document["answer"]["body"]["content"][0]["text"] == "Hello there"
    assert document["answer"]["body"]["id"] == document["message_id"]


async def test_a_backend_that_cannot_be_reached() -> None:
    document = await recorded(Replay(UpstreamBroke("cannot connect to x:1: no", kind="refused")), question())
    (asked,) = document["calls"]
    assert (asked["status"], asked["reads"]) == (0, [])
    assert asked["broke"] == {"kind": "refused", "message": "cannot connect to x:1: no"}
    assert document["answer"]["status"] == 502


async def test_a_stream_that_breaks() -> None:
    document = await recorded(Replay(Recorded(STREAMED, read_size=50, broken_at=350)), question(stream=True))
    (asked,) = document["calls"]
    assert ("".join(asked["reads"]).encode(), asked["ended"]) == (STREAMED[:350], False)
    assert asked["broke"]["kind"] == "closed_early"
    assert document["answer"]["body"][-1].startswith("event: error\n")


async def test_a_client_that_leaves() -> None:
    kept: list[Document] = []
    replay = Replay(Recorded(STREAMED[:400], stall=True))
    app = create_app(SETTINGS, replay, keep=lambda make: kept.append(make()))
    exchange = Exchange(app, "POST", "/v1/messages", question(stream=True))
    running = asyncio.create_task(exchange.run())
    await exchange.until_sent(b"Hello")
    exchange.gone.set()
    await running
    assert kept[0]["answer"]["ended"] is False
    assert (kept[0]["calls"][0]["ended"], kept[0]["calls"][0]["broke"]) == (False, None)


BODIES: dict[str, tuple[bytes, dict[str, str], Any]] = {
    "packed": (gzip.compress(b'{"model": 1}'), {"content-encoding": "gzip"}, {"model": 1}),
    "said to be packed, but not": (b'{"model": 1}', {"content-encoding": "gzip"}, {"model": 1}),
    "packed in a way nobody knows, and left unread": (b"xyz", {"content-encoding": "br"}, ""),
    "no JSON": (b"{'model'}", {}, "{'model'}"),
    "no text": (b"\xff\xfe", {}, "\ufffd\ufffd"),
    "nothing": (b"", {}, ""),
}


@pytest.mark.parametrize(("sent", "headers", "expected"), BODIES.values(), ids=BODIES.keys())
async def test_a_request_that_is(sent: bytes, headers: dict[str, str], expected: Any) -> None:
    document = await recorded(Replay(Recorded(WHOLE)), sent, headers)
    assert document["request"]["body"] == expected
    assert (document["calls"], document["dialect"], document["message_id"]) == ([], None, "")


async def test_settings_that_change_what_is_said_are_recorded() -> None:
    document = await recorded(Replay(Recorded(WHOLE)), question(), model="m", strict=True, dialect="vision=false")
    assert document["settings"] == {"model": "m", "strict": True}
    assert document["dialect"] == {"backend": "plain", "facts": "vision=false reasoning=none"}


async def test_no_key_is_recorded() -> None:
    key = "a-clients-own-key-of-no-known-form"
    told = f"Incorrect API key: {key}, sk-upstream-secret"
    refusal = Recorded(json.dumps({"error": {"message": told}}).encode(), 401, {**JSON, "set-cookie": f"k={key}"})
    document = await recorded(
        Replay(refusal, base_url=SETTINGS.openai_api_base),
        question(system=f"my key is {key}", stream=True),
        {"x-api-key": key, "cookie": f"k={key}", "x-odd": key, "authorization": f"Bearer {key}"},
        dialect=f"headers=X-Key:{key}",
        forward_key=True,
    )
    text = json.dumps(document)
    for secret in (key, "sk-upstream", "sk-in-the-url"):
        assert secret not in text
    assert document["request"]["body"]["system"] == "my key is [redacted]"
    assert document["request"]["headers"]["x-odd"] == "[redacted]"
    assert document["calls"][0]["headers"]["x-key"] == "[redacted]"


async def test_a_word_that_stands_in_for_a_key_stays_in_prompts() -> None:
    document = await recorded(Replay(Recorded(WHOLE)), question(system="say anything"), {"x-api-key": "anything"})
    assert document["request"]["body"]["system"] == "say anything"
    assert document["request"]["headers"]["x-api-key"] == "[redacted]"


SECRET = Redactor(["the-secret"])

READS: dict[str, tuple[list[bytes], list[Any]]] = {
    "text": ([b"ab", b"c"], ["ab", "c"]),
    "none": ([], []),
    "a cut character": (["é".encode()[:1], "é".encode()[1:] + b"x"], [{"base64": "ww=="}, {"base64": "qXg="}]),
    "no text": ([b"\xff"], [{"base64": "/w=="}]),
    "a key": ([b"a the-secret b"], ["a [redacted] b"]),
    "a key that was cut": ([b"a the-s", b"ecret b", b"c"], ["a [reda", "cted] b", "c"]),
    "a key in the last read": ([b"ab", b"the-secret"], ["ab", "[redacted]"]),
    "many small reads of a key": ([bytes([char]) for char in b"the-secret"], [*"[redacted", "]"]),
    "a key beside what is no text": ([b"\xffthe-secret"], [{"base64": "/1tyZWRhY3RlZF0="}]),
}


@pytest.mark.parametrize(("reads", "texts"), READS.values(), ids=READS.keys())
def test_reads(reads: list[bytes], texts: list[Any]) -> None:
    assert read_texts(reads, SECRET) == texts
    clean = b"".join(reads).replace(b"the-secret", b"[redacted]")
    assert b"".join(read_bytes(texts)) == clean


def test_headers_are_shown_by_name_and_only_some_by_value() -> None:
    assert headers_shown({"Content-Type": "a/b", "X-RateLimit-Limit": "1", "X-Litellm-Key": "k"}) == {
        "content-type": "a/b",
        "x-ratelimit-limit": "1",
        "x-litellm-key": "[redacted]",
    }


async def test_files_are_for_the_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    prepare(folder)
    settings = SETTINGS.model_copy(update={"record_dir": str(folder)})
    async with alive(create_app(settings, Replay(Recorded(WHOLE, headers=JSON)))) as app:
        answer = await call(app, "POST", "/v1/messages", question())
        await call(app, "GET", "/health")
    (file,) = folder.iterdir()
    assert file.name.endswith(f"-{answer.headers['request-id']}.json")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, file)] == [0o700, 0o600]
    assert json.loads(file.read_bytes())["request"]["body"] == question()


async def test_a_recording_that_cannot_be_written_harms_no_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = SETTINGS.model_copy(update={"record_dir": str(tmp_path / "gone")})
    async with alive(create_app(settings, Replay(Recorded(WHOLE, headers=JSON)))) as app:
        assert (await call(app, "POST", "/v1/messages", question())).status == 200
    assert "RECORD_DIR: an exchange was not recorded: " in caplog.text
    assert "No such file or directory" in caplog.text


async def test_a_document_that_cannot_be_made_is_told_to_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def make() -> Document:
        raise RecursionError("too deep")

    folder = RecordFolder(tmp_path)
    folder.keep(make)
    await folder.close()
    assert "RecursionError: too deep" in caplog.text


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"^RECORD_DIR: cannot make .*: "):
        prepare(tmp_path / "file" / "folder")


def test_nothing_is_noted_where_nothing_is_recorded() -> None:
    layers = [layer.cls.__name__ for layer in create_app(SETTINGS, Replay(Recorded(WHOLE))).user_middleware]  # type: ignore[attr-defined]
    assert layers == ["Rim", "Guard", "Direct"]
