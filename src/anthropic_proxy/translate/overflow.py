"""Recognises a prompt that does not fit the model's window, in each backend's words.

Claude Code compacts a conversation and goes on when it reads `prompt is too long: N tokens > M
maximum` in an error with status 400, and so every wording becomes that one.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

LEAST_ROOM = 1024
"""Tokens. Where less is left for the reply, the prompt counts as too long."""

MARGIN = 16
"""Tokens kept free between prompt, reply and window: backends count template tokens in their own way."""


class Overflow(NamedTuple):
    """What a backend said of the sizes, in tokens. What it did not say is None."""

    prompt: int | None = None
    window: int | None = None
    output: int | None = None
    """The cap on the reply that was asked for."""
    excess: int | None = None
    """By how much the prompt is too long."""

    @property
    def room(self) -> int | None:
        """Tokens left for the reply, the margin taken off; None where the prompt alone is too long or unknown."""
        if self.prompt is None or self.window is None or self.prompt >= self.window:
            return None
        return self.window - self.prompt - MARGIN


_SIZES = ("prompt", "window", "output", "total", "excess")


def _wording(pattern: str) -> re.Pattern[str]:
    """A pattern in which `{prompt}` and its kin stand for numbers and a space for any white space."""
    for size in _SIZES:
        pattern = pattern.replace(f"{{{size}}}", rf"(?P<{size}>\d[\d,]{{0,14}})")
    return re.compile(pattern.replace(" ", r"\s+"), re.I | re.S)


_WINDOW = r"maximum context length is {window} tokens[.,] however,? (?:you|your) "
_REPLY = r"(?:in|for|from) the (?:completion|output)"

WORDINGS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (backend, _wording(pattern))
    for backend, pattern in (
        # The whole story first: prompt and cap apart.
        ("Anthropic", r"input length and `?max_tokens`? exceed context limit: {prompt} \+ {output} > {window}"),
        ("Anthropic", r"prompt is too long: {prompt} tokens > {window} maximum"),
        ("vLLM", _WINDOW + r"requested {output} output tokens and your prompt contains (?:at least )?{prompt} input"),
        (
            "vLLM",
            r"large: {output}\. this model.s maximum context length is {window} tokens and .{0,20} {prompt} input",
        ),
        (
            "SGLang",
            r"maximum context length of {window} tokens.{0,40} {total} tokens: {prompt} tokens .{0,40} {output} ",
        ),
        ("OpenAI, DeepSeek, OpenRouter", _WINDOW + r"requested (?:about )?{total} tokens \([^)]*?{output} " + _REPLY),
        ("TGI", r"tokens \+ `?max_new_tokens`? must be <= {window}\. given: {prompt} `?inputs`? tokens and {output}"),
        # Prompt and window.
        (
            "OpenAI",
            _WINDOW + r"(?:messages|prompt|request|input) (?:resulted in|contains?|has) (?:at least )?{prompt} ",
        ),
        ("OpenRouter", _WINDOW + r"requested (?:about )?{total} tokens"),
        ("OpenAI", r"exceed the configured limit of {window} tokens\. your messages resulted in {prompt} tokens"),
        ("OpenAI-like proxies", r"input length \(?{prompt}\)? exceeds [^()\d]*(?:length|allowed)[^()\d]*\(?{window}"),
        ("Together, SGLang", r"input \({prompt} tokens\) is longer than the model.s context length \({window} tokens"),
        ("vLLM", r"prompt \(length {prompt}\) is longer than the maximum model length of {window}"),
        ("Gemini", r"input token count \(?{prompt}\)? exceeds the maximum number of tokens allowed \(?{window}"),
        ("xAI", r"maximum prompt length is {window} but the request contains {prompt} tokens"),
        ("llama.cpp", r"request \({prompt} tokens\) exceeds the available context size \({window} tokens\)"),
        ("llama-cpp-python", r"requested tokens \({prompt}\) exceed context window of {window}"),
        ("LM Studio", r"keep the first {prompt} tokens .{0,40}overflows\..{0,80}context length of only {window} "),
        ("Copilot", r"prompt token count of {prompt} exceeds the limit of {window}"),
        ("Kimi", r"exceeded model token limit:? {window} \(requested:? {prompt}\)"),
        ("Mistral", r"prompt contains {prompt} tokens.{0,80}too large for model with {window} maximum context length"),
        ("Cerebras", r"current length is {prompt} while limit is {window}"),
        ("Bedrock", r"prompt tokens \({prompt}\) exceed model maximum \({window}\)"),
        # One number.
        ("Ollama", r"exceeded max context length by {excess} tokens"),
        ("DashScope", r"range of input length should be \[\d+,\s*{window}\]"),
        ("TGI", r"`?inputs`? tokens \+ `?max_new_tokens`? must be <= {window}"),
        ("OpenAI-like proxies", r"maximum context length (?:is|of) {window} tokens"),
        ("Gemini", r"exceeds the maximum number of tokens allowed \(?{window}"),
        # None.
        ("OpenAI", r"context_length_exceeded|exceeds the context window"),
        ("OpenAI, Groq", r"reduce the length of (?:the messages|either one|your prompt)"),
        ("LiteLLM", r"ContextWindowExceededError"),
        ("llama.cpp", r"exceed_context_size_error|exceeds the available context size"),
        ("LM Studio", r"tokens to keep from the initial prompt is greater than the context length"),
        ("Copilot", r"model_max_prompt_tokens_exceeded"),
        ("MiniMax", r"context window exceeds limit"),
        ("Ollama, Anthropic", r"prompt (?:is )?too long"),
        ("Bedrock", r"input is too long for requested model|too many input tokens"),
        (
            "others",
            r"exceeds? (?:the |this )?(?:model.s )?(?:maximum )?(?:allowed )?context (?:length|limit|window|size)",
        ),
        ("others", r"maximum context limit|prompt exceeds max length|input token length too long"),
        ("others", r"context exceeds your deployment|tokens in request more than max tokens allowed"),
        ("others", r"exceeds the maximum number of tokens allowed"),
    )
)
"""Backends' words for it, the more telling ones first. Read on 2026-11-22 in public clients' lists and issue
reports; no backend was called. A `total` is prompt and cap together."""

_SOMETHING_ELSE = re.compile(
    r"rate[ _]?limit|too many requests|throttling|tokens per (?:min|hour|day)"
    r"|string_above_max_length|string (?:is )?too long",
    re.I,
)
"""Errors that speak of too many tokens or too long a text and are not about the window."""


def find_overflow(words: str, figures: Mapping[str, int], cap: int | None = None) -> Overflow | None:
    """The overflow that an error's `words` tell of, or None.

    `figures` are `ErrorSays.figures`; `cap` is the cap that was sent, which tells prompt and reply
    apart where the backend only gives their sum.
    """
    if _SOMETHING_ELSE.search(words):
        return None
    for _, pattern in WORDINGS:
        found = pattern.search(words)
        if found:
            return _sizes(
                {size: int(text.replace(",", "")) for size, text in found.groupdict().items() if text}, figures, cap
            )
    return None


def _sizes(said: Mapping[str, int], figures: Mapping[str, int], cap: int | None) -> Overflow:
    output = said.get("output")
    prompt = said.get("prompt", figures.get("n_prompt_tokens"))
    if prompt is None and "total" in said:
        prompt = said["total"] - (output if output is not None else cap or 0)
    return Overflow(prompt, said.get("window", figures.get("n_ctx")), output, said.get("excess"))


def prompt_too_long(tokens: int | None = None, window: int | None = None) -> str:
    """The text Claude Code compacts on, with the numbers where they are known and make sense."""
    if tokens is None or window is None or tokens <= window:
        return "prompt is too long"
    return f"prompt is too long: {tokens} tokens > {window} maximum"


def overflow_message(
    found: Overflow, original: str, tokens: int = 0, window: int | None = None, cap: int | None = None
) -> str:
    """What the client reads of an overflow, with the backend's `original` text in parentheses.

    `tokens`, `window` and `cap` are what the proxy knows itself: an estimate of the prompt, the
    model's window and the cap that was sent. Where the prompt would fit with a smaller cap, the text
    is the one at which Claude Code lowers the cap, and stands alone: newer versions know the
    backends' wordings too and would compact instead.
    """
    output = found.output or cap
    if found.room is not None and found.room >= LEAST_ROOM and output:
        return (
            f"input length and `max_tokens` exceed context limit: {found.prompt} + {output} > {found.window}, "
            "decrease input length or `max_tokens` and try again"
        )
    text = prompt_too_long(*_numbers(found, tokens, window))
    tells_of_the_cap = "input length and" in original.lower()
    return text if not original or tells_of_the_cap or original == text else f"{text} ({original})"


def _numbers(found: Overflow, tokens: int, window: int | None) -> tuple[int | None, int | None]:
    """Size of the prompt and of the window: the backend's figures, else the proxy's own."""
    window = found.window or window
    if found.excess is not None:
        if window:
            return window + found.excess, window
        return tokens, tokens - found.excess if tokens > found.excess else None
    if found.prompt is None:
        return tokens, window
    if window and found.prompt <= window:
        # The prompt fits, an answer does not: counted with the least room for one.
        return found.prompt + LEAST_ROOM + MARGIN, window
    return found.prompt, window
