"""The document of each content: the tokens of its texts, and the counts that the ranking needs.

The words index is an array of token ids for each content with a GIN index. The number of documents that hold a token
is kept in `token`, the number of documents and of tokens in `counter`. They are added up in memory and written
once at the end of a transaction, because common tokens change with every document. The documents of a batch are
written together, too, at its end or before they are read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from imgret.stages.interface import ALTERNATIVE
from imgret.store.fold import cut
from imgret.store.postgres.pg_address import Database
from imgret.store.postgres.pg_arrays import int4s
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_own_texts import COLUMNS as OWN
from imgret.store.postgres.pg_own_texts import OwnTexts
from imgret.store.postgres.pg_substrings import Substrings
from imgret.store.postgres.pg_text_columns import TextColumns
from imgret.store.postgres.pg_tokens import TokenIds, key
from imgret.store.tokens import tokenizer

AT_ONCE = 500  # documents that are written together

# Two values: how many documents there are, and how many tokens they have.
TOTALS = (
    "(SELECT value FROM counter WHERE name = 'documents'), (SELECT value FROM counter WHERE name = 'tokens')"
)

Tokens = NDArray[np.int32]
NOTHING: Tokens = np.zeros(0, np.int32)


class Documents:
    """Implements `imgret.store.interface.retrieval.Documents`."""

    def __init__(
        self,
        connection: Connection,
        text_columns: TextColumns,
        substrings: Substrings,
        own_texts: OwnTexts,
    ) -> None:
        self._connection = connection
        self._text_columns = text_columns
        self._substrings = substrings
        self._own_texts = own_texts
        self.token_ids = TokenIds(connection)
        self._pending: dict[int, dict[int, str]] = {}  # content -> column -> new text, as `fold.cut` gives it
        self._changed: dict[int, set[str]] = {}  # content -> columns of `pg_own_texts` that may have changed
        self._holding: Counter[int] = Counter()  # token -> documents that came or went in this transaction
        self._totals: Counter[str] = Counter()
        connection.at_commit(self.flush, self._forget)

    @cached_property
    def cut_into_tokens(self) -> Callable[[str], list[str]]:
        """A text as `fold.cut` gives it -> its tokens."""
        return tokenizer()

    def update(self, content: int, texts: Mapping[str, str]) -> None:
        """Replace the words in these columns of a content; the others stay. Raises ValueError for an unknown column."""
        if not texts:
            return
        numbers = self._text_columns.numbers()
        if unknown := texts.keys() - numbers.keys():
            raise ValueError(f"the words index has no column {', '.join(sorted(unknown))}")
        with self._connection.writing():
            pending = self._pending.setdefault(content, {})
            pending.update((numbers[name], cut(text)) for name, text in texts.items())
            if len(self._pending) >= AT_ONCE:
                self._write()

    def refresh(self, content: int, columns: Iterable[str] = OWN) -> None:
        """The texts of these columns, which belong to no stage, may have changed: they are read before they are written."""
        with self._connection.writing():
            self._changed.setdefault(content, set()).update(columns)
            if len(self._changed) >= AT_ONCE:
                self._write()

    def copy(self, source: int, target: int, stages: Collection[str]) -> None:
        """Give a content the words that these stages found in another one with the same pixels."""
        numbers = self._text_columns.numbers()
        wanted = [numbers[column.name] for column in self._text_columns.all() if column.stage in stages]
        self._write()
        row = self._connection.row("SELECT tokens FROM document WHERE content = %s", (source,))
        if wanted and row is not None:
            sections = divided(int4s(row[0]))
            with self._connection.writing():
                self._put({target: {number: sections.get(number, []) for number in wanted}})
                self._substrings.copy(source, target, wanted)

    def remove(self, content: int) -> None:
        """Forget the words of a content."""
        with self._connection.writing() as db:
            self._pending.pop(content, None)
            self._changed.pop(content, None)
            self._substrings.remove(content)
            gone = db.execute("DELETE FROM document WHERE content = %s RETURNING tokens", (content,)).get
            if gone is not None:
                self._count(int4s(gone), -1)
                self._totals["documents"] -= 1

    def stages(self) -> set[str]:
        """The stages that have columns."""
        return {column.stage for column in self._text_columns.all() if column.stage is not None}

    def empty_texts(self, stages: Collection[str]) -> dict[str, str]:
        """The columns of these stages, each without any words."""
        return {column.name: "" for column in self._text_columns.all() if column.stage in stages}

    def next(self, after: int, count: int) -> list[int]:
        """The next contents behind one that have documents."""
        rows = self._connection.rows(
            "SELECT content FROM document WHERE content > %s ORDER BY content LIMIT %s", (after, count)
        )
        return [content for (content,) in rows]

    def drop_columns(self, numbers: Collection[int]) -> None:
        """Forget the words in these columns, of all contents. Outside a transaction in short ones."""
        markers = [-number for number in numbers]
        without: dict[int, list[int]] = {number: [] for number in numbers}
        after: int | None = None if self._connection.in_transaction else 0
        while after is not None:
            with self._connection.writing() as db:
                contents = self.next(after, AT_ONCE)
                rows = db.execute(  # the index of tokens would be read as a whole in each step
                    "SELECT content, tokens && %s::int[] FROM document WHERE content = ANY (%s::bigint[])",
                    (markers, contents),
                ).fetchall()
                self._put({content: without for content, has in rows if has})
                self._substrings.drop(contents, numbers)
                after = contents[-1] if contents else None
        with self._connection.writing() as db:  # those of others that have saved some meanwhile
            self._write()
            sql = "SELECT content FROM document WHERE tokens && %s::int[]"
            self._put({content: without for (content,) in db.execute(sql, (markers,)).fetchall()})

    def flush(self) -> None:
        """Write the documents and the counts that have changed in this transaction."""
        self._write()
        if any(self._holding.values()) or any(self._totals.values()):
            changed = {token: number for token, number in sorted(self._holding.items()) if number}
            with self._connection.writing() as db:
                self._connection.in_order()
                db.query(
                    "UPDATE token SET documents = documents + number FROM unnest(%s::int[], %s::int[])"
                    " AS change (token, number) WHERE id = token",
                    (list(changed), list(changed.values())),
                )
                db.query(
                    "UPDATE counter SET value = value + number FROM unnest(%s::text[], %s::int[])"
                    " AS change (changed, number) WHERE name = changed",
                    (list(self._totals), list(self._totals.values())),
                )
        self._clear()

    def check(self) -> list[str]:
        with self._connection.reading():
            different = self._connection.number(
                "SELECT count(*) FROM token FULL JOIN (SELECT each AS id, count(DISTINCT content) AS found FROM document,"
                " unnest(tokens) AS each WHERE each > 0 GROUP BY each) AS counted USING (id)"
                " WHERE documents IS DISTINCT FROM coalesce(found, 0)"
            )
            documents, tokens = self.totals()
            counted = self._connection.row(
                "SELECT count(*), coalesce(sum((SELECT count(*) FROM unnest(tokens) AS each WHERE each > 0)), 0)::bigint"
                " FROM document"
            )
        found = []
        if different:
            found.append(f"the words index has wrong counts of {different} words")
        if counted != (documents, tokens):
            found.append("the words index has wrong counts of documents")
        return found + self._substrings.check()

    def totals(self) -> tuple[int, int]:
        """How many documents there are, and how many tokens they have."""
        documents, tokens = self._connection.row(f"SELECT {TOTALS}") or (0, 0)
        return int(documents), int(tokens)

    def write_pending(self, db: Database) -> None:  # noqa: ARG002 - of the interface
        """See `pg_pending.Writer`."""
        if self._pending or self._changed:
            self._write()

    def forget_pending(self) -> None:
        """See `pg_pending.Writer`."""
        self._forget()

    def _write(self) -> None:
        """Write the documents that have changed in this transaction: all in a few statements."""
        changed, self._changed = self._changed, {}
        for column in sorted(OWN):
            contents = [content for content, columns in changed.items() if column in columns]
            if contents:
                number = self._text_columns.numbers()[column]
                for content, text in self._own_texts.of(column, contents).items():
                    self._pending.setdefault(content, {})[number] = cut(text)
        pending, self._pending = self._pending, {}
        if not pending:
            return
        self._connection.check_own(pending)
        names = {number: name for name, number in self._text_columns.numbers().items()}
        cut_up = {
            content: {
                number: [self.cut_into_tokens(part) for part in text.split(ALTERNATIVE)]
                for number, text in texts.items()
            }
            for content, texts in pending.items()
        }
        self._substrings.update(
            (content, number, text)
            for content, texts in pending.items()
            for number, text in texts.items()
            if names[number] not in OWN
        )
        every = (part for columns in cut_up.values() for parts in columns.values() for part in parts)
        ids = self.token_ids.of(chain.from_iterable(every), add=True)
        self._put(
            {
                content: {number: _joined(parts, ids) for number, parts in columns.items()}
                for content, columns in cut_up.items()
            }
        )

    def _put(self, documents: Mapping[int, Mapping[int, Sequence[int]]]) -> None:
        """Replace columns of documents: content -> number -> ids of tokens."""
        with self._connection.writing() as db:
            rows = db.query(
                "SELECT content, tokens FROM document WHERE content = ANY (%s::bigint[])", (list(documents),)
            )
            there = {content: int4s(tokens) for content, tokens in rows}
            changed: dict[int, list[int]] = {}
            for content, sections in documents.items():
                before = there.get(content, NOTHING)
                merged = {**divided(before), **sections}
                after = [
                    token
                    for number in sorted(merged)
                    if merged[number]
                    for token in (-number, *merged[number])
                ]
                if content in there and before.tolist() == after:
                    continue
                changed[content] = after
                self._count(before, -1)
                self._count(np.array(after, np.int32), 1)
                self._totals["documents"] += content not in there
            if changed:
                db.query(
                    "INSERT INTO document SELECT content, tokens::int[] FROM unnest(%s::bigint[], %s::text[])"
                    " AS new (content, tokens) ON CONFLICT (content) DO UPDATE SET tokens = excluded.tokens",
                    (list(changed), [f"{{{','.join(map(str, tokens))}}}" for tokens in changed.values()]),
                )

    def _count(self, tokens: Tokens, number: int) -> None:
        words = tokens[tokens > 0].tolist()
        self._totals["tokens"] += number * len(words)
        for token in set(words):
            self._holding[token] += number

    def _clear(self) -> None:
        self._pending.clear()
        self._changed.clear()
        self._holding.clear()
        self._totals.clear()

    def _forget(self) -> None:
        """Forget what belongs to a transaction that is undone."""
        self.token_ids.forget()
        self._clear()


def _joined(parts: Sequence[Sequence[str]], ids: Mapping[str, int]) -> list[int]:
    """The ids of the tokens of a column, with 0 between its parts."""
    section: list[int] = []
    for at, tokens in enumerate(parts):
        section += ([0] if at else []) + [ids[key(token)] for token in tokens]
    return section


def divided(tokens: Tokens) -> dict[int, list[int]]:
    """Column -> the ids of its tokens."""
    starts = np.flatnonzero(tokens < 0).tolist()
    ends = [*starts[1:], len(tokens)] if starts else []
    return {
        -int(tokens[start]): tokens[start + 1 : end].tolist() for start, end in zip(starts, ends, strict=True)
    }
