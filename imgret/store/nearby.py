"""Find words of a query that are close to each other in a text. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Token = TypeVar("Token")  # a word, or its number

# How far an adjective may be from its noun, in tokens: `a red and white car`, `the car is red`, but not
# `a red shirt beside a car`.
BEFORE, AFTER = 3, 2


def positions(tokens: Sequence[Token], wanted: tuple[Token, ...]) -> list[int]:
    """Return the positions in `tokens` at which the phrase `wanted` begins, ascending."""
    first, length = wanted[0], len(wanted)
    found, at = [], -1
    for _ in range(tokens.count(first)):
        at = tokens.index(first, at + 1)
        if length == 1 or tuple(tokens[at : at + length]) == wanted:
            found.append(at)
    return found


def describes(adjectives: Sequence[int], nouns: Sequence[int]) -> bool:
    """Return whether an adjective is close enough to a noun to describe it; both are token positions, ascending."""
    at = 0
    for adjective in adjectives:
        while at < len(nouns) and nouns[at] < adjective - AFTER:
            at += 1
        if at < len(nouns) and nouns[at] <= adjective + BEFORE:
            return True
    return False
