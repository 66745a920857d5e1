"""Stands in for LiteLLM: starts in half a second, wants its master key, and streams the words it is asked for.

What it does wrong is in FAKE_LITELLM: `crash` (ends at its start), `silent` (never listens), `stubborn` (does not
stop when told to). What it was given is written to FAKE_LITELLM_LOG, a JSON line at each start.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

KEY = os.environ["LITELLM_MASTER_KEY"]


def run_server() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config")
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--num_workers")
    given = parser.parse_args()
    how = os.environ.get("FAKE_LITELLM", "")
    with open(os.environ["FAKE_LITELLM_LOG"], "a") as log:
        print(json.dumps({"pid": os.getpid(), "argv": sys.argv, "environ": dict(os.environ)}), file=log)
    print("a line of the start", flush=True)
    print(f"somebody logs the key {KEY}", file=sys.stderr, flush=True)
    if how == "crash":
        sys.exit("the model list makes no sense")
    if how == "silent":
        time.sleep(600)
    if how == "stubborn":
        # With a process of its own, as LiteLLM's database engine is one.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    uvicorn.run(application(), host=given.host, port=given.port, log_level="warning")


def application() -> Starlette:
    return Starlette(
        routes=[
            Route("/health/liveliness", alive),
            Route("/v1/models", models),
            Route("/v1/model/info", model_info),
            Route("/v1/chat/completions", complete, methods=["POST"]),
        ]
    )


async def alive(request: Request) -> Response:
    return PlainTextResponse('"I\'m alive!"')


async def models(request: Request) -> Response:
    return JSONResponse({"data": [{"id": "first", "created": 1677610602, "owned_by": "openai"}]})


async def model_info(request: Request) -> Response:
    limits = {"max_input_tokens": 64000, "max_output_tokens": 8000}
    return JSONResponse({"data": [{"model_name": "first", "model_info": limits}]})


async def complete(request: Request) -> Response:
    if request.headers.get("authorization") != f"Bearer {KEY}":
        return JSONResponse({"error": {"message": "no such key"}}, 401)
    body = await request.json()
    print(f"asked for {body['model']}", flush=True)
    content = body["messages"][-1]["content"]
    words = content if isinstance(content, str) else content[-1]["text"]
    if not body.get("stream"):
        message = {"role": "assistant", "content": f"{body['model']} says {words}"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return JSONResponse({"id": "c", "object": "chat.completion", "choices": [choice], "usage": USAGE})
    return StreamingResponse(stream(words), media_type="text/event-stream")


async def stream(words: str) -> AsyncIterator[str]:
    """`seconds=2`: that many seconds of words, ten a second."""
    tenths = round(float(words.partition("=")[2] or 0) * 10) or 1
    for number in range(tenths):
        yield chunk({"content": f"{number} "}, None)
        await asyncio.sleep(0.1)
    yield chunk({}, "stop")
    yield "data: [DONE]\n\n"


def chunk(delta: dict[str, str], finish: str | None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return f"data: {json.dumps({'id': 'c', 'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n"


USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
