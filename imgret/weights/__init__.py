"""Which weights a stage uses, where they lie, and whether they are the ones that were pulled."""

NONE = "none"  # the weights of a stage that is switched off
BUILT_IN = "built-in"  # the weights of a stage whose code is all that it needs
WORDLLAMA = "wordllama"  # the weights of the small embedder that are part of its package
