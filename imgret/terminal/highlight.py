"""Which parts of a text to highlight: the words that it shares with the query."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+")
_FILTER = re.compile(r"""(?:^|\s)(?:-\S+|[\w-]+:(?:"[^"]*"|\S*)|\S+?(?:>=|<=|=|>|<)\S+)""")
_COMMON = frozenset(
    ("a", "an", "and", "at", "in", "is", "of", "on", "the", "to", "with")
)  # not worth a highlight
_ENDING_LETTERS = 3  # that one form of a word may have more than another: dog, dogs; run, running


def query_words(query: str) -> frozenset[str]:
    """The words of a query to highlight, case-folded: without filters and common words."""
    text = _FILTER.sub(" ", query)
    return frozenset(word.casefold() for word in _WORD.findall(text)) - _COMMON


def highlight(text: str, words: frozenset[str]) -> list[tuple[str, bool]]:
    """Split `text` into (part, is highlighted). The parts add up to the text, and none is empty."""
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
        and abs(len(other) - len(word)) <= _ENDING_LETTERS
        and (other.startswith(word) or word.startswith(other))
        for other in words
    )
