"""exiftool is the judge: it reads what imgret writes, and imgret finds its words again in what exiftool rewrites."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from imgret.decode import xmp, xmp_fields
from imgret.photo import Metadata, SidecarNote
from imgret.sidecars.merge_own import KINDS, Known, merge
from imgret.sidecars.remove_own import remove_own, written

pytestmark = [
    pytest.mark.slow,
    pytest.mark.must_run,
    pytest.mark.skipif(
        shutil.which("exiftool") is None, reason="needs exiftool: apt-get install libimage-exiftool-perl"
    ),
]
KNOWN = Known(
    captions=("a red boat & <two> people",),
    counts=((1, "boat"), (2, "person")),
    note="unser Boot\nin 電車",
    note_at=1_700_000_000,
    text=("RE16 TGK",),
    models=("caption blip 1",),
)
THEIRS = (
    *("-XMP-dc:Title=Evening", "-XMP-dc:Subject=harbour", "-XMP-lr:HierarchicalSubject=Places|Italy"),
    *("-XMP-digiKam:TagsList=Places/Italy", "-XMP-xmp:Rating=4", "-XMP-xmp:Label=Red"),
    *(
        "-XMP-exif:DateTimeOriginal=2019:07:14 20:31:05",
        "-XMP-darktable:history_end=3",
        "-XMP-dc:Creator=Anna",
    ),
)


def exiftool(*arguments: str | Path) -> str:
    done = subprocess.run(["exiftool", *arguments], check=True, capture_output=True, text=True)
    assert "rror" not in done.stderr
    return done.stdout


def fields(path: Path) -> dict[str, Any]:
    (found,) = json.loads(exiftool("-j", "-G1", "-struct", "-XMP:all", path))
    return {key: value for key, value in found.items() if key.startswith("XMP-")}


def read(path: Path) -> Metadata:
    return xmp_fields.metadata(xmp.parse(path.read_bytes()), "sidecar")


def write(path: Path) -> None:
    made = merge(path.read_bytes() if path.exists() else None, KNOWN, KINDS)
    assert made is not None
    path.write_bytes(made)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.jpg.xmp"


def test_exiftool_reads_what_imgret_writes(path: Path) -> None:
    write(path)
    found = fields(path)
    assert found["XMP-dc:Description"] == KNOWN.note
    assert found["XMP-dc:Subject"] == ["boat", "person"]
    assert found["XMP-lr:HierarchicalSubject"] == ["imgret|boat", "imgret|person"]
    assert found["XMP-digiKam:TagsList"] == ["imgret/boat", "imgret/person"]
    assert found["XMP-imgret:Captions"] in (KNOWN.captions[0], [KNOWN.captions[0]])
    assert "OK" in exiftool("-validate", path)


def test_what_exiftool_wrote_survives(path: Path) -> None:
    exiftool(*THEIRS, path)
    before, theirs = path.read_bytes(), fields(path)
    write(path)
    found = fields(path)
    added = {"dc:Subject": ["boat", "person"], "lr:HierarchicalSubject": ["imgret|boat", "imgret|person"]}
    added["digiKam:TagsList"] = ["imgret/boat", "imgret/person"]
    for key, value in theirs.items():
        more = added.get(key.removeprefix("XMP-"), [])
        assert found[key] == ([*(value if isinstance(value, list) else [value]), *more] if more else value)
    assert "OK" in exiftool("-validate", path)
    assert remove_own(path.read_bytes(), written(path.read_bytes())) == before


def test_a_sidecar_that_exiftool_rewrote_is_still_imgrets(path: Path) -> None:
    write(path)
    exiftool("-overwrite_original", *THEIRS, "-XMP-dc:Subject+=boat trip", path)
    assert b"ExifTool" in path.read_bytes()
    assert written(path.read_bytes()).note == KNOWN.note
    assert read(path).keywords == ("harbour", "boat trip")  # "boat" and "person" are gone
    assert read(path).note == SidecarNote(KNOWN.note or "", KNOWN.note_at)
    left = remove_own(path.read_bytes(), written(path.read_bytes()))
    assert left is not None
    path.write_bytes(left)
    theirs = fields(path)
    assert not [key for key in theirs if "imgret" in key]
    assert (theirs["XMP-dc:Title"], theirs["XMP-xmp:Rating"]) == ("Evening", 4)


def test_a_note_that_exiftool_edited(path: Path) -> None:
    write(path)
    exiftool("-overwrite_original", "-XMP-dc:Description=our boat", path)
    note = read(path).note
    assert note is not None
    assert (note.text, note.edited) == ("our boat", True)


def test_trees_of_the_metadata_working_group(path: Path) -> None:
    tree = (
        "{Hierarchy=[{Keyword=People,Applied=false,Children=[{Keyword=Family,Applied=true,Children=[{Keyword=Anna}]}]},"
        "{Keyword=Rome}]}"
    )
    exiftool(f"-XMP-mwg-kw:KeywordInfo={tree}", path)
    found = read(path)
    assert found.paths == ("People|Family", "People|Family|Anna")
    assert found.keywords == ("People", "Family", "Anna", "Rome")


def test_digikam_tags_without_a_flat_list(path: Path) -> None:
    exiftool("-XMP-digiKam:TagsList=People/Family", "-XMP-digiKam:TagsList=sea", path)
    assert read(path).keywords == ("People", "Family", "sea")
