"""The Textual app: search as you type, with the pictures in the terminal."""
