"""Which names below a folder are photos of ours: by extension, by dot, by the user's patterns.

Patterns are gitignore's, relative to the watched folder; as in git, what lies in an excluded folder
cannot be brought back by a `!pattern`, for the folder is never entered.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence

from pathspec import GitIgnoreSpec

from imgret.errors import ConfigError

PICTURES = frozenset(
    b".avif .bmp .dib .gif .heic .heics .heif .heifs .hif .jfif .jpe .jpeg .jpg .jxl .mpo .png .tif .tiff .webp"
    # camera raw files, shown by their embedded previews
    b" .3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .raw .rw2 .rwl"
    b" .sr2 .srf .srw .x3f".split()
)


class Exclude:
    """The rules of one watched folder. Paths are relative to it, separated by b"/"."""

    def __init__(self, patterns: Sequence[str] = (), *, hidden: bool = False) -> None:
        """Raises ConfigError naming the pattern that gitignore would not understand."""
        self._hidden = hidden
        self._patterns = tuple(pattern for pattern in patterns if pattern)
        self._spec = _compiled(self._patterns)
        # pathspec asks its patterns one by one, 10 us a path; that none of them can match is told in 2 us.
        self._may_match_folder = self._search(self._patterns)
        # Below a folder that "name/" excludes we never get, so files need not be asked about it.
        self._may_match_file = self._search([p for p in self._patterns if not p.endswith("/")])

    def excludes_file(self, folder: bytes, name: bytes) -> bool:
        """Whether the file `name` in `folder`, which is not excluded itself, is none of ours."""
        return (
            not is_picture(name)
            or (name.startswith(b".") and not self._hidden)
            or (
                self._may_match_file is not None
                and self._may_match_file(path := os.fsdecode(os.path.join(folder, name))) is not None
                and self._pattern(path) is not None
            )
        )

    def excludes_folder(self, folder: bytes, name: bytes) -> bool:
        """Whether the folder `name` in `folder` is not to be entered."""
        return (name.startswith(b".") and not self._hidden) or (
            self._may_match_folder is not None
            and self._may_match_folder(path := os.fsdecode(os.path.join(folder, name) + b"/")) is not None
            and self._pattern(path) is not None
        )

    def explain(self, path: bytes) -> str | None:
        """Why the file at `path` is not in the index; None if it belongs there."""
        parts = path.split(b"/")
        for depth in range(1, len(parts) + 1):
            name = parts[depth - 1]
            if name.startswith(b".") and not self._hidden:
                return f"hidden: {os.fsdecode(name)}"
            above = b"/".join(parts[:depth]) + (b"/" if depth < len(parts) else b"")
            pattern = self._pattern(os.fsdecode(above))
            if pattern is not None:
                return f"pattern {pattern}"
        if not is_picture(parts[-1]):
            dot, extension = parts[-1].rpartition(b".")[1:]
            return f"not a picture: {'.' + os.fsdecode(extension) if dot else 'no extension'}"
        return None

    def _pattern(self, path: str) -> str | None:
        """The user's pattern that excludes this very path, its parents not looked at."""
        result = self._spec.check_file(path)
        return self._patterns[result.index] if result.include and result.index is not None else None

    @staticmethod
    def _search(patterns: Sequence[str]) -> Callable[[str], object] | None:
        """One search for all patterns that exclude: what it does not find, none of them matches."""
        found = [p.regex.pattern for p in _compiled(patterns).patterns if p.include and p.regex]
        together = "|".join(f"(?:{pattern})" for pattern in found).replace("(?P<ps_d>", "(?:")
        return re.compile(together).search if found else None


def is_picture(name: bytes) -> bool:
    """By its extension, whatever its case. A name without a dot has none."""
    return name[name.rfind(b".") :].lower() in PICTURES


def _compiled(patterns: Sequence[str]) -> GitIgnoreSpec:
    for pattern in patterns:
        try:
            GitIgnoreSpec.from_lines([pattern])
        except ValueError as error:
            raise ConfigError(f"exclude: {pattern!r} is no gitignore pattern: {error}") from None
    return GitIgnoreSpec.from_lines(patterns)
