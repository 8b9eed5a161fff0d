"""A note belongs to its content, and is copied to an edit of the same image. Uses real files and a real decoder."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from noted_library import Library, picture

from imgret.decode.pool import DecodePool
from imgret.store import policy

NAMES = st.sampled_from("abcd")
STEPS = st.one_of(
    st.tuples(st.just("new"), NAMES, st.integers(0, 4)),  # another image, possibly one that was there before
    st.tuples(st.just("edit"), NAMES, st.just("")),
    st.tuples(st.just("half"), NAMES, st.just("")),  # a file that is still being written
    st.tuples(st.just("delete"), NAMES, st.just("")),
    st.tuples(st.just("rename"), NAMES, NAMES),
    st.tuples(st.just("copy"), NAMES, NAMES),
    st.tuples(st.just("swap"), NAMES, NAMES),
    st.tuples(st.just("note"), NAMES, st.just("")),
    st.tuples(st.just("look"), st.just(""), st.just("")),
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=4, max_size=24))
def test_notes_are_on_the_content_they_were_written_for_and_on_its_edits(
    decoder: DecodePool, steps: list[tuple[str, str, int | str]]
) -> None:
    """The model of this test has the subject of each file; the index has to detect it."""
    files: dict[str, tuple[int, int]] = {}  # name -> (subject, version); subject -1: an incomplete file
    before: dict[str, tuple[int, int]] = {}  # the image last seen at a name
    seen: set[tuple[int, int]] = set()
    # Name -> the new image, and the noted one before it while that exists elsewhere too.
    open_: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {}
    notes: dict[tuple[int, int], str] = {}
    version = 0
    with TemporaryDirectory() as home:
        library = Library(Path(home), decoder)
        for step, name, other in [*steps, ("look", "", "")]:
            version += 1
            path = library.folder / f"{name}.jpg"
            target = library.folder / f"{other}.jpg"
            if step == "new":
                files[name] = (int(other), 0)
                library.put(path.name, picture(int(other)))
            elif step == "half":
                files[name] = (-1, version)
                library.put(path.name, picture(9, version)[: 400 + version])
            elif step == "look":
                library.look()
                for each, what in files.items():
                    source = before.get(each)
                    if source != what:
                        open_.pop(each, None)
                    if what not in seen and what[0] >= 0 and source in notes:
                        open_[each] = (what, source)
                for each, (what, source) in list(open_.items()):
                    if source not in files.values() and what in files.values():
                        del open_[each]
                        if source[0] == what[0]:
                            notes.setdefault(what, notes[source])
                before.update({each: what for each, what in files.items() if what[0] >= 0})
                seen.update(what for what in files.values() if what[0] >= 0)
                found = {each: library.note(f"{each}.jpg") for each in files}
                assert found == {each: notes.get(what) for each, what in files.items()}
            elif name not in files or (step in ("rename", "copy", "swap") and name == other):
                continue
            elif step == "edit" and files[name][0] >= 0:
                files[name] = (files[name][0], version)
                library.put(path.name, picture(*files[name]))
            elif step == "delete":
                del files[name]
                path.unlink()
            elif step == "rename":
                files[str(other)] = files.pop(name)
                path.rename(target)
            elif step == "copy":
                files[str(other)] = files[name]
                library.put(target.name, path.read_bytes())
            elif step == "swap" and other in files:
                files[name], files[str(other)] = files[str(other)], files[name]
                path.rename(library.folder / ".swap")
                target.rename(path)
                (library.folder / ".swap").rename(target)
            elif step == "note" and before.get(name) == files[name]:  # it was scanned since
                notes[files[name]] = f"note {version}"
                open_ = {each: pair for each, pair in open_.items() if pair[1] != files[name]}
                library.write(path.name, notes[files[name]])
        library.index.close()


def test_an_editor_that_deletes_and_writes_the_file_keeps_the_note(library: Library) -> None:
    library.put("a.jpg", picture(1))
    library.look()
    library.write("a.jpg", "ours")
    (library.folder / "a.jpg").unlink()
    library.put("other.jpg", picture(3))  # an empty folder would count as an unmounted disk
    library.look()
    library.put("a.jpg", picture(1, 3))
    library.look()
    assert (library.note("a.jpg"), library.note("other.jpg")) == ("ours", None)


def test_a_deleted_photo_that_is_there_again_but_cannot_be_read_keeps_its_note(library: Library) -> None:
    library.put("a.jpg", picture(1))
    library.put("other.jpg", picture(3))
    library.look()
    library.write("a.jpg", "ours")
    content = library.content("a.jpg")
    (library.folder / "a.jpg").unlink()
    library.look()
    (library.folder / "a.jpg").touch()
    library.look()
    assert library.note("a.jpg") == "ours"
    words = library.index.words
    assert words.best(words.terms(["a"]), 9, 99).tolist() == [content]  # by its name
    library.put("a.jpg", picture(1, 3))
    library.look()
    assert library.note("a.jpg") == "ours"
    assert library.content("a.jpg") != content


def test_another_image_does_not_get_the_note_and_status_lists_it(library: Library) -> None:
    library.put("a.jpg", picture(1))
    library.look()
    library.write("a.jpg", "ours")
    library.put("a.jpg", picture(2))
    library.look()
    assert library.note("a.jpg") is None
    assert library.lost() == [("a.jpg", "ours")]
    library.put("b.jpg", picture(1))  # the old image is restored, with its note
    library.look()
    assert library.note("b.jpg") == "ours"
    assert library.lost() == []


def test_the_capture_time_distinguishes_photos_of_a_burst(library: Library) -> None:
    library.put("a.jpg", picture(1, 0, "2020:05:01 10:00:00"))
    library.put("b.jpg", picture(1, 1, "2020:05:01 10:00:07"))
    library.look()
    library.write("a.jpg", "eyes open")
    library.write("b.jpg", "eyes closed")
    library.put("a.jpg", picture(1, 2, "2020:05:01 10:00:09"))  # similar, but taken later
    library.put("b.jpg", picture(2, 0, "2020:05:01 10:00:07"))  # painted over, with the same time
    library.look()
    assert (library.note("a.jpg"), library.note("b.jpg")) == (None, "eyes closed")


def test_a_file_written_in_place_keeps_its_note_while_empty_or_incomplete(library: Library) -> None:
    path = library.folder / "a.jpg"
    path.write_bytes(picture(1))
    library.put("z.jpg", picture(4))
    library.look()
    library.write("a.jpg", "ours")
    with path.open("wb") as file:
        library.look()
        assert library.note("a.jpg") == "ours"  # the old note, until the new content is decoded
        (library.folder / "stranger.jpg").touch()
        library.look()
        whole = picture(2)
        file.write(whole[:500])
        file.flush()
        library.look()
        file.write(whole[500:])
    library.look()
    assert library.note("a.jpg") == "ours"
    (library.folder / "stranger.jpg").write_bytes(picture(3))
    library.look()
    assert library.note("stranger.jpg") is None


def test_a_note_on_a_photo_edited_meanwhile_is_copied_to_the_edit(library: Library) -> None:
    library.put("a.jpg", picture(1))
    library.put("b.jpg", picture(2))
    library.look()
    opened = library.content("a.jpg")  # as `note --edit` and `note --import` do
    library.put("a.jpg", picture(1, 1))
    library.look()
    library.put("a.jpg", picture(1, 2))
    library.look(describe=False)
    library.index.results.write_note(opened, "written slowly")
    library.look()
    assert library.note("a.jpg") == "written slowly"
    library.write("b.jpg", "other")
    library.index.results.write_note(opened, None)
    assert library.note("b.jpg") == "other"


def test_another_image_at_the_path_does_not_get_a_note_written_for_the_first(library: Library) -> None:
    library.put("a.jpg", picture(1))
    library.put("b.jpg", picture(2))
    library.look()
    opened = library.content("a.jpg")
    (library.folder / "a.jpg").rename(library.folder / "c.jpg")
    (library.folder / "b.jpg").rename(library.folder / "a.jpg")
    library.look()
    library.index.results.write_note(opened, "of the first")
    assert (library.note("a.jpg"), library.note("c.jpg")) == (None, "of the first")


def test_equal_pixels_do_not_share_a_note(library: Library) -> None:
    library.put("a.jpg", picture(1, 0, "2020:05:01 10:00:00"))
    library.look()
    library.write("a.jpg", "ours")
    library.put("b.jpg", picture(1, 0, "2021:05:01 10:00:00"))
    library.look()
    assert library.index.results.pixels(library.content("a.jpg")) == library.index.results.pixels(
        library.content("b.jpg")
    )
    assert library.note("b.jpg") is None


def test_a_note_remembers_its_path_after_the_tombstone(library: Library) -> None:
    library.put("a.jpg", picture(1))
    library.put("b.jpg", picture(2))
    library.look()
    library.write("a.jpg", "ours")
    (library.folder / "a.jpg").unlink()
    library.look()
    library.index.contents.purge(int(time.time()) + policy.KEEP_TOMBSTONES + 9)
    library.put("a.jpg", picture(3))
    library.look()
    assert library.note("a.jpg") is None
    assert library.lost() == [("a.jpg", "ours")]


def test_a_noted_photo_without_a_signature_is_decoded_again(library: Library) -> None:
    library.put("a.jpg", picture(1))
    library.look()
    content = library.content("a.jpg")
    library.index.db.execute("UPDATE content SET look = NULL")
    library.index.results.write_note(content, "ours")
    assert "decode" in library.index.work.of(content)
    library.look()
    assert library.index.contents.look(content) is not None
    assert library.index.roots.all()[0].online


@pytest.mark.parametrize("folder_of_copy", ["", "backup"])
def test_an_editor_that_makes_a_temporary_copy_keeps_the_note(library: Library, folder_of_copy: str) -> None:
    """The result must not depend on whether the scan sees the temporary copy."""
    (library.folder / "backup").mkdir()
    library.put("a.jpg", picture(1))
    library.put("other.jpg", picture(4))
    library.look()
    library.write("a.jpg", "ours")
    copy = library.folder / folder_of_copy / "a-copy.jpg"
    (library.folder / "a.jpg").rename(copy)
    library.put("a.jpg", picture(1, 3))
    library.look()
    assert library.note("a.jpg") is None  # the note stays with the old image while that exists
    copy.unlink()
    library.look()
    assert library.note("a.jpg") == "ours"


def test_a_note_on_an_original_that_exists_beside_its_edit_is_not_copied(library: Library) -> None:
    library.put("a.jpg", picture(1))
    library.put("b.jpg", picture(1))
    library.look()
    library.put("a.jpg", picture(1, 3))
    library.look()
    library.write("b.jpg", "of the original")
    (library.folder / "b.jpg").unlink()
    library.look()
    assert library.note("a.jpg") is None


def test_a_photo_edited_after_its_folder_was_moved_keeps_its_note_when_the_old_folder_is_removed(
    library: Library,
) -> None:
    library.put("a.jpg", picture(1))
    library.look()
    library.write("a.jpg", "ours")
    old, library.folder = library.folder, library.folder.with_name("moved")
    old.rename(library.folder)
    library.look()
    library.put("a.jpg", picture(1, 2))
    library.look()
    library.index.removal.remove_folder(bytes(old), [], int(time.time()))
    library.look()
    assert library.note("a.jpg") == "ours"
