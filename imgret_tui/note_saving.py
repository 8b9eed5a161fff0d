"""Saving a note on a thread of the backend. A text that could not be saved is not lost."""

from __future__ import annotations

import os
import tempfile

from msgspec import Struct

from imgret.errors import ImgretError
from imgret.terminal.clean import clean
from imgret_tui.picker_messages import NoteSaved
from imgret_tui.search_backend import SearchBackend


class NoteNotSaved(ImgretError):
    """A note could not be saved: the error that says why, with the text."""

    def __init__(self, path: bytes, text: str, why: ImgretError) -> None:
        # Some errors advise to run the same command again, which there is not.
        super().__init__(str(why), "" if "command again" in why.hint else why.hint)
        self.exit_code = why.exit_code
        self.path = path
        self.text = text


class NoteJob(Struct, frozen=True):
    """Saves the note of the photo at a path; an empty text deletes it."""

    path: bytes
    text: str
    content_hash: bytes | None  # of the photo that the user saw

    def __call__(self, backend: SearchBackend) -> NoteSaved:
        """Raises NoteNotSaved, whatever went wrong."""
        try:
            backend.save_note(self.path, self.text, self.content_hash)
        except Exception as error:
            from imgret.cli.boundary import as_imgret_error

            raise self.failed(as_imgret_error(error)) from error
        return NoteSaved(self.path, self.text)

    def failed(self, why: ImgretError) -> NoteNotSaved:
        """The error that has the text."""
        return NoteNotSaved(self.path, self.text, why)


def kept(error: ImgretError) -> ImgretError:
    """The error for a user who no longer sees the text: the text is in a new file, 0600, which it names.

    Where no file can be written, it has the text itself. Errors without a text are returned as they are.
    """
    if not isinstance(error, NoteNotSaved):
        return error
    message = f"the note about {clean(os.path.basename(error.path))} was not saved: {error}"
    if not error.text:
        return ImgretError(message, error.hint)
    try:
        descriptor, name = tempfile.mkstemp(suffix=".txt", prefix="imgret-note-")
        with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(error.text)
        where = f"Its text is in {name}"
    except OSError:
        where = f"Its text: {clean(' / '.join(error.text.splitlines()))}"
    return ImgretError(message, f"{where}. {error.hint}".rstrip())
