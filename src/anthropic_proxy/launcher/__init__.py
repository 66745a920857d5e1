"""`anthropic-proxy claude` and `anthropic-proxy env`: Claude Code on the proxy."""
