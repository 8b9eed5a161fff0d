"""What can this terminal show? All questions in one write, one deadline, and no typed key lost.

`Conversation` asks, lets the caller do something useful meanwhile, and then takes the answers; the
last question (primary device attributes) is one that every terminal answers, so its answer ends the
waiting. Bytes that are no answers were typed ahead and are handed back. `judge` decides, purely.
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

DEADLINE = 1.0  # seconds; a terminal at the far end of a slow line answers within half of it
DEFAULT_CELL = Cell(8, 16)
_KITTY_QUERY_ID, _FILE_QUERY_ID = 31, 32
_SHARED_MEMORY = "/dev/shm"  # noqa: S108  a file there costs no disk; its name is random and its mode 0600


class Graphics(StrEnum):
    """How pictures are shown; `AUTO` is a wish only and never an answer."""

    AUTO = "auto"
    KITTY = "kitty"
    SIXEL = "sixel"
    BLOCKS = "blocks"
    NONE = "none"


class Answers(Struct, frozen=True):
    """What a terminal said of itself; None where it kept silent."""

    attributes: tuple[int, ...] | None = None  # DA1: 4 means sixels
    name: str | None = None  # XTVERSION: "kitty(0.41.1)"
    kitty: bool = False  # answered OK to a picture in the text
    files: bool = False  # answered OK to a picture in a file
    cell: tuple[int, int] | None = None  # pixels
    window: tuple[int, int] | None = None  # pixels
    screen: tuple[int, int] | None = None  # columns, rows
    registers: int | None = None  # colours that a sixel may have


class Capabilities(Struct, frozen=True):
    """The decision: how to show pictures here."""

    graphics: Graphics
    cell: Cell = DEFAULT_CELL
    colours: int = 256  # of a sixel picture
    tmux: bool = False  # graphics sequences of kitty must be wrapped
    folder: str | None = None  # where the terminal reads pictures from files, if it does


_ANSWER = re.compile(
    rb"\x1b\[\?(?P<attributes>[\d;]*)c"
    rb"|\x1bP>\|(?P<name>[^\x1b]*)\x1b\\"
    rb"|\x1b_G(?P<keys>[^;\x1b]*);(?P<message>[^\x1b]*)\x1b\\"
    rb"|\x1b\[(?P<size>[468]);(?P<first>\d{1,6});(?P<second>\d{1,6})t"
    rb"|\x1b\[\?1;(?P<status>\d);?(?P<registers>\d{0,9})[\d;]*S"
    # What no keyboard sends, however mangled; a report that begins with 48 is Textual's own, of a resize.
    rb"|\x1b[P_][^\x1b]*\x1b\\|\x1b\[\?[\d;]*[cS]|\x1b\[(?!48;)[\d;]*t"
)
_UNFINISHED = re.compile(rb"\x1b(\[\?[\d;]*|P>[^\x1b]*\x1b?|_G[^\x1b]*\x1b?|\[[468];[\d;]*)\Z")


def split_answers(data: bytes) -> tuple[list[re.Match[bytes]], bytes, bytes]:
    """Part `data` into whole answers, everything else in its order, and an answer begun at the end."""
    found = list(_ANSWER.finditer(data))
    rest = _ANSWER.sub(b"", data)
    unfinished = _UNFINISHED.search(rest)
    if unfinished is None:
        return found, rest, b""
    return found, rest[: unfinished.start()], unfinished[0]


def read_answers(data: bytes) -> Answers:
    """The answers in `data`, the last of each kind; anything else in it is ignored."""
    said: dict[str, object] = {}
    for match in split_answers(data)[0]:
        if match["attributes"] is not None:
            said["attributes"] = tuple(int(part) for part in match["attributes"].split(b";") if part)
        elif match["name"] is not None:
            said["name"] = match["name"].decode("ascii", "replace")
        elif match["keys"] is not None:
            keys = match["keys"].split(b",")
            for name, image_id in (("kitty", _KITTY_QUERY_ID), ("files", _FILE_QUERY_ID)):
                if b"i=%d" % image_id in keys:
                    said[name] = match["message"] == b"OK"
        elif match["size"] is not None:
            kind = {b"4": "window", b"6": "cell", b"8": "screen"}[match["size"]]
            said[kind] = (int(match["second"]), int(match["first"]))
        elif match["status"] == b"0" and match["registers"]:
            said["registers"] = int(match["registers"])
    return Answers(**said)  # type: ignore[arg-type]


def question(file_query: str = "", *, tmux: bool = False) -> str:
    """Everything that is asked, the fence (DA1) last.

    tmux is asked for no picture: it would take the sequence for the title of its pane.
    """
    picture = "" if tmux else f"\x1b_Ga=q,t=d,f=24,s=1,v=1,i={_KITTY_QUERY_ID};AAAA\x1b\\{file_query}"
    return f"\x1b[>q{picture}\x1b[14t\x1b[16t\x1b[18t\x1b[?1;1S\x1b[c"


def judge(
    answers: Answers,
    wanted: Graphics = Graphics.AUTO,
    *,
    tmux: str = "",
    window_size: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> Capabilities:
    """Decide from the answers, the user's wish, tmux's word on its client and TIOCGWINSZ.

    `window_size` is (columns, rows, width, height), the last two in pixels, 0 where unknown. Only those
    terminals are sent placeholders that are known to show them: Konsole says OK and shows nothing.
    """
    in_tmux = bool(tmux)
    kitty_works = _shows_placeholders(tmux if in_tmux else answers.name or "")
    if in_tmux:
        kitty_works = kitty_works and tmux.split()[-1] in ("on", "all")
    else:
        kitty_works = kitty_works and answers.kitty
    sixel_works = 4 in (answers.attributes or ())
    graphics = wanted
    if wanted is Graphics.AUTO:
        best = Graphics.SIXEL if sixel_works else Graphics.BLOCKS
        graphics = Graphics.KITTY if kitty_works else best
    return Capabilities(
        graphics=graphics,
        cell=_cell(answers, window_size),
        colours=max(2, min(256, answers.registers or 256)),
        tmux=in_tmux,
        folder=_SHARED_MEMORY if answers.files and not in_tmux else None,
    )


def _shows_placeholders(name: str) -> bool:
    if re.search(r"\bghostty\b", name, re.IGNORECASE):
        return True
    version = re.search(r"\bkitty\((\d+)\.(\d+)", name)
    return version is not None and (int(version[1]), int(version[2])) >= (0, 28)


def _cell(answers: Answers, window_size: tuple[int, int, int, int]) -> Cell:
    columns, rows, width, height = window_size
    if answers.screen and not (columns and rows):
        columns, rows = answers.screen
    candidates = [answers.cell]
    if columns and rows:
        candidates += [
            (pixels[0] // columns, pixels[1] // rows)
            for pixels in (answers.window, (width, height))
            if pixels
        ]
    for candidate in candidates:
        if candidate and 2 <= candidate[0] <= 200 and 4 <= candidate[1] <= 400:
            return Cell(*candidate)
    return DEFAULT_CELL


def window_size(fd: int) -> tuple[int, int, int, int]:
    """(columns, rows, width, height) of the terminal at `fd`; zeros where it does not know."""
    try:
        packed = fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8))
    except OSError:
        return (0, 0, 0, 0)
    rows, columns, width, height = struct.unpack("HHHH", packed)
    return (columns, rows, width, height)


def tmux_client(environ: Mapping[str, str]) -> str:
    """What tmux knows of the terminal around it ("kitty(0.41.1) RGB,... on"); empty outside tmux."""
    if not environ.get("TMUX"):
        return ""
    wanted = "#{client_termtype} #{client_termfeatures} #{?allow-passthrough,#{allow-passthrough},off}"
    try:
        asked = subprocess.run(
            ["tmux", "display", "-p", wanted], env=environ, capture_output=True, timeout=1, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown off"
    return asked.stdout.decode("utf-8", "replace").strip() or "unknown off"


class Conversation:
    """Ask on entering, take the answers when there is time; the terminal's settings come back on leaving.

    Until then nothing that is typed or answered is echoed. A terminal that cannot be asked without
    writing on its screen (TERM=dumb or linux) is not asked.
    """

    def __init__(self, fd: int, environ: Mapping[str, str] = os.environ) -> None:
        self._fd = fd
        self._environ = environ
        self._file: str | None = None
        self._saved: list[Any] | None = None

    def __enter__(self) -> Self:
        if self._environ.get("TERM", "dumb") in ("", "dumb", "linux"):
            return self
        file_query, tmux = "", bool(self._environ.get("TMUX"))
        if not tmux:
            with contextlib.suppress(OSError):
                file_query, self._file = kitty.file_question(_FILE_QUERY_ID, _SHARED_MEMORY)
        with contextlib.suppress(termios.error):
            self._saved = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd, termios.TCSANOW)  # TCSAFLUSH would throw away what was typed ahead
            os.write(self._fd, question(file_query, tmux=tmux).encode())
        return self

    def __exit__(self, *_: object) -> None:
        self._remove_file()
        if self._saved is not None:
            with contextlib.suppress(termios.error):  # the terminal may be gone
                termios.tcsetattr(self._fd, termios.TCSANOW, self._saved)

    def answers(
        self, wanted: Graphics = Graphics.AUTO, seconds: float = DEADLINE
    ) -> tuple[Capabilities, bytes]:
        """Wait for the answers, at most `seconds`. Return the decision and the bytes typed ahead."""
        said = self._listen(time.monotonic() + seconds) if self._saved is not None else b""
        self._remove_file()
        _, typed, unfinished = split_answers(said)
        tmux = tmux_client(self._environ)
        capabilities = judge(read_answers(said), wanted, tmux=tmux, window_size=window_size(self._fd))
        return capabilities, typed + unfinished

    def _remove_file(self) -> None:
        if self._file is not None:
            with contextlib.suppress(FileNotFoundError):  # the terminal may have removed it
                os.unlink(self._file)
            self._file = None

    def _listen(self, deadline: float) -> bytes:
        said = b""
        while (left := deadline - time.monotonic()) > 0 and select.select([self._fd], [], [], left)[0]:
            part = os.read(self._fd, 65536)
            said += part
            if not part or read_answers(said).attributes is not None:
                break
        return said
