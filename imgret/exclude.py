"""Which names below a folder are photos of ours: by extension, by dot, by built-in patterns and the user's.

Patterns are gitignore's, relative to the watched folder. The user's come after the built-in ones, so that
a `!pattern` brings back what those exclude; as in git, what lies in an excluded folder cannot be brought
back alone, for the folder is never entered. A folder that holds a file `.nomedia` is passed over with
all that lies below it, unless `!.nomedia` is among the patterns.
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

NOMEDIA = b".nomedia"
_HIDDEN = ".*"

# What other programs keep beside photos: thumbnails, copies of what was deleted, earlier states.
DEFAULTS = (
    # Synology, QNAP and other network storage
    "@eaDir/",
    "@tmp/",
    "@Recycle/",
    "@Recently-Snapshot/",
    "@Transcode/",
    "\\#recycle/",
    "\\#snapshot/",
    ".@__thumb/",
    # Windows
    "$RECYCLE.BIN/",
    "$Recycle.Bin/",
    "RECYCLER/",
    "System Volume Information/",
    # Linux desktops and file systems
    "lost+found/",
    ".Trash/",
    ".Trash-*/",
    ".thumbnails/",
    ".snapshots/",
    ".snapshot/",
    ".zfs/",
    # Syncthing, digiKam, macOS
    ".stversions/",
    ".stfolder/",
    ".dtrash/",
    ".Trashes/",
    ".Spotlight-V100/",
    ".fseventsd/",
    ".DocumentRevisions-V100/",
    ".AppleDouble/",
    "._*",
    # Android
    ".trashed-*",
    ".pending-*",
    ".nomedia",
)


class Exclude:
    """The rules of one watched folder. Paths are relative to it, separated by b"/"."""

    def __init__(self, patterns: Sequence[str] = (), *, hidden: bool = False) -> None:
        """Raises ConfigError naming the pattern that gitignore would not understand."""
        users = tuple(pattern for pattern in patterns if pattern)
        _compiled(users)
        self._built_in = (*(() if hidden else (_HIDDEN,)), *DEFAULTS)
        self._patterns = (*self._built_in, *users)
        self._spec = _compiled(self._patterns)
        # pathspec asks its patterns one by one, 10 us a path; that none of them can match is told in 2 us.
        # Built-in patterns that begin with a dot match no other names, and all such names are asked about.
        searched = [*(pattern for pattern in DEFAULTS if not pattern.startswith(".")), *users]
        self._may_match_folder = self._search(searched)
        # Below a folder that "name/" excludes we never get, so files need not be asked about it.
        self._may_match_file = self._search([pattern for pattern in searched if not pattern.endswith("/")])

    def excludes_file(self, folder: bytes, name: bytes) -> bool:
        """Whether the file `name` in `folder`, which is not excluded itself, is none of ours."""
        if not is_picture(name):
            return True
        dotted, search = name.startswith(b"."), self._may_match_file
        if not dotted and search is None:
            return False
        path = os.fsdecode(os.path.join(folder, name))
        return (dotted or (search is not None and search(path) is not None)) and self._match(path) is not None

    def excludes_folder(self, folder: bytes, name: bytes) -> bool:
        """Whether the folder `name` in `folder` is not to be entered."""
        path, search = os.fsdecode(os.path.join(folder, name) + b"/"), self._may_match_folder
        maybe = name.startswith(b".") or (search is not None and search(path) is not None)
        return maybe and self._match(path) is not None

    def passes_over(self, folder: bytes) -> bool:
        """Whether a `.nomedia` in `folder` means that the folder is passed over."""
        return self._match(os.fsdecode(os.path.join(folder, NOMEDIA))) is not None

    def explain(self, path: bytes) -> str | None:
        """Why the file at `path` is not in the index; None if it belongs there."""
        parts = path.split(b"/")
        for depth in range(1, len(parts) + 1):
            above = b"/".join(parts[:depth]) + (b"/" if depth < len(parts) else b"")
            reason = self.pattern(above)
            if reason is not None:
                return f"hidden: {os.fsdecode(parts[depth - 1])}" if reason == "hidden" else reason
        if not is_picture(parts[-1]):
            dot, extension = parts[-1].rpartition(b".")[1:]
            return f"not a picture: {'.' + os.fsdecode(extension) if dot else 'no extension'}"
        return None

    def pattern(self, path: bytes) -> str | None:
        """What excludes this very path (a folder's ends in b"/"), its parents not looked at: "hidden" or a pattern."""
        number = self._match(os.fsdecode(path))
        if number is None:
            return None
        pattern = self._patterns[number]
        if number >= len(self._built_in):
            return f"pattern {pattern}"
        return "hidden" if pattern is _HIDDEN else f"built-in pattern {pattern}"

    def _match(self, path: str) -> int | None:
        """The number of the pattern that excludes this very path, its parents not looked at."""
        result = self._spec.check_file(path)
        return result.index if result.include else None

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
