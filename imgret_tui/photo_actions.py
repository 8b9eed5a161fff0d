"""What the app's keys do with the current photo: open, copy, write a note, run a command of the user."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct
from textual.app import App
from textual.screen import ModalScreen

from imgret.errors import ImgretError
from imgret.photo import Hit
from imgret.terminal.clean import clean
from imgret_tui import desktop
from imgret_tui import picker_messages as messages
from imgret_tui.backend_threads import BackendThreads
from imgret_tui.screens.dialogs import NoteDialog
from imgret_tui.screens.search_screen import SearchScreen
from imgret_tui.search_backend import SearchBackend

if TYPE_CHECKING:
    from imgret.own_tags import OwnTags


class Outcome(Struct, frozen=True):
    """How the app ended: an exit code as fzf's, and the chosen photos."""

    code: int
    hits: tuple[Hit, ...] = ()


class PhotoActions(App[Outcome]):
    """An app with a search screen, whose current photo these actions are about."""

    search: SearchScreen
    backend: BackendThreads

    def action_execute(self, command: str) -> None:
        """Run a command of the user on the terminal, which the picker leaves meanwhile."""
        text = self._command_text(command)
        if text is not None:
            with self.suspend():
                desktop.run_in_terminal(text)

    def action_execute_silently(self, command: str) -> None:
        """Run a command of the user without the terminal, and do not wait for it."""
        text = self._command_text(command)
        if text is not None:
            desktop.run_silently(text)

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
            self.push_screen(NoteDialog(hit), lambda text: self._save_note(hit.path, text, content_hash))

    def _save_note(self, path: bytes, text: str | None, content_hash: bytes | None) -> None:
        if text is None:
            return

        def save(backend: SearchBackend) -> messages.NoteSaved:
            backend.save_note(path, text, content_hash)
            return messages.NoteSaved(path, text)

        self.backend.run(f"note {path!r}", save)

    def action_edit_keywords(self) -> None:
        """Edit the user's own keywords of the photo."""
        self._request_own_tags(rating=False)

    def action_rate(self) -> None:
        """Choose the user's own rating of the photo."""
        self._request_own_tags(rating=True)

    def _request_own_tags(self, *, rating: bool) -> None:
        hit = self.search.hit_list.current
        if hit is not None:
            self.backend.run(
                "own tags",
                lambda backend: messages.OwnTagsReady(hit.path, backend.own_tags(hit.path), rating=rating),
            )

    def on_own_tags_ready(self, message: messages.OwnTagsReady) -> None:
        """Open the dialog, unless another screen was opened meanwhile."""
        from imgret_tui.screens.tag_dialogs import KeywordsDialog, RatingDialog

        path, tags = message.path, message.tags
        if isinstance(self.screen, ModalScreen):
            return
        if message.rating:
            self.push_screen(RatingDialog(path, tags), lambda stars: self._save_rating(path, tags, stars))
        else:
            self.push_screen(
                KeywordsDialog(path, tags), lambda labels: self._save_keywords(path, tags, labels)
            )

    def _save_keywords(self, path: bytes, tags: OwnTags, labels: list[str] | None) -> None:
        if labels is None:
            return
        kept = {label.casefold() for label in labels}
        drop = [label for label in tags.keywords if label.casefold() not in kept]

        def save(backend: SearchBackend) -> messages.TagsSaved:
            metadata = backend.change_keywords(path, labels, drop, tags.content_hash)
            return messages.TagsSaved(path, metadata, f"keywords: {', '.join(labels) or 'none'}")

        self.backend.run(f"keywords {path!r}", save)

    def _save_rating(self, path: bytes, tags: OwnTags, stars: int | None) -> None:
        if stars is None:
            return

        def save(backend: SearchBackend) -> messages.TagsSaved:
            metadata = backend.rate(path, stars, tags.content_hash)
            return messages.TagsSaved(path, metadata, f"rating: {'★' * stars or 'none of yours'}")

        self.backend.run(f"rating {path!r}", save)

    def _with_current(self, act: Callable[[Hit], None]) -> None:
        hit = self.search.hit_list.current
        if hit is not None:
            try:
                act(hit)
            except ImgretError as error:
                self._warn(error)

    def _warn(self, error: ImgretError) -> None:
        self.notify(clean(f"{error}. {error.hint}".strip()), severity="warning", markup=False)
