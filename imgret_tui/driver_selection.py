"""Chooses the driver: the picker's own, or Textual's where this version of Textual is not known to fit."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace
from textual.driver import Driver

from imgret.terminal.probe import Capabilities, Graphics


class DriverChoice(NamedTuple):
    """A driver and what the picker can do with it."""

    driver: type[Driver] | None  # None: Textual's own
    capabilities: Capabilities
    warning: str = ""  # for the user


def choose_driver(capabilities: Capabilities) -> DriverChoice:
    """The driver for a terminal of these capabilities.

    With Textual's own driver, images are drawn as half blocks instead of graphics, and keys that were typed
    before the first screen are lost.
    """
    try:
        from imgret_tui.terminal_driver import TerminalDriver, check_internals

        check_internals()
    except Exception as error:
        graphics = capabilities.graphics
        if graphics is not Graphics.NONE:
            graphics = Graphics.BLOCKS
        warning = f"This version of Textual is not supported ({error}): no terminal graphics"
        return DriverChoice(None, replace(capabilities, graphics=graphics), warning)
    return DriverChoice(TerminalDriver, capabilities)
