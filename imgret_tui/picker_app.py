"""The app: it owns the threads and the images, handles their messages, and ends with the chosen photos.

`photo_actions` and `picker_pages` have the actions of its keys.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import signal
from collections.abc import Callable, Iterable
from typing import ClassVar, TypeVar

from textual.app import SystemCommand
from textual.command import CommandPalette
from textual.dom import NoScreen
from textual.driver import Driver
from textual.message import Message
from textual.screen import Screen

from imgret.errors import Exit
from imgret.store.change_listener import ChangeListener
from imgret.terminal.clean import clean
from imgret_tui import picker_messages as messages
from imgret_tui import themes
from imgret_tui.backend_threads import BackendThreads
from imgret_tui.image_loader import ImageLoader
from imgret_tui.keymap import Keymap
from imgret_tui.layout_memory import LayoutMemory
from imgret_tui.note_saving import kept
from imgret_tui.photo_actions import Outcome
from imgret_tui.picker_pages import PickerPages
from imgret_tui.query_history import QueryHistory
from imgret_tui.screens.dialogs import HelpDialog
from imgret_tui.screens.duplicates_screen import DuplicatesScreen
from imgret_tui.screens.photo_screen import PhotoScreen
from imgret_tui.screens.search_screen import SearchScreen
from imgret_tui.search_backend import SearchBackend
from imgret_tui.terminal_images import TerminalImages
from imgret_tui.terminal_session import TerminalSession

SERVER_REFRESH_SECONDS = 20.0  # between two reads of the status of an index on a server, if nobody commits
REFRESH_SECONDS = 2.0  # between two checks of the status and of the files on the screen

Handled = TypeVar("Handled", bound=Message)


def _unless_ending(
    handler: Callable[[PickerApp, Handled], None],
) -> Callable[[PickerApp, Handled], None]:
    """Drop what background threads send after the screens were taken down."""

    @functools.wraps(handler)
    def handle(app: PickerApp, message: Handled) -> None:
        if app.search.is_attached:
            with contextlib.suppress(NoScreen):  # widgets are taken down before their screen
                handler(app, message)

    return handle


class PickerApp(PickerPages):
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
        server: str | None = None,
    ) -> None:
        """`preview_only`: begin with the full-screen photo, without the list.

        `driver`: None for Textual's own. `warning`: a sentence to show at the start. `server`: the address of an index
        on a server, of which the status is read when somebody commits, and otherwise seldom.
        """
        super().__init__(driver_class=driver)
        for theme in themes.ALL:
            self.register_theme(theme)
        self.terminal = terminal or TerminalSession()
        self._colourless = colourless
        self._memory = memory
        is_light = self.terminal.capabilities.is_light if memory.is_light is None else memory.is_light
        self.theme = themes.chosen(light=is_light, colourless=colourless).name
        self._warning = warning
        self._listener = (
            ChangeListener(server, lambda: self.post_message(messages.IndexChanged())) if server else None
        )
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
        self.unsaved = []
        self._multi = multi
        self.duplicates: DuplicatesScreen | None = None  # the page that was opened last
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
        if self._listener is not None:
            self._listener.stop()
        self.images.close()
        self.unsaved += map(kept, self.backend.close())

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
        self.set_interval(REFRESH_SECONDS, self.images.check_files)
        if self._listener is None:
            self.set_interval(REFRESH_SECONDS, self._refresh_status)
        else:
            self._listener.start()
            self.set_interval(SERVER_REFRESH_SECONDS, self._refresh_status)
        if self._warning:
            self.notify(clean(self._warning), severity="warning", markup=False)

    def on_index_changed(self, _: messages.IndexChanged) -> None:
        """Read the status."""
        self._refresh_status()

    @_unless_ending
    def on_results_ready(self, message: messages.ResultsReady) -> None:
        """Show the results."""
        self.search.show_results(message)
        if self._preview_only and message.final and self.search.hit_list.hits:
            self._preview_only = False
            self._open_photo(alone=True)

    @_unless_ending
    def on_query_failed(self, message: messages.QueryFailed) -> None:
        """Show the error below the query."""
        self.search.show_query_error(message)

    def on_thread_crashed(self, message: messages.ThreadCrashed) -> None:
        """End as if the error had occurred here."""
        raise message.error

    @_unless_ending
    def on_status_ready(self, message: messages.StatusReady) -> None:
        """Show the status."""
        self.search.show_status(message.status)

    @_unless_ending
    def on_details_ready(self, message: messages.DetailsReady) -> None:
        """Show the details, if their photo is still on the screen."""
        self.search.photo_pane.add_details(message.path, message.details)

    @_unless_ending
    def on_image_loaded(self, message: messages.ImageLoaded) -> None:
        """Send the image to the terminal and draw it."""
        self.images.send_loaded()
        self.search.hit_list.image_loaded(message.path)
        self.search.photo_pane.preview.image_loaded(message.path)
        if self.duplicates is not None and self.screen is self.duplicates:
            self.duplicates.hit_list.image_loaded(message.path)
        if self.photo is not None and self.screen is self.photo:
            self.photo.preview.image_loaded(message.path)

    @_unless_ending
    def on_file_changed(self, message: messages.FileChanged) -> None:
        """Load the image and the details again."""
        self.images.discard(message.path)
        self.search.show_changed_file(message.path)

    def on_tags_saved(self, message: messages.TagsSaved) -> None:
        """Show the keywords and the rating."""
        for path, metadata in message.metadata.items():
            self.search.show_metadata(path, metadata)
        self.notify(clean(message.text), markup=False)
        self._show_changed_photo()

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
        self.photo = PhotoScreen(
            self.search.hit_list, self.images, self.key_table, multi=self._multi, alone=alone
        )
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

    def _resumed(self, _: object) -> None:
        """The terminal was given to another program meanwhile, and its images were freed."""
        self.search.hit_list.reload_thumbnails()
        self.search.photo_pane.preview.show_again()
        if self.photo is not None and self.photo.is_attached:
            self.photo.preview.show_again()
        self.refresh(layout=True)

    def action_toggle_theme(self) -> None:
        """Light or dark, also the next time, unless it is what the terminal has."""
        is_light = self.current_theme.dark
        self.theme = themes.chosen(light=is_light, colourless=self._colourless).name
        is_own = is_light == self.terminal.capabilities.is_light
        self._memory.save_theme(is_light=None if is_own else is_light)

    def _run_later(self, action: str) -> None:
        self.call_later(self.run_action, action, self.search)

    def _end(self, code: int) -> None:
        self.exit(Outcome(code))
