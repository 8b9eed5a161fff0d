"""The app: it owns the threads and the images, handles their messages, and ends with the chosen photos."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Iterable
from typing import ClassVar

from msgspec import Struct
from textual.app import App, SystemCommand
from textual.command import CommandPalette
from textual.driver import Driver
from textual.screen import Screen

from imgret.errors import Exit, ImgretError
from imgret.photo import Hit
from imgret.terminal.clean import clean
from imgret_tui import desktop, themes
from imgret_tui import picker_messages as messages
from imgret_tui.backend_threads import BackendThreads
from imgret_tui.image_loader import ImageLoader
from imgret_tui.keymap import Keymap
from imgret_tui.layout_memory import LayoutMemory
from imgret_tui.query_history import QueryHistory
from imgret_tui.screens.dialogs import FoldersDialog, HelpDialog, NoteDialog
from imgret_tui.screens.duplicates_screen import MOST_GROUPS, DuplicatesScreen
from imgret_tui.screens.narrow_dialog import NarrowDialog
from imgret_tui.screens.photo_screen import PhotoScreen
from imgret_tui.screens.search_screen import SearchScreen
from imgret_tui.search_backend import SearchBackend
from imgret_tui.terminal_images import TerminalImages
from imgret_tui.terminal_session import TerminalSession

REFRESH_SECONDS = 2.0  # between two checks of the status and of the files on the screen


class Outcome(Struct, frozen=True):
    """How the app ended: an exit code as fzf's, and the chosen photos."""

    code: int
    hits: tuple[Hit, ...] = ()


