"""The app: it owns the threads and the pictures, takes their messages, and ends with what was chosen."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterable
from typing import ClassVar

from msgspec import Struct
from textual.app import App, SystemCommand
from textual.driver import Driver
from textual.screen import Screen

from imgret.errors import Exit, ImgretError
from imgret.photo import Hit
from imgret.terminal.clean import clean
from imgret_tui import desktop, keymap, themes
from imgret_tui.driver import TerminalDriver
from imgret_tui.history import History
from imgret_tui.librarian import Librarian
from imgret_tui.library import Library
from imgret_tui.messages import (
    Answered,
    Broke,
    Chosen,
    DetailsKnown,
    FileChanged,
    FoldersKnown,
    HangUp,
    Listening,
    NoteSaved,
    PictureReady,
    Refused,
    Retried,
    StateKnown,
    Troubled,
)
from imgret_tui.picture_loading import Loader
from imgret_tui.pictures import Pictures
from imgret_tui.screens.search_screen import SearchScreen
from imgret_tui.screens.sheets import FoldersScreen, HelpScreen, NoteScreen
from imgret_tui.terminal_session import TerminalSession

STATE_SECONDS = 2.0  # between two looks at what the daemon does, and at the files on the screen


class Outcome(Struct, frozen=True):
    """How the app ended: an exit code as fzf's, and the photos chosen."""

    code: int
    hits: tuple[Hit, ...] = ()


