"""The screens: the search, and what opens over it."""
