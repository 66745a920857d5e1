"""The examination: one probe after another, each built on what the ones before have shown."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from anthropic_proxy.addresses import is_loopback
from anthropic_proxy.backend import LARGEST_MODEL_LIST, Backend
from anthropic_proxy.config import Settings
from anthropic_proxy.dialects import Dialect, dialect_for
from anthropic_proxy.doctor.diagnosis import (
    Diagnosis,
    Place,
    corrected,
    is_wrong_url,
    of_answer,
    of_break,
    of_correction,
    of_loop,
    of_other_models,
    of_proxy_variables,
)
from anthropic_proxy.doctor.exchange import Answer, Bench, clipped
from anthropic_proxy.doctor.machine import is_the_proxy, of_port
from anthropic_proxy.doctor.probe import ROOMY, WORKS, Finding, Known, Probe
from anthropic_proxy.doctor.probes import PROBES
from anthropic_proxy.doctor.report import Report, Row, as_departures, departures, fitting
from anthropic_proxy.doctor.text_probes import ask_plain, needs_room
from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.routing import Route, default_model
from anthropic_proxy.translate.chat import CHAT
from anthropic_proxy.upstream.base import Upstream
from anthropic_proxy.wire.json import InvalidJson, loads


class Show(Protocol):
    """Tells the reader how far the doctor is."""

    def title(self, report: Report) -> None:
        """Before the first line of the table, once it is known who is asked for what."""

    def begin(self, name: str) -> None:
        """The question of that name is being asked."""

    def waiting(self, seconds: float) -> None:
        """The backend is busy and will be asked again after so long."""

    def row(self, row: Row) -> None:
        """What came of it."""


Connect = Callable[[str], Upstream]
"""The way to a base URL. Raises ValueError for certificates or a proxy that cannot be used."""


async def examine(settings: Settings, environ: Mapping[str, str], connect: Connect, show: Show) -> Report:
    """All that can be found out about the backend of `settings` and their surroundings.

    Raises ValueError as `connect` does.
    """
    started = time.monotonic()
    report = Report(settings.openai_api_base)
    upstream = connect(settings.openai_api_base)
    try:
        await _look_around(settings, environ, connect, report)
        await _Examination(settings, Backend(upstream, settings), connect, show, report).run()
    finally:
        await upstream.close()
    report.seconds = time.monotonic() - started
    return report


async def _look_around(settings: Settings, environ: Mapping[str, str], connect: Connect, report: Report) -> None:
    """What has nothing to do with the backend."""
    report.notes += filter(None, [of_proxy_variables(environ)])
    report.problems += filter(None, [of_loop(settings)])
    taken = of_port(settings)
    if taken is not None and taken.name == "port_in_use" and is_loopback(settings.host):
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        upstream = connect(f"http://{host}:{settings.port}")
        taken = None if await is_the_proxy(upstream) else taken
        await upstream.close()
    report.problems += filter(None, [taken])


class _ModelList(NamedTuple):
    """What came of asking for the models."""

    names: list[str]
    seconds: float
    broke: UpstreamBroke | None = None


class _Examination:
    def __init__(self, settings: Settings, backend: Backend, connect: Connect, show: Show, report: Report) -> None:
        self._settings = settings
        self._backend = backend
        self._connect = connect
        self._show = show
        self._report = report

    async def run(self) -> None:
        self._show.begin("reachable")
        listed = await self._models()
        place = Place(self._settings.openai_api_base, models=listed.names, has_key=bool(self._settings.openai_api_key))
        if listed.broke is not None:
            diagnosis = of_break(listed.broke, place)
            self._show.title(self._report)
            self._add("reachable", Finding("no", diagnosis.cause))
            self._report.problems.append(diagnosis)
            return
        settings = self._settings
        model = default_model(settings) or next(iter(listed.names), "")
        self._report.model = clipped(model, 80)
        reached = Finding("yes", f"in {listed.seconds:.2f} s")
        if not model:
            self._show.title(self._report)
            self._add("reachable", reached)
            self._report.problems.append(
                Diagnosis("no_model", "no model is set and the backend lists none", "set MODEL")
            )
            return
        route = Route(model, CHAT, model == settings.reasoning_model)
        expected = await self._backend.dialect(route)
        self._report.dialect = expected.name
        self._report.notes += of_other_models(settings, model)
        self._show.title(self._report)
        self._add("reachable", reached)
        await self._probe_all(route, expected, place._replace(model=model))

    async def _models(self) -> _ModelList:
        started = time.monotonic()
        guess = dialect_for(self._settings.openai_api_base, "", name=self._settings.backend)
        try:
            async with self._backend.fetch_models(guess) as reply:
                body = await reply.body(LARGEST_MODEL_LIST)
                names = _names_in(body) if reply.status == 200 else []
                return _ModelList(names, time.monotonic() - started)
        except UpstreamBroke as broke:
            return _ModelList([], time.monotonic() - started, broke)

    async def _probe_all(self, route: Route, expected: Dialect, place: Place) -> None:
        bench = Bench(self._backend, route, self._show.waiting)
        known = Known(route.model, expected)
        facts: dict[str, object] = {}
        for probe in PROBES:
            if all(known.verdicts.get(need) in WORKS for need in probe.needs):
                self._show.begin(probe.name)
                answers = await _answers(probe, known, bench)
                finding = probe.judge(known, answers)
            else:
                answers, finding = [], Finding("skipped", f"needs {', '.join(probe.needs)}")
            self._report.cost = bench.cost
            if probe.name == "plain reply":
                await self._judge_access(answers[-1], place, known)
            self._add(probe.name, finding, probe.vital)
            facts |= finding.facts
            known = _wiser(known, probe.name, answers, finding)
            if probe.name == "plain reply" and finding.verdict not in WORKS:
                break
        self._conclude(facts, expected)

    def _conclude(self, facts: dict[str, object], expected: Dialect) -> None:
        dropped = facts.get("dropped")
        if isinstance(dropped, frozenset):
            # Which of the two caps is sent, `max_tokens_field` says.
            facts["dropped"] = dropped - {"max_tokens", "max_completion_tokens"}
        found = departures(facts, expected)
        self._report.departures = as_departures(found, expected)
        if "OPENAI_API_BASE" not in self._report.settings:
            self._report.settings |= fitting(self._settings, expected, found)

    async def _judge_access(self, answer: Answer, place: Place, known: Known) -> None:
        """The two lines that the first answer tells of, beside itself, and why there is none."""
        diagnosis = None if answer.ok else of_answer(answer, place)
        if is_wrong_url(answer):
            diagnosis = await self._better_url(known, place) or diagnosis
        name = diagnosis.name if diagnosis is not None else ""
        self._add("key accepted", _key_finding(name, place))
        self._add("model exists", _model_finding(name, place))
        if diagnosis is not None:
            self._report.problems.append(diagnosis)

    async def _better_url(self, known: Known, place: Place) -> Diagnosis | None:
        """The base URL with `/v1` mended, if something answers there as an API does."""
        better = corrected(place.base_url)
        if better is None:
            return None
        backend = Backend(self._connect(better), self._settings)
        try:
            question = ask_plain(known, [])
            assert question is not None
            answer = await Bench(backend, Route(known.model, CHAT, False)).ask(question, known.dialect)
        finally:
            await backend.close()
        if answer.broke is not None or is_wrong_url(answer) or not (answer.ok or answer.error):
            return None
        self._report.settings["OPENAI_API_BASE"] = better
        return of_correction(place, better)

    def _add(self, name: str, finding: Finding, vital: bool = False) -> None:
        row = Row(name, finding, vital)
        self._report.rows.append(row)
        self._show.row(row)


async def _answers(probe: Probe, known: Known, bench: Bench) -> list[Answer]:
    answers: list[Answer] = []
    while (body := probe.asks(known, answers)) is not None:
        answers.append(await bench.ask(body, known.dialect))
    return answers


def _wiser(known: Known, name: str, answers: Sequence[Answer], finding: Finding) -> Known:
    """What is known after a probe."""
    return known.learning(finding.facts)._replace(
        cap=ROOMY if any(map(needs_room, answers)) else known.cap,
        answers={**known.answers, name: answers},
        verdicts={**known.verdicts, name: finding.verdict},
    )


_BEFORE_THE_MODEL = ("wrong_url", "html", "wrong_key", "no_key", "forbidden", "no_credit", "rate_limit", "overloaded")


def _key_finding(problem: str, place: Place) -> Finding:
    if problem in ("wrong_key", "no_key"):
        return Finding("no", "refused" if place.has_key else "none is set, and one is wanted")
    if problem and problem not in ("unknown_model", "other_endpoint", "no_credit", "rate_limit"):
        return Finding("unclear")
    return Finding("yes", "" if place.has_key else "none is set, and none is wanted")


def _model_finding(problem: str, place: Place) -> Finding:
    listed = place.model in place.models
    told = f"one of {len(place.models)} in the list" if listed else ""
    if problem in ("unknown_model", "other_endpoint"):
        return Finding("no", told)
    if problem in _BEFORE_THE_MODEL or (problem and not listed):
        return Finding("unclear", told)
    return Finding("yes", told or (f"though not among the {len(place.models)} in the list" if place.models else ""))


def _names_in(body: bytes) -> list[str]:
    """The ids in a model list; none where it is no such thing."""
    try:
        value = loads(body)
    except InvalidJson:
        return []
    entries = value.get("data") or value.get("models") if isinstance(value, dict) else value
    found = [one.get("id") for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
    return [name for name in found if isinstance(name, str)]
