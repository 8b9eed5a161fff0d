"""Detect what a terminal can show: send all queries in one write, with one deadline, and lose no typed key.

`TerminalQuery` sends the queries, lets the caller do other work meanwhile, and then reads the replies. Every terminal
replies to the last query (primary device attributes), so that reply ends the wait. All other bytes were typed by the
user and are returned to the caller. `choose_capabilities` is a pure function.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
import tty
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from msgspec import Struct

from imgret.terminal import kitty
from imgret.terminal.fit import Cell

DEADLINE = 1.0  # seconds; a terminal behind a slow connection replies within half of it
DEFAULT_CELL = Cell(8, 16)
_KITTY_QUERY_ID, _FILE_QUERY_ID = 31, 32
_MULTIPLEXERS = ("tmux", "screen")  # how their TERM begins
_SHARED_MEMORY = "/dev/shm"  # noqa: S108  a file there uses no disk; its name is random and its mode 0600


class Graphics(StrEnum):
    """How images are shown. `AUTO` is only a request and never a result."""

    AUTO = "auto"
    KITTY = "kitty"
    SIXEL = "sixel"
    BLOCKS = "blocks"
    NONE = "none"


class Replies(Struct, frozen=True):
    """The replies of a terminal; None where it did not reply."""

    attributes: tuple[int, ...] | None = None  # DA1: 4 means sixels
    name: str | None = None  # XTVERSION: "kitty(0.41.1)"
    kitty: bool = False  # accepts images in the text
    files: bool = False  # accepts images in files
    cell: tuple[int, int] | None = None  # pixels
    window: tuple[int, int] | None = None  # pixels
    screen: tuple[int, int] | None = None  # columns, rows
    registers: int | None = None  # number of colours in a sixel image
    background: str | None = None  # as X names colours: "rgb:1414/1616/1b1b"


class Capabilities(Struct, frozen=True):
    """How to show images in this terminal."""

    graphics: Graphics
    cell: Cell = DEFAULT_CELL
    colours: int = 256  # of a sixel image
    tmux: bool = False  # kitty's graphics sequences must be wrapped
    many_sixels: bool = True  # xterm keeps 16 sixels only, too few for thumbnails
    folder: str | None = None  # the folder for images that the terminal reads from files; None if it does not
    is_light: bool = False  # dark text on a light background

    @property
    def has_sixel_pages(self) -> bool:
        """Whether thumbnails are drawn as one sixel, because the terminal keeps few."""
        return self.graphics is Graphics.SIXEL and not self.many_sixels and not self.tmux


_REPLY = re.compile(
    rb"\x1b\[\?(?P<attributes>[\d;]*)c"
    rb"|\x1bP>\|(?P<name>[^\x1b]*)\x1b\\"
    rb"|\x1b_G(?P<keys>[^;\x1b]*);(?P<message>[^\x1b]*)\x1b\\"
    rb"|\x1b\[(?P<size>[468]);(?P<first>\d{1,6});(?P<second>\d{1,6})t"
    rb"|\x1b\[\?1;(?P<status>\d);?(?P<registers>\d{0,9})[\d;]*S"
    rb"|\x1b\]11;(?P<background>[^\x1b\x07]*)(?:\x07|\x1b\\)"
    # Malformed replies that no keyboard sends. A report that begins with 48 is a resize, which Textual reads.
    rb"|\x1b[P_][^\x1b]*\x1b\\|\x1b\[\?[\d;]*[cS]|\x1b\[(?!48;)[\d;]*t"
)
_UNFINISHED = re.compile(
    rb"\x1b(\[\?[\d;]*|P>[^\x1b]*\x1b?|_G[^\x1b]*\x1b?|\]11;[^\x1b\x07]*\x1b?|\[[468];[\d;]*)\Z"
)
_COLOUR = re.compile(r"rgba?:([0-9a-f]{1,4})/([0-9a-f]{1,4})/([0-9a-f]{1,4})", re.IGNORECASE)
_LUMINANCE = (0.2126, 0.7152, 0.0722)  # of red, green and blue (ITU-R BT.709)


def split_replies(data: bytes) -> tuple[list[re.Match[bytes]], bytes, bytes]:
    """Split `data` into complete replies, all other bytes in their order, and an incomplete reply at the end."""
    found = list(_REPLY.finditer(data))
    rest = _REPLY.sub(b"", data)
    unfinished = _UNFINISHED.search(rest)
    if unfinished is None:
        return found, rest, b""
    return found, rest[: unfinished.start()], unfinished[0]


def read_replies(data: bytes) -> Replies:
    """Parse the replies in `data`, the last of each kind; other bytes are ignored."""
    values: dict[str, object] = {}
    for match in split_replies(data)[0]:
        if match["attributes"] is not None:
            values["attributes"] = tuple(int(part) for part in match["attributes"].split(b";") if part)
        elif match["name"] is not None:
            values["name"] = match["name"].decode("ascii", "replace")
        elif match["keys"] is not None:
            keys = match["keys"].split(b",")
            for name, image_id in (("kitty", _KITTY_QUERY_ID), ("files", _FILE_QUERY_ID)):
                if b"i=%d" % image_id in keys:
                    values[name] = match["message"] == b"OK"
        elif match["size"] is not None:
            kind = {b"4": "window", b"6": "cell", b"8": "screen"}[match["size"]]
            values[kind] = (int(match["second"]), int(match["first"]))
        elif match["background"] is not None:
            values["background"] = match["background"].decode("ascii", "replace")
        elif match["status"] == b"0" and match["registers"]:
            values["registers"] = int(match["registers"])
    return Replies(**values)  # type: ignore[arg-type]


def queries(file_query: str = "", *, tmux: bool = False) -> str:
    """Return all queries, with primary device attributes (DA1) last.

    In tmux there is no image query: tmux would use the sequence as the title of its pane.
    """
    picture = "" if tmux else f"\x1b_Ga=q,t=d,f=24,s=1,v=1,i={_KITTY_QUERY_ID};AAAA\x1b\\{file_query}"
    return f"\x1b[>q{picture}\x1b[14t\x1b[16t\x1b[18t\x1b[?1;1;0S\x1b]11;?\x1b\\\x1b[c"


def choose_capabilities(
    replies: Replies,
    wanted: Graphics = Graphics.AUTO,
    *,
    tmux: str = "",
    window_size: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> Capabilities:
    """Choose from the terminal's replies, the user's request, tmux's report on its client and TIOCGWINSZ.

    `window_size` is (columns, rows, width, height), the last two in pixels, 0 where unknown. Placeholders are used only
    in terminals that are known to show them: Konsole accepts them and shows nothing.
    """
    in_tmux = bool(tmux)
    kitty_works = _shows_placeholders(tmux if in_tmux else replies.name or "")
    if in_tmux:
        kitty_works = kitty_works and tmux.split()[-1] in ("on", "all")
    else:
        kitty_works = kitty_works and replies.kitty
    sixel_works = 4 in (replies.attributes or ())
    graphics = wanted
    if wanted is Graphics.AUTO:
        best = Graphics.SIXEL if sixel_works else Graphics.BLOCKS
        graphics = Graphics.KITTY if kitty_works else best
    return Capabilities(
        graphics=graphics,
        cell=_cell(replies, window_size),
        colours=max(2, min(256, replies.registers or 256)),
        tmux=in_tmux,
        many_sixels="XTerm" not in (tmux if in_tmux else replies.name or ""),
        folder=_SHARED_MEMORY if replies.files and not in_tmux else None,
        is_light=_is_light(replies.background or ""),
    )


def _is_light(colour: str) -> bool:
    """Whether a colour is nearer to white than to black; False for what is no colour."""
    found = _COLOUR.match(colour)
    if found is None:
        return False
    parts = (int(part, 16) / ((1 << 4 * len(part)) - 1) for part in found.groups())
    return sum(weight * part for weight, part in zip(_LUMINANCE, parts, strict=True)) > 0.5


def _shows_placeholders(name: str) -> bool:
    if re.search(r"\bghostty\b", name, re.IGNORECASE):
        return True
    version = re.search(r"\bkitty\((\d+)\.(\d+)", name)
    return version is not None and (int(version[1]), int(version[2])) >= (0, 28)


def _cell(replies: Replies, window_size: tuple[int, int, int, int]) -> Cell:
    columns, rows, width, height = window_size
    if replies.screen and not (columns and rows):
        columns, rows = replies.screen
    candidates = [replies.cell]
    if columns and rows:
        candidates += [
            (pixels[0] // columns, pixels[1] // rows)
            for pixels in (replies.window, (width, height))
            if pixels
        ]
    for candidate in candidates:
        if candidate and 2 <= candidate[0] <= 200 and 4 <= candidate[1] <= 400:
            return Cell(*candidate)
    return DEFAULT_CELL


def window_size(fd: int) -> tuple[int, int, int, int]:
    """Return (columns, rows, width, height) of the terminal at `fd`, the last two in pixels; 0 where unknown."""
    try:
        packed = fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8))
    except OSError:
        return (0, 0, 0, 0)
    rows, columns, width, height = struct.unpack("HHHH", packed)
    return (columns, rows, width, height)


def tmux_client(environ: Mapping[str, str]) -> str:
    """Return tmux's report on its client terminal ("kitty(0.41.1) RGB,... on"); empty outside tmux."""
    if not environ.get("TMUX"):
        return ""
    wanted = "#{client_termtype} #{client_termfeatures} #{?allow-passthrough,#{allow-passthrough},off}"
    try:
        done = subprocess.run(
            ["tmux", "display", "-p", wanted], env=environ, capture_output=True, timeout=1, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown off"
    return done.stdout.decode("utf-8", "replace").strip() or "unknown off"


class TerminalQuery:
    """A context manager that sends queries on entry and restores the terminal's settings on exit.

    Until then neither typed keys nor replies are echoed. Terminals that would print the queries on the screen
    (TERM=dumb or linux) are not queried.
    """

    def __init__(self, fd: int, environ: Mapping[str, str] = os.environ) -> None:
        self._fd = fd
        self._environ = environ
        self._file: str | None = None
        self._saved: list[Any] | None = None
        self._is_read = False

    def __enter__(self) -> Self:
        kind = self._environ.get("TERM", "dumb")
        if kind in ("", "dumb", "linux"):
            return self
        # On another host, a program in tmux sees its TERM only.
        file_query, tmux = "", bool(self._environ.get("TMUX")) or kind.startswith(_MULTIPLEXERS)
        if not tmux:
            with contextlib.suppress(OSError):
                file_query, self._file = kitty.file_query(_FILE_QUERY_ID, _SHARED_MEMORY)
        with contextlib.suppress(termios.error):
            self._saved = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd, termios.TCSANOW)  # TCSAFLUSH would discard keys that were typed already
            os.write(self._fd, queries(file_query, tmux=tmux).encode())
        return self

    def __exit__(self, *_: object) -> None:
        if self._saved is not None and not self._is_read:  # ended early; the shell would get the replies
            with contextlib.suppress(OSError):
                self._receive(time.monotonic() + DEADLINE)
        self._remove_file()
        if self._saved is not None:
            with contextlib.suppress(termios.error):  # the terminal may have been closed
                termios.tcsetattr(self._fd, termios.TCSANOW, self._saved)

    def capabilities(
        self, wanted: Graphics = Graphics.AUTO, seconds: float = DEADLINE
    ) -> tuple[Capabilities, bytes]:
        """Wait for the replies, at most `seconds`. Return the capabilities and the bytes that the user typed."""
        received = self._receive(time.monotonic() + seconds) if self._saved is not None else b""
        self._is_read = True
        self._remove_file()
        _, typed, unfinished = split_replies(received)
        tmux = tmux_client(self._environ)
        capabilities = choose_capabilities(
            read_replies(received), wanted, tmux=tmux, window_size=window_size(self._fd)
        )
        return capabilities, typed + unfinished

    def _remove_file(self) -> None:
        if self._file is not None:
            with contextlib.suppress(FileNotFoundError):  # the terminal may have removed it
                os.unlink(self._file)
            self._file = None

    def _receive(self, deadline: float) -> bytes:
        received = b""
        while (left := deadline - time.monotonic()) > 0 and select.select([self._fd], [], [], left)[0]:
            part = os.read(self._fd, 65536)
            received += part
            if not part or read_replies(received).attributes is not None:
                break
        return received
