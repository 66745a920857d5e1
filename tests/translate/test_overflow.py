"""Every backend's words for a prompt that does not fit become the ones Claude Code compacts on."""

import re

import pytest

from anthropic_proxy.translate.failures import Asked, refusal, stream_failure
from anthropic_proxy.translate.overflow import Overflow, find_overflow, overflow_message, prompt_too_long
from anthropic_proxy.wire.json import dumps

ASKED = Asked("https://llm.test/v1", "some-model")

WITH_NUMBERS = {
    "OpenAI": (
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 130541 tokens. "
        "Please reduce the length of the messages.",
        130541,
        128000,
    ),
    "Azure, the same and more": (
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens "
        "(8500 in the messages, 501 in the functions). Please reduce the length of the messages or functions.",
        9001,
        8192,
    ),
    "OpenAI's newer models": (
        "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300120 tokens. "
        "Please reduce the length of the messages.",
        300120,
        272000,
    ),
    "vLLM": (
        "This model's maximum context length is 4096 tokens. However, you requested 512 output tokens and your "
        "prompt contains at least 4097 input tokens, for a total of at least 4609 tokens.",
        4097,
        4096,
    ),
    "vLLM's older one": (
        "The decoder prompt (length 5120) is longer than the maximum model length of 4096.",
        5120,
        4096,
    ),
    "an OpenAI-like proxy": ("Input length (41000) exceeds model's maximum context length (40960).", 41000, 40960),
    "OpenRouter": (
        "This endpoint's maximum context length is 1048576 tokens. However, you requested about 1293741 tokens. "
        "Please reduce the length of either one.",
        1293741,
        1048576,
    ),
    "OpenRouter's hosts": (
        "Input length 140000 exceeds the maximum allowed input length of 131072 tokens.",
        140000,
        131072,
    ),
    "DeepSeek, where even the prompt alone is too long": (
        "This model's maximum context length is 131072 tokens. However, you requested 150134 tokens "
        "(141942 in the messages, 8192 in the completion). Please reduce the length of the messages or completion.",
        141942,
        131072,
    ),
    "Gemini": (
        "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
        1196265,
        1048575,
    ),
    "xAI": (
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        537812,
        131072,
    ),
    "Together": ("The input (5021 tokens) is longer than the model's context length (4096 tokens).", 5021, 4096),
    "SGLang": (
        "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of "
        "5200 tokens: 5000 tokens from the input messages and 200 tokens for the completion.",
        5000,
        4096,
    ),
    "llama.cpp in words": (
        "request (14429 tokens) exceeds the available context size (8192 tokens), try increasing it",
        14429,
        8192,
    ),
    "llama-cpp-python": ("Requested tokens (2065) exceed context window of 1800", 2065, 1800),
    "LM Studio": (
        "Trying to keep the first 6000 tokens when context the overflows. However, the model is loaded with context "
        "length of only 4096 tokens, which is not enough.",
        6000,
        4096,
    ),
    "Copilot": ("prompt token count of 72931 exceeds the limit of 64000", 72931, 64000),
    "Kimi": (
        "Invalid request: Your request exceeded model token limit: 262144 (requested: 269030)",
        269030,
        262144,
    ),
    "Mistral": (
        "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
        40000,
        32768,
    ),
    "Cerebras": ("Please reduce the length of the messages. Current length is 9200 while limit is 8192", 9200, 8192),
    "Bedrock behind a proxy": ("prompt tokens (210000) exceed model maximum (200000)", 210000, 200000),
    "Anthropic behind LiteLLM": (
        "litellm.BadRequestError: AnthropicException - prompt is too long: 210,000 tokens > 200,000 maximum",
        210000,
        200000,
    ),
}


@pytest.mark.parametrize(("text", "tokens", "window"), WITH_NUMBERS.values(), ids=WITH_NUMBERS.keys())
def test_the_backends_numbers_are_in_the_message(text: str, tokens: int, window: int) -> None:
    body = dumps({"error": {"message": text, "type": "invalid_request_error", "param": None, "code": None}})
    failure = refusal(400, {}, body, ASKED)
    assert (failure.type, failure.status) == ("invalid_request_error", 400)
    assert failure.message == f"prompt is too long: {tokens} tokens > {window} maximum ({text})"


WITHOUT_NUMBERS = {
    "OpenAI": "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "Groq": "Please reduce the length of the messages or completion.",
    "llama.cpp": "the request exceeds the available context size, try increasing it",
    "LM Studio": "The number of tokens to keep from the initial prompt is greater than the context length",
    "MiniMax": "invalid params, context window exceeds limit",
    "Ollama": "prompt too long; exceeded max context length by 812 tokens",
    "DashScope": "Range of input length should be [1, 129024]",
    "TGI": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096",
    "an OpenAI-like proxy": "Requested token count exceeds the model's maximum context length of 131072 tokens",
    "Bedrock behind a proxy": "Input is too long for requested model.",
    "Bedrock, another": "Too many input tokens",
    "LiteLLM": "litellm.ContextWindowExceededError: litellm.BadRequestError: the host said no",
    "others": "tokens in request more than max tokens allowed",
}


