"""Groups of copies as hits, which the list of the picker shows."""

from __future__ import annotations

from imgret.cli.console import bytes_text
from imgret.photo import Hit
from imgret.search.duplicates import Copy, Group
from imgret_tui.search_backend import DuplicateGroup


def group_hits(group: Group) -> DuplicateGroup:
    """The copies as hits without captions: the list shows their names, sizes and folders."""
    hits = tuple(_hit(rank, copy) for rank, copy in enumerate(group.copies, 1))
    return DuplicateGroup(group.kind, hits, group.is_one_content)


def _hit(rank: int, copy: Copy) -> Hit:
    facts = copy.facts
    size = f"{facts.width} x {facts.height}" if facts else "not decoded"
    return Hit(
        rank=rank,
        content=0,
        path=copy.path,
        score=copy.similarity,
        cosine=None,
        strength="",
        shown={},
        note=None,  # the page has no room for its text
        taken_at=facts.taken_at if facts else None,
        width=facts.width if facts else None,
        height=facts.height if facts else None,
        online=copy.online,
        why=(
            *(("best",) if rank == 1 and facts else ()),
            f"{size}, {bytes_text(copy.size)}",
            *(("has a note",) if copy.has_note else ()),
        ),
    )
