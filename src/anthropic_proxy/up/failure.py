"""What ends `up` before it has begun."""


class CannotStart(Exception):
    """The servers cannot run. The text is one line for the user: what is wrong, and the way out."""
