"""How many photos there are, and how far along: the figures of `imgret status`."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from imgret.photo import Stage
from imgret.store.sqlite import roots
from imgret.store.sqlite.connection import Index
from imgret.store.sqlite.roots import AWAY


class Totals(Struct, frozen=True):
    """Figures about living photos (paths). `described + pending + failed == photos`."""

    photos: int
    described: int
    pending: int
    failed: int
    offline: int  # of all of them, those whose disk is away


def totals(index: Index, waiting: Collection[Stage] = ()) -> Totals:
    """The figures. A stage in `waiting` has no weights yet: what waits for it alone is not pending."""
    aside = ",".join(f"'{stage.value}'" for stage in waiting)
    living = "SELECT count(*) FROM photo WHERE gone_at IS NULL"
    broken = (
        "(content IN (SELECT content FROM work WHERE error IS NOT NULL)"
        " OR id IN (SELECT photo FROM unreadable))"
    )
    todo = f"(content IS NULL OR content IN (SELECT content FROM work WHERE stage NOT IN ({aside})))"
    with index.reading():
        photos = _count(index, living)
        failed = _count(index, f"{living} AND {broken}")
        pending = _count(index, f"{living} AND {todo} AND NOT {broken}")
        offline = _count(index, f"{living} AND (root IN (SELECT id FROM root WHERE NOT online) OR {AWAY})")
    return Totals(photos, photos - failed - pending, pending, failed, offline)


def pending_below(index: Index, folders: Collection[bytes], waiting: Collection[Stage] = ()) -> set[int]:
    """The contents below these absolute folders that are still to be described now.

    Those that failed, those whose disk is away, and what waits for a stage in `waiting` are not.
    """
    aside = ",".join(f"'{stage.value}'" for stage in waiting)
    found: set[int] = set()
    with index.reading():
        for path in folders:
            for root in roots.roots(index):
                inside, outside = roots.relative(root.path, path), roots.relative(path, root.path)
                if not root.online or (inside is None and outside is None):
                    continue
                below = inside or b""  # a root that lies below the folder counts as a whole
                rows = index.rows(
                    "SELECT content FROM photo WHERE gone_at IS NULL AND root = ?1"
                    " AND (?2 = x'' OR folder = ?2 OR (folder > ?2 || x'2f' AND folder < ?2 || x'30'))"
                    f" AND content IN (SELECT content FROM work WHERE stage NOT IN ({aside}))"
                    " AND NOT EXISTS (SELECT 1 FROM work WHERE work.content = photo.content AND error IS NOT NULL)"
                    f" AND NOT {AWAY}",
                    (root.id, below),
                )
                found.update(content for (content,) in rows)
    return found


def waiting_stages(index: Index) -> frozenset[Stage]:
    """The stages whose weights were missing when the index was last worked on."""
    return frozenset(Stage(name) for name in (index.setting("waiting") or "").split(",") if name)


def photos_under(index: Index, root: int) -> int:
    """How many living photos a root holds."""
    return _count(index, f"SELECT count(*) FROM photo WHERE gone_at IS NULL AND root = {int(root)}")


def _count(index: Index, sql: str) -> int:
    row = index.row(sql)
    assert row is not None
    return int(row[0])
