"""The FastAPI side: HTTP in, HTTP out. It decides nothing about content."""
