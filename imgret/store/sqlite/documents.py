"""The document of each content: saved, checked and made anew; and the words of a photo's path."""

from __future__ import annotations

import os
import re
import unicodedata

import apsw

from imgret.store.fold import cut
from imgret.store.sqlite.connection import Connection

WORD = re.compile(r"[^\s\x00-/:-@\[-`{-\x7f]+")  # between spaces and ASCII punctuation


class Documents:
    """Implements `imgret.store.interface.search.Documents`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def save(self, content: int, *, caption: str, labels: str, note: str, names: str) -> None:
        """The words of a content, in place of those before."""
        values = [cut(text) for text in (caption, labels, note, names)]
        with self._connection.writing() as db:
            db.execute(
                "INSERT INTO document (content, caption, labels, note, names) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (content) DO UPDATE SET caption = excluded.caption, labels = excluded.labels,"
                " note = excluded.note, names = excluded.names",
                (content, *values),
            )

    def remove(self, content: int) -> None:
        """Forget the words of a content."""
        with self._connection.writing() as db:
            db.execute("DELETE FROM document WHERE content = ?", (content,))

    def rebuild(self) -> None:
        """Make the words index anew from the documents."""
        with self._connection.writing() as db:
            db.execute("INSERT INTO words (words) VALUES ('rebuild')")

    def check(self) -> list[str]:
        with self._connection.writing() as db:
            try:  # only with rank = 1 is the index compared with the documents that it was made from
                db.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")
            except apsw.CorruptError as error:
                return [f"the words index does not fit its documents: {error}"]
        return []


def name_words(root: bytes, folder: bytes, name: bytes) -> str:
    """The words of a photo's path: the root's own name, its folders and its file name without the suffix.

    What is written together stands whole and, behind, taken apart: `beach_2019/IMG0042-RosaParks.jpg` has
    `beach 2019 IMG0042 RosaParks IMG 0042 Rosa Parks`. Bytes that are not UTF-8 divide words.
    """
    stem = os.path.splitext(name)[0]
    path = b"/".join((os.path.basename(root.rstrip(b"/")), folder, stem))
    text = unicodedata.normalize("NFC", path.decode("utf-8", "replace").replace("\ufffd", " "))
    whole = WORD.findall(text)
    parts = [part for word in whole if len(apart := _apart(word)) > 1 for part in apart]
    return " ".join(dict.fromkeys([*whole, *parts]))


def _apart(word: str) -> list[str]:
    """`IMG0042` -> IMG, 0042; `RosaParks` -> Rosa, Parks; `JPEGFile` -> JPEG, File."""
    parts, start = [], 0
    for at in range(1, len(word)):
        before, here = word[at - 1], word[at]
        after = word[at + 1] if at + 1 < len(word) else ""
        if (
            before.isdigit() != here.isdigit()
            or (before.islower() and here.isupper())
            or (before.isupper() and here.isupper() and after.islower())
        ):
            parts.append(word[start:at])
            start = at
    return [*parts, word[start:]]
