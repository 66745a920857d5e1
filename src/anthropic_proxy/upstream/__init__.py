"""The network side: what carries a request to a backend and brings its reply."""
