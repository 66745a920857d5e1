"""How backends differ, as data. The translator reads a `Dialect`; it never asks for a backend's name."""

from anthropic_proxy.dialects.dialect import PLAIN, Dialect

__all__ = ["PLAIN", "Dialect"]
