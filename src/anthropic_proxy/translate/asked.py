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