class PickerApp(App[Outcome]):
    """`imgret-tui`. Its result is None only after an unexpected error."""

    CSS_PATH = "picker.tcss"
    TITLE = "imgret"
    ENABLE_COMMAND_PALETTE: ClassVar[bool] = False  # its key is one of the key map

    def __init__(
        self,
        open_backend: Callable[[], SearchBackend],
        *,
        query: str = "",
        multi: bool = False,
        history: QueryHistory,
        keymap: Keymap | None = None,
        memory: LayoutMemory,
        preview_only: bool = False,
        terminal: TerminalSession | None = None,
        colourless: bool = False,
        driver: type[Driver] | None = None,
        warning: str = "",
    ) -> None:
        """`preview_only`: begin with the full-screen photo, without the list.

        `driver`: None for Textual's own. `warning`: a sentence to show at the start.
        """
        super().__init__(driver_class=driver)
        for theme in themes.ALL:
            self.register_theme(theme)
        self.theme = themes.GREY.name if colourless else themes.DARK.name
        self.terminal = terminal or TerminalSession()
        self._colourless = colourless
        self._warning = warning
        self.images = TerminalImages(
            self.terminal.capabilities,
            ImageLoader(),
            self.terminal.write,
            on_loaded=lambda path: self.post_message(messages.ImageLoaded(path)),
            on_file_changed=lambda path: self.post_message(messages.FileChanged(path)),
            on_crash=lambda error: self.post_message(messages.ThreadCrashed(error)),
            grey=colourless,
        )
        self.terminal.text_before_exit = self.images.discard_all
        self.backend = BackendThreads(open_backend, self.post_message)
        self._multi = multi
        self.duplicates: DuplicatesScreen | None = None  # the page that was opened last
        self.photo: PhotoScreen | None = None  # the full-screen photo that was opened last
        self._preview_only = preview_only
        self.key_table = keymap or Keymap()
        self.search = SearchScreen(
            query, self.backend, self.images, history, self.key_table, memory, multi=multi
        )

    def on_mount(self) -> None:
        """Let signals end the app like a key, so that the terminal is restored."""
        loop = asyncio.get_running_loop()
        if not self.is_headless:
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self._end, 128 + number)
        self.push_screen(self.search)
        self.app_resume_signal.subscribe(self, self._resumed)

    def on_unmount(self) -> None:
        """Stop the threads."""
        self.images.close()
        self.backend.close()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The command palette: the actions of the key map."""
        if screen is self.search:
            for name, description, action in self.key_table.commands():
                yield SystemCommand(name, description, lambda action=action: self._run_later(action))

    def on_input_ready(self, _: messages.InputReady) -> None:
        """Let keys come that were typed before, and begin to refresh the status."""
        self.terminal.is_input_ready.set()
        gc.freeze()  # what was imported is never garbage
        gc.enable()
        self._refresh_status()
        self.set_interval(REFRESH_SECONDS, self._refresh)
        if self._warning:
            self.notify(clean(self._warning), severity="warning", markup=False)

    def on_results_ready(self, message: messages.ResultsReady) -> None:
        """Show the results."""
        self.search.show_results(message)
        if self._preview_only and message.final and self.search.hit_list.hits:
            self._preview_only = False
            self._open_photo(alone=True)

    def on_query_failed(self, message: messages.QueryFailed) -> None:
        """Show the error below the query."""
        self.search.show_query_error(message)

    def on_job_failed(self, message: messages.JobFailed) -> None:
        """Show the error as a notification."""
        self._warn(message.error)

    def on_thread_crashed(self, message: messages.ThreadCrashed) -> None:
        """End as if the error had occurred here."""
        raise message.error

    def on_status_ready(self, message: messages.StatusReady) -> None:
        """Show the status."""
        self.search.show_status(message.status)

    def on_details_ready(self, message: messages.DetailsReady) -> None:
        """Show the details, if their photo is still on the screen."""
        self.search.photo_pane.add_details(message.path, message.details)

    def on_image_loaded(self, message: messages.ImageLoaded) -> None:
        """Send the image to the terminal and draw it."""
        self.images.send_loaded()
        self.search.hit_list.image_loaded(message.path)
        self.search.photo_pane.preview.image_loaded(message.path)
        if self.duplicates is not None and self.screen is self.duplicates:
            self.duplicates.hit_list.image_loaded(message.path)
        if self.photo is not None and self.screen is self.photo:
            self.photo.preview.image_loaded(message.path)

    def on_file_changed(self, message: messages.FileChanged) -> None:
        """Load the image and the details again."""
        self.images.discard(message.path)
        self.search.show_changed_file(message.path)

    def on_note_saved(self, message: messages.NoteSaved) -> None:
        """Show the note."""
        self.search.show_note(message.path, message.text)

    def on_folders_ready(self, message: messages.FoldersReady) -> None:
        """Show the folders and failed photos, and retry those if the user wants to."""
        self.push_screen(FoldersDialog(message.folders, message.failed), self._retry_failed)

    def on_duplicates_ready(self, message: messages.DuplicatesReady) -> None:
        """Show the near-duplicates, if their page is still open."""
        if self.duplicates is not None and self.screen is self.duplicates:
            self.duplicates.show_groups(message.found)

    def on_retry_queued(self, message: messages.RetryQueued) -> None:
        """Say how many photos are tried again."""
        self.notify(f"{message.count} will be tried again", markup=False)
        self._refresh_status()

    def on_photos_chosen(self, message: messages.PhotosChosen) -> None:
        """End with the chosen photos; with 1, as fzf, if there is none."""
        self.exit(Outcome(Exit.OK if message.hits else Exit.NO_HITS, message.hits))

    def on_terminal_closed(self, _: messages.TerminalClosed) -> None:
        """End like after SIGHUP."""
        self._end(128 + signal.SIGHUP)

    def action_abort(self) -> None:
        """Quit without choosing."""
        self._end(Exit.INTERRUPTED)

    async def action_quit(self) -> None:
        """Textual's own key to quit, ctrl+q: like any other."""
        self.action_abort()

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(HelpDialog(self.key_table))

    def action_commands(self) -> None:
        """Show all commands by name."""
        self.push_screen(CommandPalette(id="--command-palette"))

    def action_next_layout(self) -> None:
        """List, grid, full-screen photo, and the list again."""
        if self.search.hit_list.is_grid and self.search.hit_list.current is not None:
            self._open_photo(alone=False)
        else:
            self.search.set_grid(is_grid=not self.search.hit_list.is_grid)

    def _open_photo(self, *, alone: bool) -> None:
        self.photo = PhotoScreen(self.search.hit_list, self.images, multi=self._multi, alone=alone)
        self.push_screen(self.photo, self._photo_closed)

    def _photo_closed(self, next_layout: bool | None) -> None:  # noqa: FBT001  a screen's callback gets its result
        if next_layout:
            self.search.set_grid(is_grid=False)
        self.search.hit_list.reload_thumbnails()
        self.search.photo_pane.preview.show_again()

    def action_redraw(self) -> None:
        """Draw the whole screen again, also what is over the cells."""
        self.search.photo_pane.preview.cover(covered=True)
        self.refresh(layout=True)
        self.call_after_refresh(self.search.photo_pane.preview.cover, covered=False)

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

    def _resumed(self, _: object) -> None:
        """The terminal was given to another program meanwhile, and its images were freed."""
        self.search.hit_list.reload_thumbnails()
        self.search.photo_pane.preview.show_again()
        self.refresh(layout=True)

    def action_folders(self) -> None:
        """Show the folders and failed photos, once they were read."""
        self.backend.run(
            "folders", lambda backend: messages.FoldersReady(backend.folders(), backend.failed_photos())
        )

    def action_narrow(self) -> None:
        """Show what the photos of the query have in common, once it was counted."""
        query = self.search.query_input.value
        self.backend.run("facets", lambda backend: messages.FacetsReady(query, backend.facets(query)))

    def on_facets_ready(self, message: messages.FacetsReady) -> None:
        """Show them, unless another page was opened meanwhile; the chosen one becomes a filter of the query."""

        def add(text: str | None) -> None:
            if text is not None:
                self.search.set_query_text(f"{self.search.query_input.value.rstrip()} {text}".lstrip())

        if self.screen is self.search and message.query == self.search.query_input.value:
            self.push_screen(NarrowDialog(message.facets), add)

    def action_duplicates(self) -> None:
        """Open the page of near-duplicates, and find them on a thread of its own."""
        self.duplicates = DuplicatesScreen(self.images, multi=self._multi)
        self.push_screen(self.duplicates, lambda _: self.search.hit_list.reload_thumbnails())
        self.backend.run_slowly(
            "duplicates", lambda backend: messages.DuplicatesReady(backend.duplicates(MOST_GROUPS))
        )

    def action_toggle_theme(self) -> None:
        """Light or dark."""
        if not self._colourless:
            self.theme = themes.DARK.name if self.theme == themes.LIGHT.name else themes.LIGHT.name

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

    def _retry_failed(self, wanted: bool | None) -> None:  # noqa: FBT001  a screen's callback gets its result
        if wanted:
            self.backend.run("retry", lambda backend: messages.RetryQueued(backend.retry_failed()))

    def _with_current(self, act: Callable[[Hit], None]) -> None:
        hit = self.search.hit_list.current
        if hit is not None:
            try:
                act(hit)
            except ImgretError as error:
                self._warn(error)

    def _warn(self, error: ImgretError) -> None:
        self.notify(clean(f"{error}. {error.hint}".strip()), severity="warning", markup=False)

    def _run_later(self, action: str) -> None:
        self.call_later(self.run_action, action, self.search)

    def _end(self, code: int) -> None:
        self.exit(Outcome(code))

    def _refresh(self) -> None:
        self._refresh_status()
        self.images.check_files()

    def _refresh_status(self) -> None:
        self.backend.run("status", lambda backend: messages.StatusReady(backend.status()))
