"""Locate the weights of a stage, and check that they are the ones that were downloaded."""
