"""Which client carries the requests: the lean one wherever it can, aiohttp's for the rest."""

from typing import Literal

from anthropic_proxy.upstream.base import Timeouts, Upstream
from anthropic_proxy.upstream.lean import LeanUpstream, fits

ClientName = Literal["auto", "aiohttp", "lean"]


def connect(base_url: str, client: ClientName, timeouts: Timeouts, ssl_cert_file: str | None) -> Upstream:
    """The way to a backend. Raises ValueError if the base URL, a proxy's URL or the certificate file cannot be used."""
    if client == "lean" or (client == "auto" and fits(base_url)):
        return LeanUpstream(base_url, timeouts=timeouts, ssl_cert_file=ssl_cert_file)
    # Here and not above, because aiohttp takes a tenth of a second and some MiB.
    from anthropic_proxy.upstream.http import HttpUpstream

    return HttpUpstream(base_url, timeouts=timeouts, ssl_cert_file=ssl_cert_file)
