"""The terminal that the app runs on, and what was learned of it before the app started."""

from __future__ import annotations

from msgspec import Struct

from imgret.terminal.probe import Capabilities, Graphics


class TerminalSession(Struct, frozen=True):
    """The terminal that the app runs on."""

    descriptor: int = -1
    capabilities: Capabilities = Capabilities(Graphics.NONE)
    typed_ahead: bytes = b""
