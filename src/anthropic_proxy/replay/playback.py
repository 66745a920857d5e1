"""Playback: a recorded exchange goes through the real application again, over what the backend answered then."""

import asyncio
import difflib
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from starlette.types import ASGIApp, Message

from anthropic_proxy.config import Settings
from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.model_map import ANY, NO_MAP, ModelMap, Rule
from anthropic_proxy.server.app import create_app
from anthropic_proxy.server.recordings import VERSION, Document, read_bytes
from anthropic_proxy.translate.body_fields import BodyFields
from anthropic_proxy.translate.redaction import REDACTED
from anthropic_proxy.upstream.replay import Recorded, Replay
from anthropic_proxy.wire.json import InvalidJson, dumps, indented, loads

KEY = "replayed"
"""Stands in for every key. None is recorded."""

NOT_SENT = frozenset({"host", "content-length", "content-encoding"})
"""Request headers that say how the bytes were sent then."""

MINUTE = 60.0


class Unplayable(ValueError):
    """The file is no recording, or not one that this version can play back. The text says why."""


def read_recording(data: bytes) -> Document:
    """The document in a file. Raises Unplayable."""
    try:
        document = loads(data)
    except InvalidJson as error:
        raise Unplayable(f"not JSON: {error}") from None
    if not isinstance(document, dict) or "recording" not in document:
        raise Unplayable("not a recording of `anthropic-proxy serve --record`")
    if document["recording"] != VERSION:
        raise Unplayable(f"a recording of version {document['recording']!r}; this proxy reads version {VERSION}")
    return document


async def played_back(document: Document) -> Document:
    """The document of the same exchange with the proxy as it is now. Raises Unplayable."""
    try:
        settings, models = _settings(document), _models(document)
        replay = Replay(*(_replies(document) or [_NO_CALL]), base_url=document["base_url"])
        request, message_id = document["request"], str(document["message_id"])
        headers = _headers(request["headers"])
        body = request["body"].encode() if isinstance(request["body"], str) else dumps(request["body"])
        path = str(request["path"])
    except (KeyError, TypeError, AttributeError) as error:
        raise Unplayable(f"not a whole recording: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Unplayable(f"{first['loc'][0]}: {first['msg']}") from None
    kept: list[Document] = []
    app = create_app(
        settings, replay, models=models, keep=lambda make: kept.append(make()), message_id=lambda: message_id
    )
    await _ask(app, path, headers, body)
    return kept[0]


_NO_CALL = UpstreamBroke("the recording has no call to the backend", kind="refused")


def _settings(document: Document) -> Settings:
    dialect = document["dialect"] or {"backend": "plain", "facts": ""}
    own_key = {} if document["settings"].get("forward_key") else {"openai_api_key": KEY}
    return Settings.model_validate(
        {
            **document["settings"],
            **own_key,
            "openai_api_base": document["base_url"],
            "backend": dialect["backend"],
            "dialect": dialect["facts"],
        }
    )


def _models(document: Document) -> ModelMap:
    """The route that the model map had chosen, for every name; none, if the settings chose."""
    route = document.get("route")
    if route is None:
        return NO_MAP
    fields = BodyFields(route["set"], route["default"], tuple(route["drop"]))
    return ModelMap((Rule(ANY, None, route["model"], reasoning=route["reasoning"], fields=fields),))


def _calls(document: Document) -> list[Document]:
    """The calls for a reply, but those to models in whose place another was asked then. The backend was asked for
    its models only where nobody had said who it is."""
    in_vain = (document.get("route") or {}).get("calls_in_vain", 0)
    return [call for call in document["calls"] if call["method"] == "POST"][in_vain:]


def _replies(document: Document) -> list[Recorded | UpstreamBroke]:
    return [_reply(call) for call in _calls(document)]


def _reply(call: Document) -> Recorded | UpstreamBroke:
    broke = call["broke"] and UpstreamBroke(call["broke"]["message"], kind=call["broke"]["kind"])
    if broke and not call["status"]:
        return UpstreamBroke(broke.message, kind=broke.kind)
    reads = read_bytes(call["reads"])
    shown = {name: value for name, value in call["reply_headers"].items() if value != REDACTED}
    return Recorded(
        b"".join(reads), status=call["status"], headers=shown, reads=tuple(map(len, reads)), broke=broke or None
    )


def _headers(recorded: dict[str, str]) -> list[tuple[bytes, bytes]]:
    shown = {name: value for name, value in recorded.items() if value != REDACTED and name not in NOT_SENT}
    return [(name.encode(), value.encode("latin-1")) for name, value in {**shown, "x-api-key": KEY}.items()]


async def _ask(app: ASGIApp, path: str, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """One POST, whose answer is seen by the recorder. The client stays to the end."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if waiting:
            return waiting.pop()
        await asyncio.sleep(MINUTE)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None: ...

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
    }
    await app(scope, receive, send)


def differences(recorded: Document, now: Document) -> list[str]:
    """What the backend was asked and the client was given, then and now, as the lines of a diff; none if the same.

    Left out is what no two runs share: ids of requests, pings, times, and the guess at the prompt's tokens, which
    depends on what earlier replies have taught.
    """
    then_lines, now_lines = list(_lines(recorded)), list(_lines(now))
    if not recorded["answer"]["ended"]:
        # The client left early, and what it would have been sent is not known.
        now_lines = now_lines[: len(then_lines)]
    return list(difflib.unified_diff(then_lines, now_lines, "recorded", "now", lineterm=""))


def _lines(document: Document) -> Iterator[str]:
    for call in _calls(document):
        yield f"the backend is asked: POST {call['path']}"
        yield from indented(call["body"]).decode().splitlines()
    answer = document["answer"]
    yield f"the client is answered: {answer['status']}"
    for name, value in sorted(answer["headers"].items()):
        if name != "request-id" and value != REDACTED:
            yield f"{name}: {value}"
    body = answer["body"]
    blocks = map(_without_guess, body) if isinstance(body, list) else [indented(body).decode()]
    for block in blocks:
        yield from block.replace(document["request_id"], "req_").splitlines()


def _without_guess(event: str) -> str:
    """A `message_start` without its token count."""
    heading, _, data = event.partition("\ndata: ")
    if heading != "event: message_start":
        return event
    value: Any = loads(data.encode())
    value["message"]["usage"]["input_tokens"] = None
    return f"{heading}\ndata: {dumps(value).decode()}"


def renewed(recorded: Document, now: Document) -> Document:
    """The recording with what is asked and answered now, over the same replies of the backend."""
    asked = [call["body"] for call in now["calls"]]
    posts = _calls(recorded)
    in_vain = [call for call in recorded["calls"] if call["method"] == "POST"][: -len(posts) or None] if posts else []
    calls = [*in_vain, *({**call, "body": body} for call, body in zip(posts, asked, strict=False))]
    answer = dumps(now["answer"]).replace(now["request_id"].encode(), recorded["request_id"].encode())
    return {**recorded, "proxy": now["proxy"], "calls": calls, "answer": loads(answer)}
