"""`anthropic-proxy up`: LiteLLM and the proxy, started in sequence, watched, and stopped together."""
