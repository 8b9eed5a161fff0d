"""Which names below a folder are photos of ours: by extension, by dot, by the user's patterns.

Patterns are gitignore's, relative to the watched folder; as in git, what lies in an excluded folder
cannot be brought back by a `!pattern`, for the folder is never entered.
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
        from pathspec import GitIgnoreSpec

        self._hidden = hidden
        self._patterns = tuple(pattern for pattern in patterns if pattern)
        compiled = [_compiled(pattern) for pattern in self._patterns]
        self._spec = GitIgnoreSpec.from_lines(self._patterns, _compiled, backend="simple")
        # pathspec tries its patterns one by one, 10 us a path; that none of them can match is known in 2 us.
        self._may_match_folder = _search(compiled)
        # We never get below a folder that "name/" excludes, so files need not be compared with it.
        pairs = zip(self._patterns, compiled, strict=True)
        self._may_match_file = _search([each for pattern, each in pairs if not pattern.endswith("/")])

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
