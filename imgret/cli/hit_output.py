"""How `imgret query` prints its hits: what is requested of the search, and what its output becomes.

Paths are printed as the search returns them. Everything else is made here from the JSON of the hits, so that the
daemon handles neither terminals nor formats. Imports next to nothing.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from base64 import b64decode

from imgret.errors import UsageError

TYPE_CHECKING = False  # importing typing takes 3 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LIMIT = 20
MOST = 100_000  # hits of one search
_FORMS = {"json": "--json", "null": "--print0", "count": "--count", "preview": "--preview"}


class HitOutput:
    """The form of the output of one query, from the options of `imgret query`."""

    def __init__(
        self,
        forms: list[str],
        *,
        template: str | None = None,
        first: bool = False,
        limit: int | None = None,
    ) -> None:
        """`forms` are those of json, null, count and preview that were given. Raises UsageError if options do not fit."""
        form = forms[0] if forms else "text" if sys.stdout.isatty() else "plain"
        if len(set(forms)) > 1:
            raise UsageError(f"give one of {_listed([_FORMS[each] for each in _FORMS if each in forms])}")
        if template is not None and form not in ("text", "plain", "null"):
            raise UsageError(f"--format has its own form of a hit: leave out {_FORMS[form]}")
        if first and (limit is not None or form == "count"):
            raise UsageError(f"--first is one hit: leave out {'--count' if form == 'count' else '--limit'}")
        self.form = form
        self.limit = limit if limit is not None else 1 if first else MOST if form == "count" else LIMIT
        self._format = None
        if template is not None:
            from imgret.cli.hit_format import HitFormat

            self._format = HitFormat(template)

    @property
    def request_format(self) -> str:
        """The format to request of the search."""
        if self.form == "count":
            return "count"
        return self.form if self.form in ("plain", "null") and self._format is None else "json"

    @property
    def min_strength(self) -> str:
        """The weakest hits to print, unless the user chooses.

        A program at the end of a pipe acts on the paths: `| xargs cp` of the photos nearest to nothing at all would copy
        photos that do not match. A count of all that matches is not the number of photos in the library. JSON, a terminal
        and a file get all hits with their strength.
        """
        return "fair" if self.form == "count" or (self.form in ("plain", "null") and _is_pipe()) else "weak"

    def printed(self, output: bytes, query: str, folder: str) -> bytes:
        """Return what is printed of the output of a search. Raises UsageError for an unknown field of `--format`."""
        if self.request_format != "json" or self.form in ("json", "preview"):
            return output
        printed = self._hit_printer(query, folder)
        return b"".join(printed(json.loads(line)) for line in output.split(b"\n") if line)

    def remarks(self, output: bytes) -> list[str]:
        """Return sentences about the output of a search, for stderr: that a count may be too small."""
        if self.form == "count" and self.limit == MOST and int(output) == MOST:
            return [f"there may be more: only the best {MOST:,} are counted"]
        return []

    def _hit_printer(self, query: str, folder: str) -> Callable[[dict[str, Any]], bytes]:
        end = b"\0" if self.form == "null" else b"\n"
        for_terminal = sys.stdout.isatty()
        if self._format is not None:
            format_ = self._format
            return lambda hit: format_.line(hit, hit_path(hit), for_terminal=for_terminal) + end
        from imgret.cli.hit_text import hit_lines, style_of

        style = style_of(os.environ, folder, query)
        return lambda hit: hit_lines(hit, hit_path(hit), style).encode("utf-8", "replace")


def hit_path(hit: dict[str, Any]) -> bytes:
    """Return the path of a hit as it is on disk, from its JSON."""
    return b64decode(hit["path_bytes"]) if "path_bytes" in hit else os.fsencode(hit["path"])


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]])


def _is_pipe() -> bool:
    try:
        mode = os.fstat(1).st_mode
    except OSError:  # it is closed
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
