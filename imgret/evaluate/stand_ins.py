"""Use captions from a file instead of the captioner's: JSON lines `{"path": ..., "caption": ...}`.

This measures the search separately from the captioner, or without its weights. The output of `imgret export` and
`imgret query --json` has both keys; other keys are ignored.
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
from imgret.stages.interface import Result
from imgret.store.interface import Store

_NAME = "stand-in captions"


class StandIns(Struct, frozen=True):
    """The contents of a file of captions."""

    captions: Mapping[bytes, str]  # absolute path -> caption
    identity: ModelIdentity  # the file's name and hash: other captions count as another model
    problems: tuple[Problem, ...]


class _Row(Struct):
    path: str
    caption: str


def read(path: str, images: str) -> StandIns:
    """Read a file of captions. Paths are absolute or relative to `images`; the first caption of a path is used.

    Raises UsageError if the file cannot be read.
    """
    captions: dict[bytes, str] = {}
    problems: list[Problem] = []
    digest = hashlib.sha256()
    for line in lines(path):
        if isinstance(line, Problem):
            problems.append(line)
            continue
        digest.update(line.text.encode() + b"\n")
        try:
            row = msgspec.json.decode(line.text, type=_Row)
        except (msgspec.DecodeError, UnicodeError) as error:
            problems.append(Problem(ProblemKind.MALFORMED, line.where, str(error)))
            continue
        photo = os.fsencode(os.path.abspath(os.path.join(images, row.path)))
        if photo in captions:
            problems.append(Problem(ProblemKind.DUPLICATE, line.where, f"{row.path} occurs before"))
        else:
            captions[photo] = row.caption.strip()
    identity = ModelIdentity(f"{_NAME} {os.path.basename(path)}", f"sha256:{digest.hexdigest()}")
    return StandIns(captions, identity, tuple(problems))


def made_by(identity: ModelIdentity) -> bool:
    """Return whether a result of this model is a stand-in caption."""
    return identity.name.startswith(f"{_NAME} ")


def put(store: Store, gallery: Gallery, given: StandIns, stages: Collection[str]) -> int:
    """Let the captions stand as results of the index's photos; of `stages`, what follows is queued again.

    Return the number of photos without a caption: they get an empty one.
    """
    without = 0
    with store.writing():
        for path, content in gallery.items():
            caption = given.captions.get(path, "")
            captions = (caption,) if caption else ()
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
