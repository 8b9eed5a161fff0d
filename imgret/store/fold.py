"""Fold text, so that what people type matches what is stored: case, accents, normal forms and widths. Pure.

`fold` is for comparing texts, `cut` for text that FTS5 splits into words. The index and the queries both
use them; a change here needs a migration that folds the stored documents again.
"""

from __future__ import annotations

import re
import unicodedata

# Letters that no normal form splits into a base letter and a mark, as people type them without.
_LETTERS = str.maketrans(
    dict(zip("øłđðħŧıƀɓƈɗƒƙƚƞƥƭƴƶǥȼɇɉɍɏ", "olddhtibbcdfklnptyzgcejry", strict=True))
    | {"æ": "ae", "œ": "oe", "þ": "th", "ŋ": "n"}
)
# Accents of Latin and Greek letters, and the optional dots of the Russian ё. Elsewhere a mark makes another letter.
_MARKED = re.compile("([a-z\u0370-\u03ff\u0435])[\u0300-\u036f]+")
# What shows nothing by itself: soft hyphens, joiners, variation selectors, skin tones, keycaps and flag tags.
_INVISIBLE = re.compile(
    "[\u00ad\u200d\u2060\ufeff\ufe00-\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0000-\U000e01ef]"
)
_SURROGATE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # that stands for no byte

# Each character of these is a word of its own: scripts without spaces between words, emoji and other symbols.
_UNSPACED = re.compile(
    "([\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff"
    "\u2100-\u2bff\u3004\u3012\u3013\u3020\u3030-\u303f\U0001d000-\U0001d2ff\U0001f000-\U0001faff])"
)
_NO_WORD = re.compile("[\0\u00a6\u00a9\u00ae\u00b0\ufffd]")  # symbols to FTS5 or its end, words to nobody


# Letters that fold each for itself, whatever stands beside them: no marks, and nothing that composes with another.
_PLAIN = re.compile(
    "[ -~\u00c0-\u0237\u0386-\u03e1\u0400-\u0482\u048a-\u052f\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3]*"
)


class _Letters(dict[int, str]):
    """Each letter of `_PLAIN` folded, as `str.translate` asks for it; made when it is first met."""

    def __missing__(self, letter: int) -> str:
        self[letter] = folded = _fold(chr(letter))
        return folded


_letters = _Letters()


def fold(text: str) -> str:
    """Text as it is compared: lower case, composed, without accents on Latin and Greek letters.

    Full-width and half-width forms become ordinary ones (NFKC), ß ss, ł l, ø o, æ ae, đ d. What UTF-8 cannot
    encode becomes U+FFFD. `fold(fold(x)) == fold(x)`; the result may be longer than the text.
    """
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFC", text)  # what macOS names is decomposed
    if _PLAIN.fullmatch(text):  # most names: a fifth of the time
        return text.translate(_letters)
    return _fold(encodable(text))


def _fold(text: str) -> str:
    # Twice: folding the case of a few letters gives marks that compose, and the other way round.
    for _ in range(2):
        text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
        text = _MARKED.sub(r"\1", _INVISIBLE.sub("", text).translate(_LETTERS))
    return unicodedata.normalize("NFKC", text)


def encodable(text: str) -> str:
    """The text with U+FFFD for what UTF-8 cannot encode; escaped bytes (PEP 383) as `fold_bytes` decodes them."""
    plain = _SURROGATE.sub("\ufffd", text)
    return plain.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def fold_bytes(name: bytes) -> str:
    """A file or folder name as it is compared; what is not UTF-8 becomes U+FFFD."""
    return fold(name.decode("utf-8", "replace"))


def cut(text: str) -> str:
    """Text as FTS5 is given it: folded, with a space on both sides of each character that is a word alone."""
    return _UNSPACED.sub(r" \1 ", _NO_WORD.sub(" ", fold(text)))


def has_word(text: str) -> bool:
    """Whether any word stands in the text, not only punctuation."""
    return any(letter.isalnum() or _UNSPACED.match(letter) for letter in fold(text))
