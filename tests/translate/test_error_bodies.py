"""What a backend's error says is found in every shape in which backends say it."""

import pytest

from anthropic_proxy.translate.error_bodies import ErrorSays, error_in, error_says, error_text
from anthropic_proxy.wire.chat import chat_chunk, lenient_chunk

SHAPES: dict[str, tuple[object, ErrorSays]] = {
    "OpenAI's object": (
        {
            "error": {
                "message": "No.",
                "type": "invalid_request_error",
                "param": "stop",
                "code": "unsupported_parameter",
            }
        },
        ErrorSays("No.", "invalid_request_error", "unsupported_parameter", "stop"),
    ),
    "an error that is a string": ({"error": "No."}, ErrorSays("No.")),
    "Gemini's list": (
        [{"error": {"code": 400, "message": "No.", "status": "INVALID_ARGUMENT"}}],
        ErrorSays("No.", "INVALID_ARGUMENT", status=400),
    ),
    "a bare message": ({"message": "No."}, ErrorSays("No.")),
    "old vLLM, everything at the top": (
        {"object": "error", "message": "No.", "type": "BadRequestError", "param": None, "code": 400},
        ErrorSays("No.", "BadRequestError", status=400),
    ),
    "a detail": ({"detail": "Not Found"}, ErrorSays("Not Found")),
    "FastAPI's list of details, without what the client sent": (
        {
            "detail": [
                {
                    "type": "extra_forbidden",
                    "loc": ["body", "top_k"],
                    "msg": "Extra inputs are not permitted",
                    "input": "a secret prompt",
                }
            ]
        },
        ErrorSays("top_k: Extra inputs are not permitted", "extra_forbidden", param="top_k"),
    ),
    "Mistral's details inside a message": (
        {
            "object": "error",
            "message": {"detail": [{"loc": ["body", "store"], "msg": "Extra inputs are not permitted"}]},
        },
        ErrorSays("store: Extra inputs are not permitted", param="store"),
    ),
    "a list of errors": (
        {"errors": [{"code": 7003, "message": "No."}, {"message": "Nor this."}]},
        ErrorSays("No.; Nor this.", code="7003"),
    ),
    "Anthropic's own": (
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"},
        ErrorSays("Overloaded", "overloaded_error"),
    ),
    "OpenRouter's word for what its host said": (
        {
            "error": {
                "message": "Provider returned error",
                "code": 429,
                "metadata": {"raw": '{"error":{"message":"Slow down.","type":"limit"}}'},
            }
        },
        ErrorSays("Slow down.", "limit", status=429),
    ),
    "OpenRouter's host said plain words": (
        {"error": {"message": "Provider returned error", "code": 502, "metadata": {"raw": "bad gateway"}}},
        ErrorSays("bad gateway", status=502),
    ),
    "OpenRouter's host said nothing": (
        {"error": {"message": "Provider returned error", "code": 502, "metadata": {"provider_name": "X"}}},
        ErrorSays("Provider returned error", status=502),
    ),
    "Azure's filter says why one level deeper": (
        {"error": {"message": "No.", "code": None, "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
        ErrorSays("No.", code="ResponsibleAIPolicyViolation"),
    ),
    "a message that is JSON again": (
        {"error": {"message": '{"error": {"message": "No.", "code": "deep"}}'}},
        ErrorSays("No.", code="deep"),
    ),
    "a message that only looks like JSON": ({"error": {"message": "{oops"}}, ErrorSays("{oops")),
    "Spring's two words": (
        {"status": 404, "error": "Not Found", "message": "No static resource"},
        ErrorSays("Not Found: No static resource", status=404),
    ),
    "Groq's stream": ({"error": {"message": "No.", "status_code": 400}}, ErrorSays("No.", status=400)),
    "a number that is no status": ({"message": "No.", "code": "3230"}, ErrorSays("No.", code="3230")),
    "llama.cpp's figures": (
        {"error": {"message": "No.", "n_prompt_tokens": 9, "n_ctx": 8}},
        ErrorSays("No.", figures={"n_prompt_tokens": 9, "n_ctx": 8}),
    ),
    "a list of strings": (["No.", "Nor this."], ErrorSays("No.; Nor this.")),
    "an empty list": ([], ErrorSays()),
    "nothing that can be read": ({"ok": False}, ErrorSays()),
    "a number": (7, ErrorSays()),
}


@pytest.mark.parametrize(("value", "says"), SHAPES.values(), ids=SHAPES.keys())
def test_every_shape_of_error_is_read(value: object, says: ErrorSays) -> None:
    assert error_says(value) == says


NESTED = b'{"error":' * 40 + b"1" + b"}" * 40

BODIES = {
    "JSON": (b'{"error": "No."}', ErrorSays("No.")),
    "JSON behind a byte order mark": (b'\xef\xbb\xbf{"error": "No."}', ErrorSays("No.")),
    "a JSON string": (b'"No."', ErrorSays('"No."')),
    "plain text": (b" upstream connect error \n", ErrorSays("upstream connect error")),
    "text in no encoding": (b"caf\xe9", ErrorSays("caf\ufffd")),
    "a page with a title": (
        b"<!DOCTYPE html>\n<html><head><title>502 Bad\n Gateway &amp; more</title></head><body>x</body></html>",
        ErrorSays("502 Bad Gateway & more", html=True),
    ),
    "a page without one": (b"<html><body>sorry</body></html>", ErrorSays(html=True)),
    "nothing": (b"", ErrorSays()),
    "errors inside errors without end": (NESTED, ErrorSays(NESTED.decode())),
    "JSON without a message": (b'{"ok": false}', ErrorSays('{"ok": false}')),
    "half an object": (b'{"error": {"message": "No', ErrorSays('{"error": {"message": "No')),
}


@pytest.mark.parametrize(("body", "says"), BODIES.values(), ids=BODIES.keys())
def test_every_body_is_read(body: bytes, says: ErrorSays) -> None:
    assert error_text(body) == says


CHUNKS: dict[str, tuple[bytes, object]] = {
    "an error": (b'{"error": {"message": "No."}}', {"message": "No."}),
    "an error beside choices": (b'{"choices": [{"delta": {}}], "error": "No."}', "No."),
    "an error on a choice": (b'{"choices": [{"finish_reason": "error", "error": {"code": 502}}]}', {"code": 502}),
    "a falsy error": (b'{"choices": [], "error": null}', None),
    "an empty error and nothing else": (b'{"error": {}}', None),
    "a detail": (b'{"detail": "No."}', {"detail": "No."}),
    "a message with its code": (
        b'{"object": "error", "message": "No.", "type": "BadRequestError", "code": 400}',
        {"message": "No.", "type": "BadRequestError", "code": 400},
    ),
    "errors": (b'{"errors": [{"message": "No."}]}', {"errors": [{"message": "No."}]}),
    "a list": (b'[{"error": {"message": "No."}}]', {"message": "No."}),
    "a string": (b'"No."', "No."),
    "choices": (b'{"choices": [{"delta": {"content": "Hi"}}]}', None),
    "choices beside a message": (b'{"message": "ok", "choices": [{"delta": {}}]}', None),
    "no choices but usage": (b'{"choices": [], "usage": {"prompt_tokens": 1}}', None),
    "Anthropic's message_start": (b'{"type": "message_start", "message": {"id": "msg_1"}}', None),
    "Anthropic's message": (b'{"type": "message", "content": []}', None),
    "nothing": (b"{}", None),
}


@pytest.mark.parametrize(("data", "error"), CHUNKS.values(), ids=CHUNKS.keys())
def test_error_in_a_200(data: bytes, error: object) -> None:
    assert error_in(chat_chunk(data)) == error


def test_an_error_is_found_where_the_choices_are_no_list() -> None:
    assert error_in(lenient_chunk({"choices": "none", "message": "No."})) == {"message": "No."}
