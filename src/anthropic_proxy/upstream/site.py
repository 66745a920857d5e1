"""Site: a backend's base URL, taken apart, and what every request to it carries."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from anthropic_proxy import __version__
from anthropic_proxy.upstream.outbound import address_of, basic_auth

POST_HEADERS = {"content-type": "application/json", "accept-encoding": "identity"}
"""No compression is asked for, as it would hold a stream's events back."""

GET_HEADERS = {"accept-encoding": "gzip, deflate"}


class Site:
    """What paths go below, and the headers that go with all of them.

    The base URL's query (Azure's `?api-version=…`) is kept; a name and a password in it become an
    `Authorization`. Raises ValueError if it leads nowhere.
    """

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        self.url = urlsplit(base_url)
        if self.url.scheme not in ("http", "https") or not self.url.hostname:
            raise ValueError("base URL: expected http://host… or https://host…")
        netloc = self.url.netloc.rpartition("@")[2]
        self.base_url = self.url._replace(netloc=netloc).geturl()
        self.secure = self.url.scheme == "https"
        self.host = self.url.hostname
        self.port = self.url.port or (443 if self.secure else 80)
        self.address = address_of(self.host, self.port)
        self.authority = _authority(self.host.rstrip("."), self.port, self.secure)
        """What the `Host` header says."""
        self.origin = f"{self.url.scheme}://{netloc}"
        self._path = self.url.path.rstrip("/")
        self._headers = {
            "accept": "*/*",
            "user-agent": f"anthropic-proxy/{__version__}",
            **basic_auth(self.url),
            **lower(headers),
        }

    def target(self, path: str) -> str:
        """What stands after the origin in the URL of this path, with both queries."""
        path, _, query = path.lstrip("/").partition("?")
        query = "&".join(part for part in (self.url.query, query) if part)
        return f"{self._path}/{path}?{query}" if query else f"{self._path}/{path}"

    def post_headers(self, own: Mapping[str, str]) -> dict[str, str]:
        """All headers of a request with a body, names in lower case. Its own ones win."""
        return {**POST_HEADERS, **self._headers, **lower(own)}

    def get_headers(self, own: Mapping[str, str]) -> dict[str, str]:
        """The same for one without a body."""
        return {**GET_HEADERS, **self._headers, **lower(own)}


def _authority(host: str, port: int, secure: bool) -> str:
    """The host, and its port if it is not the scheme's own."""
    if port == (443 if secure else 80):
        return f"[{host}]" if ":" in host else host
    return address_of(host, port)


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