@pytest.mark.parametrize("text", WITHOUT_NUMBERS.values(), ids=WITHOUT_NUMBERS.keys())
def test_without_numbers_the_phrase_stands_before_the_original(text: str) -> None:
    failure = refusal(400, {}, dumps({"error": {"message": text}}), ASKED)
    assert (failure.type, failure.status) == ("invalid_request_error", 400)
    assert failure.message == f"prompt is too long ({text})"


CODES = {
    "OpenAI's code": {"message": "No.", "code": "context_length_exceeded"},
    "Copilot's code": {"message": "No.", "code": "model_max_prompt_tokens_exceeded"},
    "llama.cpp's type": {"message": "No.", "type": "exceed_context_size_error"},
}


@pytest.mark.parametrize("error", CODES.values(), ids=CODES.keys())
def test_a_code_alone_tells_an_overflow(error: object) -> None:
    assert refusal(400, {}, dumps({"error": error}), ASKED).message == "prompt is too long (No.)"


@pytest.mark.parametrize("status", [400, 413, 422, 429, 500, 502])
def test_any_status_becomes_a_400(status: int) -> None:
    body = dumps({"error": {"message": WITHOUT_NUMBERS["llama.cpp"], "code": status}})
    failure = refusal(status, {}, body, ASKED)
    assert (failure.type, failure.status) == ("invalid_request_error", 400)


def test_llama_cpp_gives_its_numbers_beside_the_message() -> None:
    error = {
        "code": 500,
        "message": "the request exceeds the available context size. try increasing the context size",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 14429,
        "n_ctx": 8192,
    }
    for failure in (refusal(500, {}, dumps({"error": error}), ASKED), stream_failure(error, ASKED)):
        assert failure.message.startswith("prompt is too long: 14429 tokens > 8192 maximum (the request exceeds")
        assert failure.status == 400


KNOWN_HERE = {
    "our estimate and the known window": ("Your input exceeds the context window", (9000, 8192), (9000, 8192)),
    "an estimate below the window is no number to show": ("Your input exceeds the context window", (7000, 8192), None),
    "the window the backend names": ("Range of input length should be [1, 8192]", (9000, None), (9000, 8192)),
    "the window the backend names, not ours": ("Range of input length should be [1, 4096]", (9000, 8192), (9000, 4096)),
    "the excess over the known window": ("exceeded max context length by 812 tokens", (9, 8192), (9004, 8192)),
    "the excess, where only the prompt is known": (
        "exceeded max context length by 812 tokens",
        (9000, None),
        (9000, 8188),
    ),
}


@pytest.mark.parametrize(("text", "known", "shown"), KNOWN_HERE.values(), ids=KNOWN_HERE.keys())
def test_missing_numbers_come_from_the_proxy(
    text: str, known: tuple[int, int | None], shown: tuple[int, int] | None
) -> None:
    tokens, window = known
    message = refusal(400, {}, dumps({"error": text}), ASKED._replace(tokens=tokens, window=window)).message
    assert message == f"{prompt_too_long(*shown) if shown else 'prompt is too long'} ({text})"


CAP_AT_FAULT = {
    "vLLM": (
        "This model's maximum context length is 32768 tokens. However, you requested 32000 output tokens and your "
        "prompt contains at least 2000 input tokens, for a total of at least 34000 tokens.",
        (2000, 32000, 32768),
    ),
    "vLLM, as it said before": (
        "'max_tokens' or 'max_completion_tokens' is too large: 8000. This model's maximum context length is 4096 "
        "tokens and your request has 2778 input tokens (8000 > 4096 - 2778). None",
        (2778, 8000, 4096),
    ),
    "DeepSeek": (
        "This model's maximum context length is 131072 tokens. However, you requested 131134 tokens (122942 in the "
        "messages, 8192 in the completion). Please reduce the length of the messages or completion.",
        (122942, 8192, 131072),
    ),
    "OpenAI as it said before": (
        "This model's maximum context length is 4097 tokens, however you requested 4203 tokens (2703 in your prompt; "
        "1500 for the completion). Please reduce your prompt; or completion length.",
        (2703, 1500, 4097),
    ),
    "OpenRouter": (
        "This endpoint's maximum context length is 200000 tokens. However, you requested about 207531 tokens (175000 "
        "of text input, 531 of tool input, 32000 in the output). Please reduce the length of either one.",
        (175531, 32000, 200000),
    ),
    "TGI": (
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 2000 `inputs` tokens and "
        "3000 `max_new_tokens`",
        (2000, 3000, 4096),
    ),
    "Anthropic": (
        "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000, decrease input length or "
        "`max_tokens` and try again",
        (190000, 32000, 200000),
    ),
}


