"""`anthropic-proxy models` and `check-config`: what the settings and their file say of models."""
