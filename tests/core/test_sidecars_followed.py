"""Sidecars and paths change, and the index follows: real files, a real decoder, no model."""

from __future__ import annotations

import json
import lzma
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgret import stage_results
from imgret.config import Settings, places
from imgret.decode.pool import DecodePool
from imgret.ingest import Ingest
from imgret.intake import SyncResult
from imgret.photo import Metadata, ModelIdentity, PhotoDate
from imgret.pipeline.loading import identities, load_models
from imgret.requeue import prepare
from imgret.stages.interface import Result, StageSettings
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.sync import add_root, sync
from imgret.weights import NONE

DATA = Path(__file__).parent.parent / "data"
OFF = Settings(batch=1).with_tables(
    **{stage: StageSettings(weights=NONE) for stage in ("image", "caption", "detect", "topics", "embed")}
)
RATED = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{}"/></rdf:RDF>"""


@pytest.fixture(scope="module")
def decoder() -> Iterator[DecodePool]:
    with DecodePool(1) as pool:
        yield pool


class Library:
    """A folder and its index."""

    def __init__(self, store: Store, folder: Path, decoder: DecodePool) -> None:
        self.store, self.folder, self._decoder = store, folder, decoder
        folder.mkdir(exist_ok=True)

    def photo(self, name: str, source: str = "camera.jpg") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DATA / "metadata" / source, path)
        return path

    def update(self) -> SyncResult:
        """Scan and ingest, as `imgret index` does. -> what the scan found"""
        prepare(self.store, OFF, identities(OFF, places()))
        found = sync(self.store, OFF, add_root(self.store, bytes(self.folder))[0])
        models = load_models(OFF, places())
        try:
            done = Ingest(self.store, OFF, models, costs=None).run(decoder=self._decoder)
            assert done.failed == 0
        finally:
            models.close()
        return found

    def content(self, path: Path) -> int:
        photo = self.store.photos.find(bytes(path))
        assert photo is not None
        assert photo.content is not None
        return photo.content

    def metadata(self, path: Path) -> Metadata:
        found = stage_results.payloads(self.store, self.content(path))["metadata"]
        assert isinstance(found, Metadata)
        return found

    def date(self, path: Path) -> PhotoDate | None:
        return self.store.contents.date(self.content(path))


@pytest.fixture
def library(store: Store, tmp_path: Path, decoder: DecodePool) -> Library:
    return Library(store, tmp_path / "photos", decoder)


def age(*paths: Path) -> None:
    """Make files so old that a scan does not look at them twice."""
    for path in paths:
        os.utime(path, (time.time() - 3600,) * 2)


def test_a_sidecar_is_read_when_it_is_added_changed_or_removed(library: Library) -> None:
    path = library.photo("a.jpg")
    sidecar = library.folder / "a.jpg.xmp"
    library.update()
    assert library.metadata(path) == Metadata()

    sidecar.write_text(RATED.format(3))
    assert library.update().described == 1
    assert library.metadata(path).rating == 3
    sidecar.write_text(RATED.format(5))
    assert library.update().described == 1
    assert library.metadata(path).rating == 5
    (library.folder / "a.xmp").write_text("<broken")
    assert library.update().described == 1
    assert library.metadata(path).rating == 5
    assert library.metadata(path).problems[0].startswith("a.xmp is not valid XML")
    sidecar.unlink()
    library.update()
    assert library.metadata(path).rating is None


def test_unchanged_sidecars_are_not_read(library: Library) -> None:
    library.photo("a.jpg")
    (library.folder / "a.xmp").write_text(RATED.format(3))
    (library.folder / "nobody.xmp").write_text(RATED.format(3))
    time.sleep(2.1)  # younger files are always looked at again
    library.update()
    token = library.store.change_token()
    found = sync(
        library.store, OFF, add_root(library.store, bytes(library.folder))[0], folders=[b""], recursive=False
    )
    assert (found.seen, found.described, found.problems) == (1, 0, [])
    assert library.store.change_token() == token


def test_folders_without_photos_have_no_sidecars(library: Library) -> None:
    library.photo("a.jpg")
    for number in range(5):
        (library.folder / "code").mkdir(exist_ok=True)
        (library.folder / "code" / f"{number}.json").write_text("{}")
    library.update()
    root = library.store.roots.all()[0].id
    assert library.store.sidecars.folders(root) == set()
    path = library.photo("code/3.jpg")
    library.update()
    assert library.metadata(path) == Metadata()
    assert len(library.store.sidecars.known(root, b"code")) == 5
    shutil.rmtree(library.folder / "code")
    library.update()
    assert library.store.sidecars.folders(root) == set()


def test_a_sidecar_waits_for_its_photo(library: Library) -> None:
    other = library.photo("other.jpg", "comment.jpg")
    (library.folder / "a.xmp").write_text(RATED.format(4))
    library.update()
    assert library.metadata(other).rating is None
    elsewhere = library.photo("elsewhere/a.jpg")
    library.update()
    assert library.metadata(elsewhere).rating is None
    moved = library.folder / "a.jpg"
    elsewhere.rename(moved)
    library.update()
    assert library.metadata(moved).rating == 4
    moved.rename(elsewhere)
    library.update()
    assert library.metadata(elsewhere).rating is None


def test_copies_of_a_photo_share_the_data_of_their_sidecars(library: Library) -> None:
    one, two = library.photo("one/a.jpg"), library.photo("two/a.jpg")
    (library.folder / "two" / "a.xmp").write_text(RATED.format(4))
    library.update()
    assert library.content(one) == library.content(two)
    assert library.metadata(one).rating == 4
    two.unlink()
    library.update()
    assert library.metadata(one).rating is None


