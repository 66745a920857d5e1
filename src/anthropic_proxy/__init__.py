"""Serves the Anthropic Messages API from any OpenAI-style backend."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anthropic_proxy.config import Settings
    from anthropic_proxy.server.app import create_app

__version__ = "0.1.0"

__all__ = ["Settings", "__version__", "create_app"]


def __getattr__(name: str) -> object:
    # Lazy, because importing FastAPI takes a third of a second, which every use of the package would pay.
    if name == "create_app":
        from anthropic_proxy.server.app import create_app

        return create_app
    if name == "Settings":
        from anthropic_proxy.config import Settings

        return Settings
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
