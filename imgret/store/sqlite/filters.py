"""Filters: conditions on photos, and the contents that meet them.

A filter is about a content (when it was taken, what was counted in it) or about a path (its folder, its
name, its disk). A content passes if one of its living paths passes all filters about paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import apsw
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
from imgret.store.conditions import DURATION, HAS_PHOTO, LONGEST
from imgret.store.fold import fold, fold_bytes, has_word, squeezed
from imgret.store.records import IMPORTED
from imgret.store.shared.facets import Facets
from imgret.store.shared.filter_parts import HAVING, KNOWN, FilterParts, negated, of_paths
from imgret.store.sqlite import sqlite_dialect as dialect
from imgret.store.sqlite import substrings, words
from imgret.store.sqlite.photos import Photos
from imgret.store.sqlite.roots import Roots
from imgret.store.sqlite.words import Words

if TYPE_CHECKING:
    from imgret.store.sqlite.connection import Connection

Ids = NDArray[np.int64]
FEW = 4_096  # contents that are looked up one by one: 20 ms
_HAVING = {**HAVING, "text": "SELECT content FROM letters"}

# The contents of the ratings that count: the user's own one, else that of the file. A condition on the label may follow.
_RATED = (
    f"SELECT content FROM tag WHERE kind = 'rating' AND (stage = '{IMPORTED}' OR content NOT IN"
    f" (SELECT content FROM tag WHERE kind = 'rating' AND stage = '{IMPORTED}'))"
)

# As `paths.join`. The folder of the root may be `/`.
_WHOLE_PATH = (
    "CAST(CASE root.path WHEN x'2f' THEN x'' ELSE root.path END || x'2f'"
    " || CASE folder WHEN x'' THEN x'' ELSE folder || x'2f' END || name AS BLOB)"
)


class Filters(FilterParts):
    """Implements `imgret.store.interface.retrieval.Filters`."""

    def __init__(
        self, connection: Connection, facets: Facets, photos: Photos, roots: Roots, words: Words
    ) -> None:
        super().__init__(facets, photos, roots)
        self._connection = connection
        self._words = words

    def matching(self, clauses: Sequence[Clause]) -> Ids:
        located = of_paths(clauses)
        of_contents = [clause for clause in clauses if clause not in located]
        with self._connection.reading() as db:
            passing = None
            if of_contents:
                where, values = self._all(of_contents)
                passing = _ids(db, "id", f"content WHERE {where}", values)
            if located or passing is None:
                where, values = self._all(located)
                living = "photo JOIN root ON root.id = root WHERE gone_at IS NULL AND content > 0"
                with_photo = _distinct(_ids(db, "content", f"{living} AND {where}", values))
                if passing is None:
                    return with_photo
                return np.intersect1d(with_photo, passing, assume_unique=True)
            deleted = int(db.execute("SELECT count(*) FROM photo WHERE gone_at IS NOT NULL").get)
            if len(passing) <= max(deleted, FEW):
                return passing[self.living(passing)]
            return np.setdiff1d(passing, self.nowhere(), assume_unique=True)

    def living(self, contents: Ids) -> NDArray[np.bool_]:
        with self._connection.reading() as db:
            rows = db.execute(
                f"SELECT value FROM carray(?) WHERE {HAS_PHOTO.format('value')}",
                (words.carray(contents),),
            )
            return np.isin(contents, np.fromiter((row[0] for row in rows), np.int64))

    def nowhere(self) -> Ids:
        """Return the contents without a photo, ascending: deleted photos, and old contents of files that were edited."""
        with self._connection.reading() as db:
            rows = db.execute(
                "SELECT DISTINCT content FROM photo AS buried INDEXED BY photo_gone"  # else all photos are walked
                f" WHERE gone_at IS NOT NULL AND content IS NOT NULL AND NOT {HAS_PHOTO.format('buried.content')}"
            )
            deleted = np.fromiter((row[0] for row in rows), np.int64)
            # Two indexes side by side: a look-up for each content would take twice as long.
            return np.union1d(
                deleted, _ids(db, "id", "(SELECT id FROM content EXCEPT SELECT content FROM photo)", ())
            )

    def newest(self, among: Ids | None, count: int) -> Ids:
        with_photo = HAS_PHOTO.format("content.id")
        values: list[Any] = []
        if among is not None:
            with_photo, values = "id IN (SELECT value FROM carray(?))", [words.carray(among)]
        found: list[int] = []
        with self._connection.reading() as db:
            # Apart, so that each is read in the order of an index and no further than is wanted.
            for order in ("date IS NOT NULL ORDER BY date DESC, id", "date IS NULL ORDER BY id"):
                sql = f"SELECT id FROM content WHERE {with_photo} AND {order} LIMIT ?"
                found += [row[0] for row in db.execute(sql, (*values, count - len(found)))]
        return np.array(found, np.int64)

    def first_by_path(self, clauses: Sequence[Clause], count: int) -> Ids:
        among = self.matching(clauses)
        where, values = self._all(of_paths(clauses))
        with self._connection.reading() as db:
            rows = db.execute(
                "SELECT content FROM photo JOIN root ON root.id = photo.root"
                f" WHERE gone_at IS NULL AND content IN (SELECT value FROM carray(?)) AND {where}"
                f" GROUP BY content ORDER BY min({_WHOLE_PATH}), content LIMIT ?",
                (words.carray(among), *values, count),
            )
            return np.fromiter((row[0] for row in rows), np.int64)

    def showing(self, clauses: Iterable[Clause], content: int) -> list[tuple[bytes, bool]]:
        with self._connection.reading():
            where, values = self._all(of_paths(clauses))
            rows = self._connection.rows_of(
                f"SELECT content, root.path, folder, name, {dialect.ONLINE} AS there"
                " FROM carray(?) CROSS JOIN photo ON content = value CROSS JOIN root ON root.id = photo.root"
                f" WHERE gone_at IS NULL AND {where} ORDER BY there DESC, photo.id",
                content,
                values,
            )
            return [(paths.join(root, folder, name), bool(online)) for root, folder, name, online in rows]

    def _condition(self, clause: Clause) -> tuple[str, list[Any]]:
        sql, values = self._sql(clause.filter, kinds=clause.negated)
        return negated(sql) if clause.negated else sql, values

    def _sql(self, filter_: Filter, *, kinds: bool) -> tuple[str, list[Any]]:
        """The filter as a condition. With `kinds`, words stand also for the labels that they mean."""
        match filter_:
            case Taken(start, end):
                first, last = -(1 << 62) if start is None else start, (1 << 62) if end is None else end
                # All of a day, a month or a year of which no more is known must be within the span. Its length is read only near
                # the end: all else is in the index of dates, which is ten times as fast.
                all_of_it = f"(date + {LONGEST} <= ? OR date + {DURATION} <= ?)"
                return f"(date >= ? AND date < ? AND {all_of_it})", [first, last, last, last]
            case Objects(label, least, most):
                meant = labels.matching_labels(label, self._facets.labels())
                if len(meant) == 1:  # in the order of the primary key, without a sum
                    counted = "SELECT content FROM tag WHERE kind = ? AND label = ? AND count"
                else:  # each stage counts for itself: two detectors see the same dog
                    marks = ", ".join("?" * len(meant))
                    counted = f"SELECT content FROM tag WHERE kind = ? AND label IN ({marks}) GROUP BY content, stage HAVING sum(count)"
                if least > 0:
                    bound = most if most is not None else 1 << 62
                    return f"id IN ({counted} BETWEEN ? AND ?)", [OBJECT, *meant, least, bound]
                possible = most is None or most >= 0
                return f"? AND id NOT IN ({counted} > ?)", [possible, OBJECT, *meant, most]
            case Tagged(kind, name):
                found = self._tags(kind, name)
                if not found:
                    return "0", []
                # As one value, because a library may have more labels than a statement may have values. As blobs, because
                # a text may have a NUL.
                named = "SELECT CAST(value AS TEXT) FROM carray(?)"
                labels_ = apsw.carray(tuple(label.encode() for label in found))
                return f"id IN (SELECT content FROM tag WHERE kind = ? AND label IN ({named}))", [
                    kind,
                    labels_,
                ]
            case Rated(least, most):
                stars = [str(number) for number in range(max(least, 1), most + 1)]
                condition = f"id IN ({_RATED} AND label IN ({', '.join('?' * len(stars))}))"
                # Photos without a rating have no stars; neither have rejected ones.
                none = f"id NOT IN ({_RATED} AND label IN ('1', '2', '3', '4', '5'))"
                return f"({condition} OR {none})" if least <= 0 <= most else condition, list(stars)
            case Camera(name):
                return f"instr({_folded('camera')}, ?) > 0", [fold(name)]
            case Format(name):
                family = FAMILIES.get(name, (name,))
                return f"format IN ({', '.join('?' * len(family))})", list(family)
            case Has(what):
                if what in KNOWN:
                    return KNOWN[what], []
                if what in _HAVING:
                    return f"id IN ({_HAVING[what]})", []
                return "id IN (SELECT content FROM tag WHERE kind = ?)", [what]
            case Phrase(text):
                if not has_word(text):
                    return "1", []
                return "id IN (SELECT rowid FROM words WHERE words MATCH ?)", [
                    self._words.matching(text, kinds=kinds)
                ]
            case Containing(text):
                if not squeezed(text):
                    return "1", []
                sql = f"id IN (SELECT rowid FROM letters_index WHERE {substrings.CONTAINS})"
                return sql, [substrings.pattern(text)]
            case Near(latitude, longitude, km):
                return positions.within([(latitude, longitude, km)])
            case Around(_, circles):
                return positions.within([(each.latitude, each.longitude, each.km) for each in circles])
            case Online(online):
                return f"{dialect.ONLINE} = ?", [int(online)]
            case Named(pattern):
                name = _folded("name")
                if "*" in pattern or "?" in pattern:
                    return f"{name} GLOB ?", [fold(pattern).replace("[", "[[]")]
                return f"instr({name}, ?) > 0", [fold(pattern)]
            case Inside(folder):
                return self._inside(folder)

    def _inside(self, folder: bytes) -> tuple[str, list[Any]]:
        """The folder as it is written, else where its symbolic links lead, else any that is called so, folded."""
        if folder.startswith(b"/"):
            for place in dict.fromkeys((folder, disk_calls.resolved(folder))):
                if found := self._below(place):
                    either = ["(root = ? AND (? = x'' OR folder = ? OR (folder > ? AND folder < ?)))"] * len(
                        found
                    )
                    # "/" + 1 is "0": the range of everything that begins with `below/`
                    values = [(root, below, below, below + b"/", below + b"0") for root, below in found]
                    return f"({' OR '.join(either)})", [value for row in values for value in row]
        wanted = fold_bytes(b"/" + folder.strip(b"/") + b"/")
        whole = _folded("root.path || x'2f' || folder || x'2f'")
        if folder.startswith(b"/"):
            return f"substr({whole}, 1, ?) = ?", [len(wanted), wanted]
        return f"instr({whole}, ?) > 0", [wanted]


def _ids(db: apsw.Connection, column: str, source: str, values: Sequence[Any]) -> Ids:
    """The ids in a column, ascending: as one text, because half a million rows cost three times as much."""
    joined = db.execute(f"SELECT group_concat({column}, ' ') FROM {source}", values).get
    return np.sort(np.fromstring(str(joined or ""), np.int64, sep=" "))


def _distinct(ids: Ids) -> Ids:
    """Ascending ids, each once. The first call of `np.unique` takes 20 ms, a tenth of a whole query."""
    return ids[np.diff(ids, prepend=ids[:1] - 1) > 0]


def _folded(blob: str) -> str:
    """SQL for a column or expression folded: by SQLite itself where it is ASCII, for Python costs a microsecond."""
    text = f"CAST({blob} AS TEXT)"
    return f"CASE WHEN {text} GLOB '*[^ -~]*' THEN folded(CAST({blob} AS BLOB)) ELSE lower({text}) END"
