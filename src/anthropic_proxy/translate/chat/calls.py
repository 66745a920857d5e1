"""Tool calls in a reply: told apart, named and put together, however the backend cuts them."""

from dataclasses import dataclass, field
from typing import Any

from anthropic_proxy.errors import UpstreamBroke
from anthropic_proxy.translate.chat.arguments import Arguments
from anthropic_proxy.translate.chat.ids import CallIds
from anthropic_proxy.translate.chat.tool_names import ToolNames
from anthropic_proxy.translate.pieces import ToolCall

SPOILED = "the upstream sent a tool call whose arguments are no JSON"

MOST_CALLS = 1000
"""Calls that one reply may make. A model that makes more has run wild, or its backend has."""


@dataclass(slots=True)
class _Entry:
    """One entry of a delta's `tool_calls`. What it does not say is empty."""

    index: int | None
    position: int
    """Its place in the list, and `of` how many."""
    of: int
    id: str
    name: str
    fragment: object
    """Arguments: text, or an object."""
    free_text: str
    """Of a custom tool: its input."""
    signature: object


@dataclass(slots=True)
class Call:
    """One call of the reply. It is announced to the client once its name is known; its arguments keep its place."""

    choice: int
    index: int | None
    number: int
    """Its place among the calls of the reply."""
    upstream_id: str = ""
    upstream_name: str = ""
    arguments: Arguments = field(default_factory=Arguments)
    free_text: str = ""
    call_id: str = ""
    """The client's id, once the call is announced."""
    in_one_piece: bool = False
    """Does its tool take its arguments in one piece? Known once the call is announced."""
    begun: bool = False
    """Has anything been said of it, be it only that it is there?"""
    pending: str = ""
    """Arguments that are kept back: the call is not announced yet, or its tool takes them in one piece."""
    named_again: bool = False
    """Did its name come once more after the end of its arguments? Then another object is another call's."""
    signature: object = None
    """Gemini's thought signature."""
    signed: bool = False
    """Has that found its place in the reply?"""

    @property
    def slot(self) -> tuple[int, int | None, int]:
        """What tells it apart in the pieces."""
        return self.choice, self.index, self.number

    @property
    def is_told_of(self) -> bool:
        """Has the client begun to read the arguments?"""
        return bool(self.call_id) and not self.in_one_piece

    def is_left_by(self, entry: _Entry) -> bool:
        """Does `entry`, which may belong to this call by its place, begin another one?

        A backend may give every call the same index; leave the id out, or send a fresh one with each
        fragment; repeat the name. A new call has a new id or name, and mostly comes after the end of
        this one's arguments.
        """
        if entry.id and entry.id == self.upstream_id:
            return self.arguments.complete and bool(entry.name) and entry.name != self.upstream_name
        if entry.id and self.upstream_id:
            return bool(entry.name) or self.arguments.complete
        if entry.name and self.upstream_name and entry.name != self.upstream_name:
            return True
        if not (self.named_again or (entry.name and self.upstream_name)):
            return False
        return self.arguments.complete and _begins(entry.fragment) and not self.arguments.repeats(entry.fragment)


