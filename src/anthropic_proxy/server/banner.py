"""What the user reads at the start: where the proxy is, what is behind it, how to use it."""

from importlib.metadata import version

from anthropic_proxy.config import Settings


def banner(settings: Settings, port: int, behind: str = "", workers: int = 1) -> str:
    """All of it. `behind` says in words what the backend is."""
    chosen = {name: getattr(settings, name) for name in ("model", "reasoning_model", "completion_model")}
    models = ", ".join(f"{name.upper()}={value}" for name, value in chosen.items() if value)
    if settings.config_file:
        file = f"as {settings.config_file} says (`anthropic-proxy models` shows it)"
        models = f"{file}; else {models or 'as the client asks'}"
    name = "anthropic-proxy"
    return "\n".join(
        [
            f"{name} {version(name)}: {address_of(settings, port)} -> {behind}{settings.openai_api_base}",
            f"models: {models or 'as the client asks'}",
            *([f"workers: {workers}"] if workers > 1 else []),
            *how_to_use(settings, port),
        ]
    )


def address_of(settings: Settings, port: int) -> str:
    """The proxy's base URL, for clients on this machine."""
    # A wildcard is no address to connect to.
    host = "localhost" if settings.host in ("0.0.0.0", "::", "") else settings.host
    scheme = "https" if settings.tls_cert_file else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def how_to_use(settings: Settings, port: int) -> list[str]:
    """The lines that point a client at it."""
    token = "anything"
    if settings.forward_key:
        token = "<your key for the backend>"
    if settings.proxy_api_key is not None:
        token = "<the PROXY_API_KEY>"
    return [
        "To point a client at it:",
        f"  export ANTHROPIC_BASE_URL={address_of(settings, port)}",
        f"  export ANTHROPIC_AUTH_TOKEN={token}",
    ]
