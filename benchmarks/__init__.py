"""Benchmarks: a command for every performance figure that this project publishes."""
