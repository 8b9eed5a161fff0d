"""The texts of a hit: its title, its folder, and how a text that is too long is cut."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable

from rich.cells import cell_len, set_cell_size

from imgret.photo import Hit
from imgret.terminal.clean import clean

HOME = os.fsencode(os.path.expanduser("~"))
_SEPARATOR = " · "
_LEAST_NAME, _LEAST_FOLDER = 12, 10  # cells that a cut one keeps
_LONGEST_EXTENSION = 8  # characters; more is a name with a dot in it
_JOINERS = re.compile("(?<=[\u2600-\u27bf\U0001f000-\U0001faff])[\u200d\ufe0e\ufe0f]+")


def drawable(text: str | bytes) -> str:
    """As `clean`, with emoji that are joined to one beside each other: terminals differ in how wide they draw that one."""
    return _JOINERS.sub("", clean(text))


def file_name(hit: Hit) -> str:
    """The name of the file, safe for a terminal."""
    return drawable(os.path.basename(hit.path))


def title(hit: Hit) -> str:
    """The best sentence about the photo: its caption, else its note, else the text in it, else its file name."""
    return _sentence(hit) or file_name(hit)


def has_sentence(hit: Hit) -> bool:
    """Whether `title` is more than the file name."""
    return bool(_sentence(hit))


def _sentence(hit: Hit) -> str:
    for text in (hit.caption, hit.note):
        joined = drawable(" ".join((text or "").split()))
        if joined:
            return joined
    lines = (drawable(" ".join(str(line["text"]).split())) for line in hit.shown.get("text") or ())
    read = " ".join(line for line in lines if line)
    return f"“{read}”" if read else ""


def stars_text(hit: Hit) -> str:
    """The rating: `★★★`; empty without one."""
    rating = (hit.shown.get("metadata") or {}).get("rating") or 0
    return "★" * min(5, rating)


def shared_folder(hits: Iterable[Hit]) -> bytes | None:
    """The folder in which all of several hits are; None for fewer than two hits or several folders."""
    folders = [os.path.dirname(hit.path) for hit in hits]
    return folders[0] if len(folders) > 1 and len(set(folders)) == 1 else None


def folder_text(folder: bytes, roots: Collection[bytes], home: bytes) -> str:
    """A folder relative to the root that it is in, with the name of that root; else with `~`; else as it is.

    With a single root its name is left out, unless the folder is the root itself.
    """
    inside = [root for root in roots if folder == root or folder.startswith(root.rstrip(b"/") + b"/")]
    if inside:
        root = max(inside, key=len)
        below = os.path.relpath(folder, root)
        if below == b".":
            return drawable(os.path.basename(root) or root)
        return drawable(below if len(roots) == 1 else os.path.join(os.path.basename(root), below))
    return home_text(folder, home)


def home_text(path: bytes, home: bytes) -> str:
    """A path with `~` for the home folder, safe for a terminal."""
    home = home.rstrip(b"/")
    if home and (path == home or path.startswith(home + b"/")):
        return "~" + drawable(path[len(home) :])
    return drawable(path)


def cut_end(text: str, width: int) -> str:
    """The text in at most `width` cells; the end of a longer one is replaced by an ellipsis."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 0 else ""


def cut_middle(text: str, width: int) -> str:
    """The text in at most `width` cells; the middle of a longer one is replaced by an ellipsis."""
    if cell_len(text) <= width:
        return text
    if width < 2:
        return "…"[:width]
    head = set_cell_size(text, (width - 1) // 2).rstrip()
    left, tail = width - 1 - cell_len(head), ""
    for character in reversed(text):
        if cell_len(character + tail) > left:
            break
        tail = character + tail
    return f"{head}…{tail}"


def cut_name(name: str, width: int) -> str:
    """A file name in at most `width` cells. The extension and the number before it stay."""
    stem, extension = os.path.splitext(name)
    if cell_len(name) <= width or len(extension) > _LONGEST_EXTENSION or cell_len(extension) + 2 > width:
        return cut_middle(name, width)
    return cut_middle(stem, width - cell_len(extension)) + extension


def title_lines(hit: Hit, width: int, lines: int) -> list[str]:
    """The title in at most `lines` lines of at most `width` cells. The extension of a file name is not cut."""
    if has_sentence(hit):
        return wrapped(title(hit), width, lines)
    name = file_name(hit)
    found = wrapped(name, width, lines, cut_name)
    is_whole = found and found[-1].endswith(os.path.splitext(name)[1])
    return found if is_whole else [cut_name(name, width)]


def wrapped(text: str, width: int, lines: int, cut: Callable[[str, int], str] = cut_end) -> list[str]:
    """The text in at most `lines` lines of at most `width` cells; the last one is shortened by `cut` if it is too long."""
    found: list[str] = []
    words = text.split(" ")
    while words and len(found) < lines - 1:
        line = words.pop(0)
        while words and cell_len(f"{line} {words[0]}") <= width:
            line = f"{line} {words.pop(0)}"
        if cell_len(line) > width:
            kept = set_cell_size(line, width)
            words.insert(0, line[len(kept.rstrip()) or 1 :])
            line = kept.rstrip() or line[:1]
        found.append(line)
    return [*found, cut(" ".join(words), width)] if words else found


def facts_text(hit: Hit, date: str, folder: str, width: int) -> str:
    """Date, name, folder and further facts, in at most `width` cells.

    The date and what follows the folder are never cut, nor is the extension. The folder is cut first, then the name.
    """
    copies = len(hit.other_paths)
    after = (
        "" if hit.online else "offline",
        stars_text(hit),
        "note" if hit.note and hit.caption else "",
        f"{copies} {'copy' if copies == 1 else 'copies'}" if copies else "",
    )
    fixed = [fact for fact in (date, *after) if fact]
    left = width - sum(cell_len(fact) + len(_SEPARATOR) for fact in fixed)
    name = file_name(hit) if has_sentence(hit) else ""
    if name:
        wanted = left - (len(_SEPARATOR) + min(cell_len(folder), _LEAST_FOLDER) if folder else 0)
        name = cut_name(name, min(left, max(wanted, _LEAST_NAME)))
        left -= cell_len(name) + len(_SEPARATOR)
    folder = cut_middle(folder, left) if left >= min(cell_len(folder), _LEAST_FOLDER) else ""
    return _SEPARATOR.join(fact for fact in (date, name, folder, *after) if fact)
