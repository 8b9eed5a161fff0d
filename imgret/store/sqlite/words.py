"""The words: one `document` a content, found through FTS5, folded the same way when saved and when searched.

A document has a column for the text of each stage that has one, and columns for the labels of all tags, the
note, and the words of file and folder names, all as `fold.cut` gives them. Text without spaces between its words
(Chinese, Japanese, Korean) is cut into characters, so that a word in it is found as a phrase.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import apsw
import numpy as np
from numpy.typing import NDArray

from imgret.stages.interface import ALTERNATIVE
from imgret.store import labels
from imgret.store.fold import cut, squeezed
from imgret.store.path_words import WORD
from imgret.store.policy import rarest
from imgret.store.records import LABELS, Occurrences, Term
from imgret.store.shared.facets import Facets
from imgret.store.shared.term_counts import TermCounts
from imgret.store.sqlite.connection import Connection
from imgret.store.sqlite.substrings import Substrings
from imgret.store.sqlite.text_columns import TextColumns
from imgret.store.tokens import tokenizer
from imgret.store.word_parts import contained, with_parts

MOST_COUNTS = 10_000  # tokens whose documents are counted at a time

_ASCII_TOKEN = re.compile("[A-Za-z0-9]+")  # what the tokenizer makes of ASCII text, before stemming

Ids = NDArray[np.int64]


class Words:
    """Implements `imgret.store.interface.retrieval.Words`."""

    def __init__(
        self, connection: Connection, text_columns: TextColumns, facets: Facets, substrings: Substrings
    ) -> None:
        self._connection = connection
        self._text_columns = text_columns
        self._substrings = substrings
        self._facets = facets
        self._documents: dict[str, int] = {}  # with each token, at the change `_counted_at`
        self._counted_at: tuple[int, int] | None = None

    def terms(self, texts: Iterable[str], *, wider: bool = True) -> list[Term]:
        found: dict[tuple[str, ...], Term] = {}
        with self._connection.reading() as db:
            tokens_of, there = tokenizer(db), self._facets.labels()
            counted = self._counted(db)

            def documents(tokens: Iterable[str]) -> int:
                return min(map(counted, tokens))

            for word in (word for text in texts for word in WORD.findall(text)):
                tokens = tuple(tokens_of(cut(word)))
                if tokens and tokens not in found:
                    also = {
                        label: tokens_of(cut(label))
                        for label in labels.matching_labels(word, there if wider else ())
                    }
                    also = {label: cut_ for label, cut_ in also.items() if cut_ and tuple(cut_) != tokens}
                    holding = documents(tokens) + sum(map(documents, also.values()))
                    found[tokens] = Term(word, tokens, holding, tuple(also))
        return list(found.values())

    def _counted(self, db: apsw.Connection) -> Callable[[str], int]:
        """Return a function that counts the documents with a token. FTS5 reads all of them, so counts are kept until a write."""
        now = self._connection.change_token()
        if now != self._counted_at or len(self._documents) > MOST_COUNTS:
            self._counted_at, self._documents = now, {}

        def count(token: str) -> int:
            if token not in self._documents:
                found = db.execute("SELECT doc FROM term WHERE term = ?", (token,)).get
                self._documents[token] = int(found or 0)
            return self._documents[token]

        return count

    def document_count(self) -> int:
        with self._connection.reading() as db:
            return int(db.execute("SELECT max(content) FROM document").get or 0)

    def best(
        self,
        terms: Sequence[Term],
        count: int,
        budget: int,
        *,
        strict: bool = False,
        passes: Callable[[Ids], NDArray[np.bool_]] | None = None,
    ) -> Ids:
        if count < 1:
            return np.zeros(0, np.int64)
        chosen = rarest(terms, budget, strict=strict)
        parts = self._substrings.containing(terms, count if passes is None else max(count, budget))
        parts = parts if passes is None else parts[passes(parts)]
        found = self._best(chosen, count, passes) if chosen else parts
        return with_parts(parts, found, count)

    def _best(
        self, chosen: Sequence[Term], count: int, passes: Callable[[Ids], NDArray[np.bool_]] | None
    ) -> Ids:
        match = " OR ".join(_match(term.text, term.labels) for term in chosen)
        with self._connection.reading() as db:
            weights = [column.weight for column in self._text_columns.all()]
            bm25 = "bm25(words)" if set(weights) == {1.0} else f"bm25(words, {', '.join(map(str, weights))})"
            sql = f"SELECT rowid FROM words WHERE words MATCH ? ORDER BY {bm25}, rowid LIMIT ?"
            rows = db.execute(sql, (match, count if passes is None else -1))
            found = np.fromiter((row[0] for row in rows), np.int64)
        return found if passes is None else found[passes(found)][:count]

    def matching(self, text: str, *, kinds: bool) -> str:
        """Text in FTS5's language: these words in this order; with `kinds`, also the labels that they mean."""
        return _match(text, labels.matching_labels(text, self._facets.labels()) if kinds else ())

    def occurrences(
        self, terms: Sequence[Term], contents: Ids, pairs: Sequence[tuple[int, int]] = ()
    ) -> Occurrences:
        with self._connection.reading() as db:
            columns = self._text_columns.all()
            tokens_of = tokenizer(db)
            also = [[tuple(tokens_of(cut(label))) for label in term.labels] for term in terms]
            counts = TermCounts(columns, contents, [term.tokens for term in terms], also, pairs)
            if not terms:
                return counts.found
            of_parts = {number for number, column in enumerate(columns) if column.substrings}
            read = ", ".join(f'"{column.name}"' for column in columns)
            sql = f"SELECT content, {read} FROM carray(?) CROSS JOIN document ON content = value"
            may_hold = _beginnings(
                [term.tokens for term in terms] + [label for some in also for label in some]
            )
            for content, *texts in db.execute(sql, (carray(contents),)):
                counts.begin(content)
                for column, text in enumerate(texts):
                    within = contained(squeezed(text), terms) if column in of_parts else ()
                    for part in text.split(ALTERNATIVE) if text else ():
                        if not within and part.isascii() and not may_hold(part.lower()):
                            counts.add_length(column, len(_ASCII_TOKEN.findall(part)))
                        else:
                            counts.add(column, tokens_of(part), within)
                counts.end()
        return counts.found


def _match(text: str, also: Iterable[str]) -> str:
    """The words anywhere, or one of these labels in the column of labels."""
    either = " OR ".join(quoted(label) for label in also)
    return f"({quoted(text)} OR {LABELS} : ({either}))" if either else quoted(text)


def quoted(text: str) -> str:
    """Text as FTS5 reads it literally: one phrase, whatever operators stand in it."""
    return '"' + cut(text).replace('"', '""') + '"'


def carray(ids: Ids) -> apsw.CArrayBinding:
    """Ids as the table `carray(?)`."""
    if not len(ids):
        ids = np.array([-1])  # SQLite refuses an empty array, and no content has this id
    return apsw.carray(np.ascontiguousarray(ids, np.int64), flags=apsw.SQLITE_CARRAY_INT64)


def _beginnings(token_runs: Iterable[tuple[str, ...]]) -> Callable[[str], object]:
    """Whether an ASCII text can hold any of the token_runs, without cutting it into tokens, which costs more.

    A Porter stem differs from the beginning of its words in the last letter at most.
    """
    stems = {re.escape(tokens[0][:-1]) for tokens in token_runs}
    return re.compile(f"(?<![a-z0-9])(?:{'|'.join(sorted(stems))})").search
