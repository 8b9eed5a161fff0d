"""The query language: a line of text -> a `Question`. Pure.

    two dogs on a beach after:2019 dog>=2 -indoor in:~/Pictures/2021 topic:sports has:note

Words are the question. `key:value`, `label>=n` and `label:` are filters, "quoted words" must stand in
what is known of a photo, `-` before a word or filter excludes, `2:beach` weighs a word.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from imgret import inputs
from imgret.errors import QueryError
from imgret.index.filters import (
    HAS,
    Camera,
    Clause,
    Filter,
    Format,
    Has,
    Inside,
    Named,
    Objects,
    Online,
    Said,
    Taken,
    Topic,
)
from imgret.search import dates

MOST = 1 << 31  # counts above all mean the same: more than any photo holds
MOST_CHARACTERS = 10_000  # of a question; several pages of text
MOST_FILTERS = 100
MOST_TEXTS = 50  # that are weighed or pushed away: each is embedded

FORMATS = {"jpg": "JPEG", "heic": "HEIF", "tif": "TIFF", "jxl": "JXL"}


class Question(Struct, frozen=True):
    """What is asked. Without words and pictures it is a list of what passes the filters, newest first."""

    words: str = ""  # the text to embed, in the order in which it was written
    terms: tuple[str, ...] = ()  # words and phrases to look up
    weights: tuple[tuple[str, float], ...] = ()  # texts that count more or less than once
    away: tuple[str, ...] = ()  # texts to push away (`--not`)
    clauses: tuple[Clause, ...] = ()


def parse(text: str, now: datetime) -> Question:
    """Read a question; `now` is what `last week` is seen from. Raises QueryError with the position."""
    if len(text) > MOST_CHARACTERS:
        raise QueryError(
            f"the question has {len(text)} characters, and {MOST_CHARACTERS} is the most",
            "Shorten it; `imgret query --batch FILE` asks one question a line.",
        )
    read = [_read(Question(), match, now, match.start()) for match in _TOKEN.finditer(_straight(text))]
    return Question(  # joined once, at the end: a question that grows word by word takes quadratic time
        " ".join(part.words for part in read if part.words),
        tuple(term for part in read for term in part.terms),
        tuple(weight for part in read for weight in part.weights),
        clauses=tuple(clause for part in read for clause in part.clauses),
    )


def bounded(question: Question) -> Question:
    """The question, once it is known to be of a size that can be searched. Raises QueryError."""
    if len(question.clauses) > MOST_FILTERS:
        raise QueryError(f"{len(question.clauses)} filters, and {MOST_FILTERS} is the most", "Ask for less.")
    texts = len(question.weights) + len(question.away)
    if texts > MOST_TEXTS:
        raise QueryError(f"{texts} weighed texts, and {MOST_TEXTS} is the most", "Ask for less.")
    if any(len(text) > MOST_CHARACTERS for text in question.away):
        raise QueryError(f"a text to push away has at most {MOST_CHARACTERS} characters", "Shorten it.")
    return question


def having(question: Question, key: str, value: str, now: datetime) -> Question:
    """The question with one more filter, as by `key:value`. Raises QueryError."""
    if len(key) + len(value) > MOST_CHARACTERS:
        raise QueryError(f"a filter has at most {MOST_CHARACTERS} characters", "Shorten it.")
    return replace(question, clauses=(*question.clauses, Clause(_filter(key, value, now, 0))))


def located(question: Question, folder: bytes) -> Question:
    """The question as it is meant in this folder, an absolute path: `in:.` and `in:../x` are below or beside it."""

    def located_(clause: Clause) -> Clause:
        inside = clause.filter
        if not isinstance(inside, Inside) or inside.folder.split(b"/")[0] not in (b".", b".."):
            return clause
        return replace(clause, filter=Inside(os.path.normpath(os.path.join(folder, inside.folder))))

    return replace(question, clauses=tuple(located_(clause) for clause in question.clauses))


_QUOTED = r'"[^"]*"'
_TOKEN = re.compile(
    rf"(?P<minus>-(?=[^\s-]))?"
    rf"(?:(?P<weight>\d{{1,3}}(?:\.\d+)?):(?P<weighed>{_QUOTED}|[^\W\d][^\s\"]*)"
    rf"|(?P<label>{_QUOTED}|[^\W\d][^\s\"<>=:]*)(?P<sign>>=|<=|==|=|>|<)(?P<number>[^\s\"]*)"
    rf"|(?P<key>{_QUOTED}|[^\W\d][^\s\":]*):(?P<value>{_QUOTED}|[^\s\"]*)"
    rf"|(?P<quoted>{_QUOTED})"
    rf"|(?P<word>[^\s\"]+))"
)


def _read(question: Question, match: re.Match[str], now: datetime, position: int) -> Question:
    part, negated = match.groupdict(), match["minus"] is not None
    if part["label"] is not None:
        found: Filter = _counted(_bare(part["label"]), part["sign"], part["number"], position)
    elif part["key"] is not None and not part["value"] and _bare(part["key"]).lower() not in _KEYS:
        found = Objects(_label(_bare(part["key"])), 1, None)
    elif part["key"] is not None:
        found = _filter(_bare(part["key"]), _bare(part["value"]), now, position)
    elif part["weight"] is not None:
        text, weight = _bare(part["weighed"]), float(part["weight"]) * (-1 if negated else 1)
        question = _with_words(question, text, text)
        return replace(question, weights=(*question.weights, (text, weight)))
    elif negated or part["quoted"] is not None:
        text = _bare(part["quoted"] if part["quoted"] is not None else part["word"])
        if not text.strip():
            return question
        found = Said(text)
        if not negated:
            question = _with_words(question, text, text)
    else:
        return _with_words(question, part["word"], part["word"])
    return replace(question, clauses=(*question.clauses, Clause(found, negated)))


def _with_words(question: Question, text: str, term: str) -> Question:
    words = f"{question.words} {text}" if question.words else text
    return replace(question, words=words, terms=(*question.terms, term))


def _counted(label: str, sign: str, number: str, position: int) -> Filter:
    if not re.fullmatch(r"[0-9]+", number):
        raise QueryError(
            f"{label}{sign}{number}: a whole number is wanted after {sign}",
            'Write dog>=2, or put the words in "quotes" if they are meant literally.',
            position + len(label) + len(sign),
        )
    count = min(int(number[:12]), MOST)
    least, most = {
        ">=": (count, None),
        ">": (count + 1, None),
        "<=": (0, count),
        "<": (0, count - 1),
    }.get(sign, (count, count))
    return Objects(_label(label), least, most)


def _filter(key: str, value: str, now: datetime, position: int) -> Filter:
    """The filter `key:value`."""
    make = _KEYS.get(key.lower())
    if make is None:
        near = difflib.get_close_matches(key.lower(), _KEYS, 1)
        known = f"Did you mean {near[0]}: ?" if near else f"Keys are {', '.join(_KEYS)}; "
        raise QueryError(
            f"unknown key {key}:",
            known + ' A count is asked as dog>=2; "quote" what is meant literally.',
            position,
        )
    if not value.strip():
        raise QueryError(f"{key}: wants a value", position=position + len(key) + 1)
    return make(value.strip(), now, position + len(key) + 1)


def _taken(key: str) -> Callable[[str, datetime, int], Filter]:
    def make(value: str, now: datetime, position: int) -> Filter:
        span = dates.span(value, now)
        if span is None:
            raise QueryError(f"{key}:{value} is no date", f"Write one of these: {dates.EXAMPLES}.", position)
        if key == "on":
            return Taken(*span)
        return Taken(span[0], None) if key == "after" else Taken(None, span[0])

    return make


def _one_of(key: str, choices: tuple[str, ...], value: str, position: int) -> str:
    if value.lower() not in choices:
        raise QueryError(f"{key}:{value} is not known", f"One of {', '.join(choices)}.", position)
    return value.lower()


def _inside(value: str, _: datetime, __: int) -> Filter:
    path = inputs.path(value)
    return Inside(path.rstrip(b"/") or b"/")


_KEYS: dict[str, Callable[[str, datetime, int], Filter]] = {
    "after": _taken("after"),
    "before": _taken("before"),
    "on": _taken("on"),
    "in": _inside,
    "name": lambda value, _, __: Named(value),
    "topic": lambda value, _, __: Topic(_label(value)),
    "camera": lambda value, _, __: Camera(value),
    "has": lambda value, _, at: Has(_one_of("has", HAS, value, at)),
    "is": lambda value, _, at: Online(_one_of("is", ("offline", "online"), value, at) == "online"),
    "format": lambda value, _, __: Format(FORMATS.get(value.lower(), value.upper())),
}


def _bare(text: str) -> str:
    return text[1:].removesuffix('"') if text.startswith('"') else text


def _label(text: str) -> str:
    """Labels as the index has them; `_` may stand for the space in them."""
    return re.sub(r"[\s_]+", " ", text).strip().lower()


def _straight(text: str) -> str:
    """Typographic quotes count as plain ones."""
    return text.translate({0x201C: '"', 0x201D: '"', 0x201E: '"', 0xFF02: '"'})
