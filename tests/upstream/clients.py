"""The clients that the same tests hold to the same behaviour."""

from typing import TypeAlias

from anthropic_proxy.upstream.http import HttpUpstream
from anthropic_proxy.upstream.lean import LeanUpstream

Client: TypeAlias = type[HttpUpstream] | type[LeanUpstream]

CLIENTS: dict[str, Client] = {"aiohttp": HttpUpstream, "lean": LeanUpstream}
