"""Shared by tests and benchmarks: a daemon with private files, small images, file storms, a simulated terminal."""
