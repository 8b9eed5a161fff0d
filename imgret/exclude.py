"""Which names below a folder are photos of ours: by extension, by dot, by built-in patterns and the user's.

Patterns are gitignore's, relative to the watched folder. The user's come after the built-in ones, so that
a `!pattern` brings back what those exclude; as in git, what lies in an excluded folder cannot be brought
back alone, for the folder is never entered. A folder that holds a file `.nomedia` is passed over with
all that lies below it, unless `!.nomedia` is among the patterns.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from imgret.errors import ConfigError

if TYPE_CHECKING:
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

# Camera raw files, shown by their embedded previews.
RAW_SUFFIXES = frozenset(
    b"3fr arw cr2 cr3 crw dcr dng erf kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f".split()
)
_SUFFIXES = RAW_SUFFIXES.union(
    b"avif bmp dib gif heic heics heif heifs hif jfif jpe jpeg jpg jxl mpo png tif tiff webp".split()
)
PICTURES = frozenset(b"." + suffix for suffix in _SUFFIXES)

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
        from pathspec import GitIgnoreSpec

        users = tuple(pattern for pattern in patterns if pattern)
        self._built_in = (*(() if hidden else (_HIDDEN,)), *DEFAULTS)
        self._patterns = (*self._built_in, *users)
        self._spec = GitIgnoreSpec.from_lines(self._patterns, _compiled, backend="simple")
        # pathspec tries its patterns one by one, 10 us a path; that none of them can match is known in 2 us.
        # Built-in patterns that begin with a dot match no other names, and all such names are compared.
        searched = [*(pattern for pattern in DEFAULTS if not pattern.startswith(".")), *users]
        self._may_match_folder = _search([_compiled(pattern) for pattern in searched])
        # We never get below a folder that "name/" excludes, so files need not be compared with it.
        files = [pattern for pattern in searched if not pattern.endswith("/")]
        self._may_match_file = _search([_compiled(pattern) for pattern in files])

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


def is_picture(name: bytes) -> bool:
    """By its extension, whatever its case. A name without a dot has none."""
    return name[name.rfind(b".") :].lower() in PICTURES


def invalid(pattern: str) -> str | None:
    """Why this is no gitignore pattern, for a sentence that begins with `exclude`; None if it is one."""
    try:
        _compiled(pattern)
    except ConfigError as error:
        return str(error).removeprefix("exclude ")
    return None


@lru_cache(maxsize=1 << 15)
def _compiled(pattern: str) -> GitIgnoreSpecPattern:
    """The pattern with its regular expression. Raises ConfigError for one that gitignore does not know."""
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of `re` about "[[": printed on stderr
            made = GitIgnoreSpecPattern(pattern)
            if made.regex is None:  # a comment or an empty line
                return made
            regex = _without_backtracking(made.regex.pattern)
            return GitIgnoreSpecPattern(re.compile(regex, re.DOTALL), made.include)
    except (ValueError, re.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"exclude holds {pattern!r}, which is no gitignore pattern: {error}") from None


def _without_backtracking(regex: str) -> str:
    """An equal regular expression that takes time in proportion to a name's length, however many stars it has.

    What follows a star may be taken where it is first found, if another star comes later in the same name:
    whatever the rest needs is then still ahead. pathspec writes a star as `[^/]*`, a question mark as `[^/]`.
    """
    first, *parts = regex.split("[^/]*")
    last_of_name = [i == len(parts) - 1 or "/" in part.replace("[^/]", "") for i, part in enumerate(parts)]
    return first + "".join(
        f"[^/]*{part}" if last else f"(?>[^/]*?{part})"
        for part, last in zip(parts, last_of_name, strict=True)
    )


def _search(patterns: Sequence[GitIgnoreSpecPattern]) -> Callable[[str], object] | None:
    """One search for all patterns that exclude: what it does not find, none of them matches."""
    found = [pattern.regex.pattern for pattern in patterns if pattern.include and pattern.regex]
    together = "|".join(f"(?:{pattern})" for pattern in found).replace("(?P<ps_d>", "(?:")
    return re.compile(together, re.DOTALL).search if found else None
