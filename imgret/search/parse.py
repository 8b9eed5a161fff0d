"""The query language: a line of text -> a `ParsedQuery`. Pure.

    two dogs on a beach after:2019 dog>=2 -indoor in:~/Pictures/2021 topic:sports has:note

Words are the query. `key:value`, `label>=n` and `label:` are filters, "quoted words" must stand in
what is known of a photo, `-` before a word or filter excludes, `2:beach` weighs a word. Whatever only looks
like a filter is read as words: `trip:italy`, `Rome: sunset`, `giraffe -> zebra`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from imgret import inputs
from imgret.errors import QueryError
from imgret.search import negation, seasons
from imgret.search.filter_keys import KEYS, RATING, counted, keyed, label_name, no_value, no_weight, short
from imgret.store import labels
from imgret.store.clauses import Clause, Inside, Objects, Phrase
from imgret.store.fold import has_word

MOST_CHARACTERS = 10_000  # of a query; several pages of text
MOST_FILTERS = 100
_NO_NAMES: Mapping[str, str] = {}
MOST_NEGATED = 8  # texts in prose; more are no query but a page of text
MOST_TEXTS = 50  # that are weighed or pushed away: each is embedded


class ParsedQuery(Struct, frozen=True):
    """A query as it was read. Without words and pictures it lists the photos that pass the filters, newest first."""

    words: str = ""  # the text to embed, in the order in which it was written
    terms: tuple[str, ...] = ()  # words and phrases to look up
    weights: tuple[tuple[str, float], ...] = ()  # texts that count more or less than once
    negatives: tuple[str, ...] = ()  # texts to push away (`--not`, `without ...`)
    clauses: tuple[Clause, ...] = ()
    remarks: tuple[str, ...] = ()  # sentences on what was not read as it may have been meant

    @property
    def texts(self) -> list[str]:
        """All texts to embed."""
        given = (self.words, *(text for text, _ in self.weights), *self.negatives)
        return [text for text in given if text.strip()]


def parse(
    text: str,
    now: datetime,
    known: Collection[str] = (),
    kinds: Collection[str] = (),
    named_places: Mapping[str, str] = _NO_NAMES,
) -> ParsedQuery:
    """Read a query; `now` is what `last week` is seen from, `known` the labels that the library has.

    `kinds` are those of the library's tags: each is a key of filters. `named_places` are those of the settings.

    Takes time in proportion to the length of the text. Raises QueryError with the position.
    """
    if len(text) > MOST_CHARACTERS:
        raise QueryError(
            f"the query has {len(text)} characters, and {MOST_CHARACTERS} is the most",
            "Shorten it; `imgret query --batch FILE` runs one query a line.",
        )
    reader = _Reader(now, known, kinds, named_places, len(text.rstrip()))
    for match in _TOKEN.finditer(_straight(text)):
        reader.read(match)
    return reader.query()


def bounded(query: ParsedQuery) -> ParsedQuery:
    """The query, once it is known to be of a size that can be searched. Raises QueryError."""
    if len(query.clauses) > MOST_FILTERS:
        raise QueryError(
            f"{len(query.clauses)} filters, and {MOST_FILTERS} is the most", "Shorten the query."
        )
    texts = len(query.weights) + len(query.negatives)
    if texts > MOST_TEXTS:
        raise QueryError(f"{texts} weighed texts, and {MOST_TEXTS} is the most", "Shorten the query.")
    if any(len(text) > MOST_CHARACTERS for text in query.negatives):
        raise QueryError(f"a text to push away has at most {MOST_CHARACTERS} characters", "Shorten it.")
    return query


def having(
    query: ParsedQuery,
    key: str,
    value: str,
    now: datetime,
    kinds: Collection[str] = (),
    named_places: Mapping[str, str] = _NO_NAMES,
) -> ParsedQuery:
    """The query with one more filter, as by `key:value`. Raises QueryError."""
    if len(key) + len(value) > MOST_CHARACTERS:
        raise QueryError(f"a filter has at most {MOST_CHARACTERS} characters", "Shorten it.")
    clause = Clause(keyed(key, value, now, 0, kinds, named_places))
    return replace(query, clauses=(*query.clauses, clause))


def located(query: ParsedQuery, folder: bytes) -> ParsedQuery:
    """The query as it is meant in this folder, an absolute path: `in:.` and `in:../x` are below or beside it."""

    def located_(clause: Clause) -> Clause:
        inside = clause.filter
        if not isinstance(inside, Inside) or inside.folder.split(b"/")[0] not in (b".", b".."):
            return clause
        return replace(clause, filter=Inside(os.path.normpath(os.path.join(folder, inside.folder))))

    return replace(query, clauses=tuple(located_(clause) for clause in query.clauses))


_QUOTED = r'"[^"]*"'
_SIGN = "[<>=!]=|<>|[<>=≥≤≠]"
_COUNT = re.compile(rf"([^\W\d][^\s<>=!:≥≤≠]*)(?:{_SIGN})")
_TOKEN = re.compile(
    rf"(?P<minus>-(?=[^\s-]))?"
    rf"(?:(?P<weight>\d{{1,3}}(?:\.\d+)?):(?P<weighed>{_QUOTED}|[^\W\d][^\s\"]*)"
    rf"|(?P<label>{_QUOTED}|[^\W\d][^\s\"<>=!:≥≤≠]*)"
    rf"(?:(?P<sign>{_SIGN})(?P<number>[^\s\"<>=][^\s\"]*)|\s*(?P<apart>{_SIGN})\s*(?P<count>\d+)(?![^\s\"]))"
    rf"|(?P<key>{_QUOTED}|[^\W\d][^\s\":]*):(?P<value>{_QUOTED}|[^\s\"]*)"
    rf"|(?P<quoted>{_QUOTED})"
    rf"|(?P<word>[^\s\"]+))"
)


class _Reader:
    """Takes the parts of a query one after the other. In lists, so that long texts cost linear time."""

    def __init__(
        self,
        now: datetime,
        known: Collection[str],
        kinds: Collection[str],
        named_places: Mapping[str, str],
        end: int,
    ) -> None:
        self._kinds, self._named_places = kinds, named_places
        self._now, self._known = now, {labels.canonical(label) for label in known}
        self._end = end  # of the text, in characters
        self._words: list[tuple[str, int]] = []  # and where each ends
        self._terms: list[str] = []
        self._prose: list[bool] = []  # of the words: neither quoted nor part of anything else
        self._weights: list[tuple[str, float]] = []
        self._clauses: list[Clause] = []
        self._remarks: list[str] = []
        self._doubtful: list[Clause] = []  # unknown labels: filters in a query without any words

    def query(self) -> ParsedQuery:
        """Everything that was read."""
        if self._doubtful and len(self._doubtful) == len(self._words):
            return ParsedQuery(clauses=(*self._clauses, *self._doubtful), remarks=tuple(self._remarks))
        words = [word for word, _ in self._words]
        prose = [word if plain else "," for word, plain in zip(words, self._prose, strict=True)]
        if meant := seasons.mentioned(" ".join(prose)):
            self._remarks.append(f'{meant} was read as words; on:"{meant}" finds photos by their date')
        stays, negatives = negation.split(prose, self._is_label)
        if len(negatives) > MOST_NEGATED:
            self._remarks.append(
                f'to rank photos lower that match a text, write --not "{short(negatives[0])}"'
            )
            stays, negatives = [True] * len(words), []
        elif negatives:
            listed = " ".join(f'--not "{short(text)}"' for text in negatives)
            self._remarks.append(f"read as {listed}; quote the words to search for them as they are")
        return ParsedQuery(
            " ".join(word for word, stay in zip(words, stays, strict=True) if stay),
            tuple(term for term, stay in zip(self._terms, stays, strict=True) if stay),
            tuple(self._weights),
            tuple(negatives),
            clauses=tuple(self._clauses),
            remarks=tuple(dict.fromkeys(self._remarks)),
        )

    def read(self, match: re.Match[str]) -> None:
        """Take one match of `_TOKEN`."""
        part, negated = match.groupdict(), match["minus"] is not None
        if part["word"] is not None and match.end() == self._end:
            self._check_complete(part["word"], match.start("word"))
        if part["label"] is not None:
            self._read_count(match, negated=negated)
        elif part["key"] is not None:
            self._read_key(match, negated=negated)
        elif part["weight"] is not None:
            text, weight = inputs.clean_text(_bare(part["weighed"])), float(part["weight"])
            if not weight:
                raise no_weight(text, match.start("weight"))
            self._add_words(text, match)
            self._weights.append((text, -weight if negated else weight))
        elif part["quoted"] is not None or negated:
            text = inputs.clean_text(_bare(part["quoted"] or part["word"]))
            if has_word(text):
                self._clauses.append(Clause(Phrase(text), negated))
            if not negated or not has_word(text):  # `->` is no word that could be left out
                self._add_words(text if part["quoted"] else match[0], match)
        else:
            self._add_words(part["word"], match, prose=True)

    def _add_words(
        self, text: str, match: re.Match[str], looked_up: str | None = None, *, prose: bool = False
    ) -> None:
        if text.strip():
            self._prose.append(prose)
            self._words.append((inputs.clean_text(text), match.end()))
            self._terms.append(inputs.clean_text(text if looked_up is None else looked_up))

    def _check_complete(self, word: str, position: int) -> None:
        """Raise QueryError if the last word is the start of a count: `dog>=`."""
        start = _COUNT.fullmatch(word)
        if start and (start[1].lower() == RATING or self._is_label(start[1])):
            raise no_value(word, position)

    def _read_count(self, match: re.Match[str], *, negated: bool) -> None:
        sign = match["sign"] or match["apart"]
        number = (match["count"] or match["number"]).rstrip(".,;:!?)")
        name = inputs.clean_text(_bare(match["label"]))
        loose = not number.isdecimal() or (match["apart"] is not None and sign in ("<", ">", "="))
        if loose and name.lower() != RATING and not self._is_label(name):
            # `E=mc2`, `width > 3` and `a->b` are no counts
            self._add_words(match[0].replace('"', " "), match)
            return
        filter_ = counted(name, sign, number, match.start("label"))
        differs = sign in ("!=", "<>", "≠")
        if isinstance(filter_, Objects):
            label = self._with_words_before(filter_.label, match.start())
            filter_ = replace(filter_, label=label)
        self._clauses.append(Clause(filter_, negated != differs))

    def _read_key(self, match: re.Match[str], *, negated: bool) -> None:
        key, value = inputs.clean_text(_bare(match["key"])), _bare(match["value"])
        is_key, is_kind = key.lower() in KEYS, key.lower() in self._kinds
        # `near:` at the end and `near:""` are filters without a value; `on: the sea` is prose.
        is_empty = not value and (bool(match["value"]) or match.end() == self._end)
        if (is_key and (value or is_empty)) or (is_kind and value):
            filter_ = keyed(key, value, self._now, match.start("key"), self._kinds, self._named_places)
            self._clauses.append(Clause(filter_, negated))
        elif not value and self._is_label(label := self._with_words_before(label_name(key), match.start())):
            self._clauses.append(Clause(Objects(label, 1, None), negated))
        elif is_kind and is_empty:
            raise no_value(f"{key}:", match.start("key"))
        elif value and (meant := _misspelt(key)):
            raise QueryError(
                f"unknown key {key}:",
                f'Did you mean {meant}: ? "Quote" what is meant literally.',
                match.start("key"),
            )
        else:
            if is_key or is_kind:
                self._remarks.append(
                    f"{short(key)}: has no value directly behind it, so it was read as a word"
                )
            elif not value and has_word(key):
                self._doubtful.append(Clause(Objects(label_name(key), 1, None), negated))
            elif value and key.isascii() and not value.startswith("//"):
                quoted = short(f"{key}:{inputs.clean_text(value)}")
                self._remarks.append(f"{short(key)}: is no filter, so {quoted} was read as words")
                # In `note:Rosa` the key names where to look: no text of the photo has to hold it.
                if negated:
                    self._clauses.append(Clause(Phrase(inputs.clean_text(value)), negated=True))
                else:
                    self._add_words(match[0].replace('"', " "), match, looked_up=value)
                return
            self._add_words(match[0].replace('"', " "), match)

    def _with_words_before(self, label: str, start: int) -> str:
        """`traffic light>=2` means one label, though only quotes or `_` would join the words for sure."""
        if self._words and self._words[-1][1] == start - 1 and not self._weights:
            longer = f"{label_name(self._words[-1][0])} {label}"
            if self._is_label(longer):
                self._words.pop()
                self._terms.pop()
                self._prose.pop()
                return longer
        return label

    def _is_label(self, text: str) -> bool:
        return labels.canonical(text) in self._known or labels.is_label(text)


def _misspelt(key: str) -> str | None:
    """The key that was meant, where one letter of a long one is wrong: short keys are too near to plain words."""
    return next(
        (known for known in KEYS if len(known) > 4 and labels.distance(key.lower(), known) == 1), None
    )


def _bare(text: str) -> str:
    return text[1:].removesuffix('"') if text.startswith('"') else text


def _straight(text: str) -> str:
    """Typographic and full-width signs count as plain ones."""
    return text.translate(_SIGNS)


_SIGNS = str.maketrans("“”„＂：＜＞＝！－−", '""""' + ":<>=!--")
