"""Make texts from files safe and bounded: printable, spaces folded, cut to a length that a person may have written."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence

TITLE, DESCRIPTION, NAME = 500, 5000, 200  # characters
MOST_NAMES = 500  # keywords, people, ... of one photo

# Descriptions that cameras and programs write into every file.
_EMPTY = re.compile(
    r"(olympus|minolta|konica minolta|samsung|digital still)\s+(digital\s+)?(camera|techwin)|sony dsc|dcim\\?.*|samsung"
    r"|exif_jpeg_picture|default|untitled|created with gimp|<?kenox.*|digimax.*|screenshot|file written by adobe.*"
    r"|processed (with|by) .*|camera|jpeg|no title|none|null|unknown|hdr|oznor\w*|mde|cof|hdrpl|rhdr|edf|bty|vsco",
    re.IGNORECASE,
)


def text(value: object, longest: int = DESCRIPTION) -> str | None:
    """Return a text that can be shown and indexed; None if nothing is left of it or `value` is no text."""
    if not isinstance(value, str):
        return None
    kept = value.partition("\0")[0][: 4 * longest]
    kept = "".join(character if character.isprintable() else " " for character in kept)
    return " ".join(kept.split())[:longest].rstrip() or None


def description(value: object, longest: int = DESCRIPTION) -> str | None:
    """Return a description or a title; None for one that a camera writes into every file."""
    found = text(value, longest)
    return None if found is None or _EMPTY.fullmatch(found) else found


def names(values: Iterable[object]) -> tuple[str, ...]:
    """Return keywords or names, each once whatever its case, at most MOST_NAMES."""
    found: dict[str, str] = {}
    for value in values:
        name = text(value, NAME)
        if name is not None:
            found.setdefault(name.casefold(), name)
        if len(found) >= MOST_NAMES:
            break
    return tuple(found.values())


def losses(values: Sequence[object], noun: str) -> tuple[str, ...]:
    """Return what `names` does not keep of these keywords or people: phrases that complete the sentence "FILE ..."."""
    texts = [value for value in values if isinstance(value, str)]
    longest = max(map(len, texts), default=0)
    found = []
    if longest > NAME:
        found.append(f"has a {noun} of {longest:,} characters, of which {NAME} are kept")
    if len(texts) > MOST_NAMES and (several := len(set(texts))) > MOST_NAMES:
        found.append(f"has {several:,} {noun}s, of which {MOST_NAMES} are kept")
    return tuple(found)


def first(values: Iterable[object], clean: Callable[[object], str | None]) -> str | None:
    """Return the first of `values` that is not empty once it was cleaned."""
    return next((found for value in values if (found := clean(value)) is not None), None)


def separated(value: object, separators: str = ";") -> list[str]:
    """Return the parts of a list in one text."""
    return re.split(f"[{re.escape(separators)}]", value) if isinstance(value, str) else []


def number(value: object) -> float | None:
    """Return a finite number; None for anything else."""
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def stars(value: object) -> int | None:
    """Return a rating of -1 (rejected) to 5; None for anything else."""
    found = number(value)
    return int(found) if found is not None and -1 <= found <= 5 else None


def stars_of_percent(value: object) -> int | None:
    """Return the stars of a rating as Windows stores it: 1, 25, 50, 75 and 99 percent."""
    found = number(value)
    return (
        None if found is None or not 0 <= found <= 100 else 0 if found == 0 else min(5, int(found / 25) + 1)
    )
