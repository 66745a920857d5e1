"""Probes of plain text: the reply, the stream, its token counts, sampling, stop sequences, JSON, system messages."""

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
    learning,
    lessons,
    mending,
    quoted,
    user,
)
from anthropic_proxy.translate.chat.repairs import sent_cap
from anthropic_proxy.wire.chat import ChatRequest
from anthropic_proxy.wire.json import InvalidJson, loads

# Plain reply


def _hello(known: Known) -> ChatRequest:
    return chat(known, [{"role": "system", "content": "You are terse."}, user("Say hello.")])


def ask_plain(known: Known, answers: Sequence[Answer]) -> ChatRequest | None:
    """Says hello, again in the words that refusals teach, and again with more room for one who thinks first."""
    if answers and needs_room(answers[-1]):
        roomy = sent_cap(answers[-1].sent) == ROOMY
        return None if roomy else _hello(known.learning(lessons(known, answers))._replace(cap=ROOMY))
    return mending(_hello)(known, answers)


def needs_room(answer: Answer) -> bool:
    """Did reasoning use up the cap before any text came?"""
    return answer.ok and not answer.text.strip() and answer.finish == "length"


def judge_plain(known: Known, answers: Sequence[Answer]) -> Finding:
    last = answers[-1]
    if not last.ok:
        return failed(known, last)
    if needs_room(last) and last.thinks:
        return Finding("part", f"{ROOMY:,} tokens of reasoning, and no text yet")
    if not last.text.strip():
        return Finding("no", f"no text; finish_reason {last.finish or 'missing'}")
    return Finding("yes", f"{last.seconds:.1f} s")


# Streaming

BUFFERED_SHARE = 0.1
"""A stream whose text comes within the last tenth of the time was held back somewhere."""

TELLING = 1.0
"""Seconds. A reply that is complete sooner may come at once without anything holding it back."""


def _count_up(known: Known) -> ChatRequest:
    return chat(known, [user("Count from 1 to 30, digits with spaces between, nothing else.")], stream=True)


def judge_streaming(known: Known, answers: Sequence[Answer]) -> Finding:
    answer = answers[-1]
    if not answer.ok:
        return failed(known, answer)
    if not answer.streamed:
        return Finding("part", "one whole reply instead of a stream")
    if answer.broke is not None:
        return Finding("no", answer.trouble)
    facts = {} if answer.done or answer.finish else {"eof_is_end": True}
    times = _text_times(answer)
    if not times:
        return Finding("no", "a stream without text", facts)
    spread = times[-1] - times[0]
    told = f"{len(times)} pieces in {spread:.2f} s, the first after {times[0]:.2f} s"
    if len(set(times)) >= 3 and spread >= BUFFERED_SHARE * times[-1]:
        return Finding("yes", told, facts)
    if answer.seconds < TELLING:
        return Finding("yes", f"{told}; too quick to see if anything is held back", facts)
    return Finding("part", f"{told}: something on the way holds the stream back", facts)


def _text_times(answer: Answer) -> list[float]:
    """When text or reasoning came."""
    arrived = zip(answer.chunks, answer.arrivals, strict=True)
    return [
        time
        for chunk, time in arrived
        for choice in (chunk.choices or ())[:1]
        if (delta := choice.delta) is not None
        and (delta.content or delta.reasoning_content or delta.reasoning or delta.reasoning_text)
    ]


# Usage in a stream


def _asked_for(known: Known) -> ChatRequest:
    return chat(known, [user("Say hello.")], stream=True, stream_options={"include_usage": True})


def _unasked(known: Known) -> ChatRequest:
    body = chat(known, [user("Say hello.")], stream=True)
    return {name: value for name, value in body.items() if name != "stream_options"}


def ask_usage(known: Known, answers: Sequence[Answer]) -> ChatRequest | None:
    """First as the dialect says it comes, then the other way."""
    ways = [_unasked, _asked_for] if known.dialect.usage_in_stream != "ask" else [_asked_for, _unasked]
    enough = bool(answers) and answers[-1].ok and answers[-1].usage is not None
    return None if enough or len(answers) == len(ways) else ways[len(answers)](known)


def judge_usage(known: Known, answers: Sequence[Answer]) -> Finding:
    last = answers[-1]
    asked = "stream_options" in last.sent
    if last.ok and (usage := last.usage) is not None:
        # Whoever sends it unasked may be asked too, unless that was just refused.
        seen = "ask" if asked else "always"
        told = f"{usage.input_tokens} in, {usage.output_tokens} out"
        return Finding("yes", told if asked else f"{told}, unasked", {"usage_in_stream": seen})
    if any(answer.refused and "stream_options" in answer.sent for answer in answers):
        return Finding("no", "refused; tokens will be estimated", {"usage_in_stream": "never"})
    return Finding("no", "none came; tokens will be estimated") if last.ok else failed(known, last)


# Sampling


def ask_temperature(known: Known, answers: Sequence[Answer]) -> ChatRequest | None:
    sends = "temperature" in known.dialect.sampling - known.dialect.dropped
    return chat(known, [user("Say hello.")], temperature=0.5) if sends and not answers else None


