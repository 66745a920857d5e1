"""Which of the offered tools a message asks for, and what they are called with."""

import re
from typing import Any, NamedTuple

from anthropic_proxy.demo.clues import clues_in
from anthropic_proxy.demo.instances import instance
from anthropic_proxy.demo.talk import Talk
from anthropic_proxy.wire.chat import ChatRequest
from anthropic_proxy.wire.json import dumps


class Call(NamedTuple):
    """One tool call. `arguments` is JSON text."""

    name: str
    arguments: str


def forced_calls(request: ChatRequest, talk: Talk) -> list[Call]:
    """The calls that `tool_choice` insists on, if it does."""
    functions = _functions(request)
    choice = request.get("tool_choice")
    if isinstance(choice, dict):
        chosen = choice.get("function")
        name = chosen.get("name") if isinstance(chosen, dict) else None
        return _calls([function for function in functions if function["name"] == name], request, talk)
    if choice == "required" and functions:
        return _calls(_matching(functions, talk) or functions[:1], request, talk)
    return []


def asked_calls(request: ChatRequest, talk: Talk) -> list[Call]:
    """The calls that the user's last words ask for: the tools whose name or description they match.

    Words such as `use a tool` will do: they mean the first one.
    """
    functions = _functions(request)
    if request.get("tool_choice") == "none" or not functions:
        return []
    wanted = _matching(functions, talk) or (functions[:1] if _ANY_TOOL.search(talk.text) else [])
    return _calls(wanted, request, talk)


MANY = re.compile(r"\b(parallel|at once|at the same time|both|twice|two|three|several)\b", re.IGNORECASE)
"""Words that ask for several calls in one turn."""

MOST_CALLS = 5

_COUNTS = {"both": 2, "twice": 2, "two": 2, "three": 3}
_ANY_TOOL = re.compile(r"\b(use|call|run|try)\b.*\btools?\b", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{2,}|[^\W\d_a-zA-Z]{2,}")
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a all an and any are as at be by call can do for from get have how in is it me my of on or please run "
        "tell that the this to tool tools try use what when where which will with you your",
    )
)
"""Words that say nothing about which tool is meant."""

_NAME_WEIGHT = 2
_ENOUGH = 2
"""A word in a tool's name is enough, or two words in the first sentence of its description."""


def _functions(request: ChatRequest) -> list[dict[str, Any]]:
    tools = request.get("tools")
    found = [tool.get("function") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    return [function for function in found if isinstance(function, dict) and isinstance(function.get("name"), str)]


def _matching(functions: list[dict[str, Any]], talk: Talk) -> list[dict[str, Any]]:
    """The tools that the words are about, the best first."""
    said = _words(talk.text)
    scores = [
        _NAME_WEIGHT * len(said & _words(function["name"]))
        + len(said & _words(str(function.get("description") or "").partition(".")[0]))
        for function in functions
    ]
    order = sorted(range(len(functions)), key=lambda number: -scores[number])
    return [functions[number] for number in order if scores[number] >= _ENOUGH]


def _words(text: str) -> set[str]:
    """The telling words of a text, in small letters and without the plural's s. Parts of a name are words."""
    words = (word.lower() for word in _WORD.findall(text))
    return {word.removesuffix("s") for word in words if word not in _COMMON}


def _calls(functions: list[dict[str, Any]], request: ChatRequest, talk: Talk) -> list[Call]:
    """One call of the first tool, or several calls where the words ask for them and the request allows."""
    if not functions:
        return []
    many = MANY.search(talk.text)
    if many is None or request.get("parallel_tool_calls") is False:
        return [_call(functions[0], talk, 0)]
    clues = clues_in(talk.text)
    things = min(len(clues.quoted or clues.names), MOST_CALLS)
    count = _COUNTS.get(many[1].lower()) or max(2, len(functions), things)
    return [_call(functions[turn % len(functions)], talk, turn // len(functions)) for turn in range(count)]


def _call(function: dict[str, Any], talk: Talk, turn: int) -> Call:
    arguments = instance(function.get("parameters"), clues_in(talk.text), turn)
    return Call(function["name"], dumps(arguments if isinstance(arguments, dict) else {}).decode())