@pytest.mark.parametrize(("text", "sizes"), CAP_AT_FAULT.values(), ids=CAP_AT_FAULT.keys())
def test_a_prompt_that_fits_gets_the_text_at_which_the_cap_is_lowered(text: str, sizes: tuple[int, int, int]) -> None:
    prompt, cap, window = sizes
    failure = refusal(400, {}, dumps({"error": {"message": text}}), ASKED)
    assert failure.message == (
        f"input length and `max_tokens` exceed context limit: {prompt} + {cap} > {window}, decrease input length or "
        "`max_tokens` and try again"
    )


def test_a_sum_is_taken_apart_by_the_cap_that_was_sent() -> None:
    text = "This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens."
    message = refusal(400, {}, dumps({"error": text}), ASKED._replace(cap=32000)).message
    assert message.startswith("input length and `max_tokens` exceed context limit: 108000 + 32000 > 131072, ")


def test_too_little_room_for_an_answer_counts_as_too_long() -> None:
    text = (
        "maximum context length is 8192 tokens. However, you requested 4000 output tokens and your prompt contains "
        "7300 input tokens"
    )
    message = refusal(400, {}, dumps({"error": text}), ASKED).message
    tokens, window = map(int, re.findall(r"\d+", message)[:2])
    assert message.startswith("prompt is too long: ")
    assert (tokens, window) == (7300 + 1024 + 16, 8192)


def test_an_original_that_speaks_of_the_cap_is_left_out_where_the_prompt_is_too_long() -> None:
    text = "input length and `max_tokens` exceed context limit: 199900 + 32000 > 200000"
    assert (
        refusal(400, {}, dumps({"error": text}), ASKED).message == "prompt is too long: 200940 tokens > 200000 maximum"
    )


def test_a_text_that_is_already_right_is_not_said_twice() -> None:
    text = "prompt is too long: 5000 tokens > 4096 maximum"
    assert refusal(400, {}, dumps({"error": text}), ASKED).message == text


SOMETHING_ELSE = {
    "a rate in tokens": (429, "Rate limit reached for gpt on tokens per min (TPM): Limit 30000, Used 29000"),
    "a throttled Bedrock": (400, "ThrottlingException: Too many tokens, please wait before trying again."),
    "a request too large for a rate": (413, "Request too large on tokens per minute (TPM): Limit 6000, Requested 9000"),
    "too many requests": (429, "Too many requests. Please reduce the length of the messages."),
    "a long id": (
        400,
        "Invalid 'messages[2].tool_calls[0].id': string too long. Expected a string with maximum length 40",
    ),
    "a long string": (400, "This model's maximum context length is fine; code string_above_max_length"),
    "a bad parameter": (400, "Unsupported parameter: 'max_tokens' is not supported with this model."),
    "a cap above the model's": (
        400,
        "max_tokens is too large: 100000. This model supports at most 16384 completion tokens",
    ),
    "a bad message": (400, "Invalid value for 'content': expected a string, got null."),
}


@pytest.mark.parametrize(("status", "text"), SOMETHING_ELSE.values(), ids=SOMETHING_ELSE.keys())
def test_what_is_no_overflow_does_not_look_like_one(status: int, text: str) -> None:
    assert find_overflow(text, {}) is None
    message = refusal(status, {}, dumps({"error": {"message": text}}), ASKED).message
    assert "prompt is too long" not in message
    assert text in message


MUTE = {
    "a full window and a 400": (400, b"", 8000, 8192, True),
    "a full window and a 413": (413, b"", 8000, 8192, True),
    "half a window": (400, b"", 4000, 8192, False),
    "an unknown window": (400, b"", 8000, None, False),
    "a full window and words": (400, b'{"error": "No."}', 8000, 8192, False),
    "a full window and a 500": (500, b"", 8000, 8192, False),
}


@pytest.mark.parametrize(("status", "body", "tokens", "window", "told"), MUTE.values(), ids=MUTE.keys())
def test_a_refusal_without_a_word_is_judged_by_the_estimate(
    status: int, body: bytes, tokens: int, window: int, told: bool
) -> None:
    failure = refusal(status, {}, body, ASKED._replace(tokens=tokens, window=window))
    assert failure.message.startswith("prompt is too long") == told


def test_the_phrase_for_a_reply_that_stopped_at_once() -> None:
    assert prompt_too_long(9000, 8192) == "prompt is too long: 9000 tokens > 8192 maximum"
    assert prompt_too_long(8100, 8192) == "prompt is too long"


def test_room_is_what_prompt_and_margin_leave() -> None:
    assert Overflow(prompt=2000, window=4096).room == 4096 - 2000 - 16
    assert Overflow(prompt=4096, window=4096).room is None
    assert Overflow(window=4096).room is None


def test_a_cap_nobody_knows_leaves_the_plain_phrase() -> None:
    assert overflow_message(Overflow(prompt=2000, window=8192), "Hm.") == "prompt is too long (Hm.)"
