"""Filters: conditions on photos, and the contents that meet them.

A filter is about a content (when it was taken, what was counted in it) or about a path (its folder, its
name, its disk). A content passes if one of its living paths passes all filters about paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgret import disk_calls
from imgret.store import labels, paths, positions
from imgret.store.clauses import (
    FAMILIES,
    OBJECT,
    Around,
    Camera,
    Clause,
    Containing,
    Filter,
    Format,
    Has,
    Inside,
    Named,
    Near,
    Objects,
    Online,
    Phrase,
    Rated,
    Tagged,
    Taken,
)
from imgret.store.conditions import DURATION, HAS_PHOTO
from imgret.store.fold import fold, fold_bytes, has_word, squeezed
from imgret.store.postgres import pg_dialect as dialect
from imgret.store.postgres import pg_substrings as substrings
from imgret.store.postgres.pg_arrays import int8s
from imgret.store.postgres.pg_dialect import below
from imgret.store.postgres.pg_documents import Documents
from imgret.store.postgres.pg_photos import Photos
from imgret.store.postgres.pg_roots import Roots
from imgret.store.postgres.pg_words import Words
from imgret.store.records import IMPORTED
from imgret.store.shared.facets import Facets
from imgret.store.shared.filter_parts import HAVING, KNOWN, FilterParts, negated, of_paths

if TYPE_CHECKING:
    from imgret.store.postgres.pg_connection import Connection

Ids = NDArray[np.int64]
_HAVING = {**HAVING, "text": "SELECT content FROM letters WHERE substrings"}

# The contents of the ratings that count: the user's own one, else that of the file. A condition on the label may follow.
_RATED = (
    f"SELECT content FROM tag WHERE kind = 'rating' AND (stage = '{IMPORTED}' OR NOT EXISTS (SELECT 1 FROM tag AS own"
    f" WHERE own.content = tag.content AND own.kind = 'rating' AND own.stage = '{IMPORTED}'))"
)

# As `paths.join`. The folder of the root may be `/`. In hexadecimal: PostgreSQL has a least text, but no least bytea before 18.
_WHOLE_PATH = (
    "encode(CASE root.path WHEN '\\x2f' THEN ''::bytea ELSE root.path END || '\\x2f'::bytea"
    " || CASE folder WHEN ''::bytea THEN folder ELSE folder || '\\x2f'::bytea END || name, 'hex') COLLATE \"C\""
)


class _Contents(NamedTuple):
    """A filter that some contents pass, or all others do."""

    sql: str  # selects them
    values: list[Any]
    others: bool = False


class Filters(FilterParts):
    """Implements `imgret.store.interface.retrieval.Filters`."""

    def __init__(
        self,
        connection: Connection,
        documents: Documents,
        facets: Facets,
        photos: Photos,
        roots: Roots,
        words: Words,
    ) -> None:
        super().__init__(facets, photos, roots)
        self._connection = connection
        self._documents = documents
        self._words = words

    def matching(self, clauses: Sequence[Clause]) -> Ids:
        located = of_paths(clauses)
        of_contents = [clause for clause in clauses if clause not in located]
        with self._connection.reading() as db:
            self._documents.flush()
            where, values = self._all(located)
            lying = (
                "SELECT photo.content FROM photo JOIN root_here AS root ON root.id = photo.root"
                f" WHERE gone_at IS NULL AND photo.content IS NOT NULL AND {where}"
            )
            if of_contents:
                condition, more = self._all(of_contents)
                lying = f"SELECT content.id AS content FROM content WHERE id IN ({lying}) AND {condition}"
                values += more
            return np.unique(
                int8s(db.execute(f"SELECT array_agg(content) FROM ({lying}) AS found", values).get)
            )

    def living(self, contents: Ids) -> NDArray[np.bool_]:
        with self._connection.reading() as db:
            found = db.execute(
                "SELECT array_agg(DISTINCT content) FROM photo WHERE content = ANY (%s) AND gone_at IS NULL",
                (contents,),
            ).get
            return np.isin(contents, int8s(found))

    def newest(self, among: Ids | None, count: int) -> Ids:
        lying, values = (
            HAS_PHOTO.format("content.id"),
            [],
        )
        if among is not None:
            lying, values = "id = ANY (%s)", [among]
        found: list[int] = []
        with self._connection.reading() as db:
            # Apart, so that each is read in the order of an index and no further than is wanted.
            for order in ("date IS NOT NULL ORDER BY date DESC, id", "date IS NULL ORDER BY id"):
                sql = f"SELECT id FROM content WHERE {lying} AND {order} LIMIT %s"
                found += [row[0] for row in db.execute(sql, (*values, max(count - len(found), 0)))]
        return np.array(found, np.int64)

    def first_by_path(self, clauses: Sequence[Clause], count: int) -> Ids:
        among = self.matching(clauses)
        where, values = self._all(of_paths(clauses))
        with self._connection.reading() as db:
            rows: Any = db.execute(
                "SELECT content FROM photo JOIN root_here AS root ON root.id = photo.root"
                f" WHERE gone_at IS NULL AND content = ANY (%s) AND {where}"
                f" GROUP BY content ORDER BY min({_WHOLE_PATH}), content LIMIT %s",
                (among, *values, count),
            )
            return np.array([row[0] for row in rows], np.int64)

    def showing(self, clauses: Iterable[Clause], content: int) -> list[tuple[bytes, bool]]:
        with self._connection.reading():
            where, values = self._all(of_paths(clauses))
            rows = self._connection.rows_of(
                f"SELECT content, root.path, folder, name, {dialect.ONLINE} AS there"
                " FROM photo JOIN root_here AS root ON root.id = photo.root"
                f" WHERE content = ANY (%s::bigint[]) AND gone_at IS NULL AND {where} ORDER BY there DESC, photo.id",
                content,
                values,
            )
            return [(paths.join(root, folder, name), online) for root, folder, name, online in rows]

    def _condition(self, clause: Clause) -> tuple[str, list[Any]]:
        passing = self._contents(clause.filter, kinds=clause.negated)
        if passing is None:
            sql, values = self._of_row(clause.filter)
            return negated(sql) if clause.negated else sql, values
        if clause.negated == passing.others:
            return f"id IN ({passing.sql})", passing.values
        # NOT IN would search the list from the beginning for each content where it is longer than the work memory. This is
        # a join, which has no such limit.
        none = f"NOT EXISTS (SELECT 1 FROM ({passing.sql}) AS found WHERE found.content = content.id)"
        return none, passing.values

    def _contents(self, filter_: Filter, *, kinds: bool) -> _Contents | None:
        """The contents that pass; None where `_of_row` says it. With `kinds`, words stand also for the labels that they mean."""
        match filter_:
            case Objects(label, least, most):
                meant = labels.matching_labels(label, self._facets.labels())
                # Each stage counts for itself: two detectors see the same dog.
                counted = (
                    "SELECT content FROM tag WHERE kind = %s AND label = ANY (%s::text[])"
                    " GROUP BY content, stage HAVING sum(count)"
                )
                bound = 1 << 62 if most is None else most
                if least > 0:
                    return _Contents(f"{counted} BETWEEN %s AND %s", [OBJECT, meant, least, bound])
                if bound < 0:
                    return _Contents("SELECT id AS content FROM content WHERE false", [])
                return _Contents(f"{counted} > %s", [OBJECT, meant, bound], others=True)
            case Tagged(kind, name):
                tagged = "SELECT content FROM tag WHERE kind = %s AND label = ANY (%s::text[])"
                return _Contents(tagged, [kind, self._tags(kind, name)])
            case Rated(least, most):
                stars = [str(number) for number in range(max(least, 1), most + 1)]
                rated = f"{_RATED} AND label = ANY (%s::text[])"
                if not least <= 0 <= most:
                    return _Contents(rated, [stars])
                # Photos without a rating have no stars; neither have rejected ones.
                return _Contents(f"{rated} EXCEPT {rated}", [list("12345"), stars], others=True)
            case Has(what) if what not in KNOWN:
                if what in _HAVING:
                    return _Contents(_HAVING[what], [])
                return _Contents("SELECT content FROM tag WHERE kind = %s", [what])
            case Phrase(text) if has_word(text):
                condition, values = self._words.matching(text, kinds=kinds)
                return _Contents(f"SELECT content FROM document WHERE {condition}", values)
            case Containing(text) if squeezed(text):
                contains = f"SELECT content FROM letters WHERE {substrings.CONTAINS}"
                return _Contents(contains, [substrings.pattern(text)])
        return None

    def _of_row(self, filter_: Filter) -> tuple[str, list[Any]]:
        """The filter as a condition on what a row has in its own columns."""
        match filter_:
            case Taken(start, end):
                first, last = -(1 << 62) if start is None else start, (1 << 62) if end is None else end
                # All of a day, a month or a year of which no more is known must be within the span.
                return f"(date >= %s AND date < %s AND date + {DURATION} <= %s)", [first, last, last]
            case Camera(name):
                return "camera = ANY (%s::text[])", [self._cameras(fold(name))]
            case Format(name):
                return "format = ANY (%s::text[])", [list(FAMILIES.get(name, (name,)))]
            case Has(what):
                return KNOWN[what], []
            case Near() | Around():
                near = filter_.circles if isinstance(filter_, Around) else (filter_,)
                sql, values = positions.within([(each.latitude, each.longitude, each.km) for each in near])
                return sql.replace("?", "%s"), values
            case Online(online):
                return f"{dialect.ONLINE} = %s", [online]
            case Named(pattern):
                like = _like(fold(pattern))
                if "*" in pattern or "?" in pattern:
                    return "folded_name LIKE %s", [like.replace("*", "%").replace("?", "_")]
                return "folded_name LIKE %s", [f"%{like}%"]
            case Inside(folder):
                return self._inside(folder)
            case _:  # words without a letter or a digit
                return "true", []

    def _cameras(self, name: str) -> list[str]:
        """The cameras whose folded names contain this text."""
        rows = self._connection.rows("SELECT DISTINCT camera FROM content WHERE camera IS NOT NULL")
        return [camera for (camera,) in rows if name in fold(camera)]

    def _inside(self, folder: bytes) -> tuple[str, list[Any]]:
        """The folder as it is written, else where its symbolic links lead, else any that is called so, folded."""
        if folder.startswith(b"/"):
            for place in dict.fromkeys((folder, disk_calls.resolved(folder))):
                if found := self._below(place):
                    conditions, values = [], []
                    for root, part in found:
                        condition, more = below(part)
                        conditions.append(f"(photo.root = %s{condition})")
                        values += [root, *more]
                    return f"({' OR '.join(conditions)})", values
        wanted = _like(fold_bytes(b"/" + folder.strip(b"/") + b"/"))
        return "folded_place LIKE %s", [f"{wanted}%" if folder.startswith(b"/") else f"%{wanted}%"]


def _like(text: str) -> str:
    """Text as LIKE finds it literally."""
    return text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
