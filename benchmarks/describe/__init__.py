"""Photos described per second, compared with the baseline loop: `python -m benchmarks.describe`."""
