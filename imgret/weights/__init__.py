"""Locate the weights of a stage, and check that they are the ones that were downloaded."""

NONE = "none"  # the weights of a disabled stage
BUILT_IN = "built-in"  # the weights of a stage that needs only its own code
WORDLLAMA = "wordllama"  # the weights of the small embedder that are part of its package
