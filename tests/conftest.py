"""Options and fixtures of all tests."""

import signal

import pytest
from hypothesis import settings

# A loaded machine is slow, which is no fault of the code's.
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")

# A shell without job control starts what it runs in the background deaf to Ctrl-C, and so would be all the
# programs that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the expected files of tests/golden")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Are expected files to be rewritten instead of compared?"""
    return bool(request.config.getoption("--update-golden"))
