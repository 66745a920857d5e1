"""Probes of images, reasoning, the reply's cap and the prompt cache."""

import base64
import struct
import zlib
from collections.abc import Sequence

from anthropic_proxy.doctor.exchange import Answer
from anthropic_proxy.doctor.probe import (
    ROOMY,
    Finding,
    Known,
    Probe,
    chat,
    each,
    failed,
    quoted,
    taught,
    thinking,
    user,
)
from anthropic_proxy.doctor.tool_probes import WEATHER, after_call
from anthropic_proxy.translate.overflow import find_overflow
from anthropic_proxy.wire.chat import ChatRequest

# Images

SIDE = 64
"""Pixels. Some models refuse what is smaller than 28."""

COLOURS = {"blue": (0, 0, 255), "yellow": (255, 255, 0)}
"""Left half and right half. One colour might be guessed."""


def picture() -> bytes:
    """A PNG of SIDE × SIDE pixels, in two halves."""
    half = SIDE // 2
    row = b"\0" + b"".join(bytes(colour) * half for colour in COLOURS.values())
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(row * SIDE)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(picture()).decode()}"}}
_WHICH = "Which two colours does the image show? Name only the colours."


def _image(known: Known) -> ChatRequest:
    return chat(known, [user([{"type": "text", "text": _WHICH}, IMAGE])])


def judge_image(known: Known, answers: Sequence[Answer]) -> Finding:
    answer = answers[0]
    if not answer.ok:
        return failed(known, answer)
    return Finding("yes", "", {"vision": True}) if _sees(answer) else Finding("unclear", f"not seen: {quoted(answer)}")


def _sees(answer: Answer) -> bool:
    return all(colour in answer.text.lower() for colour in COLOURS)


def _tool_image(known: Known) -> ChatRequest:
    conversation = after_call(known, [{"type": "text", "text": f"A picture. {_WHICH}"}, IMAGE])
    return chat(known, [user("Call the tool, then do what its result says."), *conversation[1:]], tools=[WEATHER])


def judge_tool_image(known: Known, answers: Sequence[Answer]) -> Finding:
    answer = answers[0]
    if not (answer.ok or answer.refused):
        return failed(known, answer)
    if answer.ok and _sees(answer):
        return Finding("yes", "", {"tool_images": True})
    says = f"not seen: {quoted(answer)}" if answer.ok else answer.trouble
    return Finding("no", f"{says}; they go in a `user` message", {"tool_images": False})


# Reasoning

_SUM = "What is 17 times 23? Think it through, then give the number."


def _reasoning_on(known: Known) -> ChatRequest:
    """In the dialect's words; where it has none, in the most common ones."""
    wish = thinking(known.dialect, on=True) or {"reasoning_effort": "low"}
    return chat(known._replace(cap=ROOMY), [user(_SUM)], stream=True, **wish)


def judge_reasoning(known: Known, answers: Sequence[Answer]) -> Finding:
    answer = answers[0]
    unwished = not thinking(known.dialect, on=True)
    if not answer.ok:
        # The dialect never sends what was tried here, so the refusal teaches nothing.
        return failed(known, answer)._replace(facts={}) if unwished else failed(known, answer)
    facts: dict[str, object] = {}
    always = any(earlier.thinks for earlier in known.answers.get("plain reply", ()))
    if unwished and answer.thinks and not always:
        facts["reasoning"] = "effort"
    if answer.text.lstrip().startswith("<think>"):
        return Finding("yes", "in `<think>` tags", {**facts, "think_tags": True})
    fields = list(answer.reasoning)
    if fields:
        if fields[0] not in known.dialect.reasoning_fields:
            facts["reasoning_fields"] = (fields[0], *known.dialect.reasoning_fields)
        return Finding("yes", f"in `{'`, `'.join(fields)}`", facts)
    hidden = answer.usage.thinking_tokens if answer.usage else None
    return Finding("part", f"hidden, {hidden} tokens", facts) if hidden else Finding("no", "none seen")


def _reasoning_off(known: Known) -> ChatRequest:
    return chat(known._replace(cap=ROOMY), [user(_SUM)], stream=True, **thinking(known.dialect, on=False))


