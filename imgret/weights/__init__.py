"""Which weights a stage uses, where they lie, and whether they are the ones that were pulled."""
