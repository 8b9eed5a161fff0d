"""Use captions from a file instead of the captioner's: JSON lines `{"path": ..., "caption": ...}`.

This measures the search separately from the captioner, or without its weights. A photo may have several captions: in
several lines, or as a list, `{"path": ..., "captions": [...]}`. The output of `imgret export` and
`imgret query --json` has these keys; other keys are ignored.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping

import msgspec
from msgspec import Struct

from imgret import stage_results
from imgret.evaluate.dataset import Problem, ProblemKind
from imgret.evaluate.gallery import Gallery
from imgret.evaluate.text import lines
from imgret.photo import ModelIdentity
from imgret.stages.caption import distinct
from imgret.stages.interface import Result
from imgret.store.interface import Store

_NAME = "stand-in captions"


class StandIns(Struct, frozen=True):
    """The contents of a file of captions."""

    captions: Mapping[bytes, tuple[str, ...]]  # absolute path -> its captions, in the order of the file
    identity: ModelIdentity  # the file's name and hash: other captions count as another model
    problems: tuple[Problem, ...]


class _Row(Struct):
    path: str
    caption: str | None = None
    captions: list[str] | None = None


def read(path: str, images: str) -> StandIns:
    """Read a file of captions. Paths are absolute or relative to `images`. Captions are cleaned as
    those of a captioner are: empty and repeated ones are left out.

    Raises UsageError if the file cannot be read.
    """
    captions: dict[bytes, list[str]] = {}
    problems: list[Problem] = []
    digest = hashlib.sha256()
    for line in lines(path):
        if isinstance(line, Problem):
            problems.append(line)
            continue
        digest.update(line.text.encode() + b"\n")
        try:
            row = msgspec.json.decode(line.text, type=_Row)
            photo = os.fsencode(os.path.abspath(os.path.join(images, row.path)))
        except (msgspec.DecodeError, ValueError) as error:
            problems.append(Problem(ProblemKind.MALFORMED, line.where, str(error)))
            continue
        if row.caption is None and row.captions is None:
            what = "neither `caption` nor `captions`"
            problems.append(Problem(ProblemKind.MALFORMED, line.where, what))
            continue
        given = row.captions or [row.caption or ""]
        captions.setdefault(photo, []).extend(given)
    identity = ModelIdentity(f"{_NAME} {os.path.basename(path)}", f"sha256:{digest.hexdigest()}")
    return StandIns({photo: distinct(texts) for photo, texts in captions.items()}, identity, tuple(problems))


def made_by(identity: ModelIdentity) -> bool:
    """Return whether a result of this model came from a file of captions or vectors."""
    return identity.name.startswith("stand-in ")


def put(store: Store, gallery: Gallery, given: StandIns, stages: Collection[str]) -> int:
    """Let the captions stand as results of the index's photos; of `stages`, what follows is queued again.

    Return the number of photos without a caption: they get an empty one.
    """
    without = 0
    with store.writing():
        for path, content in gallery.items():
            captions = given.captions.get(path, ())
            without += not captions
            if content is None:
                continue
            known = stage_results.payloads(store, content).get("caption")
            made = store.results.identities(content).get("caption")
            if (known, made) != (captions, given.identity):
                stage_results.save(store, content, "caption", given.identity, Result(captions))
                store.results.refresh_words(content)
                store.work.queue(content, {"topics"}.intersection(stages))
    return without
