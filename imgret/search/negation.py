"""Negation in prose: `a beach with no people`, `a man without a hat`, `boats, not in water`. Pure.

An encoder of texts hardly sees a negation: `no people` is near to photos of people. So what is negated is taken out of
the query, and photos that match it are ranked lower, as with `--not`. In doubt a query stays as it is: `no parking sign`
names a thing, so `no` counts only before what many photos show or a colour, and only at the end of a phrase.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

MOST_WORDS = 4  # of what is negated, without articles: more is a clause of its own

_PEOPLE = frozenset({"nobody", "no-one", "noone"})
_ARTICLES = frozenset({"a", "an", "any", "the", "his", "her", "its", "their", "other", "some"})
# A word that begins something else, which is not negated.
_ENDS = frozenset(
    """
    and but with while who which that is are was were has have near beside behind under over above below before after
    between among against by from into onto through during as so then because where when
    """.split()  # noqa: SIM905 - a list of 40 strings would be a page
)
_NEGATES = {"no": "no", "neither": "no", "nor": "no", "without": "without"} | dict.fromkeys(
    ("not", "isn't", "aren't", "isn’t", "aren’t"), "not"
)
_JOINS = frozenset({"but", "and", "with"})  # before a negation, which takes them along
# What names nothing that a photo shows: a query of these and negations has negations alone.
_FILLERS = frozenset(
    "photo photos picture pictures image images there is are all anything everything show me of".split()  # noqa: SIM905
)
_RELATIVES = ("that", "which", "who")
_COLOURS = frozenset(
    "red orange yellow green blue purple violet pink brown black white grey gray golden dark bright".split()  # noqa: SIM905
)
_PLACES = frozenset({"in", "on", "at", "of", "near", "under", "inside", "outside", "with", "by"})
_STOPS = ".,;:!?()"
# What many photos show, beside the labels of detectors.
_COMMON = frozenset(
    """
    people person persons human humans man men woman women child children kid kids boy boys girl girls face faces
    crowd crowds tourist tourists animal animals pet pets dog dogs cat cats bird birds car cars vehicle vehicles traffic
    tree trees flower flowers grass snow water clouds cloud sky sun building buildings house houses text glasses
    sunglasses hat hats shirt shirts shoes clothes beard hair helmet leaves leash lights
    """.split()  # noqa: SIM905 - a list of 70 strings would be a page
)


def split(words: Sequence[str], is_label: Callable[[str], bool]) -> tuple[list[bool], list[str]]:
    """Return which of the plain words of a query stay, and the texts that are negated.

    `is_label` is whether a text is the label of a detector.
    """
    stays = [True] * len(words)
    negatives: list[str] = []
    colours: list[int] = []  # the negatives directly before that are colours alone: `no red no blue circle`
    at, last_end = 0, 0
    while at < len(words):
        begin = _beginning(words, at)
        if begin != last_end:
            colours = []
        end, text = _negated(words, at, is_label, after_colour=bool(colours))
        if text:
            *before, last = text.split()
            if last in _COLOURS and _COLOURS.issuperset(before):
                colours = [] if words[end - 1][-1] in _STOPS else [*colours, len(negatives)]
            else:
                if before and _COLOURS.issuperset(before):  # they have its noun
                    for each in colours:
                        negatives[each] += f" {last}"
                colours = []
            negatives.append(text)
            stays[begin:end] = [False] * (end - begin)
            last_end = end
        at = max(end, at + 1)
    left = {_plain(word) for stay, word in zip(stays, words, strict=True) if stay}
    if negatives and left & _FILLERS and left <= _FILLERS | _ARTICLES:
        return [False] * len(words), negatives
    return stays, negatives


def _beginning(words: Sequence[str], at: int) -> int:
    """Return where the words begin that belong to the negation at a word: `but not`, `that is not`."""
    before = [_plain(word) for word in words[max(0, at - 2) : at]]
    if before[-1:] and before[-1] in _JOINS:
        return at - 1
    if len(before) == 2 and before[1] in ("is", "are") and before[0] in _RELATIVES:
        return at - 2
    return at - 1 if before[-1:] and before[-1] in _RELATIVES else at


def _negated(
    words: Sequence[str], at: int, is_label: Callable[[str], bool], *, after_colour: bool
) -> tuple[int, str]:
    """Return where the negation that begins at a word ends, and what it negates; "" if there is none.

    With `after_colour`, a negated colour stands directly before.
    """
    word = _plain(words[at])
    following = [_plain(other) for other in words[at + 1 : at + 3]]
    if word in _PEOPLE or (word == "no" and following[:1] == ["one"]):
        return at + 1 + (word == "no"), "people"
    word = _NEGATES.get(word, "")
    if not word or words[at][-1] in _STOPS:  # the end of a sentence
        return at, ""
    begin = at + 1
    end, found = _phrase(words, begin, places=word == "not", one_thing=word == "without")
    if not found or len(found) > MOST_WORDS:
        return at, ""
    named = [each for each in found if each not in _PLACES]
    known = " ".join(named) in _COMMON or is_label(" ".join(named)) or (named[-1:] and named[-1] in _COMMON)
    if not known and _COLOURS.issuperset(named[:-1]):  # red, red square
        known = named[-1:] and (named[-1] in _COLOURS or is_label(named[-1]) or (after_colour and named[:-1]))
    if word == "no" and not known:
        return at, ""  # no parking, no entry, no left turn: the names of signs
    if word == "not" and not (known or found[0] in _PLACES):
        return at, ""  # not very sharp, not yet finished
    return end, " ".join(found)


def _phrase(words: Sequence[str], begin: int, *, places: bool, one_thing: bool) -> tuple[int, list[str]]:
    """Return the end of the phrase that begins at a word, and its words without articles.

    A preposition ends it; with `places` it may begin with one: `not in water`. With `one_thing` it ends after what many
    photos show: `a boy without a shirt rides`.
    """
    found: list[str] = []
    for at in range(begin, len(words)):
        word = _plain(words[at])
        if word in _NEGATES or not word or (word in _ENDS and not (places and not found and word in _PLACES)):
            return at, found
        if word in _PLACES and not (places and not found):
            return at, found
        if word not in _ARTICLES or found:
            found.append(word)
        if words[at][-1] in _STOPS or (one_thing and word in _COMMON and words[at + 1 : at + 2] != ["or"]):
            return at + 1, found
    return len(words), found


def _plain(word: str) -> str:
    return word.strip(_STOPS).lower()
