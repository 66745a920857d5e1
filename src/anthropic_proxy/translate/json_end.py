"""JsonEnd: finds the end of a JSON object that comes in fragments, without parsing it again."""

import re

_INSIDE = re.compile(r'["\\]')
_OUTSIDE = re.compile(r'["{}\[\]]')


class JsonEnd:
    """Follows brackets and strings of JSON text. `complete` once the first value's brackets are closed.

    Text that does not begin with a bracket never completes.
    """

    __slots__ = ("_escaped", "complete", "in_string", "open")

    def __init__(self) -> None:
        self.complete = False
        self.open: list[str] = []
        """The brackets that are still to come, outermost first."""
        self.in_string = False
        """Does the text end inside a string?"""
        self._escaped = False

    def copy(self) -> "JsonEnd":
        """A second one at the same place."""
        other = JsonEnd()
        other.complete, other.open = self.complete, list(self.open)
        other.in_string, other._escaped = self.in_string, self._escaped
        return other

    def feed(self, text: str) -> int:
        """Follows `text`. Returns how many of its characters belong to the value; the rest is beyond its end."""
        position, length = 0, len(text)
        if self.complete:
            return 0
        if self._escaped and text:
            position, self._escaped = 1, False
        while position < length:
            found = (_INSIDE if self.in_string else _OUTSIDE).search(text, position)
            if found is None:
                return length
            position = found.end()
            mark = found.group()
            if self.in_string:
                if mark == '"':
                    self.in_string = False
                elif position == length:
                    self._escaped = True
                else:
                    position += 1
            elif mark == '"':
                self.in_string = True
            elif mark in "{[":
                self.open.append("}" if mark == "{" else "]")
            elif self.open:
                self.open.pop()
                if not self.open:
                    self.complete = True
                    return position
        return length
