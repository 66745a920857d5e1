"""Finds out what a backend can do, why it does not answer, and which settings fit it."""
