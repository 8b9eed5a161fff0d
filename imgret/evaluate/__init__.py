"""Measuring the search: data sets, rankings, and figures with their uncertainty.

Nothing here describes or searches: `imgret.cli.eval_command` brings the ordinary index and the ordinary
search, so that what is measured is what users get.
"""
