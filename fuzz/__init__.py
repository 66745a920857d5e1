"""Fuzz targets: random bytes, guided by what code they reach. `make fuzz` runs them at length.

Each is a module: `python -m fuzz.chat_reply [libFuzzer's options] [corpus directories]`. A finding is a file
named crash-…, which the same command with that file as its argument plays again. What earlier runs have found
worth keeping is in `corpus` (`make fuzz-keep` chooses it), and the golden files are the seeds.
"""
