"""The words of a photo's path, and what a word is. Pure functions."""

from __future__ import annotations

import os
import re
import unicodedata

WORD = re.compile(r"[^\s\x00-/:-@\[-`{-\x7f]+")  # between spaces and ASCII punctuation


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
