"""Tool calls in a reply: told apart, named and put together, however the backend cuts them."""

from dataclasses import dataclass
from typing import Any

from anthropic_proxy.translate.chat.arguments import Arguments
from anthropic_proxy.translate.chat.ids import CallIds
from anthropic_proxy.translate.chat.tool_names import ToolNames
from anthropic_proxy.translate.pieces import ToolCall


@dataclass(slots=True)
class Call:
    """One call of the reply. It is announced once its name is known."""

    choice: int
    index: int | None
    number: int
    """Its place among the calls of the reply."""
    arguments: Arguments
    upstream_id: str = ""
    upstream_name: str = ""
    call_id: str = ""
    """The client's id, once the call is announced."""
    pending: str = ""
    """Arguments that came before the name."""

    @property
    def slot(self) -> tuple[int, int | None, int]:
        """What tells it apart in the pieces."""
        return self.choice, self.index, self.number

    @property
    def announced(self) -> bool:
        """Has the client heard of it?"""
        return bool(self.call_id)


class CallReader:
    """Reads the `tool_calls` of a reply's deltas. Feed it with `read`, end with `close`."""

    def __init__(
        self, names: ToolNames, ids: CallIds, only_one: bool, whole: frozenset[str], wait_for_id: bool
    ) -> None:
        """`whole`: client names of tools whose arguments are sent in one piece. `wait_for_id`: the
        upstream's id matters, so a call is not announced before it or its arguments have come."""
        self._names = names
        self._ids = ids
        self._only_one = only_one
        self._whole = whole
        self._wait_for_id = wait_for_id
        self._calls: list[Call] = []
        self._last: Call | None = None

    @property
    def any(self) -> bool:
        """Was any call announced?"""
        return any(call.announced for call in self._calls)

    def read(self, delta: dict[str, Any], choice: int, position: int) -> tuple[Call, list[ToolCall]] | None:
        """One entry of a delta's `tool_calls`: the call it belongs to, and what is to be said of it.

        None for a call beyond the first, where only one was allowed.
        """
        function = delta.get("function")
        if not isinstance(function, dict):
            function = delta.get("custom")
        if not isinstance(function, dict):
            function = {}
        name, call_id = _string(function.get("name")), _string(delta.get("id"))
        fragment = _as_input(function["input"]) if "input" in function else function.get("arguments")
        call = self._find(delta.get("index"), call_id, name, fragment, choice, position)
        self._last = call
        call.upstream_id = call.upstream_id or call_id
        if not call.upstream_name and name:
            call.upstream_name = name
            if self._restored(call)[0] in self._whole:
                call.arguments = Arguments(whole=True)
        text = call.arguments.feed(fragment)
        if self._only_one and call is not self._calls[0]:
            return None
        return call, self._said(call, text)

    def close(self, cut_off: bool) -> list[ToolCall]:
        """What is still owed of each call. `cut_off`: the reply ended at its token limit."""
        pieces: list[ToolCall] = []
        for call in self._calls[:1] if self._only_one else self._calls:
            if not call.announced and not call.upstream_name and call.arguments.empty:
                continue
            pieces += self._said(call, call.arguments.close(cut_off), last=True)
        return pieces

    def _said(self, call: Call, text: str, last: bool = False) -> list[ToolCall]:
        if call.announced:
            return [ToolCall(call.slot, arguments=text)] if text else []
        call.pending += text
        ready = call.upstream_name and (call.upstream_id or not self._wait_for_id or not call.arguments.empty)
        if not ready and not last:
            return []
        name, toolset = self._restored(call)
        call.call_id = self._ids.received(call.upstream_id)
        return [ToolCall(call.slot, call.call_id, name, call.pending, toolset)]

    def _restored(self, call: Call) -> tuple[str, str]:
        return self._names.restored(call.upstream_name) if call.upstream_name else ("", "")

    def _find(self, index: object, call_id: str, name: str, fragment: object, choice: int, position: int) -> Call:
        """The call that a delta goes on with, or a new one.

        A backend may leave the index out or give every call the same; leave the id out or repeat it;
        repeat the name. A new id starts a call, and so does a name after arguments that had ended.
        """
        calls = [call for call in self._calls if call.choice == choice]
        last = self._last if self._last in calls else None
        number = index if isinstance(index, int) else None
        if number is not None:
            known = next((call for call in reversed(calls) if call.index == number), None)
        elif call_id:
            known = next((call for call in calls if call.upstream_id == call_id), None)
            if known is None and last is not None and not last.upstream_id and not name:
                known = last
        elif position and not name and len(calls) > position:
            known = calls[position]
        else:
            known = last
        if known is None or _is_another(known, call_id, name, fragment):
            known = Call(choice, number, len(self._calls), Arguments())
            self._calls.append(known)
        return known


def _is_another(known: Call, call_id: str, name: str, fragment: object) -> bool:
    if call_id and known.upstream_id:
        return call_id != known.upstream_id
    if not name or not known.upstream_name:
        return False
    if name != known.upstream_name:
        return True
    return known.arguments.complete and fragment not in (None, "") and not known.arguments.repeats(fragment)


def _as_input(text: object) -> dict[str, object]:
    """A custom tool's free text as an object, as a tool_use needs one."""
    return {"input": text}


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
