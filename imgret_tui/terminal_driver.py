"""Textual's Linux driver with what the picker needs beyond it. The only module that uses Textual's internals.

The driver
- reads and writes the terminal itself, wherever the standard streams are redirected;
- begins with the keys that were typed before the app started;
- keeps late responses of the terminal to our requests out of the query;
- frees our images in the terminal before it leaves the screen;
- continues when the terminal is closed, so that the app can end in order.

For this it replaces the loop that reads keys, uses Textual's parser of terminal input and sets private
attributes. `check_internals` verifies what it relies on; `driver_selection` falls back to Textual's own driver.
"""

from __future__ import annotations

import codecs
import os
import selectors
from typing import Any

from textual import events
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

from imgret.terminal.probe import split_replies
from imgret_tui.picker_messages import TerminalClosed
from imgret_tui.terminal_session import TerminalSession

_POLL_SECONDS = 0.1  # after an escape alone, this long until it counts as the escape key
_CHUNK = 1 << 16
_ATTRIBUTES = {"_file", "fileno", "input_tty", "exit_event"}
_METHODS = (
    "run_input_thread",
    "process_message",
    "start_application_mode",
    "stop_application_mode",
    "write",
)


class UnknownTextual(Exception):
    """This version of Textual lacks, or has changed, an internal that the driver uses."""


def check_internals() -> None:
    """Raise UnknownTextual, naming the first difference, if Textual is not as `TerminalDriver` needs it."""
    for name in _METHODS:
        if not callable(getattr(LinuxDriver, name, None)):
            raise UnknownTextual(f"LinuxDriver.{name}")
    missing = _ATTRIBUTES - {*_names(LinuxDriver.__init__)}
    if missing:
        raise UnknownTextual(f"LinuxDriver.{min(missing)}")
    if "_file" not in _names(LinuxDriver.start_application_mode):
        raise UnknownTextual("LinuxDriver.start_application_mode")
    try:
        parser = XTermParser()
        parsed = [*parser.feed("a\x1b[A"), *parser.tick()]
    except Exception as error:
        raise UnknownTextual(f"XTermParser: {error}") from error
    if [event.key for event in parsed if isinstance(event, events.Key)] != ["a", "up"]:
        raise UnknownTextual("XTermParser.feed")


def _names(function: Any) -> tuple[str, ...]:
    """The names of attributes and globals that a Python function uses."""
    code = getattr(function, "__code__", None)
    return code.co_names if code is not None else ()


class TerminalDriver(LinuxDriver):
    """Drives the terminal of `app.terminal`, a `TerminalSession`."""

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(app, **options)
        session: TerminalSession = app.terminal
        self._session = session
        self.fileno = session.descriptor
        self.input_tty = True
        self._file = _TerminalFile(session.descriptor)  # type: ignore[assignment]

    def start_application_mode(self) -> None:
        """Take the screen, then let the app send graphics."""
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self._session.connect(self.write)

    def stop_application_mode(self) -> None:
        """Free the images, then give the screen back."""
        self.write(self._session.text_before_exit())
        super().stop_application_mode()

    def run_input_thread(self) -> None:
        """Turn bytes into events until the app ends or the terminal is closed."""
        parser = XTermParser()
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        # A return that was typed while the terminal was in line mode came as a newline.
        pending = self._session.typed_ahead.replace(b"\n", b"\r")
        with selectors.DefaultSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self._session.is_input_ready.wait(_POLL_SECONDS) and not self.exit_event.is_set():
                pass  # the terminal keeps what is typed meanwhile
            while not self.exit_event.is_set():
                if pending:
                    _, keys, pending = split_replies(pending)
                    text = decode(keys)
                    for event in parser.feed(text) if text else ():  # an empty text would end the parser
                        self.process_message(event)
                ready = selector.select(_POLL_SECONDS)
                if ready:
                    part = self._read()
                    if not part:
                        self.process_message(TerminalClosed())
                        return
                    pending += part
                for event in parser.tick():
                    self.process_message(event)

    def _read(self) -> bytes:
        try:
            return os.read(self.fileno, _CHUNK)
        except OSError:  # EIO: the other end was closed
            return b""


class _TerminalFile:
    """Writes UTF-8 to a descriptor, whatever the locale; once the terminal is closed, it writes nothing more."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._parts: list[bytes] = []
        self._is_closed = False

    def fileno(self) -> int:
        return self._descriptor

    def write(self, text: str) -> None:
        self._parts.append(text.encode("utf-8", "replace"))

    def flush(self) -> None:
        data = memoryview(b"".join(self._parts))
        self._parts.clear()
        while data and not self._is_closed:
            try:
                data = data[os.write(self._descriptor, data) :]
            except OSError:
                self._is_closed = True
