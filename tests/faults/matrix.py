"""The fault matrix: what a network and a backend may do, and what the client then gets.

Nothing but the table, which tests/faults/test_faults.py tries cell by cell, and docs/reliability.md shows.
"""

from typing import NamedTuple

COMPLETE = "complete"
BROKEN, TIMED_OUT = "502 api_error", "504 timeout_error"
BROKEN_EVENT, TIMED_OUT_EVENT = "event api_error", "event timeout_error"
NONE = ""
"""There is no such case."""


class Row(NamedTuple):
    """Outcomes: `complete`, an HTTP status with the type of the error, or `event` with that of the last event."""

    whole: str
    """Of a whole reply, when it strikes before any of the body."""
    whole_midway: str
    """In the middle of the body."""
    stream: str
    """Of a stream, before its first piece."""
    stream_midway: str
    """After it."""


BREAKS = Row(BROKEN, BROKEN, BROKEN, BROKEN_EVENT)
STALLS = Row(TIMED_OUT, TIMED_OUT, TIMED_OUT, TIMED_OUT_EVENT)
HARMLESS = Row(COMPLETE, COMPLETE, COMPLETE, COMPLETE)


def before(outcome: str) -> Row:
    """For a fault that can only strike before the reply's headers are over."""
    return Row(outcome, NONE, outcome, NONE)


def midway(whole: str, stream: str) -> Row:
    """For a fault that can only strike inside a reply."""
    return Row(NONE, whole, NONE, stream)


MATRIX: dict[str, Row] = {
    # Connections
    "refuses the connection": before(BROKEN),
    "resets the connection before it answers": before(BROKEN),
    "closes the connection before it answers": before(BROKEN),
    "resets the connection in the middle of the headers": before(BROKEN),
    "resets the connection after the headers": BREAKS,
    "resets the connection while the request is still being sent": before(BROKEN),
    "has closed a pooled connection without a word": before(COMPLETE),
    "has reset a pooled connection": before(COMPLETE),
    "closes the connection at once, each time": before(BROKEN),
    # Silence
    "is silent before the headers": before(TIMED_OUT),
    "is silent after the headers": STALLS,
    "does not read the request": before(TIMED_OUT),
    "sends one byte at a time": HARMLESS,
    "sends comments and blank lines for a while": Row(NONE, NONE, COMPLETE, COMPLETE),
    # Ends
    "closes early, without a last chunk": BREAKS,
    "closes early, in good manner": BREAKS,
    "closes early, without a length or chunks": BREAKS,
    "resets the connection, without a length or chunks": BREAKS,
    "closes inside a character": midway(BROKEN, BROKEN_EVENT),
    "closes inside the JSON": midway(BROKEN, BROKEN_EVENT),
    "closes inside the arguments of a tool call": midway(BROKEN, BROKEN_EVENT),
    "ends in good manner inside the arguments of a tool call": midway(BROKEN, BROKEN_EVENT),
    "forgets the [DONE]": midway(NONE, COMPLETE),
    "closes after the finish reason, without a last chunk": midway(NONE, COMPLETE),
    "is silent after the finish reason": midway(NONE, COMPLETE),
    # Framing
    "says a length that is too long": BREAKS,
    "says a length that is too short": Row(BROKEN, BROKEN, BROKEN, BROKEN_EVENT),
    "says two lengths": before(BROKEN),
    "sends a chunk without its size": BREAKS,
    "sends more after the end of the body": HARMLESS,
    "compresses without being asked": HARMLESS,
    "compresses, and breaks off": BREAKS,
    "says it compressed, and did not": before(BROKEN),
    "labels its reply with a compression it did not use": before(COMPLETE),
    "sends 100 Continue and 103 Early Hints first": before(COMPLETE),
    "switches protocols": before(BROKEN),
    "sends no HTTP at all": before(BROKEN),
    "sends endless headers": before(BROKEN),
    "redirects to another host": before(BROKEN),
    "redirects to another host, method kept": before(BROKEN),
    # Content
    "sends a page with status 200": before(BROKEN),
    "sends a page with status 502": before(BROKEN),
    "sends an empty body with status 200": before(BROKEN),
    "sends an empty body with status 500": before("500 api_error"),
    "sends 204 No Content": before(BROKEN),
    "labels its reply wrongly": HARMLESS,
    "labels its reply with nothing": HARMLESS,
    "sends a stream for a whole reply, or the reverse": HARMLESS,
    "sends an error inside a 200": Row("500 api_error", NONE, "500 api_error", BROKEN_EVENT),
    "sends an error as the only thing in a 200, overloaded": before("529 overloaded_error"),
    "sends what is no JSON": BREAKS,
    "sends JSON of another kind": before(BROKEN),
    "sends two JSON objects in one event": Row(NONE, NONE, COMPLETE, COMPLETE),
    "sends two JSON objects on one line": Row(NONE, NONE, COMPLETE, COMPLETE),
    "repeats itself after [DONE]": midway(NONE, COMPLETE),
    "sends an event that is too large": Row(NONE, NONE, BROKEN, BROKEN_EVENT),
    "sends arguments that are too long": midway(BROKEN, BROKEN_EVENT),
    "sends a whole reply that is too large": midway(BROKEN, NONE),
    "sends thousands of tool calls": midway(BROKEN, BROKEN_EVENT),
    "sends thousands of chunks as fast as it can": midway(COMPLETE, COMPLETE),
    # Names and certificates
    "has a name that cannot be found": before(BROKEN),
    "has a certificate that has expired": before(BROKEN),
    "has a certificate for another host": before(BROKEN),
    "has a certificate of an unknown authority": before(BROKEN),
    "breaks a TLS connection off": BREAKS,
    "speaks plain HTTP where TLS is expected": before(BROKEN),
}
"""What the backend does, by what the client gets."""
