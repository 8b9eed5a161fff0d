"""Photos described per second, beside a faithful loop of the seed: `python -m benchmarks.describe`."""
