"""How a backend is reached: through which proxy, trusting whom, and how failures of the system read."""

import base64
import os
import socket
import ssl
from ipaddress import IPv6Address, ip_address
from urllib.parse import SplitResult, unquote
from urllib.request import getproxies, proxy_bypass


def basic_auth(url: SplitResult) -> dict[str, str]:
    if url.username is None:
        return {}
    pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def trusting(ssl_cert_file: str | None) -> ssl.SSLContext:
    """A context that trusts the system's certificate authorities and those in the file.

    Where the environment has SSL_CERT_FILE, OpenSSL reads that instead of the system's file. Both are wanted.
    """
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    system = paths.openssl_cafile if os.environ.get(paths.openssl_cafile_env) else None
    for file in (ssl_cert_file, system if system and os.path.isfile(system) else None):
        if file:
            try:
                context.load_verify_locations(file)
            except OSError as error:
                raise ValueError(f"SSL_CERT_FILE: cannot read {file}: {os_reason(error)}") from error
    return context


def proxy_for(url: SplitResult) -> str | None:
    """The proxy that the environment names for this URL. Never one for this machine itself."""
    host = url.hostname or ""
    proxy = getproxies().get(url.scheme)
    if not proxy or is_loopback(host) or proxy_bypass(url.netloc.rpartition("@")[2]):
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise ValueError(f"{url.scheme.upper()}_PROXY: expected http://host:port, found {proxy.partition(':')[0]}")
    return proxy


def is_loopback(host: str) -> bool:
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped  # Python before 3.13 does not look inside.
    return address.is_loopback or address.is_unspecified


def os_reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return error.reason.lower().replace("_", " ") if error.reason else "handshake failed"
    if isinstance(error, socket.gaierror) or error.errno is None:
        return error.strerror or str(error)
    return os.strerror(error.errno)


def address_of(host: str, port: int | None) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
