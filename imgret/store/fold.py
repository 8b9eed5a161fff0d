"""Normalize text for matching: case, accents, Unicode normal forms and character widths. Pure functions.

`fold` is for comparing texts, `cut` for text that FTS5 splits into words. Both the index and the queries use
them, so a change here requires a migration that folds the stored documents again.
"""

from __future__ import annotations

import re
import unicodedata

# Letters that no Unicode normal form decomposes into a base letter and a mark, with their common substitutes.
_LETTERS = str.maketrans(
    dict(zip("øłđðħŧıƀɓƈɗƒƙƚƞƥƭƴƶǥȼɇɉɍɏ", "olddhtibbcdfklnptyzgcejry", strict=True))
    | {"æ": "ae", "œ": "oe", "þ": "th", "ŋ": "n"}
)
# Accents on Latin and Greek letters, and the optional dots of the Russian ё. Other marks distinguish letters.
_MARKED = re.compile("([a-z\u0370-\u03ff\u0435])[\u0300-\u036f]+")
# Modifiers that are not visible alone: soft hyphens, joiners, variation selectors, skin tones, keycaps, flag tags.
_INVISIBLE = re.compile(
    "[\u00ad\u200d\u2060\ufeff\ufe00-\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0000-\U000e01ef]"
)
_SURROGATE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # not an escaped byte (PEP 383)

# Characters that are indexed as single words: scripts without spaces between words, emoji and other symbols.
_UNSPACED = re.compile(
    "([\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff"
    "\u2100-\u2bff\u3004\u3012\u3013\u3020\u3030-\u303f\U0001d000-\U0001d2ff\U0001f000-\U0001faff])"
)
# Never searched for; NUL would end the text in FTS5.
_NO_WORD = re.compile("[\0\u00a6\u00a9\u00ae\u00b0\ufffd]")


# Characters whose folding does not depend on their neighbours: no marks, and none that composes with another.
_PLAIN = re.compile(
    "[ -~\u00c0-\u0237\u0386-\u03e1\u0400-\u0482\u048a-\u052f\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3]*"
)


class _Letters(dict[int, str]):
    """A table for `str.translate` that folds the letters of `_PLAIN`, filled on first use of a letter."""

    def __missing__(self, letter: int) -> str:
        self[letter] = folded = _fold(chr(letter))
        return folded


_letters = _Letters()


def fold(text: str) -> str:
    """Normalize text for comparison: lower case, composed, without accents on Latin and Greek letters.

    Full-width and half-width forms become ordinary ones (NFKC), and ß becomes ss, ł l, ø o, æ ae, đ d. Characters
    that UTF-8 cannot encode become U+FFFD. `fold(fold(x)) == fold(x)`; the result may be longer than the text.
    """
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFC", text)  # file names from macOS are decomposed
    if _PLAIN.fullmatch(text):  # true for most names, and takes a fifth of the time
        return text.translate(_letters)
    return _fold(encodable(text))


def _fold(text: str) -> str:
    # Two passes: casefold() of some letters yields marks that compose with others, and the reverse.
    for _ in range(2):
        text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
        text = _MARKED.sub(r"\1", _INVISIBLE.sub("", text).translate(_LETTERS))
    return unicodedata.normalize("NFKC", text)


def encodable(text: str) -> str:
    """Replace what UTF-8 cannot encode with U+FFFD; escaped bytes (PEP 383) are decoded as by `fold_bytes`."""
    plain = _SURROGATE.sub("\ufffd", text)
    return plain.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def fold_bytes(name: bytes) -> str:
    """Fold a file or folder name; bytes that are not UTF-8 become U+FFFD."""
    return fold(name.decode("utf-8", "replace"))


def cut(text: str) -> str:
    """Prepare text for FTS5: folded, with spaces around each character that is indexed as a single word."""
    return _UNSPACED.sub(r" \1 ", _NO_WORD.sub(" ", fold(text)))


def squeezed(text: str) -> str:
    """Return the letters and digits of a text, folded, with nothing between them: `RE-16 tgk` -> `re16tgk`.

    `squeezed(squeezed(x)) == squeezed(x)`, and letters that stand together in a text do so in the result.
    """
    return "".join(letter for letter in fold(text) if letter.isalnum())


def has_word(text: str) -> bool:
    """Return whether the text contains a word, not only punctuation."""
    return any(letter.isalnum() or _UNSPACED.match(letter) for letter in fold(text))
