"""What a probe is: what to ask, how to judge the answers, and which facts of the dialect follow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple, TypeAlias

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.doctor.exchange import Answer, clipped
from anthropic_proxy.translate.chat.repairs import repair
from anthropic_proxy.translate.chat.thinking import thinking_fields
from anthropic_proxy.wire.chat import ChatMessage, ChatRequest

Verdict: TypeAlias = Literal["yes", "part", "no", "unclear", "skipped"]
"""`part`: it works with a drawback. `unclear`: it was not refused, and the answer does not tell."""

WORKS: tuple[Verdict, ...] = ("yes", "part")

Facts: TypeAlias = Mapping[str, object]
"""Fields of the dialect, with what was seen."""

SHORT = 120
ROOMY = 1500
"""Caps on a reply, in tokens: the usual one, and that for a model which spends tokens on reasoning first."""

MOST_MENDS = 3
"""How often a question is put again with what its refusal taught."""


class Known(NamedTuple):
    """What is known when a probe begins."""

    model: str
    dialect: Dialect
    """As the settings and tables have it, with all that was learned so far."""
    cap: int = SHORT
    answers: Mapping[str, Sequence[Answer]] = {}
    """To the probes before, by name."""
    verdicts: Mapping[str, Verdict] = {}

    def learning(self, facts: Facts) -> "Known":
        return self._replace(dialect=replace(self.dialect, **facts))  # type: ignore[arg-type]


class Finding(NamedTuple):
    """What a probe found."""

    verdict: Verdict
    says: str = ""
    """A few words beside the verdict."""
    facts: Mapping[str, object] = {}
    """Only what the answers prove, also where the dialect says the same."""


Asks: TypeAlias = Callable[[Known, Sequence[Answer]], ChatRequest | None]
Judge: TypeAlias = Callable[[Known, Sequence[Answer]], Finding]


class Probe(NamedTuple):
    """One thing a backend can do or not.

    `asks` gives the next request from the answers so far, None when they are enough. `judge` may count on
    all that were asked. `needs` names probes without whose success this one would tell nothing.
    """

    name: str
    asks: Asks
    judge: Judge
    needs: tuple[str, ...] = ("plain reply",)
    vital: bool = False
    """Can Claude Code not work without it?"""


Build: TypeAlias = Callable[[Known], ChatRequest]


def each(*builds: Build) -> Asks:
    """For a probe that asks these, one after the other, whatever comes back."""
    return lambda known, answers: builds[len(answers)](known) if len(answers) < len(builds) else None


def mending(build: Build) -> Asks:
    """For a probe that asks again, as the proxy does, where a refusal teaches how."""

    def asks(known: Known, answers: Sequence[Answer]) -> ChatRequest | None:
        if not answers:
            return build(known)
        known = known.learning(lessons(known, answers))
        changes = taught(answers[-1], known.dialect)
        return build(known.learning(changes)) if changes and len(answers) <= MOST_MENDS else None

    return asks


def taught(answer: Answer, dialect: Dialect, ever: bool = False) -> dict[str, object]:
    """The changes to `dialect` that a refusal asks for. `ever`: not those that fit this request alone."""
    if not answer.refused:
        return {}
    mended = repair(answer.status if answer.status >= 300 else 400, answer.body, answer.sent, dialect)
    return {} if mended is None or (ever and not mended.remember) else dict(mended.changes)


def learning(judge: Judge) -> Judge:
    """`judge`, with what the refusals before the last answer have taught among the facts."""

    def judged(known: Known, answers: Sequence[Answer]) -> Finding:
        learned = lessons(known, answers)
        finding = judge(known.learning(learned), answers)
        return finding._replace(facts={**learned, **finding.facts})

    return judged


def lessons(known: Known, answers: Sequence[Answer]) -> dict[str, object]:
    """What the refusals before the last answer have taught, one on top of the other."""
    learned: dict[str, object] = {}
    for answer in answers[:-1]:
        learned |= taught(answer, known.learning(learned).dialect)
    return learned


def chat(known: Known, messages: Sequence[ChatMessage], stream: bool = False, **fields: Any) -> ChatRequest:
    """A request in the dialect's words. What the dialect never sends is left out."""
    dialect = known.dialect
    body: ChatRequest = {
        "model": known.model,
        dialect.max_tokens_field: known.cap,
        "messages": [
            {**message, "role": dialect.system_role} if message["role"] == "system" else message for message in messages
        ],
        **dict(dialect.extra_body),
        **fields,
    }
    if stream or dialect.stream_only:
        body["stream"] = True
        if dialect.usage_in_stream == "ask":
            body.setdefault("stream_options", {"include_usage": True})
    return {name: value for name, value in body.items() if name not in dialect.dropped}


def user(content: object) -> ChatMessage:
    return {"role": "user", "content": content}


def thinking(dialect: Dialect, on: bool) -> ChatRequest:
    """The fields that switch reasoning on, or off, in the dialect's words."""
    switch = {"type": "enabled", "budget_tokens": 1024} if on else {"type": "disabled"}
    wish: dict[str, Any] = {"output_config": {"effort": "low"}} if on else {}
    return thinking_fields({"max_tokens": ROOMY, "messages": [], "thinking": switch, **wish}, dialect)  # type: ignore[typeddict-item]


def failed(known: Known, answer: Answer) -> Finding:
    """The finding for a request that brought no reply: what the refusal says and teaches."""
    return Finding("no" if answer.refused else "unclear", answer.trouble, taught(answer, known.dialect, ever=True))


def quoted(answer: Answer) -> str:
    """The model's words, shortened."""
    return f'it said "{clipped(answer.text, 40)}"' if answer.text.strip() else "it said nothing"
