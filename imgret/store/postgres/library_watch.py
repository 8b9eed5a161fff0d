"""The watch of a library on a server."""

from __future__ import annotations


class LibraryWatch:
    """Implements `imgret.store.interface.FileWatch`: a library cannot be replaced while it is used, as a file can."""

    def change(self) -> str | None:
        return None
