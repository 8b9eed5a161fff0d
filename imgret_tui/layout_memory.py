"""How the hits were arranged last: a small private file. Reading and writing never raise."""

from __future__ import annotations

from imgret_tui.private_file import save_lines

LIST, GRID = "list", "grid"
_NO_PREVIEW = "without preview"


class LayoutMemory:
    """The layout of the last picker, and whether it showed the preview."""

    def __init__(self, path: str) -> None:
        self._path = path
        words = self._read()
        self.layout = GRID if GRID in words else LIST
        self.has_preview = _NO_PREVIEW not in words

    def save(self, layout: str, *, has_preview: bool) -> None:
        """Remember a layout, if it differs."""
        if (layout, has_preview) == (self.layout, self.has_preview):
            return
        self.layout, self.has_preview = layout, has_preview
        save_lines(self._path, [layout, *([] if has_preview else [_NO_PREVIEW])])

    def _read(self) -> list[str]:
        try:
            with open(self._path, encoding="utf-8", errors="replace") as file:
                return file.read(200).splitlines()
        except OSError:
            return []