class CallReader:
    """Reads the `tool_calls` of a reply's deltas. Feed it with `read`, end with `close`."""

    def __init__(
        self,
        names: ToolNames,
        ids: CallIds,
        only_one: bool,
        whole: frozenset[str],
        wait_for_id: bool,
        longest: int = 16_000_000,
    ) -> None:
        """`whole`: client names of tools whose arguments are sent in one piece. `wait_for_id`: the
        upstream's id matters, so a call is not announced before it or its arguments have come.
        `longest`: characters of one call's arguments that are taken."""
        self._names = names
        self._ids = ids
        self._only_one = only_one
        self._whole = whole
        self._wait_for_id = wait_for_id
        self._longest = longest
        self._calls: list[Call] = []
        self._last: Call | None = None
        self.flaws: list[str] = []
        """What had to be mended in arguments, filled by `close`."""
        self.whole_reply = False
        """Does everything come at once? Then nothing needs to go before its end is known."""
        self.spoiled = False
        """Were arguments passed on that are no JSON? Known once it is closed."""

    @property
    def any(self) -> bool:
        """Was any call announced?"""
        return any(call.call_id for call in self._calls)

    @property
    def unsigned(self) -> list[Call]:
        """The announced calls whose signature has found no place yet."""
        return [call for call in self._calls if call.call_id and call.signature is not None and not call.signed]

    @property
    def broken_off(self) -> bool:
        """Would a call end in the middle of its arguments, if nothing more came?"""
        return any(call.arguments.broken_off for call in self._calls)

    def read(self, deltas: Any, choice: int) -> list[tuple[Call, list[ToolCall]]]:
        """A delta's `tool_calls`: each call that is in it, and what is to be said of it, if anything. The
        caller marks calls as begun.

        Calls beyond the first are left out where only one is allowed.

        Raises UpstreamBroke for arguments that are no JSON although the client has their beginning, or too
        long, and for too many calls.
        """
        call = self._going_on(deltas, choice)
        if call is not None:
            text = call.arguments.feed(deltas[0]["function"]["arguments"])
            self._check(call)
            return [(call, self._said(call, text))]
        taken: list[Call] = []
        told = []
        for entry in _entries(deltas):
            call = self._find(entry, choice, taken)
            taken.append(call)
            self._last = call
            text = _add(call, entry)
            self._check(call)
            if len(self._calls) > MOST_CALLS:
                raise UpstreamBroke(f"the upstream's reply has more than {MOST_CALLS} tool calls", kind="too_large")
            if self._only_one and call.number > 0:
                continue
            told.append((call, self._said(call, text)))
        return told

    def close(self, cut_off: bool) -> list[ToolCall]:
        """What is still owed of each call. `cut_off`: the reply ended at its token limit."""
        pieces: list[ToolCall] = []
        for call in self._calls[:1] if self._only_one else self._calls:
            if not call.upstream_name and call.arguments.empty and not call.free_text:
                continue
            text = call.arguments.feed({"input": call.free_text}) if call.free_text else ""
            text += call.arguments.close(cut_off)
            if call.arguments.flaw:
                self.flaws.append(f"the arguments of a tool call {call.arguments.flaw}")
            if call.arguments.spoiled:
                self.spoiled = self.spoiled or call.is_told_of
                call.pending, text = "", call.arguments.as_text()
            pieces += self._said(call, text, last=True)
        return pieces

    def _going_on(self, deltas: Any, choice: int) -> Call | None:
        """Fast path: the last call, if the delta brings one more fragment of its arguments and nothing else.

        So it mostly is. Finding the call and its name in the common way takes three times as long.
        """
        call = self._last
        if call is None or call.choice != choice or not call.call_id or (self._only_one and call.number > 0):
            return None
        delta = deltas[0] if type(deltas) is list and len(deltas) == 1 else None
        if type(delta) is not dict or len(delta) != 2 or call.index is None or delta.get("index") != call.index:
            return None
        function = delta.get("function")
        if type(function) is not dict or len(function) != 1 or type(function.get("arguments")) is not str:
            return None
        return None if call.named_again or call.arguments.complete else call

    def _check(self, call: Call) -> None:
        if call.arguments.spoiled and call.is_told_of:
            raise UpstreamBroke(SPOILED)
        if max(call.arguments.length, len(call.free_text)) > self._longest:
            raise UpstreamBroke(
                "the upstream's reply has a tool call with arguments longer than "
                f"{self._longest} characters (setting MAX_ARGUMENTS_MB)",
                kind="too_large",
            )

    def _said(self, call: Call, text: str, last: bool = False) -> list[ToolCall]:
        if call.call_id and not call.in_one_piece:
            return [ToolCall(call.slot, "", "", text)] if text else []
        call.pending += text
        ready = call.upstream_name and (call.upstream_id or not self._wait_for_id or not call.arguments.empty)
        if not (call.call_id or ready or last):
            return [ToolCall(call.slot)] if text and not call.begun else []
        announced = bool(call.call_id)
        name, toolset = self._announce(call) if not announced else ("", "")
        arguments = ""
        if (
            last
            or not (call.in_one_piece or call.arguments.spoiled)
            or (call.arguments.complete and not call.arguments.spoiled)
        ):
            arguments, call.pending = call.pending, ""
        if announced:
            return [ToolCall(call.slot, arguments=arguments)] if arguments else []
        return [ToolCall(call.slot, call.call_id, name, arguments, toolset)]

    def _announce(self, call: Call) -> tuple[str, str]:
        """The client's name for the call's tool, and its toolset's; from now on the call has an id."""
        name, toolset = self._names.restored(call.upstream_name) if call.upstream_name else ("", "")
        call.in_one_piece = self.whole_reply or name in self._whole
        call.call_id = self._ids.received(call.upstream_id)
        return name, toolset

    def _find(self, entry: _Entry, choice: int, taken: list[Call]) -> Call:
        """The call that `entry` goes on with, or a new one. `taken`: those of earlier entries of the same list."""
        calls = [call for call in self._calls if call.choice == choice]
        call = _by_index(entry, calls) if entry.index is not None else _by_id_or_place(entry, calls, self._last)
        named_again = call in taken and bool(entry.name)
        if call is None or named_again or call.is_left_by(entry):
            name = call.upstream_name if call is not None and call.named_again else ""
            call = Call(choice, entry.index, len(self._calls), upstream_name=entry.name or name)
            self._calls.append(call)
        return call


