"""A note is written in the user's editor, and is not lost if it cannot be saved."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import Library, imgret


def test_a_note_is_edited_in_the_editor(
    words: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    photo = words.photos / "IMG_1.jpg"
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf "%s and more" "$(cat "$1")" > "$1.new" && mv "$1.new" "$1"\n')
    editor.chmod(0o700)
    monkeypatch.setenv("VISUAL", str(editor))
    assert imgret("note", photo, "first").code == 0
    assert imgret("note", photo, "--edit").code == 0
    assert imgret("note", photo).out == b"first and more\n"
    monkeypatch.setenv("VISUAL", "false")
    failed = imgret("note", photo, "--edit")
    assert (failed.code, "was not changed" in failed.err) == (2, True)
    assert imgret("note", photo, "text", "--clear").code == 2
    unknown = imgret("note", words.photos / "nowhere.jpg", "x")
    assert (unknown.code, "is not in the index: there is no such file" in unknown.err) == (2, True)


def test_a_text_that_cannot_be_saved_stays_in_a_file(
    words: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    photo = words.photos / "IMG_1.jpg"
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)  # Python has remembered it
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nseq 30000 > "$1"\n')
    editor.chmod(0o700)
    monkeypatch.setenv("VISUAL", str(editor))
    failed = imgret("note", photo, "--edit")
    assert (failed.code, "the limit is 100000 characters" in failed.err) == (2, True)
    kept = re.search(r"the note was not saved; its text is in (.*)", failed.err)
    assert kept is not None
    assert Path(kept[1]).read_text().startswith("1\n2\n3\n")
    assert Path(kept[1]).stat().st_mode & 0o777 == 0o600
    editor.write_text('#!/bin/sh\necho short > "$1"\n')
    assert imgret("note", photo, "--edit").code == 0
    assert sorted(each.name for each in tmp_path.glob("imgret-note-*")) == [Path(kept[1]).name]


def test_an_editor_with_an_open_quote_is_reported(words: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "vi 'x")
    failed = imgret("note", words.photos / "IMG_1.jpg", "--edit")
    assert (failed.code, "cannot be started" in failed.err) == (2, True)
