"""Which names below a folder are indexed: by extension, by a leading dot, by built-in patterns and the user's.

Patterns are those of gitignore, relative to the watched folder. The user's patterns come after the built-in
ones, so that `!pattern` includes what a built-in one excludes. As in git, a file in an excluded folder cannot
be included again, because that folder is not entered. A folder that contains a file `.nomedia` is skipped with
everything below it, unless `!.nomedia` is among the patterns.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from imgret.errors import ConfigError
from imgret.gitignore import PatternList, check_pattern, prefilter

# Camera raw files; their embedded preview is used.
RAW_SUFFIXES = frozenset(
    b"3fr arw cr2 cr3 crw dcr dng erf kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f".split()
)
_SUFFIXES = RAW_SUFFIXES.union(
    b"avif bmp dib gif heic heics heif heifs hif jfif jpe jpeg jpg jxl mpo png tif tiff webp".split()
)
IMAGE_SUFFIXES = frozenset(b"." + suffix for suffix in _SUFFIXES)

NOMEDIA = b".nomedia"
_HIDDEN = ".*"

# Files that other programs store beside photos: thumbnails, deleted files, snapshots.
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
    """The exclusion rules of one watched folder. Paths are relative to it, separated by b"/"."""

    def __init__(self, patterns: Sequence[str] = (), *, hidden: bool = False) -> None:
        """`patterns`: the user's. `hidden`: index names that begin with a dot too.

        Raises ConfigError naming the first pattern that is not a valid gitignore pattern.
        """
        users = tuple(pattern for pattern in patterns if pattern)
        self._built_in = (*(() if hidden else (_HIDDEN,)), *DEFAULTS)
        self._patterns = (*self._built_in, *users)
        self._list = PatternList(self._patterns)
        # pathspec tries its patterns one by one, 10 us a path; the prefilter rules most paths out in 2 us.
        # A built-in pattern that begins with a dot matches only such names, which always go to pathspec.
        searched = [*(pattern for pattern in DEFAULTS if not pattern.startswith(".")), *users]
        self._may_match_folder = prefilter(searched)
        # A folder that "name/" excludes is never entered, so such a pattern cannot exclude a file.
        self._may_match_file = prefilter([pattern for pattern in searched if not pattern.endswith("/")])

    def excludes_file(self, folder: bytes, name: bytes) -> bool:
        """Return whether the file `name` is not indexed; `folder` itself must not be excluded."""
        return not is_image(name) or self._excludes(folder, name)

    def excludes_sidecar(self, folder: bytes, name: bytes) -> bool:
        """Return whether the file `name` is no sidecar that is read; `folder` itself must not be excluded."""
        return not is_sidecar(name) or self._excludes(folder, name)

    def _excludes(self, folder: bytes, name: bytes) -> bool:
        dotted, search = name.startswith(b"."), self._may_match_file
        if not dotted and search is None:
            return False
        path = os.fsdecode(os.path.join(folder, name))
        return (dotted or (search is not None and search(path) is not None)) and self._match(path) is not None

    def excludes_folder(self, folder: bytes, name: bytes) -> bool:
        """Return whether the folder `name` in `folder` must not be entered."""
        path, search = os.fsdecode(os.path.join(folder, name) + b"/"), self._may_match_folder
        maybe = name.startswith(b".") or (search is not None and search(path) is not None)
        return maybe and self._match(path) is not None

    def respects_nomedia(self, folder: bytes) -> bool:
        """Return whether a file `.nomedia` in `folder` excludes that folder."""
        return self._match(os.fsdecode(os.path.join(folder, NOMEDIA))) is not None

    def explain(self, path: bytes) -> str | None:
        """Return why the rules exclude the file at `path`; None if they do not."""
        parts = path.split(b"/")
        for depth in range(1, len(parts) + 1):
            above = b"/".join(parts[:depth]) + (b"/" if depth < len(parts) else b"")
            reason = self.pattern(above)
            if reason is not None:
                return f"hidden: {os.fsdecode(parts[depth - 1])}" if reason == "hidden" else reason
        if not is_image(parts[-1]):
            dot, extension = parts[-1].rpartition(b".")[1:]
            return f"not a picture: {'.' + os.fsdecode(extension) if dot else 'no extension'}"
        return None

    def pattern(self, path: bytes) -> str | None:
        """Return what excludes this path itself, ignoring its parent folders: "hidden", a pattern, or None.

        The path of a folder ends with b"/".
        """
        number = self._match(os.fsdecode(path))
        if number is None:
            return None
        pattern = self._patterns[number]
        if number >= len(self._built_in):
            return f"pattern {pattern}"
        return "hidden" if pattern is _HIDDEN else f"built-in pattern {pattern}"

    def _match(self, path: str) -> int | None:
        """Return the index of the pattern that excludes this path itself, ignoring its parent folders, or None."""
        return self._list.excluding_line(path)


def is_image(name: bytes) -> bool:
    """Return whether the extension of a file name, in upper or lower case, is that of an image format."""
    return name[name.rfind(b".") :].lower() in IMAGE_SUFFIXES


def is_sidecar(name: bytes) -> bool:
    """Return whether a file has the suffix of the files in which other programs describe photos."""
    return name[-4:].lower() == b".xmp" or name[-5:].lower() == b".json"


def invalid(pattern: str) -> str | None:
    """Return why `pattern` is not a valid gitignore pattern, or None if it is valid.

    The text is the error message without its first word, `exclude`.
    """
    try:
        check_pattern(pattern)
    except ConfigError as error:
        return str(error).removeprefix("exclude ")
    return None
