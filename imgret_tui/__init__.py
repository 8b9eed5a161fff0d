"""The picker `imgret-tui`: search photos while typing, see them in the terminal, print the chosen paths."""
