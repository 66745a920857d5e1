"""What the model map and the model variables say, in lines for people."""

from collections.abc import Iterable, Iterator, Sequence

from anthropic_proxy.config import Settings
from anthropic_proxy.dialects import dialect_for, parse_overrides
from anthropic_proxy.model_map import ModelMap, Read, Rule, Target
from anthropic_proxy.routing import Route, route_for
from anthropic_proxy.wire.anthropic import MessagesRequest

HEADINGS = ("pattern", "model", "backend", "dialect", "if it fails")

MODEL_VARIABLES = ("model", "reasoning_model", "completion_model")


def overview(settings: Settings, models: ModelMap, read: Read | None) -> list[str]:
    """All of it: the map's routes in their order, then what the variables make of the rest."""
    lines: list[str] = []
    if read is not None:
        rows = [_row(rule, settings) for rule in models.rules]
        lines += [f"{read.document.name}:", *_table([HEADINGS, *rows]), ""]
        if models.long_context:
            lines.append(f"prompts of more than {models.long_context.above} tokens: as {models.long_context.model}")
        if models.safety_check:
            lines.append(f"Claude Code's safety checks: as {models.safety_check}")
    variables = [f"{name.upper()}={value}" for name in MODEL_VARIABLES if (value := getattr(settings, name))]
    rest = "all else" if models.rules else "all names"
    dialect = _dialect_name(None, "", (), settings)
    return [
        *lines,
        f"{rest}: {', '.join(variables) or 'as the client asks'}, at {settings.openai_api_base} (dialect {dialect})",
    ]


def described(name: str, settings: Settings, models: ModelMap, read: Read | None) -> Iterator[str]:
    """Where one name leads, and why: with thinking on and off, if that makes a difference."""
    off, on = (route_for(settings, _request(name, thinking), models) for thinking in ("disabled", "adaptive"))
    if (off.model, off.target) == (on.model, on.target):
        yield from _route_lines(name, off, settings, read)
    else:
        yield from _route_lines(f"{name}, thinking off", off, settings, read)
        yield from _route_lines(f"{name}, thinking on", on, settings, read)


def _request(name: str, thinking: str) -> MessagesRequest:
    return {"model": name, "max_tokens": 1024, "messages": [], "thinking": {"type": thinking}}


def _route_lines(heading: str, route: Route, settings: Settings, read: Read | None) -> Iterator[str]:
    base_url = route.target.base_url if route.target else settings.openai_api_base
    dialect = _dialect_name(route.target, route.model, route.overrides, settings)
    yield f"{heading} -> {route.model} at {base_url} (dialect {dialect})"
    yield f"  why: {f'{read.document.name}, ' if read and route.mapped else ''}{route.why}"
    facts = [f"{name}={_shown(name, value)}" for name, value in route.overrides]
    if route.fields is not None:
        facts += [f"sets {name}" for name in route.fields.set]
        facts += [f"sets {name} by default" for name in route.fields.default]
        facts += [f"drops {name}" for name in route.fields.drop]
    if facts:
        yield f"  with: {', '.join(facts)}"
    if route.fallbacks:
        yield f"  if it fails: {', then '.join(f'{one.model} at {_backend(one.target)}' for one in route.fallbacks)}"


def _shown(name: str, value: object) -> str:
    """Headers may hold keys."""
    return "…" if name == "headers" else str(value)


def _row(rule: Rule, settings: Settings) -> Sequence[str]:
    model = rule.model or "as the client asks"
    dialect = _dialect_name(rule.target, rule.model or rule.pattern, rule.overrides, settings)
    return rule.pattern, model, _backend(rule.target), dialect, ", ".join(rule.fallbacks)


def _backend(target: Target | None) -> str:
    return target.name if target else "OPENAI_API_BASE"


def _dialect_name(
    target: Target | None, model: str, overrides: Iterable[tuple[str, object]], settings: Settings
) -> str:
    """As far as it is known without asking the backend."""
    if target is None:
        facts = {**parse_overrides(settings.dialect), **dict(overrides)}
        return dialect_for(settings.openai_api_base, model, name=settings.backend, overrides=facts).name
    facts = {**dict(target.overrides), **dict(overrides)}
    return dialect_for(target.base_url, model, name=target.dialect_name, overrides=facts).name


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
