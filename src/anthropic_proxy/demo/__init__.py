"""A scripted backend for first contact, screenshots and tests: no credentials, no network, no model."""