def ask_off(known: Known, answers: Sequence[Answer]) -> ChatRequest | None:
    possible = bool(thinking(known.dialect, on=False))
    return _reasoning_off(known) if possible and not answers else None


def judge_off(known: Known, answers: Sequence[Answer]) -> Finding:
    if not answers:
        return Finding("skipped", "the dialect knows no way")
    answer = answers[0]
    if not answer.ok:
        return failed(known, answer)
    return Finding("no", "it reasons all the same", {"effort_off": ""}) if answer.thinks else Finding("yes")


# The reply's cap

CAPS = (128_000, 32_000, 8_192)
"""What is tried, in tokens: the most and the usual that Claude Code asks of a model it does not know, and a little."""

LEAST_WINDOW = 32_000
"""Tokens. Claude Code's own prompt and tools take about 20,000."""


def ask_cap(known: Known, answers: Sequence[Answer]) -> ChatRequest | None:
    """The largest guess, then the limit that the refusal names, else the next guess."""
    if len(answers) == len(CAPS) or (answers and (answers[-1].ok or answers[-1].broke)):
        return None
    cap = CAPS[len(answers)]
    if answers:
        named = taught(answers[-1], known.dialect).get("max_output_tokens")
        if _window(answers[-1]) is not None:
            return None
        cap = named if isinstance(named, int) else cap
    return chat(known._replace(cap=cap), [user("Say hello.")])


def judge_cap(known: Known, answers: Sequence[Answer]) -> Finding:
    last = answers[-1]
    window = _window(last)
    if window is not None:
        small = "; too small for Claude Code" if window < LEAST_WINDOW else ""
        return Finding("part", f"the window has {window:,} tokens{small}", {"context_window": window})
    if not last.ok:
        return failed(known, last)
    cap = last.sent[known.dialect.max_tokens_field]
    if len(answers) == 1:
        return Finding("yes", f"{cap:,} tokens or more")
    return Finding("yes", f"{cap:,} tokens", {"max_output_tokens": cap})


def _window(answer: Answer) -> int | None:
    """The size of the window, where that is why the cap was refused."""
    says = answer.error
    overflow = find_overflow(says.words, says.figures) if says is not None else None
    return overflow.window if overflow is not None else None


# The prompt cache

_LINE = "The heron stands in the shallow water and waits for the fish that comes by in the evening. "
_LONG = _LINE * 90
"""About 1,700 tokens: OpenAI and Anthropic cache from 1,024 on."""


def _cached(known: Known) -> ChatRequest:
    text: object = _LONG
    if known.dialect.cache == "anthropic":
        text = [{"type": "text", "text": _LONG, "cache_control": {"type": "ephemeral"}}]
    keyed: ChatRequest = {"prompt_cache_key": "anthropic-proxy-doctor"} if known.dialect.cache_key else {}
    return chat(known, [{"role": "system", "content": text}, user("Say hello.")], **keyed)


def judge_cache(known: Known, answers: Sequence[Answer]) -> Finding:
    last = answers[-1]
    if not last.ok:
        return failed(known, last)
    usage = last.usage
    if usage is None:
        return Finding("unclear", "no usage came")
    whole = (usage.input_tokens or 0) + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
    if usage.cache_read_input_tokens:
        return Finding("yes", f"{usage.cache_read_input_tokens:,} of {whole:,} tokens read from it")
    return Finding("no", f"none of {whole:,} tokens were said to come from it")


IMAGE_PROBES = (
    Probe("images", each(_image), judge_image),
    Probe("tool images", each(_tool_image), judge_tool_image, needs=("images", "tool results")),
)

REASONING_PROBES = (
    Probe("reasoning", each(_reasoning_on), judge_reasoning, needs=("streaming",)),
    Probe("reasoning off", ask_off, judge_off, needs=("reasoning",)),
)

LIMIT_PROBES = (
    Probe("largest max_tokens", ask_cap, judge_cap),
    Probe("prompt cache", each(_cached, _cached), judge_cache),
)
