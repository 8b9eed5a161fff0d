"""Measure search quality: data sets, rankings, and measures with confidence intervals.

This package neither describes photos nor searches. `imgret.cli.eval_command` passes in the index and the search that
users have, so the measures apply to them.
"""
