"""What a request asks for, whichever upstream is to give it."""

from anthropic_proxy.wire.anthropic import MessagesRequest

ON = ("enabled", "adaptive")
"""Types of `thinking` that switch it on. `disabled` and `between_tools` switch it off."""


def thinking_on(request: MessagesRequest) -> bool:
    """Does the request ask for thinking? The seed's `true` and Anthropic's objects alike."""
    return request.get("thinking", {}).get("type") in ON


def thinking_off(request: MessagesRequest) -> bool:
    """Does the request ask for no thinking? That is not the same as saying nothing."""
    return "thinking" in request and not thinking_on(request)


LONGEST_CHECK = 128
"""Tokens that Claude Code's safety check leaves for a verdict: 64 in most versions, 1 and 128 were seen."""


def is_safety_check(request: MessagesRequest) -> bool:
    """Is it the question of Claude Code's auto mode, whether a command is safe?

    An ordinary request without tools, not streamed, thinking off, with a tiny cap and a closing tag as stop
    sequence (`</block>`). Titles, warm-ups and short questions lack one of these.
    """
    return (
        not request.get("stream")
        and not request.get("tools")
        and request.get("max_tokens", LONGEST_CHECK + 1) <= LONGEST_CHECK
        and thinking_off(request)
        and any(stop.startswith("</") for stop in request.get("stop_sequences") or ())
    )