class ImgretApp(App[Outcome]):
    """`imgret-tui`. Its result is None only when it broke down."""

    CSS_PATH = "app.tcss"
    TITLE = "imgret"
    COMMAND_PALETTE_BINDING: ClassVar[str] = "f2"

    def __init__(
        self,
        opened: Callable[[], Library],
        *,
        question: str = "",
        multi: bool = False,
        history: History,
        terminal: TerminalSession | None = None,
        colourless: bool = False,
        driver: type[Driver] | None = TerminalDriver,
    ) -> None:
        super().__init__(driver_class=driver)
        for theme in themes.ALL:
            self.register_theme(theme)
        self.theme = themes.GREY.name if colourless else themes.DARK.name
        self.terminal = terminal or TerminalSession()
        self.is_listening = threading.Event()  # set when keys find somebody who takes them
        self._colourless = colourless
        self.pictures = Pictures(
            self.terminal.capabilities,
            Loader(),
            self.send,
            lambda path: self.post_message(PictureReady(path)),
            lambda path: self.post_message(FileChanged(path)),
            lambda error: self.post_message(Broke(error)),
            grey=colourless,
        )
        self.librarian = Librarian(opened, self.post_message)
        self.search = SearchScreen(question, self.librarian, self.pictures, history, multi=multi)

    def on_mount(self) -> None:
        """Signals end the app as a key would, so that the terminal is left as it was found."""
        loop = asyncio.get_running_loop()
        if not self.is_headless:
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self._end, 128 + number)
        self.push_screen(self.search)

    def send(self, text: str) -> None:
        """Send text to the terminal as it is: graphics only."""
        if text and self._driver is not None and not self.is_headless:
            self._driver.write(text)

    def forget_pictures(self) -> str:
        """The text that frees every picture in the terminal; they are sent again when they are drawn."""
        return self.pictures.forget_all()

    def on_unmount(self) -> None:
        """Stop the threads."""
        self.pictures.close()
        self.librarian.close()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The command palette: the key map again."""
        if screen is self.search:
            for key in keymap.KEYS:
                name = key.action.removeprefix("app.").partition("(")[0].replace("_", " ")
                if key.group not in (keymap.MOVE, keymap.CHOOSE) and name != "command palette":
                    yield SystemCommand(
                        name.capitalize(),
                        f"{key.does} ({key.shown})",
                        lambda action=key.action: self._run(action),
                    )

    def on_listening(self, _: Listening) -> None:
        """The search has the focus: what was typed ahead may come."""
        self.is_listening.set()
        gc.freeze()  # what was imported stays
        gc.enable()
        self._look_at_state()
        self.set_interval(STATE_SECONDS, self._look_around)

    def on_answered(self, message: Answered) -> None:
        """An answer came."""
        self.search.show_answer(message)

    def on_refused(self, message: Refused) -> None:
        """A question could not be answered."""
        self.search.show_refusal(message)

    def on_troubled(self, message: Troubled) -> None:
        """Something beside the search failed."""
        self._warn(message.error)

    def on_broke(self, message: Broke) -> None:
        """A thread broke: end as if it had happened here."""
        raise message.error

    def on_state_known(self, message: StateKnown) -> None:
        """The status line tells it."""
        self.search.show_state(message.state)

    def on_details_known(self, message: DetailsKnown) -> None:
        """More is known of a photo."""
        self.search.show_details(message.path, message.details)

    def on_picture_ready(self, message: PictureReady) -> None:
        """Send what was loaded, and draw it."""
        self.pictures.settle()
        self.search.results.picture_ready(message.path)
        self.search.preview.picture_ready(message.path)

    def on_file_changed(self, message: FileChanged) -> None:
        """Load it anew."""
        self.pictures.forget(message.path)
        self.search.show_file_again(message.path)

    def on_note_saved(self, message: NoteSaved) -> None:
        """Show the note."""
        self.search.show_note(message.path, message.text)

    def on_folders_known(self, message: FoldersKnown) -> None:
        """Show the folders and failures, and retry if that is asked for."""
        self.push_screen(FoldersScreen(message.folders, message.failures), self._retry)

    def on_retried(self, message: Retried) -> None:
        """Say how many are tried again."""
        self.notify(f"{message.count} will be tried again", markup=False)
        self._look_at_state()

    def on_chosen(self, message: Chosen) -> None:
        """End with the photos chosen; as fzf, with 1 when there was none."""
        self.exit(Outcome(Exit.OK if message.hits else Exit.NO_HITS, message.hits))

    def on_hang_up(self, _: HangUp) -> None:
        """The terminal is gone."""
        self._end(128 + signal.SIGHUP)

    def action_abort(self) -> None:
        """Leave without choosing."""
        self._end(Exit.INTERRUPTED)

    async def action_quit(self) -> None:
        """Textual's own way out, ctrl+q: the same as any other."""
        self.action_abort()

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(HelpScreen())

    def action_folders(self) -> None:
        """Show the folders and failures, once they are known."""
        self.librarian.do("folders", lambda library: FoldersKnown(library.folders(), library.failures()))

    def action_toggle_theme(self) -> None:
        """Light or dark."""
        if not self._colourless:
            self.theme = themes.DARK.name if self.theme == themes.LIGHT.name else themes.LIGHT.name

    def action_open(self) -> None:
        """Open the photo in the desktop's viewer."""
        self._with_photo(lambda hit: desktop.open_path(hit.path))

    def action_reveal(self) -> None:
        """Open the photo's folder."""
        self._with_photo(lambda hit: desktop.open_path(os.path.dirname(hit.path)))

    def action_yank(self) -> None:
        """Copy the path; a name that is not UTF-8 is copied as far as it can be."""
        hit = self.search.results.current
        if hit is not None:
            self.copy_to_clipboard(hit.path.decode("utf-8", "replace"))
            self.notify(f"copied {clean(hit.path)}", markup=False)

    def action_edit_note(self) -> None:
        """Write a note about the photo."""
        hit = self.search.results.current
        if hit is not None:
            path, seen = hit.path, self.search.hash_of(hit.path)
            self.push_screen(NoteScreen(hit), lambda text: self._save_note(path, text, seen))

    def _save_note(self, path: bytes, text: str | None, seen: bytes | None) -> None:
        if text is None:
            return

        def save(library: Library) -> NoteSaved:
            library.note(path, text, seen)
            return NoteSaved(path, text)

        self.librarian.do(f"note {path!r}", save)

    def _retry(self, wanted: bool | None) -> None:  # noqa: FBT001  a screen's callback gets its result
        if wanted:
            self.librarian.do("retry", lambda library: Retried(library.retry()))

    def _with_photo(self, act: Callable[[Hit], None]) -> None:
        hit = self.search.results.current
        if hit is not None:
            try:
                act(hit)
            except ImgretError as error:
                self._warn(error)

    def _warn(self, error: ImgretError) -> None:
        self.notify(clean(f"{error}. {error.hint}".strip()), severity="warning", markup=False)

    def _run(self, action: str) -> None:
        self.call_later(self.run_action, action, self.search)

    def _end(self, code: int) -> None:
        self.exit(Outcome(code))

    def _look_around(self) -> None:
        self._look_at_state()
        self.pictures.look_again()

    def _look_at_state(self) -> None:
        self.librarian.do("state", lambda library: StateKnown(library.state()))
