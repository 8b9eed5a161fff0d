"""Shared by tests and benchmarks: a daemon with private files, pictures, file storms, a terminal."""
