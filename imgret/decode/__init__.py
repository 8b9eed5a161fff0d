"""Decode photo files into pixels and facts, in worker processes with limits on memory and time."""
