"""Recordings, played back through the proxy as it is now."""
