"""Filters: what a question asks of a photo beside its meaning, and the contents that pass.

A filter is about a content (when it was taken, what was counted in it) or about a path (its folder, its
name, its disk). A content passes if one of its living paths passes all filters about paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imgret import disk_calls
from imgret.store import labels
from imgret.store.clauses import (
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
from imgret.store.fold import fold, fold_bytes, has_word
from imgret.store.sqlite import facets, photos, roots, words

if TYPE_CHECKING:
    import apsw

    from imgret.store.sqlite.connection import Index

Ids = NDArray[np.int64]
FAMILIES = {
    "JPEG": ("JPEG", "MPO")
}  # MPO: a JPEG with more pictures inside, as many phones and cameras write it


def matching(index: Index, clauses: Sequence[Clause]) -> Ids:
    """The contents that lie somewhere and pass every clause, ascending.

    What is asked of contents and what is asked of paths is looked up apart, each by its own indexes:
    together, SQLite would visit every photo.
    """
    of_paths = [clause for clause in clauses if isinstance(clause.filter, Inside | Named | Online)]
    of_contents = [clause for clause in clauses if clause not in of_paths]
    with index.reading() as db:
        passing = None
        if of_contents:
            where, values = _all(index, of_contents)
            passing = _ids(db, "id", f"content WHERE {where}", values)
        if of_paths or passing is None:
            where, values = _all(index, of_paths)
            lie = "photo JOIN root ON root.id = root WHERE gone_at IS NULL AND content > 0"
            lying = np.unique(_ids(db, "content", f"{lie} AND {where}", values))
            return lying if passing is None else np.intersect1d(lying, passing)
        buried = int(db.execute("SELECT count(*) FROM photo WHERE gone_at IS NOT NULL").get)
        if len(passing) <= buried:
            return passing[living(index, passing)]
        return np.setdiff1d(passing, gone(index), assume_unique=True)


def living(index: Index, contents: Ids) -> NDArray[np.bool_]:
    """Which of these contents lie somewhere still. Costs a look-up each."""
    with index.reading() as db:
        rows = db.execute(
            "SELECT value FROM carray(?) WHERE EXISTS"
            " (SELECT 1 FROM photo WHERE photo.content = value AND gone_at IS NULL)",
            (words.carray(contents),),
        )
        return np.isin(contents, np.fromiter((row[0] for row in rows), np.int64))


def gone(index: Index) -> Ids:
    """The contents that lie nowhere any more, ascending: their tombstones are kept for a while."""
    with index.reading() as db:
        rows = db.execute(
            "SELECT DISTINCT content FROM photo AS buried INDEXED BY photo_gone"  # else all photos are walked
            " WHERE gone_at IS NOT NULL AND content IS NOT NULL AND NOT EXISTS (SELECT 1 FROM photo WHERE photo.content = buried.content AND gone_at IS NULL)"
            " ORDER BY content"
        )
        return np.fromiter((row[0] for row in rows), np.int64)


def newest(index: Index, among: Ids | None, count: int) -> Ids:
    """The `count` contents taken last, undated ones after them; `among` these ids, if given."""
    lying = "EXISTS (SELECT 1 FROM photo WHERE content = content.id AND gone_at IS NULL)"
    values: list[Any] = []
    if among is not None:
        lying, values = "id IN (SELECT value FROM carray(?))", [words.carray(among)]
    found: list[int] = []
    with index.reading() as db:
        # Apart, so that each is read in the order of an index and no further than is wanted.
        for order in ("taken_at IS NOT NULL ORDER BY taken_at DESC, id", "taken_at IS NULL ORDER BY id"):
            sql = f"SELECT id FROM content WHERE {lying} AND {order} LIMIT ?"
            found += [row[0] for row in db.execute(sql, (*values, count - len(found)))]
    return np.array(found, np.int64)


def showing(index: Index, clauses: Iterable[Clause], content: int) -> list[tuple[bytes, bool]]:
    """The living paths of a content that pass the clauses about paths: (path, online), online ones first."""
    with index.reading() as db:
        where, values = _all(index, [c for c in clauses if isinstance(c.filter, Inside | Named | Online)])
        rows = db.execute(
            f"SELECT root.path, folder, name, {roots.ONLINE} AS there"
            " FROM photo JOIN root ON root.id = photo.root"
            f" WHERE gone_at IS NULL AND content = ? AND {where} ORDER BY there DESC, photo.id",
            (content, *values),
        )
        return [(roots.join(root, folder, name), bool(online)) for root, folder, name, online in rows]


_HAVING = {
    "note": "id IN (SELECT content FROM note)",
    "caption": "id IN (SELECT content FROM stage_result WHERE stage = 'caption' AND payload <> '\"\"')",
    "gps": "latitude IS NOT NULL",
    "objects": "id IN (SELECT content FROM detection)",
    "topics": "id IN (SELECT content FROM topic)",
    "date": "taken_at IS NOT NULL",
}


def _all(index: Index, clauses: Iterable[Clause]) -> tuple[str, list[Any]]:
    """All of these together as a condition."""
    made = [(_sql(index, clause.filter, kinds=clause.negated), clause.negated) for clause in clauses]
    conditions = [f"NOT coalesce({sql}, 0)" if negated else sql for (sql, _), negated in made]
    return " AND ".join(["1", *conditions]), [value for (_, values), _ in made for value in values]


def _ids(db: apsw.Connection, column: str, source: str, values: Sequence[Any]) -> Ids:
    """The ids in a column, ascending: as one text, because half a million rows cost three times as much."""
    told = db.execute(f"SELECT group_concat({column}, ' ') FROM {source}", values).get
    return np.sort(np.fromstring(str(told or ""), np.int64, sep=" "))


def _sql(index: Index, filter_: Filter, *, kinds: bool) -> tuple[str, list[Any]]:
    """The filter as a condition on a row of `content`, or on one of `photo` joined with `root`.

    With `kinds`, words stand also for the labels that they mean: `-people` leaves out the label `person`.
    """
    match filter_:
        case Taken(start, end):
            first, last = -(1 << 62) if start is None else start, (1 << 62) if end is None else end
            return "(taken_at >= ? AND taken_at < ?)", [first, last]
        case Objects(label, least, most):
            meant = labels.meant(label, facets.labels(index))
            if len(meant) == 1:  # in the order of the primary key, without a sum
                counted = "SELECT content FROM detection WHERE label = ? AND count"
            else:
                marks = ", ".join("?" * len(meant))
                counted = f"SELECT content FROM detection WHERE label IN ({marks}) GROUP BY content HAVING sum(count)"
            if least > 0:
                bound = most if most is not None else 1 << 62
                return f"id IN ({counted} BETWEEN ? AND ?)", [*meant, least, bound]
            return f"? AND id NOT IN ({counted} > ?)", [most is None or most >= 0, *meant, most]
        case Topic(name):
            spaced = _folded("replace(label, '_', ' ')")
            return f"id IN (SELECT content FROM topic WHERE instr({spaced}, ?) > 0)", [
                fold(name.replace("_", " "))
            ]
        case Camera(name):
            return f"instr({_folded('camera')}, ?) > 0", [fold(name)]
        case Format(name):
            family = FAMILIES.get(name, (name,))
            return f"format IN ({', '.join('?' * len(family))})", list(family)
        case Has(what):
            return _HAVING[what], []
        case Said(text):
            if not has_word(text):
                return "1", []
            return "id IN (SELECT rowid FROM words WHERE words MATCH ?)", [
                words.matching(index, text, kinds=kinds)
            ]
        case Online(online):
            return f"{roots.ONLINE} = ?", [int(online)]
        case Named(pattern):
            name = _folded("name")
            if "*" in pattern or "?" in pattern:
                return f"{name} GLOB ?", [fold(pattern).replace("[", "[[]")]
            return f"instr({name}, ?) > 0", [fold(pattern)]
        case Inside(folder):
            return _inside(index, folder)


def _inside(index: Index, folder: bytes) -> tuple[str, list[Any]]:
    """The folder as it is written, else where its symbolic links lead, else any that is called so, folded."""
    if folder.startswith(b"/"):
        for place in dict.fromkeys((folder, disk_calls.resolved(folder))):
            if found := _below(index, place):
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


def _below(index: Index, folder: bytes) -> list[tuple[int, bytes]]:
    """(root, folder in it; empty for all of it) of the roots that have living photos at or below this folder."""
    found = []
    for root in roots.roots(index):
        below = b"" if roots.relative(folder, root.path) is not None else roots.relative(root.path, folder)
        if below is not None and photos.any_known(index, root.id, below):
            found.append((root.id, below))
    return found


def _folded(blob: str) -> str:
    """SQL for a column or expression folded: by SQLite itself where it is ASCII, for Python costs a microsecond."""
    text = f"CAST({blob} AS TEXT)"
    return f"CASE WHEN {text} GLOB '*[^ -~]*' THEN folded(CAST({blob} AS BLOB)) ELSE lower({text}) END"