def _add(call: Call, entry: _Entry) -> str:
    """Takes in what `entry` says of `call`; gives the arguments in it that may be passed on."""
    call.named_again = call.named_again or (bool(entry.name) and call.arguments.complete)
    call.upstream_id = call.upstream_id or entry.id
    call.upstream_name = call.upstream_name or entry.name
    call.free_text += entry.free_text
    call.signature = entry.signature or call.signature
    return call.arguments.feed(entry.fragment)


def _by_index(entry: _Entry, calls: list[Call]) -> Call | None:
    """Among the calls of that index; among open ones without any, where a backend only gives it later."""
    same = [call for call in calls if call.index == entry.index]
    same = same or [call for call in calls if call.index is None and not call.arguments.complete]
    return _with_id(entry, same) or (same[-1] if same else None)


def _by_id_or_place(entry: _Entry, calls: list[Call], last: Call | None) -> Call | None:
    """For backends without an index: by id, else the call of the same place in the list, else the last one."""
    known = _with_id(entry, calls)
    if known is not None:
        return known
    if entry.of > 1:
        return calls[entry.position] if entry.position < len(calls) else None
    return last if last in calls else None


def _with_id(entry: _Entry, calls: list[Call]) -> Call | None:
    return next((call for call in reversed(calls) if entry.id and call.upstream_id == entry.id), None)


def _begins(fragment: object) -> bool:
    return isinstance(fragment, dict) or (isinstance(fragment, str) and fragment.lstrip().startswith("{"))


def _entries(deltas: object) -> list[_Entry]:
    """The entries of `tool_calls`, whatever a backend makes of it; what is no object is left out."""
    entries = [delta for delta in (deltas if isinstance(deltas, list) else [deltas]) if isinstance(delta, dict)]
    return [_entry(delta, position, len(entries)) for position, delta in enumerate(entries)]


def _entry(delta: dict[str, Any], position: int, of: int) -> _Entry:
    function, custom = delta.get("function"), delta.get("custom")
    function = function if isinstance(function, dict) else {}
    custom = custom if isinstance(custom, dict) else {}
    index = delta.get("index")
    return _Entry(
        index=index if isinstance(index, int) else None,
        position=position,
        of=of,
        id=_string(delta.get("id")),
        name=_string(function.get("name")) or _string(custom.get("name")),
        fragment=function.get("arguments"),
        free_text=_string(custom.get("input")),
        signature=_thought_signature(delta, function),
    )


def _thought_signature(delta: dict[str, Any], function: dict[str, Any]) -> object:
    """Gemini's signature on a call: in `extra_content` from Google itself, elsewhere through LiteLLM."""
    extra = delta.get("extra_content")
    places = (
        extra.get("google") if isinstance(extra, dict) else None,
        delta.get("provider_specific_fields"),
        function.get("provider_specific_fields"),
    )
    return next((p["thought_signature"] for p in places if isinstance(p, dict) and p.get("thought_signature")), None)


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
