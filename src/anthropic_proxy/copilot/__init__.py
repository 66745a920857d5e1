"""Signing in to GitHub Copilot, for LiteLLM's `github_copilot` models."""
