"""A note or a tag is for the photo that is at a path now, even if the last scan found another one there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from noted_library import SETTINGS, Library, picture

from imgret.cli.note_command import photo_content
from imgret.decode.pool import DecodePool


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with DecodePool(1) as decoder:
        made = Library(tmp_path, decoder)
        for number, name in enumerate(("a.jpg", "b.jpg", "c.jpg")):
            made.put(name, picture(number))
            os.utime(made.folder / name, (1_600_000_000 + number,) * 2)
        made.look()
        yield made
        made.index.close()


def find(library: Library, name: str) -> int:
    return photo_content(library.index, SETTINGS, bytes(library.folder / name))


def test_names_that_were_exchanged(library: Library) -> None:
    folder = library.folder
    before = {name: library.content(name) for name in ("a.jpg", "b.jpg", "c.jpg")}
    for old, new in (("a.jpg", "t"), ("b.jpg", "a.jpg"), ("c.jpg", "b.jpg"), ("t", "c.jpg")):
        (folder / old).rename(folder / new)
    found = {name: find(library, name) for name in before}
    assert found == {"a.jpg": before["b.jpg"], "b.jpg": before["c.jpg"], "c.jpg": before["a.jpg"]}


def test_another_photo_was_copied_to_the_name(library: Library) -> None:
    shutil.copy(library.folder / "b.jpg", library.folder / "a.jpg")
    assert find(library, "a.jpg") == library.content("b.jpg")


def test_new_bytes_may_be_an_edit_and_a_file_may_be_away(library: Library) -> None:
    content = library.content("a.jpg")
    library.put("a.jpg", picture(0, 1))
    assert find(library, "a.jpg") == content
    library.index.results.write_note(content, "ours")
    library.look()
    assert library.note("a.jpg") == "ours"
    content = library.content("a.jpg")
    (library.folder / "a.jpg").unlink()
    assert find(library, "a.jpg") == content
    library.folder.rename(library.folder.with_name("away"))
    assert find(library, "a.jpg") == content
