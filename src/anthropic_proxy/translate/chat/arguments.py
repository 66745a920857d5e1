"""Arguments: what backends send as a call's arguments becomes nothing at all or one JSON object."""

import json
import re

from anthropic_proxy.translate.json_end import JsonEnd
from anthropic_proxy.wire.json import InvalidJson, dumps, loads

UNPARSED = "__unparsed_arguments"
"""Key under which arguments that are no JSON object reach the client as text, so that nothing is lost."""

_ESCAPES = {code: f"\\u{code:04x}" for code in range(0x20)} | {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}
_CONTROL = re.compile(r"[\x00-\x1f]")


class Arguments:
    """Normalises the fragments of one call. Feed with `feed`, end with `close`.

    A fragment of an object goes out as it comes. Held back are a bare `{}`, after which some
    backends send the real arguments, and text that does not begin an object: a JSON string that
    holds JSON, a list, prose.
    """

    def __init__(self, whole: bool = False) -> None:
        """`whole`: send nothing before the end (a tool with `eager_input_streaming: false`)."""
        self._whole = whole
        self._raw = ""
        """All that came, as it came."""
        self._end = JsonEnd()
        self._held = ""
        """Beginning of an object that is still too short to tell, or with `whole` all of it."""
        self._not_object = False
        self.beyond = False
        """Did something follow the end of the object? It was left out."""

    @property
    def empty(self) -> bool:
        """Has nothing come yet?"""
        return not self._raw

    @property
    def complete(self) -> bool:
        """Has the object ended? A bare `{}` has not: more may follow."""
        return self._end.complete and not self._is_bare(self._held)

    def repeats(self, fragment: object) -> bool:
        """Does `fragment` say again all that came so far, as backends with cumulative snapshots do?"""
        return isinstance(fragment, str) and len(self._raw) > 1 and fragment.startswith(self._raw)

    def feed(self, fragment: object) -> str:
        """What of `fragment` may be passed on now."""
        text = self._text(fragment)
        if not text:
            return ""
        if self._is_bare(self._raw) and text.lstrip().startswith("{"):
            self._start_again()
        elif self.repeats(text):
            text = text[len(self._raw) :]
        first = not self._raw.strip()
        self._raw += text
        if first and text.strip() and text.lstrip()[0] != "{":
            self._not_object = True
        if self._not_object:
            return ""
        return self._pass_on(text.lstrip() if first else text)

    def close(self, cut_off: bool) -> str:
        """What is still owed. `cut_off`: the reply ended at its token limit, and stays truncated."""
        if self._not_object:
            return self._from_other_json(self._raw)
        held, self._held = self._held, ""
        if self._is_bare(held) or not held.strip() and not self._raw.strip():
            return ""
        if self._end.complete or cut_off:
            return held
        return held + _closing(self._raw, self._end)

    def _text(self, fragment: object) -> str:
        if isinstance(fragment, str):
            return fragment
        if isinstance(fragment, dict) and self._raw and not self._is_bare(self._raw):
            again = dumps(fragment).decode()
            return "" if again == self._raw else again
        return "" if fragment is None else dumps(fragment).decode()

    def _pass_on(self, text: str) -> str:
        clean = self._without_controls(text) if _CONTROL.search(text) else text
        taken = self._end.feed(clean)
        self.beyond = self.beyond or bool(clean[taken:].strip())
        self._held += clean[:taken]
        if self._is_bare(self._held) or self._held.strip() == "{" or (self._whole and not self._end.complete):
            return ""
        out, self._held = self._held, ""
        return out

    def _without_controls(self, text: str) -> str:
        """`text` with the control characters inside its strings escaped, which JSON demands."""
        follow = self._end.copy()
        clean = []
        for character in text:
            in_string = follow.in_string
            clean.append(_ESCAPES.get(ord(character), character) if in_string else character)
            follow.feed(character)
        return "".join(clean)

    def _start_again(self) -> None:
        """Forgets a bare `{}` that turned out to be a placeholder."""
        self._raw, self._held, self._end = "", "", JsonEnd()

    @staticmethod
    def _is_bare(text: str) -> bool:
        return text.strip().startswith("{") and text.strip().endswith("}") and not text.strip()[1:-1].strip()

    @staticmethod
    def _from_other_json(raw: str) -> str:
        """An object from JSON that is wrapped in a string, or all of it as text."""
        try:
            value = loads(raw.encode("utf-8", "replace"))
            inner = loads(value.encode()) if isinstance(value, str) else value
        except InvalidJson:
            inner = None
        if isinstance(inner, dict):
            return dumps(inner).decode() if inner else ""
        return dumps({UNPARSED: raw}).decode()


def _closing(raw: str, end: JsonEnd) -> str:
    """The least that makes a broken-off object parse, such as `"}`; kept as text where nothing does."""
    closers = "".join(reversed(end.open))
    tails = _STRING_TAILS if end.in_string else _VALUE_TAILS
    for tail in tails:
        try:
            json.loads(raw + tail + closers, strict=False)
        except ValueError:
            continue
        return tail + closers
    return ""


_STRING_TAILS = ('"', '": null', '\\"', '\\": null', '0"', '00"', '000"', '0000"')
"""What may complete a string, a key, an escape."""

_VALUE_TAILS = ("", "null", ": null", '"": null', "0", *("rue", "ue", "e"), *("alse", "lse", "se"), *("ull", "ll", "l"))
"""What may complete a value, or a key without one, or a word that was begun."""
