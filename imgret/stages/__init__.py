"""The stages: what each needs, gives and shows."""
