"""Sidecars and darktable: what it wrote is read, it reads what imgret writes, and neither loses a word of the other."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest
from waiting import until

from imgret.decode import xmp, xmp_fields
from imgret.photo import SidecarNote
from imgret.sidecars.merge_own import KINDS, Known, merge
from imgret.sidecars.remove_own import remove_own, written

DATA = Path(__file__).parent.parent / "data" / "metadata"
DC, DARKTABLE, LIGHTROOM = xmp_fields.DC, xmp_fields.DARKTABLE, xmp_fields.LIGHTROOM
OURS = Known(
    note="a newer note",
    note_at=2_000_000_000,
    counts=((2, "boat"),),
    keywords=("harbour", "Orte", "Ligurien", "Vernazza"),
    title="Titel von darktable",
    rating=5,
)


def test_what_darktable_wrote_is_read() -> None:
    """`darktable.xmp` began as a sidecar of imgret; in darktable 4.2.1 a rating, a title, a tag and a colour were added."""
    found = xmp_fields.metadata(xmp.parse((DATA / "darktable.xmp").read_bytes()), "sidecar")
    assert (found.title, found.rating, found.label) == ("Titel von darktable", 5, "green")
    assert found.keywords == ("Ligurien", "Orte", "Vernazza")
    assert found.paths == ("Orte|Ligurien|Vernazza",)
    assert found.creator == ("Anna",)
    assert found.description is None
    assert found.note == SidecarNote("our boat & Anna", 1_795_788_398)


def test_what_darktable_wrote_stays() -> None:
    before = (DATA / "darktable.xmp").read_bytes()
    after = merge(before, OURS, KINDS)
    assert after is not None
    assert merge(after, OURS, KINDS) == after
    fields, found = xmp.parse(before), xmp.parse(after)
    theirs = {name: values for name, values in fields.items() if name.startswith(DARKTABLE)}
    assert theirs.items() <= found.items()
    assert found[DC + "subject"] == ["Ligurien", "Orte", "Vernazza", "boat"]
    assert found[LIGHTROOM + "hierarchicalSubject"] == ["Orte|Ligurien|Vernazza", "imgret|boat"]
    assert found[DC + "description"] == ["a newer note"]
    assert (found[DC + "title"], found[xmp_fields.XMP + "Rating"]) == (["Titel von darktable"], ["5"])
    left = remove_own(after, written(after))
    assert left is not None  # darktable's words are in it
    assert xmp.parse(left).keys() >= theirs.keys()
    assert xmp.parse(left)[DC + "subject"] == ["Ligurien", "Orte", "Vernazza"]


def test_a_copy_that_darktable_rewrote_is_kept_when_imgret_writes_again() -> None:
    """darktable turns xmp:Rating into an attribute. Without the copy, it would lose the rating of the photo."""
    new = merge(None, OURS, KINDS)
    assert new is not None
    rewritten = new.replace(b"   <xmp:Rating>5</xmp:Rating>\n", b"").replace(
        b'rdf:about=""',
        b'rdf:about="" xmp:Rating="5" xmlns:darktable="http://darktable.sf.net/" darktable:x="1"',
    )
    assert remove_own(new, written(new)) is None
    again = merge(rewritten, OURS, KINDS)
    assert again is not None
    found = xmp.parse(again)
    assert (found[DC + "title"], found[xmp_fields.XMP + "Rating"]) == (["Titel von darktable"], ["5"])
    assert set(found[DC + "subject"]) == {"boat", *OURS.keywords}
    assert found[DARKTABLE + "x"] == ["1"]
    left = remove_own(rewritten, written(rewritten))
    assert left is not None
    assert xmp.parse(left) == {DARKTABLE + "x": ["1"]}


def test_a_copy_is_read_from_the_photo() -> None:
    new = merge(None, OURS, KINDS)
    assert new is not None
    found = xmp_fields.metadata(xmp.parse(new), "sidecar")
    assert (found.title, found.rating, found.keywords) == (None, None, ())
    edited = new.replace(b"<xmp:Rating>5<", b"<xmp:Rating>2<")
    assert xmp_fields.metadata(xmp.parse(edited), "sidecar").rating == 2


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("darktable") and shutil.which("xvfb-run")), reason="needs darktable and xvfb-run"
)
def test_darktable_reads_a_sidecar_of_imgret(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(DATA / "xmp.jpg", photos / "a.jpg")
    data = merge(None, OURS, KINDS)
    assert data is not None
    (photos / "a.jpg.xmp").write_bytes(data)
    library = tmp_path / "library.db"
    command = ["xvfb-run", "-a", "darktable", "--disable-opencl", "--library", str(library)]
    command += ["--configdir", str(tmp_path / "config"), "--cachedir", str(tmp_path / "cache"), str(photos)]
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    with (tmp_path / "log").open("wb") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)

    def rows(file: Path, sql: str) -> list[tuple[object, ...]]:
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(file)) as db:
            return list(db.execute(sql))
        return []

    try:
        until(lambda: rows(library, "SELECT 1 FROM meta_data WHERE value = 'a newer note'"), seconds=300)
        until(lambda: rows(library, "SELECT 1 FROM images WHERE flags & 7 = 5"))  # it is saved later
        titles = rows(library, "SELECT value FROM meta_data ORDER BY key")
        assert titles == [("Titel von darktable",), ("a newer note",)]
        names = {str(name) for (name,) in rows(tmp_path / "config" / "data.db", "SELECT name FROM tags")}
        assert {"harbour", "Vernazza", "imgret|boat"} <= names
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
