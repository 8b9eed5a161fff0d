"""The note of a deleted photo is reported at a new photo that looks like it: a smaller version under another name."""

from __future__ import annotations

import io

import pytest
from noted_library import Library, picture
from PIL import Image


@pytest.fixture(autouse=True)
def noted(library: Library) -> None:
    """A photo with a note, and another one: an empty folder would count as an unmounted disk."""
    library.put("a.jpg", picture(1))
    library.put("z.jpg", picture(4))
    library.look()
    library.write("a.jpg", "ours")


def resized(data: bytes) -> bytes:
    made = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.resize((40, 30)).save(made, "JPEG", quality=80)
    return made.getvalue()


def test_the_note_of_an_original_that_is_deleted_as_a_smaller_copy_arrives(library: Library) -> None:
    library.put("small.jpg", resized(picture(1)))
    library.put("other.jpg", picture(2))
    (library.folder / "a.jpg").unlink()
    library.look()
    assert (library.note("small.jpg"), library.note("other.jpg")) == (None, None)
    assert library.lost() == [("small.jpg", "ours")]
    library.put("back.jpg", picture(1))  # with its note
    library.look()
    assert (library.note("back.jpg"), library.lost()) == ("ours", [])


@pytest.mark.parametrize("end", ["written", "forgotten", "deleted"])
def test_it_is_reported_until_the_user_decided(library: Library, end: str) -> None:
    (library.folder / "a.jpg").unlink()
    library.look()
    assert library.lost() == []  # a deletion alone is none of our business
    library.put("small.jpg", resized(picture(1)))
    library.look()
    assert library.lost() == [("small.jpg", "ours")]
    if end == "written":
        library.write("small.jpg", "ours, smaller")
    elif end == "forgotten":
        assert library.index.notes.forget_lost(bytes(library.folder / "small.jpg")) == 1
    else:
        (library.folder / "small.jpg").unlink()
        library.look()
    assert library.lost() == []


def test_a_copy_beside_the_original_is_not_reported(library: Library) -> None:
    library.put("small.jpg", resized(picture(1)))
    library.look()
    assert (library.note("a.jpg"), library.note("small.jpg"), library.lost()) == ("ours", None, [])
