"""The checks of `imgret doctor`."""

from __future__ import annotations

import contextlib
import functools
import os
import stat
from collections.abc import Iterator
from importlib.util import find_spec

from imgret import column_filling, disk_calls, inputs
from imgret.cli import console
from imgret.cli.session import Session
from imgret.disk_calls import NotResponding
from imgret.errors import ImgretError, WeightsMissing
from imgret.places import is_server
from imgret.store.factory import exists, server_lacks

Check = tuple[bool | None, str]  # True: ok; False: wrong; None: not a fault, but something is left to do


def checks(here: Session) -> Iterator[Check]:
    """Run all checks, and yield the result of each."""
    yield (
        True,
        f"configuration: {here.places.config}{'' if os.path.exists(here.places.config) else ' (none: defaults)'}",
    )
    yield from _index(here)
    yield from _weights(here)
    yield _decoders()
    yield from _folders(here)
    yield from _programs(here)


def rebuild_derived(here: Session) -> None:
    """Rebuild the tables of the nearest-neighbour search and of the words index."""
    from imgret.cli.progress import bar
    from imgret.store.factory import writer_lock

    with writer_lock(here.places.index, wait=60.0), here.index() as store, bar("Rebuilding"):
        column_filling.rebuild(store)
        store.vectors.rebuild()
    console.message("the derived tables were rebuilt")


def _index(here: Session) -> Iterator[Check]:
    path = here.places.index
    try:
        lacks = server_lacks(path)
        for each in lacks:
            yield False, f"index: {each}"
        if not exists(path):
            yield None, f"index: none yet at {path}. Run `imgret index FOLDER`"
            return
        with here.index() as store:
            writable = store.writable
            problems = store.problems() + (
                store.documents.check() if writable else []
            )  # the check is a write
            coded = any(store.nearest.projection(space) for space in store.vectors.active_spaces())
            size = "" if is_server(path) else f", {os.path.getsize(path) / 1e6:.1f} MB"
    except ImgretError as error:
        yield False, f"index: {error.advice}"
        return
    for problem in problems:
        yield (
            False,
            f"index: {problem}. `imgret doctor --rebuild` repairs derived tables; `imgret restore BACKUP` replaces the index by a backup",
        )
    if not problems:
        state = "no errors" if writable else "no errors; read-only: searches work, indexing does not"
        yield True, f"index: {path}{size}, {state}"
    if coded and find_spec("numkong") is None:
        yield None, "index: searches in a library of this size are faster with `pip install 'imgret[large]'`"
    if not is_server(path) and stat.S_IMODE(os.stat(path).st_mode) & 0o077:
        yield False, f"index: other users can read it; run `chmod 600 {path}`"


def _weights(here: Session) -> Iterator[Check]:
    from imgret.pipeline.loading import locate
    from imgret.stages import registry
    from imgret.weights.sources import Kind

    broken = _broken(here)
    for stage in registry.installed().stages:
        found = locate(stage, here.settings, here.places)
        if found.kind is Kind.NONE:
            yield True, f"{stage.name}: off"
        elif found.present and stage.name in broken:
            yield False, f"{stage.name}: when it was last used: {broken[stage.name]}"
        elif found.present:
            yield True, f"{stage.name}: {found.name} {(found.revision or '')[:19]}"
        else:  # what can be pulled or installed is not a fault: photos are indexed without it
            to_get = found.kind in (Kind.HUB, Kind.RELEASE) or found.needs is not None
            missing = WeightsMissing(found.problem or f"{found.name} is not on this disk", found.hint)
            yield None if to_get else False, f"{stage.name}: {missing.advice}"
    for name, problem in registry.installed().problems.items():
        yield False, f"{name}: {problem}"


def _broken(here: Session) -> dict[str, str]:
    """Return the stages whose weights could not be loaded by the last run; none if the index cannot be read."""
    from imgret.requeue import broken_stages

    with contextlib.suppress(ImgretError):
        if exists(here.places.index):
            with here.index() as store:
                return broken_stages(store)
    return {}


def _decoders() -> Check:
    """Check that a decoder process starts, and report how the kernel confines it."""
    from imgret.decode import pool

    try:
        methods = pool.confinement()
    except ImgretError as error:
        return False, f"decoders: {error}. {error.hint}"
    if "seccomp" in methods:
        return True, f"decoders: confined by {' and '.join(methods)}"
    return (
        True,
        f"decoders: not fully confined; this system offers {methods[0] if methods else 'neither Landlock nor seccomp'}",
    )


def _folders(here: Session) -> Iterator[Check]:
    for folder in here.settings.folders:
        path = inputs.path_bytes(folder)
        try:
            good, why = disk_calls.call(path, functools.partial(_readable, path)), "cannot be read"
        except NotResponding:
            good, why = False, "does not respond: its disk or network share hangs"
        yield good, f"folder: {console.shown(path)}{'' if good else f' {why}'}"


def _readable(path: bytes) -> bool:
    return os.path.isdir(path) and os.access(path, os.R_OK | os.X_OK)


def _programs(here: Session) -> Iterator[Check]:
    from importlib.metadata import version

    from imgret.cli.daemon_link import daemon_state

    yield (
        True,
        ", ".join(
            f"{name} {version(name)}"
            for name in ("apsw", "sqlite-vec", "torch")
            if find_spec(name.replace("-", "_"))
        ),
    )
    state = daemon_state(here)
    yield True, f"daemon: {'running' if state else 'not running'}"
