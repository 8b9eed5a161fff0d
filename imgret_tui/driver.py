"""The terminal as Textual drives it, with what its own driver lacks.

It reads and writes the terminal itself, whatever the standard streams are; begins with the keys that
were typed while the terminal was asked; keeps answers that come late out of the input line; frees our
pictures before it leaves; and survives a terminal that goes away.
"""

from __future__ import annotations

import codecs
import os
import selectors
import threading
from typing import Any, Protocol, cast

from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from imgret.terminal.probe import split_answers
from imgret_tui.messages import HangUp
from imgret_tui.terminal_session import TerminalSession

_POLL = 0.1  # seconds; also how soon a lone escape is seen as that key
_CHUNK = 1 << 16


class PhotosApp(Protocol):
    """What the driver needs of the app."""

    terminal: TerminalSession
    is_listening: threading.Event  # set when there is a widget that takes keys

    def forget_pictures(self) -> str:
        """Return the text that frees every picture in the terminal."""
        ...


class TerminalDriver(LinuxDriver):
    """Textual's driver on a descriptor of its own."""

    def __init__(self, app: App[Any], **options: Any) -> None:
        """`app` is also a PhotosApp."""
        super().__init__(app, **options)
        self._photos = cast(PhotosApp, app)
        self.fileno = self._photos.terminal.descriptor
        self.input_tty = True
        self._file = _Output(self._photos.terminal.descriptor)  # type: ignore[assignment]

    def _get_terminal_size(self) -> tuple[int, int]:
        try:
            columns, rows = os.get_terminal_size(self.fileno)
        except OSError:
            return 80, 24
        return max(1, columns), max(1, rows)

    def stop_application_mode(self) -> None:
        """Free the pictures, then give the screen back."""
        self.write(self._photos.forget_pictures())
        super().stop_application_mode()

    def run_input_thread(self) -> None:
        """Turn bytes into events until told to stop or until the terminal is gone."""
        parser = XTermParser(self._debug)
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        # A return typed while the terminal was still in its line mode came as a newline.
        pending = self._photos.terminal.typed_ahead.replace(b"\n", b"\r")
        with selectors.DefaultSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self._photos.is_listening.wait(_POLL) and not self.exit_event.is_set():
                pass  # what is typed meanwhile waits in the terminal
            while not self.exit_event.is_set():
                if pending:
                    _, keys, pending = split_answers(pending)
                    text = decode(keys)
                    for event in parser.feed(text) if text else ():  # an empty text would end the parser
                        self.process_message(event)
                ready = selector.select(_POLL)
                if ready:
                    part = self._read()
                    if not part:
                        self.process_message(HangUp())
                        return
                    pending += part
                for event in parser.tick():
                    self.process_message(event)

    def _read(self) -> bytes:
        try:
            return os.read(self.fileno, _CHUNK)
        except OSError:  # EIO: the other end was closed
            return b""


class _Output:
    """UTF-8 on a descriptor, whatever the locale; once the terminal is gone, nothing more is written."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._parts: list[bytes] = []
        self._gone = False

    def fileno(self) -> int:
        return self._descriptor

    def write(self, text: str) -> None:
        self._parts.append(text.encode("utf-8", "replace"))

    def flush(self) -> None:
        data = memoryview(b"".join(self._parts))
        self._parts.clear()
        while data and not self._gone:
            try:
                data = data[os.write(self._descriptor, data) :]
            except OSError:
                self._gone = True
