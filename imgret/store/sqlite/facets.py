"""What the library has of each kind that filters ask for: labels, cameras, formats, dates, topics."""

from __future__ import annotations

from imgret.store.sqlite.connection import Index


def labels(index: Index) -> list[str]:
    """The labels that were detected anywhere, in order. Jumps from one to the next: never reads all rows."""
    return [
        str(label)
        for (label,) in index.rows(
            "WITH RECURSIVE each (label) AS (SELECT min(label) FROM detection UNION ALL"
            " SELECT (SELECT min(label) FROM detection WHERE label > each.label) FROM each WHERE label IS NOT NULL)"
            " SELECT label FROM each WHERE label IS NOT NULL"
        )
    ]


def most_counted(index: Index, meant: list[str]) -> int:
    """The most that was counted of these labels together in one photo; 0 for none."""
    marks = ", ".join("?" * len(meant))
    row = index.row(
        "SELECT max(total) FROM (SELECT sum(count) AS total FROM detection"
        f" WHERE label IN ({marks}) GROUP BY content)",
        meant,
    )
    return int(row[0] or 0) if row else 0


def cameras(index: Index, count: int) -> list[str]:
    """The cameras that took most photos, at most `count` of them."""
    sql = "SELECT camera FROM content WHERE camera IS NOT NULL GROUP BY camera ORDER BY count(*) DESC LIMIT ?"
    return [str(camera) for (camera,) in index.rows(sql, (count,))]


def formats(index: Index) -> list[str]:
    """The formats of the photos, the commonest first."""
    sql = "SELECT format FROM content WHERE format IS NOT NULL GROUP BY format ORDER BY count(*) DESC"
    return [str(format_) for (format_,) in index.rows(sql)]


def dates(index: Index) -> tuple[int, int] | None:
    """The first and the last time at which photos were taken, seconds since 1970; None when none is known."""
    row = index.row("SELECT min(taken_at), max(taken_at) FROM content WHERE taken_at IS NOT NULL")
    return (int(row[0]), int(row[1])) if row and row[0] is not None else None


def topics(index: Index, count: int) -> list[str]:
    """The topics of most photos, at most `count` of them."""
    sql = "SELECT label FROM topic GROUP BY label ORDER BY count(*) DESC LIMIT ?"
    return [str(topic) for (topic,) in index.rows(sql, (count,))]
