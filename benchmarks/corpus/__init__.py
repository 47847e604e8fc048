"""A fleet's logs, synthetic but made of real ones, with a known truth: `python -m benchmarks.corpus --help`."""
