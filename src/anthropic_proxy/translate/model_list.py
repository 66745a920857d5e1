"""A backend's model list in Anthropic's shape, and pages of it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

from anthropic_proxy.dialects.recognise import context_window_in, models_in, window_in
from anthropic_proxy.errors import InvalidRequest

ModelInfo: TypeAlias = dict[str, Any]
"""One model, as Anthropic describes it. What no backend tells is null."""

ALIAS = "claude/"
"""Stands before the alias of a model, such as `claude/qwen3`."""

PICKED = ("claude", "anthropic")
"""Claude Code's picker shows only ids with one of these in them. Source: Claude Code 2.1.330, read 2026-11-22."""

LARGEST_PAGE, USUAL_PAGE = 1000, 20
"""Models on a page. Source: Anthropic's API reference, read 2026-11-22."""

LAST_TIME = 253402300799
"""The end of the year 9999, the last that can be written."""


def model_infos(reply: object, configured: Iterable[str], aliases: bool = False) -> list[ModelInfo]:
    """The models of a `/models` reply, parsed, behind those that the settings name; each once.

    `aliases` adds a second id for those that Claude Code would not show.
    """
    listed: dict[str, dict[str, object]] = {}
    for entry in models_in(reply):
        name = entry.get("id")
        if isinstance(name, str) and name:
            listed.setdefault(name, entry)
    infos = []
    for name in dict.fromkeys([*configured, *listed]):
        known = listed.get(name)
        info = _info(name, known or {}, window_in(known) if known else context_window_in(reply, name))
        infos.append(info)
        if aliases and not any(word in name.lower() for word in PICKED):
            infos.append({**info, "id": ALIAS + name})
    return infos


def _info(name: str, entry: Mapping[str, object], window: int | None) -> ModelInfo:
    shown = entry.get("name")
    return {
        "type": "model",
        "id": name,
        "display_name": shown if isinstance(shown, str) and shown else name,
        "created_at": _time(entry.get("created")),
        "lifecycle": "active",
        "line": None,
        "max_input_tokens": window,
        "max_tokens": None,
        "capabilities": None,
        "deprecated_at": None,
        "retires_at": None,
    }


def _time(seconds: object) -> str:
    """Seconds since 1970 as RFC 3339; the epoch itself where they are unknown, as Anthropic does it."""
    known = seconds if isinstance(seconds, int | float) and 0 < seconds <= LAST_TIME else 0
    return datetime.fromtimestamp(int(known), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def page(
    infos: Sequence[ModelInfo], limit: int = USUAL_PAGE, after_id: str | None = None, before_id: str | None = None
) -> dict[str, Any]:
    """`limit` of the models: the first ones, those after an id, or the last ones before an id.

    Raises InvalidRequest for an id that is not in the list.
    """
    ids = [info["id"] for info in infos]
    start = 0 if after_id is None else _position(ids, after_id, "after_id") + 1
    end = len(infos) if before_id is None else _position(ids, before_id, "before_id")
    found = infos[start:end]
    shown = found[:limit] if before_id is None else found[-limit:]
    return {
        "data": shown,
        "has_more": len(found) > len(shown),
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
    }


def _position(ids: list[str], wanted: str, parameter: str) -> int:
    try:
        return ids.index(wanted)
    except ValueError:
        raise InvalidRequest(f"{parameter}: no model of that id is listed; begin again without it") from None