def test_equal_pixels_do_not_share_metadata(library: Library) -> None:
    described, plain = library.photo("a.jpg", "exif.jpg"), library.photo("b.jpg", "comment.jpg")
    library.update()
    store = library.store
    assert store.results.pixels(library.content(described)) == store.results.pixels(library.content(plain))
    assert library.metadata(described).description == "A bridge in Zürich"
    assert library.metadata(plain).description == "Seen from the 電車"


def test_an_excluded_sidecar_is_not_read(library: Library) -> None:
    path = library.photo("a.jpg")
    (library.folder / ".a.jpg.xmp").write_text(RATED.format(4))
    (library.folder / "._a.xmp").write_text(RATED.format(4))
    library.update()
    assert library.metadata(path).rating is None


def test_dates_follow_the_path(library: Library) -> None:
    path = library.photo("2016-08 Trip/a.jpg")
    library.update()
    assert library.date(path) == PhotoDate(1470009600, "folder", "month")
    named = path.with_name("WhatsApp Image 2016-03-04 at 10.11.12.jpeg")
    path.rename(named)
    library.update()
    assert library.date(named) == PhotoDate(1457086272, "name")
    plain = library.folder / "plain.jpg"
    named.rename(plain)
    library.update()
    assert library.date(plain) is None
    taken = library.photo("2016-08 Trip/b.jpg", "exif.jpg")
    library.update()
    date = library.date(taken)
    assert date is not None
    assert date.source == "exif"


def test_a_date_and_a_position_of_takeout(library: Library) -> None:
    path = library.photo("IMG_1(1).jpg")
    (library.folder / "IMG_1.jpg.supplemental-metada(1).json").write_text(
        json.dumps(
            {
                "title": "IMG_1.jpg",
                "photoTakenTime": {"timestamp": "1457086272"},
                "geoData": {"latitude": 44.5, "longitude": 9.25},
            }
        )
    )
    library.update()
    assert library.date(path) == PhotoDate(1457086272, "sidecar", zone=0)
    facts = library.store.contents.facts(library.content(path))
    assert facts is not None
    assert (facts.latitude, facts.longitude) == (44.5, 9.25)


def test_names_that_are_not_utf8(library: Library) -> None:
    path = library.photo("a.jpg").rename(library.folder / os.fsdecode(b"\xff.jpg"))
    sidecar = library.folder / os.fsdecode(b"\xff.jpg.xmp")
    sidecar.write_text(RATED.format(2))
    library.update()
    assert library.metadata(path).rating == 2
    sidecar.write_text("<broken")
    library.update()
    (problem,) = library.metadata(path).problems
    assert ".jpg.xmp is not valid XML" in problem


def test_a_keyword_written_into_the_photo_runs_no_model(library: Library) -> None:
    path = library.photo("a.jpg", "no_date.jpg")
    library.update()
    before = library.content(path)
    described = ModelIdentity("captioner", "1")
    stage_results.save(library.store, before, "caption", described, Result(("a ball",)))
    path.write_bytes((DATA / "metadata" / "exif.jpg").read_bytes())  # the same pixels
    library.update()
    after = library.content(path)
    assert after != before
    assert library.store.results.identities(after)["caption"] == described
    assert library.metadata(path).description == "A bridge in Zürich"


def test_the_album_of_a_folder(library: Library) -> None:
    one, two = library.photo("Photos from 2016/a.jpg"), library.photo("Photos from 2016/b.jpg", "comment.jpg")
    (library.folder / "Photos from 2016" / "metadata.json").write_text('{"title": "Rome with Anna"}')
    library.update()
    assert library.metadata(one).albums == library.metadata(two).albums == ("Rome with Anna",)
    assert library.metadata(one).problems == ()
    (library.folder / "Photos from 2016" / "metadata.json").write_text('{"albumData": {"title": "Older"}}')
    library.update()
    assert library.metadata(one).albums == ("Older",)


def test_an_index_of_version_10_gets_metadata_of_its_photos(tmp_path: Path, decoder: DecodePool) -> None:
    """`tests/data/index_v10.py` made it. No photo is decoded again, and nothing of it is lost."""
    path = tmp_path / "index.db"
    path.write_bytes(lzma.decompress((DATA / "index-v10.db.xz").read_bytes()))
    with open_store(str(path)) as store:
        dates = [store.contents.date(content) for content in (1, 2, 3)]
        assert sorted(date.source for date in dates if date) == ["exif"]
        before = [
            (store.contents.facts(content), store.results.payloads(content), store.results.note(content))
            for content in (1, 2, 3)
        ]
        assert [note for *_, note in before if note] == ["the tower of Vernazza"]
        library = Library(store, tmp_path / "photos", decoder)
        root = store.roots.all()[0]
        for photo in list(store.photos.all_paths()):
            library.photo(os.path.basename(photo).decode(), os.path.basename(photo).decode())
        with store.writing() as db:
            db.execute("UPDATE root SET path = ? WHERE id = ?", (bytes(library.folder), root.id))
        library.update()
        assert library.metadata(library.folder / "xmp.jpg").rating == 4
        date = library.date(library.folder / "xmp.jpg")
        assert date == PhotoDate(1563136265, "xmp", zone=120, subsecond="25")
        for (facts, payloads, note), content in zip(before, (1, 2, 3), strict=True):
            now = store.contents.facts(content)
            assert now is not None
            assert facts is not None
            assert (now.taken_at, now.camera, now.width) == (facts.taken_at, facts.camera, facts.width)
            assert payloads.items() <= store.results.payloads(content).items()
            assert store.results.note(content) == note
        assert store.problems() == []
