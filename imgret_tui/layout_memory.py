"""What the last picker looked like: a small private file. Reading and writing never raise."""

from __future__ import annotations

from imgret_tui.private_file import save_lines

LIST, GRID = "list", "grid"
_NO_PREVIEW = "without preview"
_THEMES = {"light": True, "dark": False}


class LayoutMemory:
    """The layout of the last picker, whether it showed the preview, and the theme if the user chose one."""

    def __init__(self, path: str) -> None:
        self._path = path
        words = self._read()
        self.layout = GRID if GRID in words else LIST
        self.has_preview = _NO_PREVIEW not in words
        self.is_light = next((_THEMES[word] for word in words if word in _THEMES), None)

    def save(self, layout: str, *, has_preview: bool) -> None:
        """Remember a layout, if it differs."""
        if (layout, has_preview) != (self.layout, self.has_preview):
            self.layout, self.has_preview = layout, has_preview
            self._write()

    def save_theme(self, *, is_light: bool | None) -> None:
        """Remember the theme that the user chose; None: that of the terminal."""
        self.is_light = is_light
        self._write()

    def _write(self) -> None:
        lines = [self.layout, *([] if self.has_preview else [_NO_PREVIEW])]
        lines += [word for word, is_light in _THEMES.items() if is_light == self.is_light]
        save_lines(self._path, lines)

    def _read(self) -> list[str]:
        try:
            with open(self._path, encoding="utf-8", errors="replace") as file:
                return file.read(200).splitlines()
        except OSError:
            return []
