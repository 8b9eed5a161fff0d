"""Run commands in a terminal of their own and draw what they print: `python -m testbed.session_svg FILE.svg COMMAND...`.

Progress bars and questions to the terminal are left out. The home folder is shown as /home/you.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

from rich.console import Console
from rich.text import Text

COLUMNS, ROWS = 84, 40
# Escape sequences other than colours: questions to the terminal, cursor movements, titles.
_NO_COLOUR = re.compile(r"\x1b\[[0-9;?>]*[A-LN-Za-ln-z]|\x1b[_P\]X^][^\x07\x1b]*(?:\x07|\x1b\\)")


def main(path: str, commands: list[str]) -> None:
    """Write the drawing to `path`."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(
            record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor"
        )
        for command in commands:
            console.print(Text.assemble(("$ ", "bold green"), (command, "bold")), no_wrap=True)
            if printed := shown(output(command)):
                console.print(Text.from_ansi(printed), no_wrap=True)
        console.save_svg(path, title="imgret")


def output(command: str) -> str:
    """Return what a command writes to its terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, COLUMNS * 9, ROWS * 18))
    process = subprocess.Popen(
        ["bash", "-c", command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        env=os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
    )
    os.close(theirs)
    found = bytearray()
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        found += piece
    os.close(ours)
    process.wait()
    return found.decode(errors="replace")


def shown(printed: str) -> str:
    """Return the text and colours that stay on the screen."""
    lines = _NO_COLOUR.sub("", printed).replace("\r\n", "\n").split("\n")
    text = "\n".join(line.rpartition("\r")[2] for line in lines if "━" not in line)
    return text.replace(os.path.expanduser("~"), "/home/you").rstrip("\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
