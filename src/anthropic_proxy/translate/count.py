"""Token counts without a tokenizer: an estimate from the size of what is sent."""

BYTES_PER_TOKEN = 3.6
"""Bytes of a translated request that make a token, a guess from mixed English, code and JSON."""


def estimate_tokens(size: int, media: int = 0, media_tokens: int = 0) -> int:
    """Tokens of a request: `size` bytes, of which `media` are base64 data that stand for `media_tokens`."""
    return max(1, round((size - media) / BYTES_PER_TOKEN)) + media_tokens