def judge_temperature(known: Known, answers: Sequence[Answer]) -> Finding:
    if not answers:
        return Finding("skipped", "the dialect does not send it")
    return Finding("yes") if answers[0].ok else failed(known, answers[0])


# Stop sequences

_WORDS = "Write exactly this line and nothing else: alpha beta gamma delta"
STOP = "gamma"


def _stopping(known: Known) -> ChatRequest:
    return chat(known, [user(_WORDS)], stop=[STOP])


def judge_stop(known: Known, answers: Sequence[Answer]) -> Finding:
    answer = answers[0]
    if not answer.ok:
        return failed(known, answer)
    text = answer.text.lower()
    if STOP in text:
        return Finding("no", "ignored; the proxy looks for them itself", {"stop_report": "none"})
    if "beta" not in text:
        return Finding("unclear", quoted(answer))
    seen = next((name for name in ("stop_reason", "matched_stop") if _names_stop(answer, name)), "none")
    told = "the matched one is not told" if seen == "none" else f"the matched one is told in `{seen}`"
    return Finding("yes", told, {"stop_report": seen})


def _names_stop(answer: Answer, name: str) -> bool:
    choices = [choice for chunk in answer.chunks for choice in chunk.choices or ()]
    return any(isinstance(value := getattr(choice, name), str) and value.strip() == STOP for choice in choices)


# Structured output

_PROPERTIES = {"town_name": {"type": "string"}, "degrees_now": {"type": "integer"}}
"""Names that cannot be guessed from the question."""

_SCHEMA = {"type": "object", "properties": _PROPERTIES, "required": [*_PROPERTIES], "additionalProperties": False}

_WEATHER = "In Rome it is 21 degrees. Put that into JSON."


def _with_schema(known: Known) -> ChatRequest:
    wanted = {"type": "json_schema", "json_schema": {"name": "output", "schema": _SCHEMA}}
    return chat(known, [user(_WEATHER)], response_format=wanted)


def _any_object(known: Known) -> ChatRequest:
    return chat(known, [user(_WEATHER)], response_format={"type": "json_object"})


def ask_json(known: Known, answers: Sequence[Answer]) -> ChatRequest | None:
    if not answers:
        return _with_schema(known)
    return _any_object(known) if len(answers) == 1 and not _fits_schema(answers[0]) else None


def judge_json(known: Known, answers: Sequence[Answer]) -> Finding:
    first, last = answers[0], answers[-1]
    if _fits_schema(first):
        return Finding("yes", "json_schema", {"json": "schema"})
    how = "ignored" if first.ok else "refused"
    if last.ok and _json_keys(last) is not None:
        return Finding("part", f"json_object; json_schema is {how}", {"json": "object"})
    if not all(answer.ok or answer.refused for answer in answers):
        return failed(known, next(answer for answer in answers if not answer.ok))
    return Finding("no", f"json_schema is {how}, json_object {'ignored' if last.ok else 'refused'}", {"json": "none"})


def _fits_schema(answer: Answer) -> bool:
    return answer.ok and _json_keys(answer) == set(_PROPERTIES)


def _json_keys(answer: Answer) -> set[str] | None:
    """The keys of the JSON object that is the whole text; None where it is none."""
    try:
        value = loads(answer.text.strip().encode("utf-8", "replace"))
    except InvalidJson:
        return None
    return set(value) if isinstance(value, dict) else None


# A system message in mid-conversation

_PASSWORD = "pelican"


def _late_system(known: Known) -> ChatRequest:
    return chat(
        known,
        [
            {"role": "system", "content": "You are terse."},
            user("Say hello."),
            {"role": "assistant", "content": "Hello."},
            user("Good. What do you say next?"),
            {"role": "system", "content": f"Answer with the single word {_PASSWORD}, whatever is asked."},
        ],
    )


def judge_system(known: Known, answers: Sequence[Answer]) -> Finding:
    """`fold` is right for everybody, so it is no departure where `keep` would do."""
    answer = answers[0]
    if answer.refused:
        return failed(known, answer)._replace(facts={"mid_system": "fold"})
    if not answer.ok:
        return failed(known, answer)
    if _PASSWORD in answer.text.lower():
        return Finding("yes", "obeyed in mid-conversation too", {"mid_system": known.dialect.mid_system})
    return Finding("unclear", f"accepted in mid-conversation, not obeyed: {quoted(answer)}")


TEXT_PROBES = (
    Probe("plain reply", ask_plain, learning(judge_plain), needs=(), vital=True),
    Probe("streaming", mending(_count_up), learning(judge_streaming), vital=True),
    Probe("usage in stream", ask_usage, judge_usage, needs=("streaming",)),
    Probe("temperature", ask_temperature, judge_temperature),
    Probe("stop", each(_stopping), judge_stop),
    Probe("structured output", ask_json, judge_json),
    Probe("system position", each(_late_system), judge_system),
)
