"""The terminal that the picker runs on, as the app and its driver share it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from imgret.terminal.probe import Capabilities, Graphics


class TerminalSession:
    """One terminal, from the start of the program to its end.

    A driver that can write graphics connects itself by `connect`; until then, and without such a driver,
    `write` does nothing.
    """

    def __init__(
        self,
        descriptor: int = -1,
        capabilities: Capabilities = Capabilities(Graphics.NONE),  # noqa: B008  it is frozen
        typed_ahead: bytes = b"",
    ) -> None:
        """`descriptor`: that of the terminal, -1 for none. `typed_ahead`: what was typed before the app started."""
        self.descriptor = descriptor
        self.capabilities = capabilities
        self.typed_ahead = typed_ahead
        self.is_input_ready = threading.Event()  # keys have a widget that takes them
        self.text_before_exit: Callable[[], str] = str  # what the driver writes before it leaves the screen
        self._write: Callable[[str], None] | None = None

    def connect(self, write: Callable[[str], None]) -> None:
        """Let `write` send text to this terminal, unchanged."""
        self._write = write

    def write(self, text: str) -> None:
        """Send control sequences of graphics to the terminal."""
        if text and self._write is not None:
            self._write(text)
