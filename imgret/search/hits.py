"""What was found, as hits: described, explained, and copies of one picture collapsed into one."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from imgret.describe.passage import counts, numeral
from imgret.index import filters, photos, results
from imgret.index.connection import Index
from imgret.photo import Hit
from imgret.search.query import Question

BURST = 5  # seconds between two shots of one scene


class Found(Struct, frozen=True):
    """A content and how well it answers, before anything else is read of it."""

    content: int
    score: float
    cosine: float | None
    strength: str
    matched: tuple[str, ...]  # the question's words that stand in its texts


def describe(index: Index, question: Question, found: Sequence[Found], *, k: int, apart: bool) -> list[Hit]:
    """The first `k` different pictures of `found`, as hits; with `apart` each copy is a hit of its own."""
    hits: list[Hit] = []
    seen: dict[object, int] = {}
    for one in found:
        paths = filters.showing(index, question.clauses, one.content)
        if not paths:
            continue
        facts, known = photos.facts(index, one.content), results.description(index, one.content)
        objects = counts(known.detections or ())
        key = _sameness(index, one.content)
        if not apart and key in seen:
            place = seen[key]
            kept = hits[place]
            hits[place] = replace(kept, other_paths=(*kept.other_paths, *(path for path, _ in paths)))
            continue
        if len(hits) == k:
            break
        hit = Hit(
            rank=len(hits) + 1,
            content=one.content,
            path=paths[0][0],
            score=one.score,
            cosine=one.cosine,
            strength=one.strength,
            caption=known.caption,
            objects=objects,
            topics=known.topics or (),
            note=known.note,
            taken_at=facts.taken_at if facts else None,
            width=facts.width if facts else None,
            height=facts.height if facts else None,
            online=paths[0][1],
            why=_why(one.matched, objects),
            other_paths=() if apart else tuple(path for path, _ in paths[1:]),
        )
        seen[key] = len(hits)
        hits.append(hit)
        if apart:
            for path, online in paths[1:]:
                if len(hits) < k:
                    hits.append(replace(hit, rank=len(hits) + 1, path=path, online=online))
    return hits


def _sameness(index: Index, content: int) -> object:
    """Equal for pictures of the same pixels."""
    pixels = index.row("SELECT pixels FROM content WHERE id = ?", (content,))
    return pixels[0] if pixels and pixels[0] else content


def _why(matched: Sequence[str], objects: dict[str, int]) -> tuple[str, ...]:
    """The matching words, and the counts of the objects among them."""
    told = []
    for text in matched:
        label = text.lower()
        singular = next((o for o in objects if o in (label, label.removesuffix("s"))), None)
        told.append(f"{numeral(objects[singular])} {singular}" if singular else text)
    return tuple(dict.fromkeys(told))
