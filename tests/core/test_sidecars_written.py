"""Sidecars beside real photos: written, merged, read back and removed."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgret import stage_results
from imgret.config import Settings, places
from imgret.decode.pool import DecodePool
from imgret.ingest import Ingest
from imgret.photo import Metadata, ModelIdentity
from imgret.pipeline.loading import identities, load_models
from imgret.requeue import prepare
from imgret.sidecar_names import written_sidecar
from imgret.sidecars.library_sidecars import Outcome, Target, remove_sidecars, write_sidecars
from imgret.sidecars.merge_own import KINDS
from imgret.stages.interface import Result, StageSettings
from imgret.store.interface import Store
from imgret.sync import add_root, sync
from imgret.weights import NONE

DATA = Path(__file__).parent.parent / "data" / "metadata"
OFF = Settings(batch=1).with_tables(
    **{
        stage: StageSettings(weights=NONE)
        for stage in ("image", "caption", "detect", "ocr", "topics", "embed", "place")
    }
)


@pytest.fixture(scope="module")
def decoder() -> Iterator[DecodePool]:
    with DecodePool(1) as pool:
        yield pool


class Photos:
    """A folder with photos and its index."""

    def __init__(self, store: Store, folder: Path, decoder: DecodePool) -> None:
        self.store, self.folder, self._decoder = store, folder, decoder
        folder.mkdir()
        for name, source in (("a.jpg", "camera.jpg"), ("b.jpg", "comment.jpg")):
            shutil.copy(DATA / source, folder / name)
        self.update()
        self.content = self.at("a.jpg")
        stage_results.save(
            store, self.content, "caption", ModelIdentity("blip", "1"), Result(("a red boat",))
        )
        store.results.write_note(self.content, "our boat", 1_700_000_000)

    def at(self, name: str) -> int:
        photo = self.store.photos.find(bytes(self.folder / name))
        assert photo is not None
        assert photo.content is not None
        return photo.content

    def update(self) -> None:
        prepare(self.store, OFF, identities(OFF, places()))
        sync(self.store, OFF, add_root(self.store, bytes(self.folder))[0])
        models = load_models(OFF, places())
        try:
            assert Ingest(self.store, OFF, models).run(decoder=self._decoder).failed == 0
        finally:
            models.close()

    def write(
        self, *kinds: str, mirror: Path | None = None, dry_run: bool = False
    ) -> tuple[Outcome, list[bytes]]:
        changed: list[bytes] = []
        target = Target(0o022, bytes(mirror) if mirror else None, dry_run)
        outcome = write_sidecars(self.store, [bytes(self.folder)], kinds or KINDS, target, changed.append)
        return outcome, changed

    def remove(self) -> Outcome:
        return remove_sidecars(self.store, [bytes(self.folder)], Target(0o022), lambda _: None)

    @property
    def sidecar(self) -> Path:
        return self.folder / "a.jpg.xmp"

    def metadata(self) -> Metadata:
        found = stage_results.payloads(self.store, self.content)["metadata"]
        assert isinstance(found, Metadata)
        return found

    def edit(self, before: str, after: str, at: float) -> None:
        """As another program does."""
        text = self.sidecar.read_text()
        assert before in text
        self.sidecar.write_text(text.replace(before, after, 1))
        os.utime(self.sidecar, (at, at))


@pytest.fixture
def photos(store: Store, tmp_path: Path, decoder: DecodePool) -> Photos:
    return Photos(store, tmp_path / "photos", decoder)


def test_written_read_and_removed(photos: Photos) -> None:
    files = {path: path.read_bytes() for path in photos.folder.iterdir()}
    assert photos.write(dry_run=True) == (Outcome(written=1), [bytes(photos.sidecar)])
    assert {path: path.read_bytes() for path in photos.folder.iterdir()} == files
    assert photos.write()[0].written == 1
    assert photos.write() == (Outcome(unchanged=1), [])
    assert stat.S_IMODE(photos.sidecar.stat().st_mode) == 0o644
    photos.update()
    assert photos.metadata().description is None  # the words are imgret's own
    assert photos.store.results.note(photos.content) == "our boat"
    assert photos.remove() == Outcome(deleted=1)
    assert {path: path.read_bytes() for path in photos.folder.iterdir()} == files


def test_the_later_note_wins(photos: Photos) -> None:
    photos.write()
    photos.update()
    photos.edit('x-default">our boat', 'x-default">our red boat', 1_800_000_000)
    photos.update()
    assert photos.store.results.note(photos.content) == "our red boat"
    assert photos.store.results.noted_at(photos.content) == 1_800_000_000
    photos.store.results.write_note(photos.content, "sold", 1_900_000_000)
    photos.edit("our red boat", "our red  boat", 2_000_000_000)  # spaces do not make it another note
    photos.edit("<rdf:RDF", "<!-- rated --><rdf:RDF", 2_000_000_000)
    photos.update()
    assert photos.store.results.note(photos.content) == "sold"
    photos.edit("our red  boat", "our old boat", 1_850_000_000)
    photos.update()
    assert photos.store.results.note(photos.content) == "sold"  # written later than the edit
    photos.write()
    photos.update()
    assert "our old boat" not in photos.sidecar.read_text()
    assert photos.store.results.note(photos.content) == "sold"


def test_a_deleted_note_stays_deleted_and_a_lost_index_gets_its_notes_back(photos: Photos) -> None:
    photos.write()
    photos.store.results.write_note(photos.content, None)
    photos.update()
    assert photos.store.results.note(photos.content) is None
    lost = shutil.copy(DATA / "no_date.jpg", photos.folder / "c.jpg")
    shutil.copy(photos.sidecar, photos.folder / "c.jpg.xmp")
    photos.update()
    assert photos.store.results.note(photos.at(os.path.basename(lost))) == "our boat"


def test_mode_owner_and_unknown_fields_are_kept(photos: Photos) -> None:
    shutil.copy(DATA / "sidecar.xmp", photos.sidecar)
    before = photos.sidecar.read_bytes()
    photos.sidecar.chmod(0o640)
    if os.getuid() == 0:
        os.chown(photos.sidecar, 1234, 1234)
    owner = (photos.sidecar.stat().st_uid, photos.sidecar.stat().st_gid)
    photos.write()
    now = photos.sidecar.stat()
    assert (now.st_uid, now.st_gid, stat.S_IMODE(now.st_mode)) == (*owner, 0o640)
    assert b"lighthouse" in photos.sidecar.read_bytes()
    assert photos.remove() == Outcome(written=1)
    assert photos.sidecar.read_bytes() == before
    assert sorted(path.name for path in photos.folder.iterdir()) == ["a.jpg", "a.jpg.xmp", "b.jpg"]


def test_one_that_cannot_be_written_does_not_stop_the_others(photos: Photos) -> None:
    photos.sidecar.write_text("<broken")
    photos.store.results.write_note(photos.at("b.jpg"), "the other")
    outcome, _ = photos.write()
    assert (outcome.written, outcome.left) == (1, 1)
    assert outcome.problems[0].startswith(f"{photos.sidecar} is not valid XML")
    assert photos.sidecar.read_text() == "<broken"
    photos.sidecar.unlink()
    photos.sidecar.symlink_to(DATA / "sidecar.xmp")
    before = (DATA / "sidecar.xmp").read_bytes()
    outcome, _ = photos.write()
    assert outcome.problems == [f"{photos.sidecar} is a symbolic link, so it is left as it is"]
    assert (DATA / "sidecar.xmp").read_bytes() == before


@pytest.mark.parametrize("kind", ["fifo", "folder", "loop", "dangling"])
def test_what_is_no_regular_file_is_left_and_the_others_are_written(photos: Photos, kind: str) -> None:
    if kind == "fifo":
        os.mkfifo(photos.sidecar)
    elif kind == "folder":
        photos.sidecar.mkdir()
    else:
        photos.sidecar.symlink_to("a.jpg.xmp" if kind == "loop" else "none.xmp")
    photos.store.results.write_note(photos.at("b.jpg"), "the other")
    outcome, changed = photos.write()
    assert (outcome.left, changed) == (1, [bytes(photos.folder / "b.jpg.xmp")])
    (problem,) = outcome.problems
    assert problem.startswith(f"{photos.sidecar} is ")
    assert problem.endswith(", so it is left as it is")
    assert not (photos.folder / "none.xmp").exists()


def test_a_name_that_is_too_long_costs_itself(photos: Photos) -> None:
    long = photos.folder / ("n" * 250 + ".jpg")  # with .xmp it has 258 bytes
    shutil.copy(DATA / "exif.jpg", long)
    photos.update()
    photos.store.results.write_note(photos.at(long.name), "a note")
    outcome, changed = photos.write()
    assert (outcome.written, outcome.left) == (1, 1)
    assert changed == [bytes(photos.sidecar)]
    assert outcome.problems == [f"{long}.xmp cannot be written: File name too long"]


def test_a_folder_that_is_not_writable_is_reported(photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.getuid() == 0:
        subprocess.run(["chattr", "+i", photos.folder], check=False, capture_output=True)
        try:
            (photos.folder / "probe").touch()
        except OSError:
            pass
        else:
            (photos.folder / "probe").unlink()
            pytest.skip("this file system cannot make a folder immutable")
    else:
        photos.folder.chmod(0o555)
    try:
        photos.store.results.write_note(photos.at("b.jpg"), "the other")
        outcome, _ = photos.write()
    finally:
        subprocess.run(["chattr", "-i", photos.folder], check=False, capture_output=True)
        photos.folder.chmod(0o755)
    assert (outcome.written, outcome.left) == (0, 2)
    (problem,) = outcome.problems
    assert problem.startswith(f"{photos.folder} is not writable")


def test_a_mirror_folder(photos: Photos, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    assert photos.write(mirror=mirror, dry_run=True)[0].written == 1
    assert not mirror.exists()
    photos.write(mirror=mirror)
    assert [str(path.relative_to(mirror)) for path in mirror.rglob("*.xmp")] == ["photos/a.jpg.xmp"]
    assert not photos.sidecar.exists()


def test_no_folder_is_made_in_a_mirror_for_nothing(photos: Photos, tmp_path: Path) -> None:
    target = Target(0o022, bytes(tmp_path / "mirror"))
    remove_sidecars(photos.store, [bytes(photos.folder)], target, lambda _: None)
    assert photos.write("ocr", mirror=tmp_path / "mirror")[0].written == 0
    assert not (tmp_path / "mirror").exists()


def test_a_mirror_folder_that_cannot_be_made(photos: Photos, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.write_text("a file")
    outcome = photos.write(mirror=mirror)[0]
    assert outcome.problems == [f"{mirror}/photos cannot be made: File exists"]
    assert (outcome.written, mirror.read_text()) == (0, "a file")


def test_a_sidecar_that_changes_meanwhile_is_left(photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(DATA / "sidecar.xmp", photos.sidecar)
    fsync = os.fsync

    def other_program(fd: int) -> None:
        fsync(fd)
        photos.sidecar.write_text("<theirs/>")

    monkeypatch.setattr(os, "fsync", other_program)
    outcome, _ = photos.write()
    assert (outcome.written, outcome.left) == (0, 1)
    assert "changed by another program" in outcome.problems[0]
    assert photos.sidecar.read_text() == "<theirs/>"


def test_into_which_sidecar_is_written() -> None:
    photos = {b"a.jpg", b"b.jpg", b"b.cr2"}
    assert written_sidecar(b"a.jpg", photos, photos) == b"a.jpg.xmp"
    assert written_sidecar(b"a.jpg", photos, {b"a.xmp"}) == b"a.xmp"
    assert written_sidecar(b"a.jpg", photos, {b"a.xmp", b"a.jpg.XMP"}) == b"a.jpg.XMP"
    assert written_sidecar(b"b.jpg", photos, {b"b.xmp"}) == b"b.jpg.xmp"  # b.xmp is that of b.cr2, too


def test_albums_of_a_folder(photos: Photos) -> None:
    albums = photos.folder / "albums.json"
    albums.write_text('{"Rome": ["a.jpg"], "Both": ["a.jpg", "b.jpg"], "Empty": []}')
    photos.update()
    assert photos.metadata().albums == ("Rome", "Both")
    albums.write_text('{"Rome": "a.jpg"}')
    os.utime(albums, (time.time() + 10,) * 2)
    photos.update()
    assert photos.metadata().albums == ()
    assert photos.metadata().problems[0].startswith('albums.json is not of the form {"ALBUM": ["FILE", ...]}')
