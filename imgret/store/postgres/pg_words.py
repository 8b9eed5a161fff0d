"""The words: terms of a query, the best documents by BM25, and where terms occur.

BM25 is computed as FTS5 does (https://sqlite.org/fts5.html#the_bm25_function), so both engines rank alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgret.store import labels
from imgret.store.fold import cut
from imgret.store.path_words import WORD
from imgret.store.policy import rarest
from imgret.store.postgres.pg_address import Database
from imgret.store.postgres.pg_arrays import int4s, int8s, joined_int4s
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_documents import TOTALS, Documents, divided
from imgret.store.postgres.pg_substrings import Substrings
from imgret.store.postgres.pg_text_columns import TextColumns
from imgret.store.postgres.pg_tokens import key
from imgret.store.records import LABELS, Occurrences, Term
from imgret.store.shared.facets import Facets
from imgret.store.shared.term_counts import TermCounts
from imgret.store.word_parts import contained, with_parts

K1, B = 1.2, 0.75  # of BM25, as in FTS5
LEAST_IDF = 1e-6
TOGETHER = 50_000  # documents that are read as one value, which has at most 1 GB
NEVER = -(1 << 30)  # stands for a token that no document has

Ids = NDArray[np.int64]
Scores = NDArray[np.float64]


class Phrase(NamedTuple):
    """Ids of tokens in this order, in one column or in any."""

    tokens: tuple[int, ...]
    column: int | None


class Words:
    """Implements `imgret.store.interface.retrieval.Words`."""

    def __init__(
        self,
        connection: Connection,
        text_columns: TextColumns,
        documents: Documents,
        facets: Facets,
        substrings: Substrings,
    ) -> None:
        self._connection = connection
        self._substrings = substrings
        self._text_columns = text_columns
        self._documents = documents
        self._facets = facets

    def terms(self, texts: Iterable[str], *, wider: bool = True) -> list[Term]:
        with self._connection.reading():
            self._documents.flush()
            found: dict[tuple[str, ...], tuple[str, dict[str, tuple[str, ...]]]] = {}
            there = self._facets.labels() if wider else ()
            for word in (word for text in texts for word in WORD.findall(text)):
                tokens = self._tokens(word)
                if tokens and tokens not in found:
                    also = {label: self._tokens(label) for label in labels.matching_labels(word, there)}
                    found[tokens] = (
                        word,
                        {label: cut_ for label, cut_ in also.items() if cut_ and cut_ != tokens},
                    )
            holding = self._holding(
                {
                    token
                    for tokens, (_, also) in found.items()
                    for some in (tokens, *also.values())
                    for token in some
                }
            )

            def documents(tokens: tuple[str, ...]) -> int:
                return min(holding.get(key(token), 0) for token in tokens)

            return [
                Term(word, tokens, documents(tokens) + sum(map(documents, also.values())), tuple(also))
                for tokens, (word, also) in found.items()
            ]

    def document_count(self) -> int:
        self._documents.flush()
        ((last,),) = self._connection.kept_rows("SELECT max(content) FROM document")
        return int(last or 0)

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
        with self._connection.reading():
            self._documents.flush()
            parts = self._substrings.containing(terms, count if passes is None else max(count, budget))
            parts = parts if passes is None else parts[passes(parts)]
            found = self._best(chosen, count, passes) if chosen else parts
        return with_parts(parts, found, count)

    def _best(
        self, chosen: Sequence[Term], count: int, passes: Callable[[Ids], NDArray[np.bool_]] | None
    ) -> Ids:
        with self._connection.reading() as db:
            phrases = [
                phrase for term in chosen for phrase in self._phrases(self._tokens(term.text), term.labels)
            ]
            if not phrases:
                return np.zeros(0, np.int64)
            weights = {number: column.weight for number, column in self._text_columns.numbered().items()}
            most = sum(term.documents for term in chosen)
            scored = [
                (contents, *_gains(flat, sizes, phrases, weights, tokens / max(documents, 1)), documents)
                for contents, sizes, flat, documents, tokens in _holding_any(db, phrases, most)
            ]
        if not scored:
            return np.zeros(0, np.int64)
        ids, gains, holding, documents = zip(*scored, strict=True)
        every = np.concatenate(ids)
        scores = _bm25(np.concatenate(gains, axis=1), np.sum(holding, axis=0), documents[0])
        found = every[np.lexsort((every, -scores))][: int((scores > 0).sum())]
        return (found if passes is None else found[passes(found)])[:count]

    def matching(self, text: str, *, kinds: bool) -> tuple[str, list[Any]]:
        """A condition on a row of `document`: these words in this order; with `kinds`, also the labels that they mean."""
        meant = labels.matching_labels(text, self._facets.labels()) if kinds else ()
        conditions: list[str] = ["false"]
        values: list[Any] = []
        for tokens, column in self._phrases(self._tokens(text), meant):
            condition = "tokens @> %s::int[]"
            values.append(list(tokens))
            if len(tokens) > 1 or column is not None:
                start = "," if column is None else rf",-{column}(,\d+)*,"
                condition += " AND ',' || array_to_string(array_remove(tokens, 0), ',') || ',' ~ %s"
                values.append(start + ",".join(map(str, tokens)) + ",")
            conditions.append(f"({condition})")
        return f"({' OR '.join(conditions)})", values

    def occurrences(
        self, terms: Sequence[Term], contents: Ids, pairs: Sequence[tuple[int, int]] = ()
    ) -> Occurrences:
        self._documents.flush()
        with self._connection.reading() as db:
            columns, numbers = self._text_columns.all(), self._text_columns.numbers()
            column_of = {numbers[column.name]: at for at, column in enumerate(columns)}
            token_numbers = [self._numbered(term.tokens) for term in terms]
            also = [[self._numbered(self._tokens(label)) for label in term.labels] for term in terms]
            counts = TermCounts(columns, contents, token_numbers, also, pairs)
            if not terms:
                return counts.found
            rows: list[Any] = db.execute(
                "SELECT content, tokens FROM document WHERE content = ANY (%s)", (contents,)
            ).fetchall()
            letters = self._substrings.of(contents)
        for content, array in rows:
            counts.begin(content)
            for number, section in divided(int4s(array)).items():
                text = letters.get((content, number))
                within = contained(text, terms) if text else ()
                for part in _parts(section):
                    counts.add(column_of[number], part, within)
            counts.end()
        return counts.found

    def _tokens(self, text: str) -> tuple[str, ...]:
        return tuple(self._documents.cut_into_tokens(cut(text)))

    def _numbered(self, tokens: tuple[str, ...]) -> tuple[int, ...]:
        """The ids of these tokens; NEVER for unknown ones."""
        ids = self._documents.token_ids.of(tokens)
        return tuple(ids.get(key(token), NEVER) for token in tokens)

    def _phrases(self, tokens: tuple[str, ...], also: Iterable[str]) -> list[Phrase]:
        """The tokens anywhere, and these labels in the column of labels; without those that no document can have."""
        column = self._text_columns.numbers()[LABELS]
        phrases = [Phrase(self._numbered(tokens), None)]
        phrases += [Phrase(self._numbered(self._tokens(label)), column) for label in also]
        return [phrase for phrase in phrases if phrase.tokens and NEVER not in phrase.tokens]

    def _holding(self, tokens: Iterable[str]) -> dict[str, int]:
        """Token by `key` -> how many documents have it."""
        keys = list({key(token) for token in tokens})
        return dict(self._connection.rows("SELECT text, documents FROM token WHERE text = ANY (%s)", (keys,)))


def _holding_any(
    db: Database, phrases: Sequence[Phrase], most: int
) -> Iterator[tuple[Ids, NDArray[np.int32], NDArray[np.int32], int, int]]:
    """Yield the documents that have all tokens of a phrase, about `most`, in parts.

    -> contents, how many tokens each has, the tokens of all; how many documents and tokens there are in the index.
    """
    where = " OR ".join(["tokens @> %s::int[]"] * len(phrases))
    # One row of many documents, because thousands of rows take longer to receive than to find.
    sql = (
        "SELECT array_agg(content), array_agg(cardinality(tokens)), string_agg(array_send(tokens), ''::bytea),"
        f" {TOTALS} FROM document WHERE ({where})"
    )
    ranges: list[tuple[int, ...]] = [()]
    if most > TOGETHER:
        sql += " AND content >= %s AND content < %s"
        last = int(db.execute("SELECT max(content) FROM document").get or 0)
        ranges = [(start, start + TOGETHER) for start in range(0, last + 1, TOGETHER)]
    for limits in ranges:
        row: Any = db.execute(sql, [*(list(phrase.tokens) for phrase in phrases), *limits]).fetchone()
        contents, sizes, arrays, documents, tokens = row
        if contents is not None:
            yield int8s(contents), int4s(sizes), joined_int4s(arrays, int4s(sizes)), documents, tokens


def _gains(
    flat: NDArray[np.int32],
    sizes: NDArray[np.int32],
    phrases: Sequence[Phrase],
    weights: dict[int, float],
    average: float,
) -> tuple[Scores, NDArray[np.int64]]:
    """What each phrase adds to the score of each document, but for its rarity, and in how many of them it is.

    -> (phrases, documents), (phrases,). `flat` has the tokens of all documents, (sum of sizes,); `average` is the length of a document.
    """
    document = np.repeat(np.arange(len(sizes)), sizes)
    kept = flat != 0  # a phrase may go on in the next part
    flat, document = flat[kept], document[kept]
    started = np.maximum.accumulate(np.where(flat < 0, np.arange(len(flat)), 0))
    column = -flat[started] if len(flat) else flat
    weight = np.zeros(max([*weights, 0]) + 1)
    weight[list(weights)] = list(weights.values())
    length = np.bincount(document[flat > 0], minlength=len(sizes))
    scale = K1 * (1 - B + B * length / max(average, 1e-9))
    gains, holding = np.zeros((len(phrases), len(sizes))), np.zeros(len(phrases), np.int64)
    for number, (phrase, in_column) in enumerate(phrases):
        starts = np.flatnonzero(flat == phrase[0])
        for offset, token in enumerate(phrase[1:], 1):
            starts = starts[starts + offset < len(flat)]
            starts = starts[flat[starts + offset] == token]
        if in_column is not None:
            starts = starts[column[starts] == in_column]
        frequency = np.bincount(document[starts], weight[column[starts]], len(sizes))
        gains[number] = frequency * (K1 + 1) / (frequency + scale)
        holding[number] = np.count_nonzero(np.bincount(document[starts]))
    return gains, holding


def _bm25(gains: Scores, holding: NDArray[np.int64], documents: int) -> Scores:
    """The scores of documents, (documents,); 0 for those without any phrase."""
    scores = np.zeros(gains.shape[1])
    for gain, there in zip(
        gains, holding.tolist(), strict=True
    ):  # in this order, so that equal documents stay equal
        scores += gain * max(float(np.log((documents - there + 0.5) / (there + 0.5))), LEAST_IDF)
    return scores


def _parts(section: Sequence[int]) -> list[list[int]]:
    """The tokens of a column, divided at each 0."""
    parts: list[list[int]] = [[]]
    for token in section:
        if token == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts
