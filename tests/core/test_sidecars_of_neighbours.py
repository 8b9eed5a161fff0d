"""`a.jpg.xmp` is the sidecar of `a.jpg`, whatever other photos are called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from noted_library import Library, picture

from imgret import stage_results
from imgret.config import Settings, places
from imgret.decode.pool import DecodePool
from imgret.ingest import Ingest
from imgret.pipeline.loading import identities, load_models
from imgret.requeue import prepare
from imgret.sidecar_names import written_sidecar
from imgret.sidecars.merge_own import KINDS, Known, merge
from imgret.stages.interface import StageSettings
from imgret.stages.metadata import NAME
from imgret.sync import add_root, sync
from imgret.weights import NONE

OFF = Settings().with_tables(
    **{
        stage: StageSettings(weights=NONE)
        for stage in ("image", "caption", "detect", "ocr", "topics", "embed", "place")
    }
)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with DecodePool(1) as decoder:
        made = Library(tmp_path, decoder)
        made.put("a.jpg", picture(1))
        made.put("a.jpg.jpg", picture(2))
        yield made
        made.index.close()


def look(library: Library) -> None:
    prepare(library.index, OFF, identities(OFF, places()))
    sync(library.index, OFF, add_root(library.index, bytes(library.folder))[0])
    assert Ingest(library.index, OFF, load_models(OFF, places())).run().failed == 0


@pytest.mark.parametrize(
    ("photo", "photos", "present", "sidecar"),
    [
        ("a.cr2.jpg", ["a.cr2", "a.cr2.jpg"], ["a.cr2.xmp"], "a.cr2.jpg.xmp"),
        ("a.cr2", ["a.cr2", "a.cr2.jpg"], ["a.cr2.xmp"], "a.cr2.xmp"),
        ("a.mp4.jpg", ["a.mp4.jpg"], ["a.mp4", "a.mp4.xmp"], "a.mp4.jpg.xmp"),  # of a video
        ("a.mp4.jpg", ["a.mp4.jpg"], ["a.mp4.xmp"], "a.mp4.xmp"),
        ("2019.jpg", ["2019.jpg"], ["2019", "2019.xmp"], "2019.xmp"),  # a folder
    ],
)
def test_which_sidecar_is_written(photo: str, photos: list[str], present: list[str], sidecar: str) -> None:
    names = [each.encode() for each in photos]
    found = written_sidecar(photo.encode(), names, [*names, *(each.encode() for each in present)])
    assert found == sidecar.encode()


def test_a_note_and_metadata_are_read_for_their_own_photo(library: Library) -> None:
    sidecar = merge(None, Known(note="of a", note_at=1_600_000_000, title="A"), KINDS)
    assert sidecar is not None
    (library.folder / "a.jpg.xmp").write_bytes(sidecar)
    taken = {"title": "a.jpg", "description": "Takeout's", "photoTakenTime": {"timestamp": "1500000000"}}
    (library.folder / "a.jpg.json").write_text(json.dumps(taken))
    look(library)
    assert (library.note("a.jpg"), library.note("a.jpg.jpg")) == ("of a", None)
    metadata = [
        stage_results.payloads(library.index, library.content(name))[NAME] for name in ("a.jpg", "a.jpg.jpg")
    ]
    assert [each.description for each in metadata] == ["Takeout's", None]


def test_without_such_a_photo_the_sidecar_may_be_that_of_the_stem(library: Library) -> None:
    (library.folder / "a.jpg").unlink()
    sidecar = merge(None, Known(note="of a", note_at=1_600_000_000), KINDS)
    assert sidecar is not None
    (library.folder / "a.jpg.xmp").write_bytes(sidecar)
    look(library)
    assert library.note("a.jpg.jpg") == "of a"
