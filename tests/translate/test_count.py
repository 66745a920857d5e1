"""Token estimates: by size, with base64 counted as what it shows."""

import pytest

from anthropic_proxy.translate.count import estimate_tokens

ESTIMATES = {
    "3.6 bytes are a token": ((360,), 100),
    "a request is never nothing": ((0,), 1),
    "an image counts by itself": ((1_000_360, 1_000_000, 1600), 1700),
}


@pytest.mark.parametrize(("sizes", "expected"), ESTIMATES.values(), ids=ESTIMATES.keys())
def test_an_estimate(sizes: tuple[int, ...], expected: int) -> None:
    assert estimate_tokens(*sizes) == expected
