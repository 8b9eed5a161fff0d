"""`imgret query --format`: a line of one's own for each hit, with fields of its JSON in braces.

`{path}\\t{caption}` has the fields `path` and `caption`; `{metadata.rating}` looks inside one. `\\t`, `\\n`, `\\0` and
`\\\\` stand for what they mean, `{{` and `}}` for braces.
"""

from __future__ import annotations

import os
import re

from imgret.errors import UsageError
from imgret.terminal.clean import clean

TYPE_CHECKING = False  # importing typing takes 3 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_ESCAPES = {"t": "\t", "n": "\n", "0": "\0", "\\": "\\"}
_TOKEN = re.compile(r"\{\{|\}\}|\{(?P<field>[\w.&-]+)\}|\\(?P<escape>.)|(?P<wrong>[{}])", re.DOTALL)
_PATHS = {"path": lambda path: path, "name": os.path.basename, "folder": os.path.dirname}


class HitFormat:
    """A format that was read. Raises UsageError for braces that do not fit."""

    def __init__(self, text: str) -> None:
        self._parts: list[tuple[str, bool]] = []  # text, and whether it is the name of a field
        end = 0
        for match in _TOKEN.finditer(text):
            self._parts.append((text[end : match.start()], False))
            end = match.end()
            if match["wrong"]:
                raise UsageError(
                    f"--format {text}: the brace at character {match.start() + 1} is not that of a field",
                    "Write '{path}\\t{caption}', and {{ or }} for a brace itself.",
                )
            if match["field"]:
                self._parts.append((match["field"], True))
            elif match["escape"]:
                self._parts.append((_ESCAPES.get(match["escape"], match[0]), False))
            else:
                self._parts.append((match[0][0], False))
        self._parts.append((text[end:], False))
        if not any(is_field for _, is_field in self._parts):
            raise UsageError(
                f"--format {text}: no field is named",
                "Write '{path}\\t{caption}'; format:png, or --file-format png, finds photos of a format.",
            )

    def line(self, hit: Mapping[str, Any], path: bytes, *, for_terminal: bool) -> bytes:
        """Return the line of a hit, without its end. `hit` is its JSON and `path` its path on disk.

        Fields have no control characters, except the path in a pipe: it is what is on disk, byte for byte.
        Raises UsageError for a field that no hit has.
        """
        return b"".join(
            self._field(part, hit, path, for_terminal=for_terminal)
            if is_field
            else part.encode("utf-8", "surrogateescape")
            for part, is_field in self._parts
        )

    def _field(self, name: str, hit: Mapping[str, Any], path: bytes, *, for_terminal: bool) -> bytes:
        if name in _PATHS:
            raw: bytes = _PATHS[name](path)
            return clean(raw).encode("utf-8", "replace") if for_terminal else raw
        value: Any = hit
        for key in name.split("."):
            if not isinstance(value, dict) or (key not in value and value is hit):
                known = ", ".join(sorted({*_PATHS, *(key for key in hit if key != "v")}))
                raise UsageError(f"--format: there is no field {name}", f"Fields are {known}.")
            value = value.get(key)  # a photo without a rating has no key `rating`
            if value is None:
                return b""
        if name == "text":
            from imgret.cli.hit_text import lines_read  # here, because it imports socket

            value = lines_read(hit)
        elif name == "place":
            from imgret.stages.place import written

            value = written(value)
        return clean(" ".join(_text(value).split())).encode("utf-8", "replace")  # notes have line breaks


def _text(value: Any) -> str:
    """Return a value as people write it, with commas between the members of a list: `dog: 2, cat: 1`.

    Members without a value, such as a title that is not there, are left out.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(filter(None, map(_text, value)))
    if isinstance(value, dict):
        texts = {key: _text(each) for key, each in value.items()}
        return ", ".join(f"{key}: {text}" for key, text in texts.items() if text)
    return "" if value is None else str(value)
