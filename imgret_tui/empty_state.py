"""What stands where the hits would be if there are none: why, and the key or the command that helps."""

from __future__ import annotations

from collections.abc import Sequence

from imgret.errors import ImgretError, QueryError
from imgret.terminal.clean import clean

NO_PHOTOS = (
    "No photos yet.",
    "",
    "imgret index ~/Pictures    describes a folder now",
    "imgret add ~/Pictures      lets the daemon watch it",
    "imgret demo                shows how it works, without weights or photos",
)
# Part of a sentence of `imgret.search.empty_reasons` -> what helps.
_ADVICE = (
    ("is indexed yet", "imgret index ~/Pictures"),
    ("is in a folder", "imgret index FOLDER adds a folder; f3 shows those of the index"),
    (
        "known date",
        "dates come from the camera, sidecars, file names and folder names; imgret show PHOTO shows the source",
    ),
    ("switched off", 'delete weights = "none" from that table of config.toml, then run imgret index'),
    ("has a note", "alt+n writes a note about the photo under the cursor"),
    ("is offline", "f3 shows the folders and their disks"),
    ("is online", "f3 shows the folders and their disks"),
    ("coordinates", "imgret show PHOTO shows what is in the file"),
)


def empty_lines(query: str, notices: Sequence[str], advice_keys: Sequence[tuple[str, str]]) -> list[str]:
    """The lines for a query without hits. `advice_keys`: (key, what it does to the query)."""
    sentences = [clean(notice) for notice in notices if notice]
    if not query.strip() and any("indexed yet" in sentence for sentence in sentences or ("indexed yet",)):
        return list(NO_PHOTOS)
    lines = ["Nothing was found.", ""]
    lines += [f"{sentence[:1].upper()}{sentence[1:]}." for sentence in sentences]
    advice = [text for part, text in _ADVICE if any(part in sentence for sentence in sentences)]
    advice += [f"{key} {text}" for key, text in advice_keys]
    return [*lines, *([""] if sentences else []), *advice]


def error_lines(error: ImgretError) -> list[str]:
    """The lines for an error that leaves nothing to show."""
    text = clean(str(error))
    if not isinstance(error, QueryError):  # which begins with a part of the query
        text = text[:1].upper() + text[1:]
    return [f"{text}.", *(["", clean(error.hint)] if error.hint else [])]
