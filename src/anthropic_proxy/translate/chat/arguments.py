"""Arguments: what backends send as a call's arguments becomes nothing at all or one JSON object."""

import json
import re
from typing import Any

from anthropic_proxy.translate.chat.filters import WholeCharacters
from anthropic_proxy.translate.json_end import JsonEnd
from anthropic_proxy.wire.json import InvalidJson, dumps, loads

UNPARSED = "__unparsed_arguments"
"""Key under which arguments that are no JSON object reach the client as text, so that nothing is lost."""

NO_JSON = "are no JSON"
"""The flaw of arguments that begin as an object does and are none."""

_ESCAPES = {chr(code): f"\\u{code:04x}" for code in range(0x20)}
_ESCAPES |= {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_LENIENT = json.JSONDecoder(strict=False)
"""Control characters in strings are escaped in passing."""

_CONTROL = re.compile(r"([\x00-\x1f])")
_BARE = re.compile(r"\{\s*\}?")
"""An empty object, or the beginning of one."""


class Arguments:
    """Normalises the fragments of one call. Feed with `feed`, end with `close`.

    A fragment of an object goes out as it comes. Held back are a bare `{}`, after which some
    backends send the real arguments, and text that does not begin an object: a JSON string that
    holds JSON, a list, prose.
    """

    __slots__ = (
        "_characters",
        "_cumulative",
        "_end",
        "_held",
        "_is_object",
        "_parts",
        "_passed",
        "flaw",
        "length",
        "spoiled",
    )

    def __init__(self) -> None:
        self._parts: list[str] = []
        """All that came, but for white space in front."""
        self.length = 0
        """Characters of it."""
        self._is_object: bool | None = None
        """Does it begin with a bracket? None as long as nothing has come."""
        self._end = JsonEnd()
        self._held = ""
        """A bare object, or the beginning of one."""
        self._passed = False
        """Was anything passed on?"""
        self._cumulative = False
        """Was it seen that a fragment repeats all before it?"""
        self._characters = WholeCharacters()
        self.spoiled = False
        """Was something passed on that no end makes an object of?"""
        self.flaw = ""
        """What had to be mended, or could not be, for the log."""

    @property
    def empty(self) -> bool:
        """Has nothing come yet?"""
        return self._is_object is None

    @property
    def complete(self) -> bool:
        """Has the object ended? A bare `{}` has not: more may follow."""
        return self._end.complete and self._passed

    @property
    def broken_off(self) -> bool:
        """Would they end in the middle, if nothing more came?"""
        if self._is_object:
            return not self._end.complete
        return self._is_object is False and _object_in(self._raw) is None

    @property
    def _raw(self) -> str:
        return "".join(self._parts)

    def repeats(self, fragment: object) -> bool:
        """Does `fragment` say again all that came so far, as backends with cumulative snapshots do?"""
        if isinstance(fragment, dict):
            return self.complete and _object_in(self._raw) == fragment
        return isinstance(fragment, str) and self._is_snapshot(fragment)

    def feed(self, fragment: object) -> str:
        """What of `fragment` may be passed on now."""
        if self._passed and type(fragment) is str and 0 < len(fragment) < self.length:
            # Fast path: more of an object that is on its way, too short to repeat what came before.
            return self._more(self._characters.feed(fragment))
        text = self._text(fragment)
        if self._end.complete and not self._passed and text.lstrip().startswith("{"):
            self._start_again()
        if self._is_object is None:
            text = text.lstrip()
            self._is_object = text[0] == "{" if text else None
        elif self._is_snapshot(text):
            self._cumulative = True
            text = text[self.length :]
        return self._more(text) if text else ""

    def close(self, cut_off: bool) -> str:
        """What is still owed. `cut_off`: the reply ended at its token limit, and stays truncated."""
        if self._is_object is None:
            return ""
        raw = self._raw
        if not self._is_object:
            return self._from_other_json(raw)
        held, self._held = self._held, ""
        if self._end.complete:
            return ""
        closing = _closing(raw, self._end)
        self.spoiled = not closing
        if self.spoiled:
            self.flaw = NO_JSON
        elif not cut_off:
            self.flaw = "broke off and were closed"
            return held + closing
        return held

    def as_text(self) -> str:
        """An object that holds all that came, as it came."""
        return dumps({UNPARSED: self._raw}).decode()

    def _text(self, fragment: object) -> str:
        if isinstance(fragment, str):
            return self._characters.feed(fragment)
        if fragment is None or self.repeats(fragment):
            return ""
        return dumps(fragment).decode()

    def _more(self, text: str) -> str:
        self._parts.append(text)
        self.length += len(text)
        return self._pass_on(text) if self._is_object else ""

    def _is_snapshot(self, text: str) -> bool:
        """Does `text` begin with all that came before, where that can hardly be an accident?

        Where a value is due it can: an object inside may begin as the outer one does, `{"a": ` and
        `{"a": 1}}`. Elsewhere only a first key that begins with `{` could.
        """
        if not self._is_object or len(text) < self.length or not text.startswith(self._raw):
            return False
        return self._cumulative or self._end.in_string or self._parts[-1].rstrip()[-1:] not in _BEFORE_A_VALUE

    def _pass_on(self, text: str) -> str:
        clean = self._without_controls(text) if _CONTROL.search(text) else text
        complete = self._end.complete
        taken = self._end.feed(clean)
        if self._end.complete and not complete and not _begins_well(self._raw):
            return self._not_an_object()
        if taken < len(clean) and clean[taken:].strip():
            self.flaw = "went on after their end"
        out = self._held + clean[:taken]
        if not self._passed and _BARE.fullmatch(out):
            self._held = out
            return ""
        self._held, self._passed = "", True
        return out

    def _not_an_object(self) -> str:
        """It looked like one up to its last bracket. If none of it was passed on, it can still go as text."""
        self.spoiled = self._passed
        self.flaw = NO_JSON
        if self.spoiled:
            return ""
        self._held, self._passed = "", True
        return self.as_text()

    def _without_controls(self, text: str) -> str:
        """`text` with the control characters inside its strings escaped, which JSON demands."""
        follow = self._end.copy()
        parts = _CONTROL.split(text)
        for number, part in enumerate(parts):
            if number % 2 and follow.in_string:
                parts[number] = _ESCAPES[part]
            follow.feed(parts[number])
        return "".join(parts)

    def _start_again(self) -> None:
        """Forgets a bare `{}` that turned out to be a placeholder."""
        self._parts, self.length, self._held, self._end, self._is_object = [], 0, "", JsonEnd(), None

    def _from_other_json(self, raw: str) -> str:
        """An object from JSON that is wrapped in a string, or all of it as text."""
        inner = _object_in(raw)
        if inner is None:
            self.flaw = "are no JSON object"
            return self.as_text()
        return dumps(inner).decode() if inner else ""


_BEFORE_A_VALUE = (":", "[", ",", "")


def _object_in(raw: str) -> dict[str, Any] | None:
    """The object that `raw` says, also as a JSON string that holds JSON; empty for `null` and for no text."""
    try:
        value = loads(raw.encode("utf-8", "replace"))
        if isinstance(value, str) and value.strip():
            value = loads(value.encode("utf-8", "replace"))
    except InvalidJson:
        return None
    if value is None or (isinstance(value, str) and not value.strip()):
        return {}
    return value if isinstance(value, dict) else None


def _parses(text: str) -> bool:
    try:
        json.loads(text, strict=False)
    except ValueError:
        return False
    return True


def _begins_well(text: str) -> bool:
    """Is it JSON as far as its first value goes?"""
    try:
        _LENIENT.raw_decode(text)
    except ValueError:
        return False
    return True


def _closing(raw: str, end: JsonEnd) -> str:
    """The least that makes a broken-off object parse, such as `"}`; empty where nothing does."""
    closers = "".join(reversed(end.open))
    tails = _STRING_TAILS if end.in_string else _VALUE_TAILS
    return next((tail + closers for tail in tails if _parses(raw + tail + closers)), "")


_STRING_TAILS = tuple(rest + end for end in ('"', '": null') for rest in ("", "\\", "0", "00", "000", "0000"))
"""What may complete a string or a key, and an escape in it."""

_VALUE_TAILS = ("", "null", ": null", '"": null', "0", *("rue", "ue", "e"), *("alse", "lse", "se"), *("ull", "ll", "l"))
"""What may complete a value, or a key without one, or a word that was begun."""
