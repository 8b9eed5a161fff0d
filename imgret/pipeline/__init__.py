"""Runs photos through the stages in batches."""
