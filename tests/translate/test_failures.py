"""A backend's errors in Anthropic's terms: type, status, headers, the backend's own words, and no keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.errors import STATUS
from anthropic_proxy.translate.failures import CLIENTS_KEY, MOST_TEXT, Asked, refusal, stream_failure
from anthropic_proxy.translate.pieces import Failure
from anthropic_proxy.wire.json import dumps

ASKED = Asked("https://llm.test/v1", "gpt-9")
FINAL = {"x-should-retry": "false"}


def openai(message: str, **more: object) -> bytes:
    return dumps({"error": {"message": message, "type": None, "param": None, "code": None, **more}})


REFUSALS: dict[str, tuple[int, bytes, Failure]] = {
    "a bad request": (400, openai("Bad."), Failure("invalid_request_error", "Bad.", 400)),
    "an entity that cannot be processed": (422, openai("Bad."), Failure("invalid_request_error", "Bad.", 400)),
    "any other 4xx": (418, openai("Tea."), Failure("invalid_request_error", "Tea.", 400)),
    "a wrong key of ours": (
        401,
        openai("Incorrect API key provided: sk-abc1***************wxyz.", code="invalid_api_key"),
        Failure(
            "authentication_error",
            "the upstream refused the proxy's OPENAI_API_KEY: Incorrect API key provided: [redacted].",
            401,
            FINAL,
        ),
    ),
    "a wrong key with status 400": (
        400,
        openai("API key not valid. Please pass a valid API key."),
        Failure(
            "authentication_error",
            "the upstream refused the proxy's OPENAI_API_KEY: API key not valid. Please pass a valid API key.",
            401,
            FINAL,
        ),
    ),
    "a wrong key for a LiteLLM that has no database of keys": (
        400,
        openai("No connected db."),
        Failure(
            "authentication_error", "the upstream refused the proxy's OPENAI_API_KEY: No connected db.", 401, FINAL
        ),
    ),
    "a sign-in of LiteLLM's that Copilot has revoked": (
        401,
        openai("litellm.AuthenticationError: AuthenticationError: Github_copilotException - token expired"),
        Failure(
            "authentication_error",
            "Copilot does not accept LiteLLM's sign-in; sign in again with: anthropic-proxy login copilot "
            "(litellm.AuthenticationError: AuthenticationError: Github_copilotException - token expired)",
            401,
            FINAL,
        ),
    ),
    "a sign-in of LiteLLM's that GitHub does not renew": (
        400,
        openai("litellm.AuthenticationError: Failed to refresh API key"),
        Failure(
            "authentication_error",
            "Copilot does not accept LiteLLM's sign-in; sign in again with: anthropic-proxy login copilot "
            "(litellm.AuthenticationError: Failed to refresh API key)",
            401,
            FINAL,
        ),
    ),
    "no money": (402, openai("Insufficient Balance"), Failure("billing_error", "Insufficient Balance", 402, FINAL)),
    "a quota that is used up": (
        429,
        openai("You exceeded your current quota.", code="insufficient_quota"),
        Failure("billing_error", "You exceeded your current quota.", 402, FINAL),
    ),
    "credits that are used up": (
        429,
        openai("You have run out of credits."),
        Failure("billing_error", "You have run out of credits.", 402, FINAL),
    ),
    "Anthropic's low balance with status 400": (
        400,
        openai("Your credit balance is too low to access the API."),
        Failure("billing_error", "Your credit balance is too low to access the API.", 402, FINAL),
    ),
    "a forbidden country": (403, openai("Not here."), Failure("permission_error", "Not here.", 403, FINAL)),
    "a model nobody knows": (
        404,
        openai("The model `gpt-9` does not exist or you do not have access to it.", code="model_not_found"),
        Failure(
            "not_found_error", "model: gpt-9 (The model `gpt-9` does not exist or you do not have access to it.)", 404
        ),
    ),
    "a name nobody knows, in a text without the word": (
        404,
        b"unknown: GPT-9",
        Failure("not_found_error", "model: gpt-9 (unknown: GPT-9)", 404),
    ),
    "an Azure deployment nobody knows": (
        404,
        openai("The API deployment for this resource does not exist.", code="DeploymentNotFound"),
        Failure("not_found_error", "model: gpt-9 (The API deployment for this resource does not exist.)", 404),
    ),
    "LiteLLM's 400 for a model it does not have": (
        400,
        openai("Invalid model name passed in model=gpt-9. Call `/v1/models` to view available models for your key."),
        Failure(
            "not_found_error",
            "model: gpt-9 (Invalid model name passed in model=gpt-9. Call `/v1/models` to view "
            "available models for your key.)",
            404,
        ),
    ),
    "OpenRouter has nobody for this request": (
        404,
        openai("No endpoints found that support tool use."),
        Failure("invalid_request_error", "No endpoints found that support tool use.", 400),
    ),
    "a wrong base URL": (
        404,
        b'{"detail":"Not Found"}',
        Failure(
            "api_error",
            "no /chat/completions at https://llm.test/v1: check OPENAI_API_BASE (Not Found)",
            502,
            FINAL,
        ),
    ),
    "a page where the API should be": (
        404,
        b"<html><title>Our model shop</title></html>",
        Failure(
            "api_error",
            "no /chat/completions at https://llm.test/v1: check OPENAI_API_BASE (upstream answered "
            "HTML: Our model shop)",
            502,
            FINAL,
        ),
    ),
    "a redirect": (
        301,
        b"",
        Failure(
            "api_error",
            "no /chat/completions at https://llm.test/v1: check OPENAI_API_BASE (the upstream "
            "answered 301 without a message)",
            502,
            FINAL,
        ),
    ),
    "a method that is not allowed": (
        405,
        b'{"detail":"Method Not Allowed"}',
        Failure(
            "api_error",
            "no /chat/completions at https://llm.test/v1: check OPENAI_API_BASE (Method Not Allowed)",
            502,
            FINAL,
        ),
    ),
    "a timeout": (408, openai("Slow."), Failure("timeout_error", "Slow.", 504)),
    "a conflict": (409, openai("Twice."), Failure("conflict_error", "Twice.", 409)),
    "a body too large": (413, b"Payload Too Large", Failure("request_too_large", "Payload Too Large", 413)),
    "a rate limit": (429, openai("Slow down."), Failure("rate_limit_error", "Slow down.", 429)),
    "a rate limit that says when": (
        429,
        openai("Please try again in 3.2s."),
        Failure("rate_limit_error", "Please try again in 3.2s.", 429, {"retry-after": "4"}),
    ),
    "a rate limit too long to sleep through": (
        429,
        openai("Please try again in 30m0s."),
        Failure("rate_limit_error", "Please try again in 30m0s.", 429, {"retry-after": "1800", **FINAL}),
    ),
    "a throttled Bedrock with status 400": (
        400,
        openai("ThrottlingException: Too many tokens, please wait."),
        Failure("rate_limit_error", "ThrottlingException: Too many tokens, please wait.", 429),
    ),
    "a broken server": (500, openai("Oops."), Failure("api_error", "Oops.", 500)),
    "a bad gateway": (502, b"oops", Failure("api_error", "oops", 502)),
    "Cloudflare's own status": (520, b"", Failure("api_error", "the upstream answered 520 without a message", 520)),
    "an unavailable server": (503, openai("Later."), Failure("overloaded_error", "Later.", 529)),
    "an overloaded one": (529, openai("Overloaded"), Failure("overloaded_error", "Overloaded", 529)),
    "an overloaded one with status 500": (
        500,
        openai("Model is at capacity."),
        Failure("overloaded_error", "Model is at capacity.", 529),
    ),
    "an overloaded one with status 429": (
        429,
        openai("The engine is currently overloaded, please try again later", type="engine_overloaded_error"),
        Failure("overloaded_error", "The engine is currently overloaded, please try again later", 529),
    ),
    "a mesh without a host": (503, b"no healthy upstream", Failure("overloaded_error", "no healthy upstream", 529)),
    "a gateway's timeout": (504, b"", Failure("timeout_error", "the upstream answered 504 without a message", 504)),
    "HTML from a load balancer": (
        502,
        b"<html><head><title>502 Bad Gateway</title></head><body><h1>secret</h1></body></html>",
        Failure("api_error", "upstream answered HTML: 502 Bad Gateway", 502),
    ),
    "HTML without a title": (503, b"<html></html>", Failure("overloaded_error", "upstream answered HTML", 529)),
    "HTML that says 429 in passing is judged by its status": (
        403,
        b"<html><title>Too many requests? No: overloaded</title></html>",
        Failure("permission_error", "upstream answered HTML: Too many requests? No: overloaded", 403, FINAL),
    ),
    "OpenAI's content filter": (
        400,
        openai("Your request was rejected.", code="content_policy_violation"),
        Failure(
            "invalid_request_error", "Blocked by the upstream's content filter: Your request was rejected.", 400, FINAL
        ),
    ),
    "Azure's content filter": (
        400,
        dumps(
            {
                "error": {
                    "message": "Filtered.",
                    "code": "content_filter",
                    "innererror": {"code": "ResponsibleAIPolicyViolation"},
                }
            }
        ),
        Failure("invalid_request_error", "Blocked by the upstream's content filter: Filtered.", 400, FINAL),
    ),
    "DeepSeek's content filter": (
        400,
        openai("Content Exists Risk"),
        Failure("invalid_request_error", "Blocked by the upstream's content filter: Content Exists Risk", 400, FINAL),
    ),
    "a model that sees no images": (
        400,
        openai("Invalid content type. image_url is only supported by certain models."),
        Failure(
            "invalid_request_error",
            "Could not process image: the upstream model does not accept image input "
            "(Invalid content type. image_url is only supported by certain models.)",
            400,
        ),
    ),
    "an image that cannot be read": (
        400,
        openai("Failed to decode image: truncated file"),
        Failure("invalid_request_error", "Could not process image: Failed to decode image: truncated file", 400),
    ),
    "an unsupported kind of image": (
        400,
        openai("You uploaded an unsupported image. Please make sure your image is valid."),
        Failure(
            "invalid_request_error",
            "Could not process image: You uploaded an unsupported image. Please make sure your image is valid.",
            400,
        ),
    ),
    "a kind of image nobody reads": (
        400,
        openai("This model does not support image/tiff."),
        Failure("invalid_request_error", "This model does not support image/tiff.", 400),
    ),
    "a model that reads no PDF": (
        400,
        openai("Invalid value: 'file'. Supported values are: 'text', 'image_url'."),
        Failure(
            "invalid_request_error",
            "This model does not support PDF input (Invalid value: 'file'. Supported values are: 'text', 'image_url'.)",
            400,
        ),
    ),
    "an error in a 200 with a number": (
        200,
        b'{"error": {"message": "Slow down.", "code": 429}}',
        Failure("rate_limit_error", "Slow down.", 429),
    ),
    "an error in a 200 with a name": (
        200,
        b'{"error": {"message": "Oops.", "type": "server_error"}}',
        Failure("api_error", "Oops.", 500),
    ),
    "an error in a 200 with neither": (200, b'{"error": "Oops."}', Failure("api_error", "Oops.", 500)),
    "a code and no message": (
        400,
        dumps({"error": {"code": "bad_thing"}}),
        Failure("invalid_request_error", '{"error":{"code":"bad_thing"}}', 400),
    ),
}


@pytest.mark.parametrize(("status", "body", "failure"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refusal(status: int, body: bytes, failure: Failure) -> None:
    assert refusal(status, {}, body, ASKED) == failure


def test_in_forward_mode_it_is_the_clients_key_that_was_refused() -> None:
    failure = refusal(401, {}, openai("No."), ASKED._replace(key_name=CLIENTS_KEY))
    assert failure.message == "the upstream refused the API key that came with this request: No."
    assert failure.headers == FINAL


def test_a_missing_model_is_named_as_the_client_and_as_the_upstream_know_it() -> None:
    failure = refusal(404, {}, openai("model not found"), ASKED._replace(client_model="claude-x"))
    assert failure.message == "model: claude-x, sent to the upstream as gpt-9 (model not found)"


def test_a_key_in_the_base_url_stays_out_of_the_message() -> None:
    failure = refusal(404, {}, b"", ASKED._replace(base_url="https://me:hunter2@llm.test/v1?key=hunter3"))
    assert "hunter" not in failure.message
    assert "llm.test" in failure.message


HEADERS = {
    "a rate limit's wait is passed on": (429, {"retry-after": "7"}, {"retry-after": "7"}),
    "two minutes may be slept through": (429, {"retry-after": "120"}, {"retry-after": "120"}),
    "more may not": (429, {"retry-after": "121"}, {"retry-after": "121", **FINAL}),
    "an overloaded backend's wait is passed on": (503, {"retry-after": "2"}, {"retry-after": "2"}),
    "an error that does not pass gets no wait": (400, {"retry-after": "2"}, {}),
    "what is left of the limits is told": (
        429,
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "9s"},
        {"anthropic-ratelimit-requests-remaining": "0", "retry-after": "9"},
    ),
    "other headers stay behind": (500, {"server": "x", "set-cookie": "a=b"}, {}),
}


@pytest.mark.parametrize(("status", "upstream", "reply"), HEADERS.values(), ids=HEADERS.keys())
def test_headers(status: int, upstream: dict[str, str], reply: dict[str, str]) -> None:
    assert refusal(status, upstream, openai("No."), ASKED).headers == reply


def test_an_overloaded_backend_that_names_no_time_gets_none_from_its_words() -> None:
    assert refusal(503, {}, openai("Overloaded. Try again in 5s."), ASKED).headers == {}


def test_the_backends_text_is_cut_at_the_limit() -> None:
    message = refusal(400, {}, openai("x" * 9000), ASKED).message
    assert len(message) == MOST_TEXT
    assert message.endswith("x…")


STREAM: dict[str, tuple[object, Failure]] = {
    "a string": ("Oops.", Failure("api_error", "Oops.", 500)),
    "OpenRouter's number": ({"message": "Bad.", "code": 400}, Failure("invalid_request_error", "Bad.", 400)),
    "a number as text": ({"message": "Bad.", "code": "429"}, Failure("rate_limit_error", "Bad.", 429)),
    "Groq's status": ({"message": "Bad.", "type": "x", "status_code": 503}, Failure("overloaded_error", "Bad.", 529)),
    "a name OpenAI uses": (
        {"message": "Bad.", "code": "rate_limit_exceeded"},
        Failure("rate_limit_error", "Bad.", 429),
    ),
    "a name Google uses": (
        {"message": "Bad.", "status": "RESOURCE_EXHAUSTED"},
        Failure("rate_limit_error", "Bad.", 429),
    ),
    "a name LiteLLM uses": (
        {"message": "Bad.", "type": "BadRequestError"},
        Failure("invalid_request_error", "Bad.", 400),
    ),
    "a name Anthropic uses": (
        {"message": "Bad.", "type": "overloaded_error"},
        Failure("overloaded_error", "Bad.", 529),
    ),
    "a list": (
        [{"error": {"message": "Bad.", "code": 401}}],
        Failure("authentication_error", "the upstream refused the proxy's OPENAI_API_KEY: Bad.", 401, FINAL),
    ),
    "a model that is gone": (
        {"message": "no such model", "code": 404},
        Failure("not_found_error", "model: gpt-9 (no such model)", 404),
    ),
    "a 404 after a 200 says nothing of the base URL": (
        {"message": "gone", "code": 404},
        Failure("not_found_error", "gone", 404),
    ),
    "a model that stopped for want of machines": (
        "the model stopped with 'insufficient_system_resource'",
        Failure("overloaded_error", "the model stopped with 'insufficient_system_resource'", 529),
    ),
    "a filter in mid-stream": (
        {"message": "Stopped.", "code": "content_filter"},
        Failure("invalid_request_error", "Blocked by the upstream's content filter: Stopped.", 400, FINAL),
    ),
    "nothing at all": (None, Failure("api_error", "the upstream answered 500 without a message", 500)),
}


@pytest.mark.parametrize(("error", "failure"), STREAM.values(), ids=STREAM.keys())
def test_failure_in_a_stream(error: object, failure: Failure) -> None:
    assert stream_failure(error, ASKED) == failure


def test_every_type_given_is_one_of_anthropics() -> None:
    given = {refusal(status, {}, body, ASKED).type for status, body, _ in REFUSALS.values()}
    assert given == STATUS.keys() - {"not_supported"}


def test_a_key_at_the_cut_is_not_shown_in_part() -> None:
    text = "x" * (MOST_TEXT - 12) + " sk-0123456789abcdefghijklmnop"
    assert "sk-0" not in refusal(400, {}, openai(text), ASKED).message


NAMES = st.sampled_from(
    ["error", "message", "code", "type", "status", "param", "detail", "metadata", "raw", "loc", "msg"]
)
HEADER_NAMES = st.sampled_from(
    ["retry-after", "retry-after-ms", "date", "x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(NAMES | st.text(), inner),
    max_leaves=12,
)


@given(st.integers(200, 599), JSON.map(dumps) | st.binary(), st.dictionaries(HEADER_NAMES, st.text()))
def test_any_refusal_becomes_an_error_of_anthropics(status: int, body: bytes, headers: dict[str, str]) -> None:
    failure = refusal(status, headers, body, ASKED)
    assert failure.type in STATUS
    assert 400 <= failure.status <= 599
    assert failure.message


@given(JSON)
def test_any_error_in_a_stream_becomes_an_error_of_anthropics(error: object) -> None:
    failure = stream_failure(error, ASKED)
    assert failure.type in STATUS
    assert failure.message


ENDLESS = {
    "a status": dumps({"error": {"message": "No.", "code": "9" * 5000}}),
    "a window": openai(f"maximum context length is {'9' * 5000} tokens"),
    "a wait": openai(f"Please try again in {'9' * 5000}s"),
}


@pytest.mark.parametrize("body", ENDLESS.values(), ids=ENDLESS.keys())
def test_a_number_without_end_does_no_harm(body: bytes) -> None:
    for status in (400, 429):
        assert refusal(status, {"retry-after": "9" * 5000 + "h"}, body, ASKED).type in STATUS
