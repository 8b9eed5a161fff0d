"""`imgret dupes` from files to output: groups, formats, folders, and what it refuses."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from command_line import WORDS_ONLY, Library, imgret, imgret_process
from PIL import Image, ImageOps

from imgret.demo.draw import render, single


def scene(seed: int) -> Image.Image:
    """A picture with structure at every scale."""
    rng = random.Random(seed)
    image = render(single(rng, colour="red", kind="circle")).convert("RGB").resize((320, 240))
    for side in (4, 8, 16, 32):
        layer = Image.frombytes("RGB", (side, side), rng.randbytes(3 * side * side))
        image = Image.blend(image, layer.resize((320, 240), Image.Resampling.BICUBIC), 0.35)
    return image


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """Six copies of a picture, two of another one, two black pictures, and one that is alone."""
    mine = Library(tmp_path)
    (mine.photos / "old").mkdir(parents=True)
    mine.config.write_text(WORDS_ONLY)
    for name, value in mine.environ().items():
        monkeypatch.setenv(name, value)
    image = scene(1)
    image.save(mine.photos / "best.png")
    image.save(mine.photos / "q40.jpg", quality=40)
    image.resize((160, 120)).save(mine.photos / "half.webp")
    image.transpose(Image.Transpose.ROTATE_90).save(mine.photos / "old/turned.jpg", quality=70)
    ImageOps.grayscale(image).resize((96, 72)).save(mine.photos / "old/grey.jpg", quality=90)
    image.crop((6, 4, 314, 236)).save(os.fsencode(mine.photos) + b"/old/cropped \xff.jpg", "JPEG", quality=90)
    scene(2).save(mine.photos / "twin.png")
    shutil.copy(mine.photos / "twin.png", mine.photos / "old/twin.png")
    Image.new("RGB", (90, 60), (3, 3, 3)).save(mine.photos / "black.png")
    Image.new("RGB", (91, 60), (4, 3, 3)).save(mine.photos / "blacker.png")
    scene(3).save(mine.photos / "alone.png")
    assert mine.index().code == 0
    return mine


BEST = [b"best.png", b"old/turned.jpg", b"q40.jpg", b"old/cropped \xff.jpg", b"half.webp", b"old/grey.jpg"]
TWINS = [b"old/twin.png", b"twin.png"]


def below(library: Library, paths: list[bytes]) -> list[bytes]:
    return [path.removeprefix(os.fsencode(library.photos) + b"/") for path in paths]


def test_the_groups_in_every_format(copies: Library) -> None:
    found = imgret("dupes")
    assert found.code == 0
    groups = [below(copies, group.split(b"\n")) for group in found.out.strip(b"\n").split(b"\n\n")]
    assert sorted(groups) == sorted([BEST, TWINS])
    assert "2 groups, 8 photos" in found.err
    zeros = imgret("dupes", "-0").out
    assert zeros.endswith(b"\0\0")
    assert [below(copies, group.split(b"\0")) for group in zeros[:-2].split(b"\0\0")] == groups
    objects = {group["kind"]: group for group in imgret("dupes", "--json").objects}
    assert [group["v"] for group in objects.values()] == [1, 1]
    assert {group["group"] for group in objects.values()} == {1, 2}
    first, *others = objects["similar"]["copies"]
    assert (first["width"], first["height"], first["format"], first["similarity"]) == (320, 240, "PNG", 1.0)
    assert first["size"] == (copies.photos / "best.png").stat().st_size
    assert all(0.88 <= copy["similarity"] <= 1 for copy in others)
    assert sum("path_bytes" in copy for copy in others) == 1
    assert [copy["online"] for copy in objects["exact"]["copies"]] == [True, True]
    assert {path.name for path in copies.photos.iterdir()} >= {"best.png", "q40.jpg", "half.webp", "twin.png"}


def test_only_equal_ones_a_folder_and_a_limit(copies: Library) -> None:
    assert below(copies, imgret("dupes", "--exact").out.split()) == TWINS
    old = imgret("dupes", copies.photos / "old").out.strip(b"\n").split(b"\n")
    assert below(copies, old) == [BEST[1], BEST[3], BEST[5]]
    strict = imgret("dupes", "--min-similarity", "0.999", "--json").objects
    assert max(len(group["copies"]) for group in strict) < len(BEST)
    empty = copies.home / "photos/old/nothing"
    empty.mkdir()
    nothing = imgret("dupes", empty)
    assert (nothing.code, nothing.out) == (1, b"")
    assert "no copies" in nothing.err


def test_copies_are_one_hit_and_show_lists_them(copies: Library) -> None:
    found = imgret("query", "--json", "name:*", "--limit", "50").objects
    most = max(found, key=lambda hit: hit["copies"])
    assert most["copies"] == len(most["other_paths"]) == len(BEST) - 1
    assert sum(1 + hit["copies"] for hit in found) == 11
    every = imgret("query", "--json", "--all-copies", "name:*", "--limit", "50").objects
    assert len(every) == 11
    assert not any(hit["copies"] for hit in every)
    shown = copies.shown("best.png")
    assert len(shown["similar_paths"]) == len(BEST) - 1
    assert "similar  " in imgret("show", copies.photos / "q40.jpg").out.decode()
    assert copies.shown("alone.png")["similar_paths"] == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--min-similarity", "2"], "between 0.8 and 1"),
        (["--min-similarity", "nan"], "between 0.8 and 1"),
        (["--min-similarity", "much"], "min-similarity"),
        (["--exact", "--bursts"], "not both"),
        (["--json", "-0"], "not both"),
        (["/"], ""),
        ([""], "empty"),
        (["/no/such"], "does not exist"),
        (["/usr"], "not in the index"),
    ],
)
def test_what_it_refuses(copies: Library, arguments: list[str], sentence: str) -> None:
    found = imgret("dupes", *arguments)
    assert found.code == (0 if arguments == ["/"] else 2)
    assert sentence in found.err
    assert "Traceback" not in found.err


def test_an_old_index_a_missing_one_and_a_disk_that_is_away(copies: Library) -> None:
    import apsw

    db = apsw.Connection(str(copies.database))
    db.execute("UPDATE content SET detail = NULL")
    coarse = imgret("dupes")
    assert "10 photos indexed by an earlier version" in coarse.err
    assert os.fsencode(copies.photos / "twin.png") in coarse.out.split(b"\n")
    db.execute("UPDATE content SET look = NULL")
    assert below(copies, imgret("dupes").out.split()) == TWINS
    db.execute("UPDATE root SET online = 0, reason = 'unplugged'")
    db.close()
    assert not any(copy["online"] for group in imgret("dupes", "--json").objects for copy in group["copies"])
    for file in copies.home.glob("index.db*"):
        file.unlink()
    missing = imgret("dupes")
    assert missing.code == 3
    assert "there is no index" in missing.err


def test_a_reader_that_closes_the_pipe(copies: Library) -> None:
    before = "import os; r, w = os.pipe(); os.close(r); os.dup2(w, 1); os.set_inheritable(1, True)"
    found = imgret_process("dupes", "-0", before=before, stdout=None)
    assert found.code == 141
    assert found.err == ""
