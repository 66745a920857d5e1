"""Serves the Anthropic Messages API from any OpenAI-style backend."""

__version__ = "0.1.0"
