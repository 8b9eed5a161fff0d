"""Photo folders, searchable in plain words: the library, and the command `imgret`."""

__version__ = "0.2.0"
