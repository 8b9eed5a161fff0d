"""The codes of a space, kept in a file beside the index: loading a million takes a second instead of half a minute.

`index.db.STAGE.codes` is written by the daemon alone. It fits an index that has its mark: a random text that the file and
the index get when the file is written. An index with the mark is that one, at a later time, or a backup of it that was made later.
So it has the vectors of the file, but for those that were removed; newer ones have larger ids. A file that does not
fit is ignored. It has only what can be computed from the index.

For an index on a server, each user and host has its own files, in its state folder, and its own marks in the database. Only
the daemon reads them: searches without it use the HNSW index of the server.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from imgret.photo import ModelIdentity
from imgret.places import is_server, state_file
from imgret.search.score_baseline import Sample, views_of
from imgret.search.view_blend import ViewBlend
from imgret.store.coded_rows import LEADING, CodedRows, with_space
from imgret.store.codes import Projection
from imgret.store.codes_file import SUFFIX, CodesFile, Column, Stopped, Unfit, write
from imgret.store.filed_codes import FiledCodes
from imgret.store.fine_codes import CodedVectors, Conversion, FineCodes
from imgret.store.held_codes import HeldCodes
from imgret.store.in_memory import InMemoryIndex, SavedRows
from imgret.store.interface import Store
from imgret.store.records import Space

log = logging.getLogger(__name__)

NEWER = 500_000  # later vectors of all views and spaces, beyond which one search does not take them in


class _About(Struct, frozen=True):
    """What the file says of itself."""

    mark: str
    recipe: str
    space: int
    stage: str
    identity: ModelIdentity
    lead: str
    dimension: int
    last: int
    learned_from: int  # the projection of the table
    photos: int  # in the space when the sample was taken
    sampled: int  # ... and the documents
    views: tuple[str, ...]  # of the sample
    scale: float
    middle: float
    offset_step: float


class LoadedSpace(NamedTuple):
    """The vectors of a space in memory."""

    memory: InMemoryIndex
    sample: Sample  # they were blended by it
    photos: int  # in the space when the sample was taken
    filed: int | None  # rows of the file; None if there is none


def path_of(index: str, stage: str) -> str:
    """Return where the codes of a stage are kept."""
    return f"{_beginning(index)}.{stage}.codes"


def _beginning(index: str) -> str:
    """Return how the paths of all files for an index begin."""
    return state_file(index, "") if is_server(index) else index


def load(store: Store, space: Space) -> LoadedSpace | None:
    """Read the codes of a space into memory; None if no file fits."""
    return _opened(store, space, in_memory=True)


def attach(store: Store, space: Space) -> LoadedSpace | None:
    """As `load`, but leave the codes in the file, which stays open: for few searches. Reading them may raise Unfit."""
    return _opened(store, space, in_memory=False)


def _opened(store: Store, space: Space, *, in_memory: bool) -> LoadedSpace | None:
    path = path_of(store.path, space.stage)
    if not in_memory and (is_server(store.path) or not os.path.exists(path)):
        return None
    try:
        with contextlib.ExitStack() as opened, store.reading():
            file = CodesFile(path)
            if in_memory:
                opened.enter_context(file)
            return _fitting(store, space, file, in_memory=in_memory)
    except FileNotFoundError:
        return None
    except (Unfit, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        # The daemon computes them again, one search does not.
        level = logging.WARNING if in_memory else logging.DEBUG
        log.log(level, "%s is not used: %s", path, reason)
        return None


def _fitting(store: Store, space: Space, file: CodesFile, *, in_memory: bool) -> LoadedSpace:
    about = file.about(_About)
    if about.mark != store.setting(_key(space.stage)):
        raise Unfit("it is of another index, or of another time")
    table = store.nearest.projection(space)
    sample = Sample(
        space,
        file.whole("sample"),
        {view: file.whole(f"sample {view}") for view in about.views},
        about.sampled,
    )
    blend = ViewBlend(sample)
    if (about.space, about.stage, about.identity, about.lead, about.dimension) != (
        space.id, space.stage, space.identity, space.lead, space.dimension,
    ):  # fmt: skip
        raise Unfit("it is of another model")
    if about.recipe != blend.recipe or about.views != views_of(space):
        raise Unfit("it is of another version of imgret")
    if table is None or table.learned_from != about.learned_from:
        raise Unfit("the library has other codes now")
    if not in_memory and store.vectors.last_id() > about.last + NEWER:
        raise Unfit("it is too old for one search")
    (size,) = file.shape("ids")
    if not size or {size} != {file.shape(name)[0] for name in ("leading", "wide", "rest")}:
        raise Unfit("its parts differ in length")
    ids = file.whole("ids", with_space(size))
    projection = Projection(file.whole("mean"), file.whole("basis"), about.scale, about.learned_from)
    fine = FineCodes(Conversion(projection, file.whole("steps"), about.middle, about.offset_step))
    if in_memory:
        file.check("leading")  # for searches that leave the codes in the file
        coded = CodedVectors(file.whole("wide", len(ids)), file.whole("rest", len(ids)))
        rows = CodedRows(fine, HeldCodes(coded, size))
    else:
        rows = CodedRows(fine, FiledCodes(file))
    index = InMemoryIndex(store, space, blend, SavedRows(ids, size, rows, about.last, about.learned_from))
    if in_memory:
        index.drop_removed(store)
    return LoadedSpace(index, sample, about.photos, size)


def save(store: Store, loaded: LoadedSpace, stopped: Callable[[], bool]) -> bool:
    """Write the codes of a space. For the one process that may write.

    -> whether they were written: not when `stopped` returns True, and not where there are no codes or the index cannot be
    written. Raises OSError and ImgretError; the file that was there stays then, or there is none.
    """
    space, held = loaded.memory.space, loaded.memory.coded()
    path = path_of(store.path, space.stage)
    if held is None or not isinstance(held.rows.codes, HeldCodes) or not store.writable:
        return False
    mark = os.urandom(16).hex()
    about, columns = _contents(mark, loaded, held, held.rows.codes.all())
    try:
        part = write(path, about, columns, stopped)
    except Stopped:
        return False
    try:
        with store.writing():  # until the file is there, the index has the mark of none
            store.remember(_key(space.stage), mark)
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
    return True


def _contents(
    mark: str, loaded: LoadedSpace, held: SavedRows, codes: CodedVectors
) -> tuple[_About, list[Column]]:
    """Return what the file has: the rows of vectors that were not replaced, by content."""
    space, sample, blend = loaded.memory.space, loaded.sample, ViewBlend(loaded.sample)
    alive = np.flatnonzero(held.ids >= 0)
    order = alive[np.argsort(held.ids[alive], kind="stable")]
    conversion = held.rows.fine_codes.conversion
    about = _About(
        mark=mark,
        recipe=blend.recipe,
        space=space.id,
        stage=space.stage,
        identity=space.identity,
        lead=space.lead,
        dimension=space.dimension,
        last=held.last,
        learned_from=held.learned_from,
        photos=loaded.photos,
        sampled=sample.size,
        views=sample.view_names,
        scale=float(conversion.projection.scale),
        middle=conversion.middle,
        offset_step=conversion.offset_step,
    )
    arrays: dict[str, NDArray[Any]] = {
        "ids": held.ids[order],
        "mean": conversion.projection.mean,
        "basis": conversion.projection.basis,
        "steps": conversion.steps,
        "sample": sample.contents,
        **{f"sample {view}": rows for view, rows in sample.vectors.items()},
    }
    columns = [_column(name, array) for name, array in arrays.items()]
    for name, kind, rows in (
        ("leading", "|i1", codes.wide[:, :LEADING]),
        ("wide", "|i1", codes.wide),
        ("rest", "|u1", codes.rest),
    ):
        columns.append(Column(name, kind, (len(order), rows.shape[1]), partial(_ordered, rows, order)))
    return about, columns


def _column(name: str, array: NDArray[Any]) -> Column:
    kind = "<i8" if array.dtype == np.int64 else "<f4"
    return Column(name, kind, array.shape, lambda part: array[part])


def _ordered(rows: NDArray[Any], order: NDArray[np.int64], part: slice) -> NDArray[Any]:
    return rows[order[part]]


def remove_unfit(store: Store) -> None:
    """Delete files that fit no space of this index, and incomplete ones. For the one process that may write."""
    folder, name = os.path.split(_beginning(store.path))
    stages = {space.stage for space in store.vectors.active_spaces()}
    for each in os.listdir(folder or "."):
        stage = each.removeprefix(f"{name}.").removesuffix(SUFFIX).removesuffix(".codes")
        if f"{name}.{stage}.codes" in (each, each.removesuffix(SUFFIX)):
            path = os.path.join(folder, each)
            if stage not in stages or each.endswith(SUFFIX) or _mark_of(path) != store.setting(_key(stage)):
                os.unlink(path)


def _mark_of(path: str) -> str:
    try:
        with CodesFile(path) as file:
            return file.about(_About).mark
    except (Unfit, OSError):
        return ""


def _key(stage: str) -> str:
    return f"codes.{stage}"
