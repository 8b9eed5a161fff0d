"""What the app's keys do with the current or the marked photos: open, copy, write a note, run a command of the user."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from textual.app import App
from textual.screen import ModalScreen

from imgret.errors import ImgretError
from imgret.photo import Hit
from imgret.terminal.clean import clean
from imgret_tui import desktop
from imgret_tui import picker_messages as messages
from imgret_tui.backend_threads import BackendThreads
from imgret_tui.note_saving import NoteJob, NoteNotSaved, kept
from imgret_tui.screens.photo_screen import PhotoScreen
from imgret_tui.screens.search_screen import SearchScreen
from imgret_tui.search_backend import SearchBackend

if TYPE_CHECKING:
    from imgret.own_tags import OwnTags
    from imgret_tui.screens.note_dialog import NoteDialog

    ChangeTags = Callable[[SearchBackend, bytes, OwnTags], dict[str, Any] | None]  # -> the metadata


class Outcome(Struct, frozen=True):
    """How the app ended: an exit code as fzf's, and the chosen photos."""

    code: int
    hits: tuple[Hit, ...] = ()


class PhotoActions(App[Outcome]):
    """An app with a search screen, whose current photo these actions are about."""

    search: SearchScreen
    photo: PhotoScreen | None = None  # the full-screen photo that was opened last
    backend: BackendThreads
    note_dialog: NoteDialog | None = None  # that was opened last
    note_job: NoteJob | None = None  # that was requested last, by that dialog or an earlier one
    # to print at the end: errors of notes and tags, which the user may not have seen
    unsaved: list[ImgretError]

    def action_execute(self, command: str) -> None:
        """Run a command of the user on the terminal, which the picker leaves meanwhile."""
        text = self._command_text(command)
        if text is not None:
            try:
                with self.suspend():
                    desktop.run_in_terminal(text)
            except ImgretError as error:
                self._warn(error)

    def action_execute_silently(self, command: str) -> None:
        """Run a command of the user without the terminal, and do not wait for it."""
        text = self._command_text(command)
        if text is not None:
            try:
                desktop.run_silently(text)
            except ImgretError as error:
                self._warn(error)

    def _command_text(self, command: str) -> bytes | None:
        """A command with the current photo for `{}` and the marked ones for `{+}`; None if there is no photo."""
        current, marked = self.search.hit_list.current, self.search.hit_list.marked
        if current is None:
            return None
        return desktop.filled_in(command, current.path, [hit.path for hit in marked] or [current.path])

    def action_open(self) -> None:
        """Open the photo in the desktop's image viewer."""
        self._with_current(lambda hit: desktop.open_path(hit.path))

    def action_reveal(self) -> None:
        """Open the photo's folder."""
        self._with_current(lambda hit: desktop.open_path(os.path.dirname(hit.path)))

    def action_yank(self) -> None:
        """Copy the path to the clipboard; bytes that are not UTF-8 are replaced."""
        hit = self.search.hit_list.current
        if hit is not None:
            self.copy_to_clipboard(hit.path.decode("utf-8", "replace"))
            self.notify(f"copied {clean(hit.path)}", markup=False)

    def action_edit_note(self) -> None:
        """Edit the note of the photo."""
        hit = self.search.hit_list.current
        if hit is not None:
            details = self.search.photo_pane.details_of(hit.path)
            content_hash = details.content_hash if details else None
            from imgret_tui.screens.note_dialog import NoteDialog

            def save(text: str) -> None:
                self.note_job = NoteJob(hit.path, text, content_hash)
                self.backend.save(self.note_job)

            self.note_dialog = NoteDialog(clean(os.path.basename(hit.path)), hit.note or "", save)
            self.push_screen(self.note_dialog)

    def on_note_saved(self, message: messages.NoteSaved) -> None:
        """Show the note, and close its dialog."""
        self.search.show_note(message.path, message.text)
        self._show_changed_photo()
        if dialog := self._dialog_of(message):
            dialog.saved()

    def _dialog_of(self, note: messages.NoteSaved | NoteNotSaved) -> NoteDialog | None:
        """The dialog that waits for this note, if it is still open: the note of an earlier dialog may end later."""
        dialog, job = self.note_dialog, self.note_job
        if dialog is None or job is None or (job.path, job.text) != (note.path, note.text):
            return None
        return dialog if dialog.is_saving and dialog.is_active else None

    def on_job_failed(self, message: messages.JobFailed) -> None:
        """Show the error: in the dialog of its note, if that is open, else as a notification."""
        self.backend.forget(message.error)
        dialog = self._dialog_of(message.error) if isinstance(message.error, NoteNotSaved) else None
        if dialog is not None:
            dialog.show_error(message.error)
            return
        error = kept(message.error)
        if error is not message.error:
            self.unsaved.append(error)
        self._warn(error)

    def _show_changed_photo(self) -> None:
        if self.photo is not None and self.photo.is_attached:
            self.photo.show_photo()

    def action_edit_keywords(self) -> None:
        """Edit the user's own keywords of the marked photos, or of the current one."""
        self._request_own_tags(rating=False)

    def action_rate(self) -> None:
        """Choose the user's own rating of the marked photos, or of the current one."""
        self._request_own_tags(rating=True)

    def _request_own_tags(self, *, rating: bool) -> None:
        current = self.search.hit_list.current
        marked = (
            self.search.hit_list.marked if self.screen is self.search else []
        )  # a full-screen photo is meant alone
        paths = [hit.path for hit in marked or ([current] if current else [])]
        if paths:
            self.backend.run(
                "own tags",
                lambda backend: messages.OwnTagsReady(
                    {path: backend.own_tags(path) for path in paths}, rating=rating
                ),
            )

    def on_own_tags_ready(self, message: messages.OwnTagsReady) -> None:
        """Open the dialog, which says how many photos it is about, unless another screen was opened meanwhile."""
        from imgret.own_tags import in_common
        from imgret_tui.screens.tag_dialogs import KeywordsDialog, RatingDialog

        photos = message.photos
        if isinstance(self.screen, ModalScreen):
            return
        shared = in_common([*photos.values()])
        whose = (
            f"{len(photos)} marked photos" if len(photos) > 1 else clean(os.path.basename(next(iter(photos))))
        )
        if message.rating:
            self.push_screen(RatingDialog(whose, shared), lambda stars: self._save_rating(photos, stars))
        else:
            self.push_screen(
                KeywordsDialog(whose, shared), lambda labels: self._save_keywords(photos, shared, labels)
            )

    def _save_keywords(
        self, photos: Mapping[bytes, OwnTags], shared: OwnTags, labels: list[str] | None
    ) -> None:
        """Save the edited keywords that the photos had in common; each keeps its others."""
        if labels is None:
            return
        kept = {label.casefold() for label in labels}
        drop = [label for label in shared.keywords if label.casefold() not in kept]
        self._save_tags(
            photos,
            lambda backend, path, tags: backend.change_keywords(path, labels, drop, tags.content_hash),
            f"keywords: {', '.join(labels) or 'none'}",
        )

    def _save_rating(self, photos: Mapping[bytes, OwnTags], stars: int | None) -> None:
        if stars is not None:
            self._save_tags(
                photos,
                lambda backend, path, tags: backend.rate(path, stars, tags.content_hash),
                f"rating: {'★' * stars or 'none of yours'}",
            )

    def _save_tags(self, photos: Mapping[bytes, OwnTags], change: ChangeTags, text: str) -> None:
        of = f"{len(photos)} photos, " if len(photos) > 1 else ""
        self.backend.save(
            lambda backend: messages.TagsSaved(
                {path: change(backend, path, tags) for path, tags in photos.items()}, of + text
            )
        )

    def _with_current(self, act: Callable[[Hit], None]) -> None:
        hit = self.search.hit_list.current
        if hit is not None:
            try:
                act(hit)
            except ImgretError as error:
                self._warn(error)

    def _warn(self, error: ImgretError) -> None:
        self.notify(clean(f"{error}. {error.hint}".strip()), severity="warning", markup=False)
