"""The benchmark: this proxy beside nginx, LiteLLM and others, one core each, in one run. `make bench`."""
