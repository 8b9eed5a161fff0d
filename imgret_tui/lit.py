"""Which parts of a text are lit, because a word of the question stands there."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+")
_FILTER = re.compile(r"""(?:^|\s)(?:-\S+|[\w-]+:(?:"[^"]*"|\S*)|\S+?(?:>=|<=|=|>|<)\S+)""")
_COMMON = frozenset(("a", "an", "and", "at", "in", "is", "of", "on", "the", "to", "with"))  # they say nothing
_ENDINGS = 3  # letters that a form of a word may have more than another: dog, dogs; run, running


def question_words(question: str) -> frozenset[str]:
    """The words to light: those of the question that are no filter."""
    return frozenset(word.casefold() for word in _WORD.findall(_FILTER.sub(" ", question))) - _COMMON


def lit(text: str, words: frozenset[str]) -> list[tuple[str, bool]]:
    """Part `text` into (part, is lit); the parts join to the text again, and none is empty."""
    parts: list[tuple[str, bool]] = []
    end = 0
    for match in _WORD.finditer(text):
        if _matches(match[0].casefold(), words):
            if match.start() > end:
                parts.append((text[end : match.start()], False))
            parts.append((match[0], True))
            end = match.end()
    if end < len(text):
        parts.append((text[end:], False))
    return parts


def _matches(word: str, words: frozenset[str]) -> bool:
    if word in words:
        return True
    return len(word) > 2 and any(
        len(other) > 2
        and abs(len(other) - len(word)) <= _ENDINGS
        and (other.startswith(word) or word.startswith(other))
        for other in words
    )
