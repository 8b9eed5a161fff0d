"""Which words of a question stand near each other in a text. Pure."""

from __future__ import annotations

from collections.abc import Sequence

BEFORE, AFTER = 3, 2  # tokens: `a red and white car`, `the car is red`; not `a red shirt beside a car`


def positions(tokens: Sequence[str], wanted: tuple[str, ...]) -> list[int]:
    """Where the phrase `wanted` begins among the tokens, ascending."""
    first, length = wanted[0], len(wanted)
    found, at = [], -1
    for _ in range(tokens.count(first)):
        at = tokens.index(first, at + 1)
        if length == 1 or tuple(tokens[at : at + length]) == wanted:
            found.append(at)
    return found


def describes(adjectives: Sequence[int], nouns: Sequence[int]) -> bool:
    """Whether an adjective at one of these positions may describe a noun at one of those; both ascending."""
    at = 0
    for adjective in adjectives:
        while at < len(nouns) and nouns[at] < adjective - AFTER:
            at += 1
        if at < len(nouns) and nouns[at] <= adjective + BEFORE:
            return True
    return False
